//! Answers from the cache: which questions are kept.

use std::sync::{Arc, Mutex, PoisonError};

use axum::RequestExt;
use axum::extract::{MatchedPath, Query, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use persistence_layer::batches::BatchRef;
use pnl_core::{Address, Chain, WalletRef};

use crate::answers::{Answer, Found};
use crate::app::AppState;
use crate::extract::job_id;
use crate::keys::Caller;
use crate::middleware::validators;
use crate::questions::{Question, Sent, accept_kept};
use crate::routes;
use crate::versions::{Subject, Version};

/// Says where an answer is from.
pub const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The layer itself.
pub async fn answers(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !app.answers.is_on() || !is_read {
        return next.run(request).await;
    }
    let caller = request.extensions().get::<Caller>();
    let sent = caller.and_then(|caller| Sent::of(&caller.tenant, request.uri(), request.headers()));
    let known = sent.as_ref().and_then(|sent| app.answers.questions.get(sent));
    let question = match known.clone() {
        Some(question) => question,
        None => match question(&mut request).await {
            Some(question) => Arc::new(question),
            None => return next.run(request).await,
        },
    };
    if wants_fresh(request.headers()) {
        let condition = take_condition(&mut request);
        let made = validators::conditional_if_tagged(&condition, next.run(request).await);
        return told(made, Found::Bypass);
    }
    let version = match app.versions.of(&app, &question.subject).await {
        Version::Is(version) => version,
        Version::None => return next.run(request).await,
        Version::Unknown => {
            return match app.answers.stale(&question).await {
                Some(answer) => given(request.headers(), &answer, Found::Stale),
                None => next.run(request).await,
            };
        }
    };
    // Whoever makes the answer makes it for all.
    let condition = take_condition(&mut request);
    let asked = Mutex::new(Some(request));
    let take = || asked.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let make = async { made(next.clone().run(take()).await).await };
    let (answer, found) = match app.answers.get(&question, &version, make).await {
        Ok(found) => found,
        Err(Some(Refused(response))) => {
            return response.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        // Another one's answer was none to keep: this client gets its own.
        Err(None) => return next.run(take()).await,
    };
    // What is known is given to whoever may read.
    if let Some(sent) = sent.filter(|_| known.is_none() && question.subject.is_for_readers()) {
        app.answers.questions.learn(sent, question);
    }
    given(&condition, &answer, found)
}

/// The condition of a client, which waits outside while the answer is made: so that all of it is made, and counted.
fn take_condition(request: &mut Request) -> HeaderMap {
    let wanted = request.headers().get_all(header::IF_NONE_MATCH).into_iter().cloned();
    let condition = wanted.map(|wanted| (header::IF_NONE_MATCH, wanted)).collect();
    request.headers_mut().remove(header::IF_NONE_MATCH);
    condition
}

/// An answer that is not kept. Bodies are for one reader, which the lock makes sure of.
struct Refused(Mutex<Response>);

async fn made(response: Response) -> Result<Answer, Refused> {
    if response.status() != StatusCode::OK || !response.headers().contains_key(header::ETAG) {
        return Err(Refused(Mutex::new(response)));
    }
    let (parts, body) = response.into_parts();
    // With a tag the body is whole already.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        let error = axum::response::IntoResponse::into_response(crate::error::ApiError::internal());
        return Err(Refused(Mutex::new(error)));
    };
    match Answer::new(&parts.headers, bytes.clone()) {
        Some(answer) => Ok(answer),
        None => Err(Refused(Mutex::new(Response::from_parts(parts, bytes.into())))),
    }
}

/// The answer to a client that asks `asked`, found so.
pub fn given(asked: &HeaderMap, answer: &Answer, found: Found) -> Response {
    let response = validators::conditional(asked, answer.tag(), answer.response());
    let mut response = told(response, found);
    if found.is_kept() {
        response.headers_mut().insert(header::AGE, HeaderValue::from(answer.age_seconds()));
    }
    response
}

/// Says where the answer was found: to who gets it, and to who counts it.
fn told(mut response: Response, found: Found) -> Response {
    response.extensions_mut().insert(found);
    response.headers_mut().insert(X_CACHE, HeaderValue::from_static(found.as_str()));
    response
}

/// Whether the client wants an answer that is made for it.
pub fn wants_fresh(asked: &HeaderMap) -> bool {
    let mut wishes = asked.get_all(header::CACHE_CONTROL).iter();
    wishes.any(|value| {
        let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
        value.split(',').any(|wish| matches!(wish.trim(), "no-cache" | "no-store" | "max-age=0"))
    })
}

/// What is asked; `None` when answers to it are not kept.
async fn question(request: &mut Request) -> Option<Question> {
    if !accept_kept(request.headers()) {
        return None;
    }
    let route = routes::label_of(request.extensions().get::<MatchedPath>()?.as_str());
    let Caller { tenant, .. } = request.extract_parts().await.ok()?;
    let Query(mut query) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    // What is said of a job's result goes with the job, which no ledger tells of.
    if query.iter().any(|(name, _)| name == "job_id") {
        return None;
    }
    let named: RawPathParams = request.extract_parts().await.ok()?;
    let subject = if route.starts_with("/api/v2/wallets/") && !route.ends_with("/diff") {
        let mut chains = query.iter().filter(|(name, _)| name == "chain");
        let chain: Chain = chains.next()?.1.parse().ok()?;
        let wallet = named.iter().find(|(name, _)| *name == "wallet")?.1;
        let address = Address::parse(chain, wallet).ok()?;
        Subject::Wallet(tenant.clone(), WalletRef { chain, address })
    } else if route.starts_with("/api/pnl/batch/results/") {
        let id = job_id(named.iter().find(|(name, _)| *name == "job_id")?.1)?;
        Subject::Job(BatchRef { tenant: tenant.clone(), id })
    } else {
        match route {
            "/api/pnl/results" | "/api/leaderboard" | "/api/compare" => {
                Subject::Latest(tenant.clone())
            }
            "/api/services/status" => Subject::Service,
            _ => return None,
        }
    };
    query.sort();
    // No name of a tenant has a blank, so no path can pass for one.
    let text = format!("{tenant} {} {query:?}", request.uri().path());
    Some(Question::new(subject, text, route))
}
