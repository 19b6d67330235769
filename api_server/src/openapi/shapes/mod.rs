//! What answers look like on the wire, as far as no type of this crate alone is serialized to them.
//!
//! The types are never made: each is the shape of an answer in the document, held against every answer
//! in the tests of the interface. `docs/api.md` says what the members mean.

#![allow(missing_docs, reason = "members are described in docs/api.md")]

mod job;
mod ledger;
mod result;
mod service;
mod wallet;

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

pub use job::{
    Accepted, Comparison, DryRun, GroupResult, GroupStatus, Job, JobList, LatestResults,
    Leaderboard, NoMembers, Results, Submission, TimeRange, ToBeWatched, WalletError,
};
pub use ledger::{AccountingDocument, LedgerPage, Transactions};
pub use result::{Pinned, WalletResult};
pub use service::{DatabaseProbe, Liveness, Probe, PurgeRequest, ServiceStatus, SigningKey};
pub use wallet::{
    Calendar, CoverageReport, Difference, Disposals, Distribution, Equity, Explanation, Tokens,
    WalletPnl, WhatIf, WhatIfOptions,
};

use crate::problems;

/// A text of one form.
macro_rules! text {
    ($($(#[$doc:meta])* $name:ident = $description:literal, $pattern:literal;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description))
                    .pattern(Some($pattern))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

text! {
    /// US dollars.
    Usd = "US dollars, exact", r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$";
    /// A token amount.
    Raw = "Base units of a token, signed", r"^-?(0|[1-9][0-9]*)$";
    /// A ratio.
    Ratio = "A number at 18 places", r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$";
    /// An id of a job.
    JobId = "A job", r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
    /// A fingerprint.
    Hash = "A fingerprint in hexadecimal", r"^[0-9a-f]+$";
}

/// A moment.
pub struct Time;

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 in UTC"))
            .into()
    }
}

impl ToSchema for Time {}

/// The body of every error.
pub struct Problem;

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let codes: Vec<_> = problems::ALL.iter().map(|problem| problem.code).collect();
        let fields: Vec<_> = problems::FIELD_CODES.iter().map(|(code, _)| *code).collect();
        let text = json!({"type": "string"});
        // Members in the order of their names: the text of the document must be the same each time.
        let schema = json!({
            "type": "object",
            "description": "RFC 9457; `x-errors` says what the codes mean",
            "required": [
                "type", "code", "title", "status", "detail", "instance", "error", "errors", "trace_id",
            ],
            "properties": {
                "code": {"type": "string", "enum": codes},
                "detail": text,
                "error": {"type": "string", "description": "The same as `detail`"},
                "errors": {"type": "array", "maxItems": 100, "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "code": {"type": "string", "enum": fields},
                        "detail": text,
                        "pointer": text,
                    },
                }},
                "errors_total": {"type": "integer", "minimum": 1},
                "instance": text,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "title": text,
                "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "type": {"type": "string", "pattern": "^/problems/[a-z-]+$"},
            },
            "additionalProperties": true,
        });
        RefOr::T(serde_json::from_value(schema).expect("the schema above is one"))
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

/// An object whose members depend on what it is about.
pub struct Open;

impl PartialSchema for Open {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(
                true,
            )))
            .extensions(Some(ExtensionsBuilder::new().build()))
            .into()
    }
}

impl ToSchema for Open {}
