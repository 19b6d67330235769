//! Who asks: the key of a request is looked up before anything else is done for it, and routes of data
//! are answered to nobody without one, where keys are asked for.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use persistence_layer::Tenant;
use persistence_layer::api_keys::Scope;

use crate::app::AppState;
use crate::error::ApiError;
use crate::keys::{Caller, Keys, Secret};
use crate::limiter::Class;
use crate::middleware::context::AskedBy;
use crate::middleware::limits;
use crate::problems;
use crate::routes::TRAFFIC;

/// The other header that a key may come in.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

const SCHEME: &str = "Bearer ";

/// Headers of proxies.
const FORWARDED: [HeaderName; 2] = [HeaderName::from_static("x-forwarded-for"), header::FORWARDED];

/// Finds out who asks. A key that is not valid is refused whatever it was sent for, except for probes,
/// which need none and are not to wait for a database.
pub async fn identify(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let is_probe = limits::class(&request).is_none();
    let Some(keys) = &app.keys else {
        let anybody = Caller::anybody();
        let tenant = anybody.tenant.clone();
        request.extensions_mut().insert(anybody);
        let response = next.run(request).await;
        return if is_probe { response } else { asked_by(tenant, response) };
    };
    if is_probe {
        return next.run(request).await;
    }
    let address = limits::address(&app, &request);
    let only_reads = is_read(&request);
    match caller(&app, keys, sent(request.headers()), address, only_reads).await {
        Ok(None) => next.run(request).await,
        Ok(Some(caller)) => {
            if let Some(key) = caller.key {
                tracing::Span::current().record("holder", tracing::field::display(key));
            }
            let tenant = caller.tenant.clone();
            request.extensions_mut().insert(caller);
            asked_by(tenant, private(next.run(request).await))
        }
        Err(refusal) => *refusal,
    }
}

/// Who asks with these headers, where that is known without asking anybody.
pub fn known(app: &AppState, headers: &HeaderMap) -> Option<Caller> {
    match &app.keys {
        None => Some(Caller::anybody()),
        Some(keys) => keys.trusted(&sent(headers).ok()??.hash()),
    }
}

/// The caller behind the key of a request, if it has one. A key that this process has never found valid
/// costs the address it comes from a request, so that nobody can try keys without end.
async fn caller(
    app: &AppState,
    keys: &Keys,
    sent: Result<Option<Secret>, &'static str>,
    address: IpAddr,
    only_reads: bool,
) -> Result<Option<Caller>, Box<Response>> {
    let Some(hash) = sent.map(|sent| sent.map(|secret| secret.hash())).transpose() else {
        return Ok(None);
    };
    let entry = match &hash {
        Ok(hash) if keys.is_known(hash) => None,
        _ => limits::enter_address(app, address).await?,
    };
    let hash = hash.map_err(|detail| Box::new(bad_key(detail)))?;
    let found = keys.caller(&hash, app.database.is_up(), only_reads).await;
    // Only a key that is known to be bad has cost the address something.
    if let Some(entry) = entry.filter(|_| !matches!(found, Ok(None))) {
        app.limiter.leave(&entry).await;
    }
    match found {
        Ok(Some(caller)) => Ok(Some(caller)),
        Ok(None) => Err(Box::new(bad_key("The key is unknown, has expired or was revoked."))),
        Err(error) => Err(Box::new(error.into_response())),
    }
}

/// The key that a request brings, or what is wrong with how it does.
fn sent(headers: &HeaderMap) -> Result<Option<Secret>, &'static str> {
    let mut found = None;
    for (name, scheme) in [(header::AUTHORIZATION, SCHEME), (X_API_KEY, "")] {
        for value in headers.get_all(name) {
            let text = value.to_str().unwrap_or_default();
            let key = match text.split_at_checked(scheme.len()) {
                Some((before, key)) if before.eq_ignore_ascii_case(scheme) => key.trim(),
                _ => return Err("The header Authorization is not of the form Bearer KEY."),
            };
            if found.replace(key).is_some_and(|other| other != key) {
                return Err("The request brings two different keys.");
            }
        }
    }
    let read = |key| Secret::read(key).ok_or("What was sent is no key of this service.");
    found.map(read).transpose()
}

/// Leaves on the answer whose request it was.
fn asked_by(tenant: Tenant, mut response: Response) -> Response {
    response.extensions_mut().insert(AskedBy(tenant));
    response
}

fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The scope that a request needs: the state of the service is for those who operate it, but for what a tenant has
/// asked itself; other reading needs `read`, everything else `submit`. Questions about a wallet change nothing, also
/// those that are too long for a query.
fn needed(request: &Request) -> Scope {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_own = route == Some(TRAFFIC);
    match limits::class(request) {
        Some(Class::Services) if !is_own => Scope::Admin,
        Some(Class::Wallets) => Scope::Read,
        _ if is_read(request) => Scope::Read,
        _ => Scope::Submit,
    }
}

/// Where no keys are asked for, lets only programs on this machine through.
pub async fn from_here(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // What a proxy on this machine passes on comes from anywhere.
    let is_passed_on = FORWARDED.iter().any(|name| headers.contains_key(name));
    let is_from_here = limits::address(&app, &request).to_canonical().is_loopback();
    if app.keys.is_some() || (is_from_here && !is_passed_on) {
        return next.run(request).await;
    }
    let detail = "Without keys (auth.mode = \"open\") only programs on the service's own machine are \
                  answered here.";
    ApiError::new(problems::FORBIDDEN, detail).into_response()
}

/// Lets only those through who may.
pub async fn require(request: Request, next: Next) -> Response {
    let scope = needed(&request);
    let Some(caller) = request.extensions().get::<Caller>() else {
        let detail = "Send a key as Authorization: Bearer KEY or as X-API-Key: KEY.";
        return challenged(ApiError::new(problems::UNAUTHORIZED, detail), "");
    };
    if caller.may(scope) {
        return next.run(request).await;
    }
    let detail = format!("The key has not the scope {scope}, which this request needs.");
    let error = ApiError::new(problems::FORBIDDEN, detail);
    challenged(error, &format!(", error=\"insufficient_scope\", scope=\"{scope}\""))
}

fn bad_key(detail: &'static str) -> Response {
    challenged(ApiError::new(problems::UNAUTHORIZED, detail), ", error=\"invalid_token\"")
}

/// With what RFC 6750 wants to be told.
fn challenged(error: ApiError, attributes: &str) -> Response {
    let mut response = error.into_response();
    let challenge = format!("Bearer realm=\"pnl-tracker\"{attributes}");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// An answer to the holder of a key is nobody else's, whoever keeps it on the way.
pub fn private(mut response: Response) -> Response {
    let told = response.headers().get(header::CACHE_CONTROL).and_then(|told| told.to_str().ok());
    let told = match told {
        None => "private".to_owned(),
        Some(told) if told.contains("private") || told.contains("no-store") => return response,
        Some(told) => format!("private, {}", told.strip_prefix("public, ").unwrap_or(told)),
    };
    if let Ok(told) = HeaderValue::from_str(&told) {
        response.headers_mut().insert(header::CACHE_CONTROL, told);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines.iter();
        lines.map(|(name, text)| (HeaderName::from_static(name), text.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_is_taken_from_either_header_and_two_are_refused() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let (one, other) = (one.expose(), other.expose());
        let bearer = format!("Bearer {one}");
        let small = format!("bearer  {one}");
        for lines in [
            &[("authorization", bearer.as_str())][..],
            &[("authorization", &small)],
            &[("x-api-key", one)],
            &[("authorization", &bearer), ("x-api-key", one)],
        ] {
            assert_eq!(sent(&headers(lines)).unwrap().unwrap().expose(), one, "{lines:?}");
        }
        for lines in [
            &[("authorization", one)][..],
            &[("authorization", "Basic cG5sOnBubA==")],
            &[("authorization", "Bearer"), ("x-api-key", one)],
            &[("authorization", &bearer), ("x-api-key", other)],
            &[("x-api-key", one), ("x-api-key", other)],
            &[("x-api-key", "")],
            &[("x-api-key", &bearer)],
        ] {
            assert!(sent(&headers(lines)).is_err(), "{lines:?}");
        }
        assert!(sent(&headers(&[])).unwrap().is_none());
    }

    #[test]
    fn what_anybody_might_keep_is_the_callers_alone() {
        let kept = |told: Option<&'static str>| {
            let mut response = Response::default();
            if let Some(told) = told {
                let told = HeaderValue::from_static(told);
                response.headers_mut().insert(header::CACHE_CONTROL, told);
            }
            private(response).headers()[header::CACHE_CONTROL].to_str().unwrap().to_owned()
        };
        assert_eq!(kept(Some("public, max-age=60")), "private, max-age=60");
        assert_eq!(kept(Some("max-age=10")), "private, max-age=10");
        assert_eq!(kept(None), "private");
        for same in ["no-store", "private, no-cache", "private, max-age=9, immutable"] {
            assert_eq!(kept(Some(same)), same);
        }
    }
}
