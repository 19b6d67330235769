//! What contracts sent each other in a transaction: three ways in which nodes tell.
//!
//! Each gives the same rows: the transfers below the transaction's own call, with a path such as
//! `0_1_3` by which the parser drops what stands below a call that failed.

use pnl_core::{Address, RawAmount, TxId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::node::Envelope;
use super::{STATE_UNKNOWN, node, refusal};
use crate::failure::Failure;
use crate::json_rpc::Reply;

/// Calls nest 1,024 deep at most.
const DEEPEST_CALL: usize = 1_024;

/// A way to ask for what contracts sent each other, the most trusted one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TraceMethod {
    /// geth's call tracer; most nodes have it.
    Debug,
    /// The traces of OpenEthereum, Erigon, Reth, Nethermind.
    Parity,
    /// Otterscan's. Some nodes also name what was reverted, and none says what was: it is the last one
    /// asked, and only a list without anything in it counts.
    Otterscan,
}

impl TraceMethod {
    pub(super) const ALL: [Self; 3] = [Self::Debug, Self::Parity, Self::Otterscan];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug_traceTransaction",
            Self::Parity => "trace_transaction",
            Self::Otterscan => "ots_getInternalOperations",
        }
    }

    pub(super) fn params(self, tx_id: &TxId) -> Value {
        match self {
            Self::Debug => json!([tx_id, {"tracer": "callTracer"}]),
            Self::Parity | Self::Otterscan => json!([tx_id]),
        }
    }

    /// Reads an answer of any kind about the transaction; `None`: the node cannot tell of this one. It
    /// may not know it, keep no state so old, have a limit of time for a trace, or fail at it:
    /// `is_steady`, when it has failed at it before.
    pub(super) fn read_reply(
        self,
        envelope: &Envelope,
        reply: &Reply<'_>,
        is_steady: bool,
    ) -> Result<Option<Vec<InternalTransfer>>, Failure> {
        match node::result(reply) {
            Ok(result) => {
                let rows = self.read(envelope, result)?;
                Ok((self != Self::Otterscan || rows.is_empty()).then_some(rows))
            }
            Err(Failure::Missing | Failure::Refused { code: STATE_UNKNOWN, .. }) => Ok(None),
            Err(Failure::Transient(said)) if is_steady || refusal::is_out_of_time(&said) => {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Reads an answer about the transaction that calls as `envelope` says.
    pub(super) fn read(
        self,
        envelope: &Envelope,
        result: &RawValue,
    ) -> Result<Vec<InternalTransfer>, Failure> {
        match self {
            Self::Debug => read_frames(result),
            Self::Parity => read_parity(result),
            Self::Otterscan => {
                let mut rows = read_operations(result)?;
                // Some nodes count the call of the transaction itself among the operations.
                let (from, to, value) = &envelope.call;
                let (from, to, value) = (address(from), address(to), amount(Some(value))?);
                if let Some(first) = rows.first()
                    && (&first.from, first.to.as_ref(), first.value) == (&from, Some(&to), value)
                {
                    rows.remove(0);
                }
                Ok(rows)
            }
        }
    }
}

/// A transfer between contracts, as the parser reads it. Also calls that carry nothing and failed:
/// what stands below them did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct InternalTransfer {
    pub from: Address,
    pub to: Option<Address>,
    /// Base units, as decimal text.
    pub value: RawAmount,
    #[serde(rename = "type")]
    pub kind: String,
    pub trace_id: String,
    pub is_error: bool,
}

fn amount(text: Option<&str>) -> Result<RawAmount, Failure> {
    let Some(text) = text else { return Ok(RawAmount::default()) };
    let digits = node::digits(text).ok_or_else(|| Failure::malformed("no quantity"))?;
    let digits = if digits.is_empty() { "0" } else { digits };
    let value = alloy_primitives::U256::from_str_radix(digits, 16).map_err(Failure::malformed)?;
    Ok(value.into())
}

fn address(text: &str) -> Address {
    Address::from_chain_data(&text.to_ascii_lowercase())
}

fn read_frames(result: &RawValue) -> Result<Vec<InternalTransfer>, Failure> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(rename = "type")]
        kind: String,
        from: String,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        value: Option<String>,
        #[serde(default)]
        error: Option<String>,
        // Each depth is read on its own: a deep trace must not exhaust the stack.
        #[serde(borrow, default)]
        calls: Vec<&'a RawValue>,
    }
    let mut rows = Vec::new();
    let mut open: Vec<(&RawValue, String, usize)> = vec![(result, String::new(), 0)];
    while let Some((text, path, depth)) = open.pop() {
        let frame: Frame<'_> = serde_json::from_str(text.get()).map_err(Failure::malformed)?;
        if depth > DEEPEST_CALL {
            return Err(Failure::malformed("a trace deeper than calls can be"));
        }
        if depth > 0 {
            let value = amount(frame.value.as_deref())?;
            let is_error = frame.error.is_some();
            if !value.is_zero() || is_error {
                rows.push(InternalTransfer {
                    from: address(&frame.from),
                    to: frame.to.as_deref().map(address),
                    value,
                    kind: frame.kind.to_ascii_lowercase(),
                    trace_id: path.clone(),
                    is_error,
                });
            }
        }
        for (place, call) in frame.calls.into_iter().enumerate().rev() {
            open.push((call, joined(&path, place), depth + 1));
        }
    }
    Ok(rows)
}

