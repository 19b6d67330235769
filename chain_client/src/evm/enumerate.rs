//! Pages of a wallet's lists, by an explorer or by a node.

use pnl_core::Address;
use serde_json::Value;

use super::listing::{Doubtful, Listing};
use super::pool::EvmPool;
use super::ranges::AdaptiveRange;
use super::{Activity, ActivityPage, EvmSource, explorer, listing, logs, node};
use crate::endpoint::Outgoing;
use crate::error::SourceError;
use crate::failure::{Failure, RANGE_TOO_LARGE};
use crate::json_rpc::{BATCH_REFUSED, Reply, RpcCall};
use crate::retry::{Endpoints, is_about_size};

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
        // What takes the explorer too long is asked for in shorter spans, for this list alone: most
        // wallets have few transactions and need one question.
        let key = (wallet.clone(), action);
        loop {
            let end = self.spans.end(&key, from, to);
            let request = explorer::list_request(action, wallet, from, end);
            let read = |place: usize, body: &[u8]| {
                let doubtful_from = self.whole_pages.doubtful_from(place, action);
                Ok((place, listing::read_page(body, from, end, doubtful_from)?))
            };
            let page = match explorers.call_placed(None, action, &request, read).await {
                Ok((_, Listing::Whole(page))) => page,
                Ok((place, Listing::Doubtful(page))) => {
                    self.settled(explorers, place, action, wallet, end, page).await
                }
                Ok((_, Listing::Crowded { block, rows })) => {
                    return self.crowd(explorers, action, wallet, (block, rows)).await;
                }
                Err(SourceError::Permanent { code: RANGE_TOO_LARGE, .. })
                    if self.spans.refused(&key, from, end) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.spans.answered(&key, page.reached >= to);
            return Ok(page);
        }
    }

    /// What a page in doubt is worth, by the word of the explorer at `place` that gave it. Without one it
    /// counts as cut: the list goes on from its last block anyway.
    async fn settled(
        &self,
        explorers: &Endpoints,
        place: usize,
        action: &'static str,
        wallet: &Address,
        end: u64,
        page: Doubtful,
    ) -> ActivityPage {
        let request = explorer::list_request(action, wallet, page.last.0, end);
        let read = |body: &[u8]| listing::read_rest(body, page.last);
        match explorers.call_one(place, action, &request, read).await {
            Ok(true) => {
                self.whole_pages.shown(place, action, page.length);
                page.whole
            }
            Ok(false) | Err(_) => page.cut,
        }
    }

    /// All of a block that fills a page.
    async fn crowd(
        &self,
        explorers: &Endpoints,
        action: &'static str,
        wallet: &Address,
        (block, mut rows): (u64, Vec<Activity>),
    ) -> Result<ActivityPage, SourceError> {
        let length = rows.len();
        for page in 2.. {
            let request = listing::crowd_request(action, wallet, block, (page, length))?;
            let read = |body: &[u8]| listing::read_crowd(body, block);
            let more = explorers.call(action, &request, read).await?;
            let is_last = more.len() < length;
            rows.extend(more);
            if is_last {
                break;
            }
        }
        Ok(logs::whole_page(rows, block))
    }

    /// A page of the calls from and to a wallet, by a node's index or by its traces.
    pub(super) async fn calls(
        &self,
        wallet: &Address,
        from: u64,
        to: u64,
    ) -> Result<ActivityPage, SourceError> {
        let search = vec![logs::search_after(wallet, from.saturating_sub(1))];
        let read = |reply: &Reply<'_>| logs::read_search(node::result(reply)?, from, to);
        match self.ask_reaching(to, "ots_searchTransactionsAfter", &search, read).await {
            Err(SourceError::Permanent { code: "method-not-found", .. }) => {}
            pages => {
                let no_answer = || SourceError::Transient { detail: "no answer".to_owned() };
                return pages?.pop().ok_or_else(no_answer);
            }
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
            let read = |reply: &Reply<'_>| logs::read_rows(reply, from, end);
            match self.ask_reaching(end, method, &filters(end), read).await {
                Ok(rows) => {
                    range.answered(blocks);
                    return Ok(logs::whole_page(rows.into_iter().flatten().collect(), end));
                }
                Err(SourceError::Permanent { code, .. })
                    if is_about_size(code) && range.refused(blocks) => {}
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

impl EvmPool {
    /// Calls about the blocks up to `end`, answered by a node that has this block.
    ///
    /// A node that has not come so far finds what it has and says nothing: the pin may be the word of
    /// another node, also behind one URL. So it is asked for the block in the same request.
    async fn ask_reaching<T>(
        &self,
        end: u64,
        method: &'static str,
        params: &[Value],
        read: impl Fn(&Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        let mut answers = Vec::with_capacity(params.len());
        while answers.len() < params.len() {
            let open = &params[answers.len()..];
            let room = self.longest_batch();
            if room < 2 {
                answers.extend(self.ask_who_has(end, method, open, &read).await?);
                break;
            }
            let length = open.len().min(room - 1);
            let calls = open[..length].iter().map(|params| RpcCall::new(method, params.clone()));
            let calls: Vec<RpcCall> = calls.chain([node::get_block(&node::hex(end))]).collect();
            let body = RpcCall::batch_body(&calls);
            let request = Outgoing::Batch { body, calls: calls.len() };
            let read_part = |body: &[u8]| {
                let mut replies = RpcCall::batch_answers(&calls, body)?;
                let block = replies.pop().ok_or_else(|| Failure::malformed("no answers"))?;
                let known: Result<Vec<T>, Failure> =
                    replies.into_iter().map(|reply| read(&reply?)).collect();
                let known = known?;
                node::read_block(end, &block?)?;
                Ok(known)
            };
            match self.nodes.call(method, &request, read_part).await {
                Ok(known) => answers.extend(known),
                Err(SourceError::Permanent { code: BATCH_REFUSED, .. }) => {
                    self.shorten_batches(calls.len());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(answers)
    }

    /// The same of nodes that take no batches: those that have the block now are asked in turn, until one
    /// answers.
    async fn ask_who_has<T>(
        &self,
        end: u64,
        method: &'static str,
        params: &[Value],
        read: &impl Fn(&Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        let block = node::get_block(&node::hex(end));
        let request = Outgoing::Post(block.body.clone());
        let read_block = |body: &[u8]| node::read_block(end, &block.answer(body)?);
        let told = self.nodes.each(block.method, &request, read_block).await;
        let (have, lack): (Vec<usize>, Vec<usize>) =
            (0..told.len()).partition(|place| told[*place].is_ok());
        if have.is_empty() {
            self.block(end).await?;
            return Err(without_block(end));
        }
        let mut failures = Vec::new();
        for place in have {
            match self.ask_place(place, method, params, read).await {
                Ok(answers) => return Ok(answers),
                Err(error) => failures.push(error),
            }
        }
        // That nobody offers this is known when the others do not either.
        let is_final = |error: &SourceError| matches!(error, SourceError::Permanent { .. });
        for place in lack {
            if !failures.iter().all(is_final) {
                break;
            }
            let first = params.get(..1).unwrap_or_default();
            let asked = self.ask_place(place, method, first, read).await;
            failures.push(asked.map_or_else(|error| error, |_| without_block(end)));
        }
        let hope = |error: &SourceError| match error {
            SourceError::Permanent { code, .. } => 1 + usize::from(!is_about_size(code)),
            _ => 0,
        };
        failures.sort_by_key(hope);
        Err(failures.into_iter().next().unwrap_or_else(|| without_block(end)))
    }

    /// Calls one by one, of the node at `place`.
    async fn ask_place<T>(
        &self,
        place: usize,
        method: &'static str,
        params: &[Value],
        read: &impl Fn(&Reply<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, SourceError> {
        let mut answers = Vec::with_capacity(params.len());
        for params in params {
            let call = RpcCall::new(method, params.clone());
            let request = Outgoing::Post(call.body.clone());
            let read = |body: &[u8]| read(&call.answer(body)?);
            answers.push(self.nodes.call_one(place, method, &request, read).await?);
        }
        Ok(answers)
    }
}

/// A node answered that has not come so far.
fn without_block(end: u64) -> SourceError {
    SourceError::NotFound { detail: format!("no node that could answer had block {end}") }
}

/// No configured provider has the list.
fn not_offered(list: &str) -> SourceError {
    let detail = format!("no explorer is configured for {list}");
    SourceError::Permanent { code: "method-not-found", detail }
}
