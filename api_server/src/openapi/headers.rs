//! The headers that answers have, described once for all routes.
//!
//! What stands here is what a client may look at; the headers that every HTTP answer can have (its type, its length, its encoding, who may
//! keep it) are left to the standard.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::Response;
use utoipa::openapi::{Ref, RefOr, Schema};

use crate::slo::RouteClass;

/// A header of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    /// Always there.
    Always(&'static str),
    /// There when it applies.
    Sometimes(&'static str),
}

use Told::{Always, Sometimes};

/// Of every answer.
const EVERY: [Told; 2] = [Always("X-Request-Id"), Always("traceparent")];

/// Of answers to clients with a limit.
const LIMITS: [Told; 2] = [Sometimes("RateLimit"), Sometimes("RateLimit-Policy")];

/// Of every error.
const ERROR: [Told; 3] =
    [Sometimes("Retry-After"), Sometimes("Allow"), Sometimes("WWW-Authenticate")];

/// Name, meaning and form of each.
fn all() -> [(&'static str, &'static str, Value); 21] {
    let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
    let count = || json!({"type": "integer", "minimum": 0});
    [
        ("Accept-Ranges", "The file comes in parts, by `Range`", text("^bytes$")),
        ("Age", "Seconds since a kept answer was made", count()),
        ("Allow", "The methods of the route, where the one asked for is none", text("^[A-Z, ]+$")),
        ("Content-Disposition", "The name of the file", text("^attachment; filename=\"[^\"/]+\"$")),
        (
            "Content-Range",
            "Which bytes of the file, and how many it has; `*` for a range that it does not have",
            text("^bytes ([0-9]+-[0-9]+|\\*)/[0-9]+$"),
        ),
        ("Deprecation", "Since when the route should not be used so (RFC 9745)", text("^@[0-9]+$")),
        ("Digest", "The digest of the whole file (RFC 3230)", text("^SHA-256=[A-Za-z0-9+/]+=*$")),
        (
            "ETag",
            "The tag of the answer: a hash of its bytes",
            text("^\"[0-9a-f]{32}(-[a-z]+)?\"$"),
        ),
        (
            "Idempotent-Replayed",
            "The job was stored by an earlier request with this `Idempotency-Key`",
            text("^true$"),
        ),
        ("Link", "What belongs to the answer (RFC 8288)", text("^<[^>]+>; rel=\"")),
        ("Location", "Where the job is followed", text("^/api/pnl/batch/status/[0-9a-f-]{36}$")),
        ("Preference-Applied", "The wish that was kept (RFC 7240)", text("^wait=[0-9]+$")),
        (
            "RateLimit",
            "What is left of the limit, and in how many seconds there is more",
            text("^\"[a-z]+\";r=[0-9]+;t=[0-9]+$"),
        ),
        (
            "RateLimit-Policy",
            "The limit: requests, and seconds of its window",
            text("^\"[a-z]+\";q=[0-9]+;w=[0-9]+$"),
        ),
        (
            "Repr-Digest",
            "The digest of the whole file (RFC 9530)",
            text("^sha-256=:[A-Za-z0-9+/]+=*:$"),
        ),
        ("Retry-After", "Seconds after which to ask again", count()),
        ("WWW-Authenticate", "How a key is sent", text("^Bearer")),
        (
            "X-Cache",
            "Where the answer was found",
            json!({"type": "string", "enum": ["HIT", "MISS", "STALE", "BYPASS"]}),
        ),
        ("X-Request-Id", "The id of the request, as it was sent or new", text("^[!-~]{1,128}$")),
        ("X-Row-Count", "Rows of the file, without a header line", count()),
        (
            "traceparent",
            "The trace of the request (W3C Trace Context)",
            text("^00-[0-9a-f]{32}-[0-9a-f]{16}-01$"),
        ),
    ]
}

impl Told {
    const fn name(self) -> &'static str {
        match self {
            Always(name) | Sometimes(name) => name,
        }
    }

    /// What it is called among those that answers refer to.
    fn key(self) -> String {
        match self {
            Always(name) => format!("{name}.always"),
            Sometimes(name) => name.to_owned(),
        }
    }
}

/// Notes in an answer with this status (or `default`, an error) of a route of this class which headers it has, `own` ones among them; gives
/// all of them.
pub(super) fn note(
    answer: &mut Response,
    status: &str,
    class: RouteClass,
    own: impl Iterator<Item = Told>,
) -> Vec<Told> {
    // Probes have no limit.
    let limits = LIMITS.into_iter().filter(|_| class != RouteClass::Health);
    let errors = ERROR.into_iter().filter(|_| status == "default");
    let headers: Vec<_> = EVERY.into_iter().chain(limits).chain(errors).chain(own).collect();
    for told in &headers {
        let to = Ref::new(format!("#/components/headers/{}", told.key()));
        answer.headers.insert(told.name().to_owned(), RefOr::Ref(to));
    }
    headers
}

/// What the references of answers to these headers lead to.
pub(super) fn described(headers: &BTreeSet<Told>) -> BTreeMap<String, RefOr<Header>> {
    let all = all();
    let described = |told: &Told| {
        let found = all.iter().find(|(name, ..)| *name == told.name());
        let Some((_, description, form)) = found else {
            unreachable!("the header {} is not described", told.name())
        };
        let form: RefOr<Schema> =
            serde_json::from_value(form.clone()).expect("the schemas of this file are schemas");
        let mut header = HeaderBuilder::new().schema(Some(form)).description(Some(*description));
        if matches!(told, Always(_)) {
            // The library has no member for it.
            header = header.extensions(Some(Extensions::from_iter([("required", true)])));
        }
        (told.key(), header.build().into())
    };
    headers.iter().map(described).collect()
}
