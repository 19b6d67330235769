//! What the errors of EVM nodes mean. The codes are no standard; the words decide where they must.

use std::time::Duration;

use super::STATE_UNKNOWN;
use crate::failure::{Failure, RANGE_TOO_LARGE, Scope};

/// How nodes say that they do not keep the state of a block: geth, Erigon, Reth, op-reth, Besu,
/// Nethermind.
const STATE_WORDS: [&str; 8] = [
    "missing trie node",
    "state is not",
    "historical state",
    "pruned",
    "archive",
    "state unavailable",
    "no state",
    "proof window",
];

/// What an error object means.
///
/// Codes of EIP-1474 and of JSON-RPC 2.0; texts of geth, Erigon, Reth, Nethermind, anvil and of the
/// large services. What is not known is taken for a passing trouble.
pub(super) fn of_error(code: i64, message: &str) -> Failure {
    let said = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let detail = format!("rpc error {code}: {message}");
    let refused = |code, scope| Failure::Refused { code, detail: detail.clone(), scope };
    if matches!(code, 429 | -32429)
        || has(&["rate limit", "too many requests", "request count exceeded", "compute units"])
    {
        return Failure::Throttled { retry_after: Duration::from_secs(1) };
    }
    let no_method = code == -32601
        || has(&["method not found", "does not exist/is not available", "unsupported method"])
        || (said.contains("method") && has(&["not supported", "not available", "not allowed"]))
        || code == -32004;
    if no_method {
        return refused("method-not-found", Scope::Provider);
    }
    if has(&STATE_WORDS) {
        return refused(STATE_UNKNOWN, Scope::Provider);
    }
    if said.contains("not found") {
        return Failure::Missing;
    }
    match code {
        401 | 403 => refused("provider-unauthorized", Scope::Provider),
        -32700 | -32600 => refused("invalid-request", Scope::Request),
        -32602 => refused("invalid-params", Scope::Request),
        _ => Failure::Transient(detail),
    }
}

/// Whether a node gave up a call that took it longer than it allows.
pub(super) fn is_out_of_time(message: &str) -> bool {
    let said = message.to_ascii_lowercase();
    ["timeout", "timed out", "deadline"].iter().any(|words| said.contains(words))
}

/// What an error means in answer to a question over so many `blocks`. Services have codes of their
/// own for it, so the words decide.
pub(super) fn of_range_error(code: i64, message: &str, blocks: u64) -> Failure {
    const WORDS: [&str; 9] = [
        "range",
        "limit",
        "too many",
        "too large",
        "too big",
        "too wide",
        "more than",
        "results",
        "response size",
    ];
    let failure = of_error(code, message);
    let is_other = match &failure {
        Failure::Throttled { .. } => true,
        Failure::Refused { code, .. } => {
            ["method-not-found", "provider-unauthorized"].contains(code)
        }
        _ => false,
    };
    let said = message.to_ascii_lowercase();
    let is_refused = WORDS.iter().any(|word| said.contains(word));
    // A node that has no time for one block is busy: nothing shorter can be asked of it.
    let is_too_long = if is_out_of_time(message) { blocks > 1 } else { is_refused };
    if is_other || !is_too_long {
        return failure;
    }
    let detail = format!("rpc error {code}: {message}");
    Failure::Refused { code: RANGE_TOO_LARGE, detail, scope: Scope::Provider }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(failure: &Failure) -> &str {
        match failure {
            Failure::Refused { code, .. } => code,
            other => other.outcome(),
        }
    }

    #[test]
    fn errors_are_sorted_by_what_can_be_done() {
        for (code, message, expected) in [
            (-32601, "the method trace_filter does not exist/is not available", "method-not-found"),
            (-32000, "unsupported method: debug_traceTransaction", "method-not-found"),
            (-32000, "missing trie node 0xabc (path )", STATE_UNKNOWN),
            (-32000, "required historical state unavailable (reexec=128)", STATE_UNKNOWN),
            (-32000, "World state unavailable", STATE_UNKNOWN),
            (-32002, "No state available for block 0x10d4f", STATE_UNKNOWN),
            (-32603, "distance to target block exceeds maximum proof window", STATE_UNKNOWN),
            (-32005, "daily request count exceeded, request rate limited", "throttled"),
            (429, "slow down", "throttled"),
            (-32603, "Internal error", "transient"),
            (-32000, "transaction not found", "missing"),
            (-32602, "invalid argument 0", "invalid-params"),
        ] {
            assert_eq!(code_of(&of_error(code, message)), expected, "{message}");
        }
    }

    #[test]
    fn ranges_are_refused_in_many_words() {
        for (code, message) in [
            (-32000, "eth_getLogs is limited to a 1,000 blocks range"),
            (-32602, "query exceeds max block range 10000"),
            (-32005, "query returned more than 10000 results"),
            (-32005, "limit exceeded"),
            (-32603, "request timed out"),
            (35, "ranges over 10000 blocks are not supported on freetier"),
            (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to"),
        ] {
            assert_eq!(code_of(&of_range_error(code, message, 2)), RANGE_TOO_LARGE, "{message}");
        }
        assert_eq!(code_of(&of_range_error(-32603, "Internal error", 2)), "transient");
        assert_eq!(code_of(&of_range_error(-32005, "rate limit exceeded", 2)), "throttled");
        let lacking = of_range_error(-32601, "the method eth_getLogs is not available: range", 2);
        assert_eq!(code_of(&lacking), "method-not-found");
        for message in ["request timed out", "query timeout exceeded the limit of 10 s"] {
            assert_eq!(code_of(&of_range_error(-32603, message, 1)), "transient", "{message}");
        }
        let crowded = of_range_error(-32005, "query returned more than 10000 results", 1);
        assert_eq!(code_of(&crowded), RANGE_TOO_LARGE);
    }
}