fn joined(path: &str, place: usize) -> String {
    if path.is_empty() { place.to_string() } else { format!("{path}_{place}") }
}

fn read_parity(result: &RawValue) -> Result<Vec<InternalTransfer>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Trace {
        action: Action,
        #[serde(default)]
        error: Option<String>,
        #[serde(default)]
        result: Option<Outcome>,
        trace_address: Vec<usize>,
        #[serde(rename = "type")]
        kind: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Action {
        #[serde(default)]
        from: Option<String>,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        value: Option<String>,
        #[serde(default)]
        call_type: Option<String>,
        // Of a contract that destroys itself.
        #[serde(default)]
        address: Option<String>,
        #[serde(default)]
        refund_address: Option<String>,
        #[serde(default)]
        balance: Option<String>,
    }
    #[derive(Deserialize)]
    struct Outcome {
        #[serde(default)]
        address: Option<String>,
    }
    let traces: Vec<Trace> = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    let mut rows = Vec::new();
    for trace in traces {
        let action = trace.action;
        if trace.trace_address.is_empty() || trace.kind == "reward" {
            continue;
        }
        let value = amount(action.value.as_deref().or(action.balance.as_deref()))?;
        let is_error = trace.error.is_some();
        if value.is_zero() && !is_error {
            continue;
        }
        let from = action.from.or(action.address);
        let from = from.ok_or_else(|| Failure::malformed("a trace from nobody"))?;
        let created = trace.result.and_then(|result| result.address);
        let to = action.to.or(action.refund_address).or(created);
        let path: Vec<String> = trace.trace_address.iter().map(ToString::to_string).collect();
        rows.push(InternalTransfer {
            from: address(&from),
            to: to.as_deref().map(address),
            value,
            kind: action.call_type.unwrap_or(trace.kind).to_ascii_lowercase(),
            trace_id: path.join("_"),
            is_error,
        });
    }
    Ok(rows)
}

