//! JSON-RPC 2.0 over HTTP: one call per request, or a batch of calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{self, Failure};

/// Code of the refusal of a batch by a node that would answer its calls one by one.
pub(crate) const BATCH_REFUSED: &str = "batch-refused";

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A call ready to be sent, any number of times.
#[derive(Debug)]
pub(crate) struct RpcCall {
    pub method: &'static str,
    pub body: Vec<u8>,
    id: u64,
}

impl RpcCall {
    pub(crate) fn new(method: &'static str, params: Value) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let call =
            serde_json::json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        Self { method, body: call.to_string().into_bytes(), id }
    }

    /// A call with a number of its own choice, for answers that were recorded.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn numbered(method: &'static str, id: u64) -> Self {
        Self { method, body: Vec::new(), id }
    }

    /// The body of a request that holds all of `calls`.
    pub(crate) fn batch_body(calls: &[Self]) -> Vec<u8> {
        let bodies: Vec<&[u8]> = calls.iter().map(|call| call.body.as_slice()).collect();
        [b"[", bodies.join(&b","[..]).as_slice(), b"]"].concat()
    }

    /// Reads the answers to a batch, in the order of its calls; nodes answer in any order.
    ///
    /// A node that takes no batch, or none of this length, answers with one error object.
    pub(crate) fn batch_answers<'a>(
        calls: &[Self],
        body: &'a [u8],
    ) -> Result<Vec<Result<Reply<'a>, Failure>>, Failure> {
        if body.trim_ascii_start().first() != Some(&b'[') {
            let refusal: Answer<'a> = serde_json::from_slice(body).map_err(Failure::malformed)?;
            let Some(error) = refusal.error else {
                return Err(Failure::malformed("a batch answered with one answer"));
            };
            let failure = failure::of_rpc_error(error.code, &error.message);
            let is_about_batches = matches!(failure, Failure::Refused { .. })
                || error.message.to_ascii_lowercase().contains("batch");
            return Err(match is_about_batches {
                true => Failure::Refused {
                    code: BATCH_REFUSED,
                    detail: failure.detail(),
                    scope: failure::Scope::Provider,
                },
                false => failure,
            });
        }
        let answers: Vec<&'a RawValue> =
            serde_json::from_slice(body).map_err(Failure::malformed)?;
        let mut by_id: HashMap<u64, &'a RawValue> = HashMap::with_capacity(answers.len());
        for answer in answers {
            #[derive(Deserialize)]
            struct Id {
                id: Option<u64>,
            }
            let read: Id = serde_json::from_str(answer.get()).map_err(Failure::malformed)?;
            if let Some(id) = read.id {
                by_id.insert(id, answer);
            }
        }
        let answer = |call: &Self| match by_id.get(&call.id) {
            Some(answer) => call.answer(answer.get().as_bytes()),
            None => Err(Failure::malformed("a batch without the answer to one of its calls")),
        };
        Ok(calls.iter().map(answer).collect())
    }

    /// Reads the answer to this call; `null` is `None`.
    ///
    /// Whatever is not a well-formed answer to this very call is a failure, as is an answer without
    /// `result` and `error`.
    pub(crate) fn result<'a>(&self, body: &'a [u8]) -> Result<Option<&'a RawValue>, Failure> {
        match self.answer(body)? {
            Reply::Result(result) => Ok((result.get() != "null").then_some(result)),
            Reply::Error { code, message } => Err(failure::of_rpc_error(code, &message)),
        }
    }

    /// Reads the answer to this call, telling results from error objects.
    pub(crate) fn answer<'a>(&self, body: &'a [u8]) -> Result<Reply<'a>, Failure> {
        if body.is_empty() {
            return Err(Failure::malformed("empty body"));
        }
        let answer: Answer<'a> = serde_json::from_slice(body).map_err(Failure::malformed)?;
        if answer.jsonrpc != "2.0" {
            return Err(Failure::malformed("not JSON-RPC 2.0"));
        }
        let id = answer.id.map(RawValue::get);
        if let Some(error) = answer.error {
            // A node that could not even read the call answers with id null.
            return if id.is_none_or(|id| id == "null") || self.is_ours(id) {
                Ok(Reply::Error { code: error.code, message: error.message })
            } else {
                Err(Failure::malformed("answer to another call"))
            };
        }
        if !self.is_ours(id) {
            return Err(Failure::malformed("answer to another call"));
        }
        answer.result.map(Reply::Result).ok_or_else(|| Failure::malformed("no result"))
    }

    fn is_ours(&self, id: Option<&str>) -> bool {
        id.and_then(|id| id.parse().ok()) == Some(self.id)
    }
}

