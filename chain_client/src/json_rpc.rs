//! JSON-RPC 2.0 over HTTP, one call per request.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{self, Failure};

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
    fn an_error_beside_a_null_result_is_an_error() {
        let body =
            br#"{"jsonrpc":"2.0","result":null,"error":{"code":-32005,"message":"behind"},"id":7}"#;
        assert_eq!(call().result(body).unwrap_err().outcome(), "transient");
    }
}