fn read_operations(result: &RawValue) -> Result<Vec<InternalTransfer>, Failure> {
    #[derive(Deserialize)]
    struct Operation {
        #[serde(rename = "type")]
        kind: u8,
        from: String,
        to: String,
        value: String,
    }
    let operations: Vec<Operation> =
        serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    let mut rows = Vec::new();
    for (place, operation) in operations.iter().enumerate() {
        let value = amount(Some(&operation.value))?;
        if value.is_zero() {
            continue;
        }
        let kind = match operation.kind {
            0 => "call",
            1 => "selfdestruct",
            2 | 3 => "create",
            other => return Err(Failure::malformed(format!("an operation of kind {other}"))),
        };
        rows.push(InternalTransfer {
            from: address(&operation.from),
            to: Some(address(&operation.to)),
            value,
            kind: kind.to_owned(),
            trace_id: place.to_string(),
            is_error: false,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0xa sends 9 to 0xb.
    fn envelope() -> Envelope {
        let (hash, block_hash) = (format!("0x{:064x}", 1), format!("0x{:064x}", 2));
        let text = json!({"hash": hash, "blockNumber": "0x1", "blockHash": block_hash,
            "input": "0x00", "from": "0xa", "to": "0xb", "value": "0x9"});
        let wanted = super::super::Wanted { tx_id: TxId::new(&hash), block: 1, traced: true };
        let raw = RawValue::from_string(text.to_string()).unwrap();
        super::super::node::read_envelope(&wanted, &raw).unwrap()
    }

    fn read(
        method: TraceMethod,
        answer: Value,
    ) -> Vec<(String, Option<String>, String, String, bool)> {
        let raw = RawValue::from_string(answer.to_string()).unwrap();
        let row = |row: InternalTransfer| {
            let to = row.to.map(|to| to.to_string());
            (row.from.to_string(), to, row.value.to_string(), row.trace_id, row.is_error)
        };
        method.read(&envelope(), &raw).unwrap().into_iter().map(row).collect()
    }

    fn row(
        from: &str,
        to: &str,
        value: &str,
        path: &str,
        failed: bool,
    ) -> (String, Option<String>, String, String, bool) {
        (from.into(), Some(to.into()), value.into(), path.into(), failed)
    }

    #[test]
    fn frames_below_the_call_itself_are_transfers_with_their_path() {
        let answer = json!({"type": "CALL", "from": "0xA", "to": "0xb", "value": "0x5", "calls": [
            {"type": "CALL", "from": "0xb", "to": "0xc", "value": "0x0", "error": "execution reverted",
                "calls": [{"type": "CALL", "from": "0xc", "to": "0xD", "value": "0x10"}]},
            {"type": "STATICCALL", "from": "0xb", "to": "0xc"},
            {"type": "CREATE", "from": "0xb", "to": "0xe", "value": "0x2"}]});
        assert_eq!(
            read(TraceMethod::Debug, answer),
            [
                row("0xb", "0xc", "0", "0", true),
                row("0xc", "0xd", "16", "0_0", false),
                row("0xb", "0xe", "2", "2", false)
            ]
        );
    }

    #[test]
    fn a_trace_of_the_greatest_depth_is_read() {
        let mut answer =
            json!({"type": "CALL", "from": "0xa", "to": "0xb", "value": "0x1"}).to_string();
        for _ in 0..1_024 {
            answer = format!(
                r#"{{"type":"CALL","from":"0xa","to":"0xb","value":"0x0","calls":[{answer}]}}"#
            );
        }
        let raw = RawValue::from_string(answer.clone()).unwrap();
        assert_eq!(TraceMethod::Debug.read(&envelope(), &raw).unwrap().len(), 1);
        let deeper = format!(r#"{{"type":"CALL","from":"0xa","to":"0xb","calls":[{answer}]}}"#);
        assert!(
            TraceMethod::Debug.read(&envelope(), &RawValue::from_string(deeper).unwrap()).is_err()
        );
    }

    #[test]
    fn parity_traces_name_creations_and_destructions() {
        let call = |path: Value, value: &str| {
            json!({"type": "call", "traceAddress": path,
            "action": {"from": "0xa", "to": "0xb", "value": value, "callType": "call"}, "result": {}})
        };
        let answer = json!([
            call(json!([]), "0x9"),
            call(json!([0]), "0x3"),
            {"type": "create", "traceAddress": [1], "action": {"from": "0xa", "value": "0x4"},
                "result": {"address": "0xNEW"}},
            {"type": "suicide", "traceAddress": [1, 0], "result": null,
                "action": {"address": "0xnew", "refundAddress": "0xa", "balance": "0x4"}},
            {"type": "call", "traceAddress": [2], "error": "Reverted",
                "action": {"from": "0xa", "to": "0xb", "value": "0x0", "callType": "call"}}]);
        assert_eq!(
            read(TraceMethod::Parity, answer),
            [
                row("0xa", "0xb", "3", "0", false),
                row("0xa", "0xnew", "4", "1", false),
                row("0xnew", "0xa", "4", "1_0", false),
                row("0xa", "0xb", "0", "2", true)
            ]
        );
    }

    #[test]
    fn operations_of_unknown_kind_are_refused() {
        let operation =
            |kind: u8| json!([{"type": kind, "from": "0xa", "to": "0xb", "value": "0x1"}]);
        assert_eq!(
            read(TraceMethod::Otterscan, operation(0)),
            [row("0xa", "0xb", "1", "0", false)]
        );
        let own_call = json!([{"type": 0, "from": "0xa", "to": "0xb", "value": "0x9"},
            {"type": 1, "from": "0xb", "to": "0xc", "value": "0x9"}]);
        assert_eq!(read(TraceMethod::Otterscan, own_call), [row("0xb", "0xc", "9", "1", false)]);
        let raw = RawValue::from_string(operation(9).to_string()).unwrap();
        assert!(TraceMethod::Otterscan.read(&envelope(), &raw).is_err());
    }
}