/// Whether a body is an answer, or the answers to a batch, whatever its status.
pub(crate) fn is_answer(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Outline {
        jsonrpc: String,
    }
    let one = |body: &[u8]| {
        serde_json::from_slice::<Outline>(body).is_ok_and(|outline| outline.jsonrpc == "2.0")
    };
    if body.trim_ascii_start().first() != Some(&b'[') {
        return one(body);
    }
    let answers: Result<Vec<&RawValue>, _> = serde_json::from_slice(body);
    answers.is_ok_and(|all| all.first().is_some_and(|first| one(first.get().as_bytes())))
}

/// What a node answered.
#[derive(Debug)]
pub(crate) enum Reply<'a> {
    /// The member `result`, be it null.
    Result(&'a RawValue),
    /// The error object.
    Error { code: i64, message: String },
}

#[derive(Deserialize)]
struct Answer<'a> {
    jsonrpc: String,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    /// Absent is `None`, null is a value.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    #[serde(default)]
    message: String,
}

fn present<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> RpcCall {
        RpcCall { method: "getSlot", body: Vec::new(), id: 7 }
    }

    #[test]
    fn a_result_is_kept_byte_by_byte_and_null_is_told_from_absent() {
        let body = br#"{"jsonrpc":"2.0","id":7,"result":{ "a" : 1.50,"b":[ ] }}"#;
        assert_eq!(call().result(body).unwrap().unwrap().get(), r#"{ "a" : 1.50,"b":[ ] }"#);
        let null = br#"{"jsonrpc":"2.0","result":null,"id":7}"#;
        assert!(call().result(null).unwrap().is_none());
        let absent = br#"{"jsonrpc":"2.0","id":7}"#;
        assert!(matches!(call().result(absent), Err(Failure::Transient(_))));
    }

    #[test]
    fn what_is_not_an_answer_to_the_call_is_malformed() {
        for body in [
            "",
            "<html>bad gateway</html>",
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"resu",
            "[]",
            "null",
            r#"{"jsonrpc":"1.0","id":7,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":8,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":1}"#,
            r#"{"jsonrpc":"2.0","result":1}"#,
            r#"{"jsonrpc":"2.0","id":8,"error":{"code":-32602,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":"no"}"#,
        ] {
            assert!(matches!(call().result(body.as_bytes()), Err(Failure::Transient(_))), "{body}");
        }
    }

    #[test]
    fn error_objects_are_judged_by_their_code() {
        let body = |code: i64| {
            format!(r#"{{"jsonrpc":"2.0","error":{{"code":{code},"message":"m"}},"id":7}}"#)
        };
        assert_eq!(call().result(body(-32603).as_bytes()).unwrap_err().outcome(), "transient");
        assert_eq!(call().result(body(-32602).as_bytes()).unwrap_err().outcome(), "refused");
        assert_eq!(call().result(body(429).as_bytes()).unwrap_err().outcome(), "throttled");
    }

    #[test]
    fn the_answers_of_a_batch_are_found_by_their_ids() {
        let calls: Vec<RpcCall> =
            (7..10).map(|id| RpcCall { method: "m", body: b"{}".to_vec(), id }).collect();
        assert_eq!(RpcCall::batch_body(&calls), b"[{},{},{}]");
        let body = br#" [{"jsonrpc":"2.0","id":9,"result":null},
            {"jsonrpc":"2.0","id":7,"error":{"code":3,"message":"reverted"}}]"#;
        let read = RpcCall::batch_answers(&calls, body).unwrap();
        assert!(matches!(&read[0], Ok(Reply::Error { code: 3, .. })));
        assert!(matches!(&read[1], Err(Failure::Transient(_))), "its answer is missing");
        assert!(matches!(&read[2], Ok(Reply::Result(result)) if result.get() == "null"));
        let refusal = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#;
        let refused = RpcCall::batch_answers(&calls, refusal).unwrap_err();
        assert!(matches!(refused, Failure::Refused { code: "batch-refused", .. }));
        let busy = br#"{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"slow"}}"#;
        assert_eq!(RpcCall::batch_answers(&calls, busy).unwrap_err().outcome(), "throttled");
        for bad in [&b"{}"[..], b"", b"[1]", b"<html>"] {
            assert!(RpcCall::batch_answers(&calls, bad).is_err());
        }
    }

    #[test]
    fn an_error_beside_a_null_result_is_an_error() {
        let body =
            br#"{"jsonrpc":"2.0","result":null,"error":{"code":-32005,"message":"behind"},"id":7}"#;
        assert_eq!(call().result(body).unwrap_err().outcome(), "transient");
    }
}
