//! Pages of a wallet's lists, by an explorer or by a node.

use pnl_core::Address;
use serde_json::Value;

use super::pool::{EvmPool, TOO_LONG};
use super::ranges::AdaptiveRange;
use super::refusal::RANGE_TOO_LARGE;
use super::{ActivityPage, explorer, logs, node};
use crate::error::SourceError;
use crate::json_rpc::{Reply, RpcCall};

impl EvmPool {
    /// A page of a list by an explorer.
    pub(super) async fn explored(
        &self,
        action: &'static str,
        wallet: &Address,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError> {
        let Some(explorers) = &self.explorers else { return Err(not_offered(action)) };
        let request = explorer::list_request(action, wallet, from, to);
        explorers.call(action, &request, |body| explorer::read_page(body, from, to)).await
    }

    /// A page of the calls from and to a wallet, by a node's index or by its traces.
    pub(super) async fn calls(
        &self,
        wallet: &Address,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError> {
        let search = RpcCall::new(
            "ots_searchTransactionsAfter",
            logs::search_after(wallet, from.saturating_sub(1)),
        );
        let read = |reply: &Reply<'_>| logs::read_search(node::result(reply)?, from, to);
        match self.ask(&search, read).await {
            Err(SourceError::Permanent { code: "method-not-found", .. }) => {}
            answer => return answer,
        }
        let filters = |end| logs::trace_filters(wallet, from, end);
        self.ranged("trace_filter", &self.trace_range, filters, from, to).await
    }

    /// A page of a question over a range of blocks, as long as the node takes it.
    pub(super) async fn ranged(
        &self,
        method: &'static str,
        range: &AdaptiveRange,
        filters: impl Fn(u64) -> Vec<Value>,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError> {
        loop {
            let end = range.end(from, to);
            let blocks = end - from + 1;
            let read = |_, reply: &Reply<'_>| logs::read_rows(reply, from, end);
            match self.ask_each(method, filters(end), read).await {
                Ok(rows) => {
                    range.answered(blocks);
                    return Ok(logs::whole_page(rows.into_iter().flatten().collect(), end));
                }
                Err(SourceError::Permanent { code, .. })
                    if (code == RANGE_TOO_LARGE || TOO_LONG.contains(&code))
                        && range.refused(blocks) => {}
                Err(error) => {
                    // It may have been too much work for the node: less of it next time.
                    if matches!(error, SourceError::Transient { .. }) {
                        range.refused(blocks);
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// No configured provider has the list.
fn not_offered(list: &str) -> SourceError {
    let detail = format!("no explorer is configured for {list}");
    SourceError::Permanent { code: "method-not-found", detail }
}
