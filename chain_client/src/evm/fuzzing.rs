//! The readers of this module, given an answer.

use pnl_core::{Chain, TxId};
use serde_json::value::RawValue;

use super::{BlockHead, Wanted, contracts, explorer, listing, logs, node, traces};
use crate::json_rpc::Reply;

/// Every reader of a node's answers. `transaction` is the answer to eth_getTransactionByHash that
/// belongs to a receipt or trace; answers with both composed, where they are.
pub(crate) fn node(
    asked: &str,
    transaction: Option<&RawValue>,
    reply: &Reply<'_>,
) -> Option<Vec<u8>> {
    let wanted = Wanted { tx_id: TxId::new(asked), block: 0, traced: true };
    let _ = contracts::read_balance(reply);
    if let Ok(returned) = contracts::read_returned(reply) {
        let returned = returned.as_deref();
        let decimals = contracts::decimals(returned);
        assert!(decimals.is_none_or(|decimals| decimals <= 36));
        let symbol = contracts::symbol(returned);
        assert!(symbol.is_none_or(|symbol| symbol.chars().count() <= 32));
    }
    for to in [0, u64::MAX] {
        if let Ok(rows) = logs::read_rows(reply, 0, to) {
            assert!(rows.iter().all(|row| row.block <= to));
        }
    }
    let result = node::result(reply).ok()?;
    let _ = node::read_quantity(result);
    let _ = node::read_head(result);
    let _ = node::read_envelope(&wanted, result);
    if let Ok(page) = logs::read_search(result, 0, 30_000_000) {
        assert!(page.rows.is_sorted() && page.reached <= 30_000_000);
    }
    let envelope = node::read_envelope(&wanted, transaction?).ok()?;
    let mut known = Vec::new();
    for method in traces::TraceMethod::ALL {
        known.extend(method.read(&envelope, result).unwrap_or_default());
    }
    let envelopes = [envelope];
    let one = [wanted];
    let _ = node::read_block_receipts(&one, &envelopes, &[0], false, result);
    let receipt = node::read_receipt(&one[0], &envelopes[0], false, result).ok()?;
    let _ = node::could_send(&envelopes[0], &receipt);
    let head =
        BlockHead { number: envelopes[0].block, hash: envelopes[0].block_hash.clone(), time: 0 };
    let internal = node::Internal::Known(&known);
    let composed =
        node::compose(Chain::Base, &one[0].tx_id, &head, &envelopes[0], &receipt, &internal)
            .ok()?;
    Some(composed.json)
}

/// Every reader of an explorer's answers.
pub(crate) fn explorer(body: &[u8]) {
    for (from, to) in [(0, u64::MAX), (0, 20_000_000), (20_000_000, 20_000_000)] {
        let pages = match listing::read_page(body, from, to, 20) {
            Ok(listing::Listing::Whole(page)) => vec![page],
            Ok(listing::Listing::Doubtful(page)) => vec![page.cut, page.whole],
            _ => Vec::new(),
        };
        for page in pages {
            assert!(page.reached <= to && page.rows.is_sorted());
            assert!(page.rows.iter().all(|row| row.block >= from && row.block <= page.reached));
        }
    }
    let _ = explorer::read_internal(body);
    let _ = explorer::read_block(body);
}
