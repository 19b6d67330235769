//! Webhooks: a signed POST to an address that a client has named.
//!
//! The address is foreign, so nothing of it is trusted: [`target`] says which URLs are taken, [`address`] which
//! addresses may be connected to, and the connection goes to an address that was looked at, not to the name again.
//! Neither redirects nor proxies of the environment are followed, and of an answer only its head counts.
//! [`signature`] is what tells the receiver that it was us.

mod address;
mod signature;
mod target;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use tokio::time::{Instant, timeout_at};

pub use self::signature::{BadSecret, Signer};
pub use self::target::{BadTarget, Target, TargetRules};

use self::address::{NotPublic, PublicOnly};
use crate::endpoint::{CONNECT_TIMEOUT, build_client};
use crate::error::SetupError;
use crate::failure;

/// What is sent is a CloudEvent as JSON.
const MEDIA_TYPE: &str = "application/cloudevents+json";

/// How much of an answer's body is taken, so that a receiver can end its answer; the rest is cut off.
const MOST_ANSWER_BYTES: usize = 16 * 1024;

/// Sends webhooks. A cheap clone.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: reqwest::Client,
    rules: Arc<TargetRules>,
    signer: Arc<Signer>,
    timeout: Duration,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Whose receiver it is for: with its secrets it is signed.
    pub tenant: &'a str,
    /// `webhook-id`: the same at each attempt.
    pub id: &'a str,
    /// The body.
    pub body: &'a str,
}

/// What a receiver has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, if it was there; one that cannot be read counts as the client's own pause.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer. What it says may be shown to the client that has named the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The URL is none that is taken (any more).
    #[error(transparent)]
    Target(#[from] BadTarget),
    /// The name leads to an address that may not be connected to.
    #[error("the host has an address that is not public, and webhooks.allow_private is off")]
    NotPublic,
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// Anything else on the way.
    #[error("{0}")]
    Transport(String),
}

impl WebhookClient {
    /// A client that sends to what `rules` take, and waits `timeout` for each answer.
    ///
    /// # Errors
    /// [`SetupError::Client`].
    pub fn new(rules: TargetRules, signer: Signer, timeout: Duration) -> Result<Self, SetupError> {
        let allow_private = rules.allow_private;
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("pnl-tracker/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .no_gzip()
                // Each delivery looks its address up and checks it.
                .pool_max_idle_per_host(0);
            if allow_private { builder } else { builder.dns_resolver(PublicOnly) }
        };
        let http = build_client(builder, "webhooks").map_err(|error| SetupError::Client {
            name: "webhooks".to_owned(),
            detail: failure::of_transport(&error, str::to_owned).detail(),
        })?;
        Ok(Self { http, rules: Arc::new(rules), signer: Arc::new(signer), timeout })
    }

    /// Longest time of a [`send`](Self::send), from looking up the name on.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends `message` to `url`, signed now; gives what was answered, whatever that is.
    ///
    /// # Errors
    /// [`SendError`]: whether the receiver has got it is not known.
    pub async fn send(&self, url: &str, message: Message<'_>) -> Result<Answer, SendError> {
        // The rules may have changed since the job was submitted.
        let target = self.rules.check(url)?;
        let until = Instant::now() + self.timeout;
        let request = self.request(target, message).send();
        let response = timeout_at(until, request).await;
        let response = response.map_err(|_| SendError::Timeout(self.timeout))?.map_err(why)?;
        let answer = Answer {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), SystemTime::now()),
        };
        // The receiver has answered, whatever becomes of the rest.
        let _ = timeout_at(until, drain(response)).await;
        Ok(answer)
    }

    fn request(&self, target: Target, message: Message<'_>) -> reqwest::RequestBuilder {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let timestamp = since_1970.unwrap_or_default().as_secs();
        let Message { tenant, id, body } = message;
        self.http
            .post(target.into_url())
            .header(CONTENT_TYPE, MEDIA_TYPE)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", self.signer.sign(tenant, id, timestamp, body))
            .body(body.to_owned())
    }
}

/// Takes the body of an answer, so that the receiver can end it in peace; not more of it than can be wanted.
async fn drain(mut response: reqwest::Response) {
    let mut taken = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        taken += chunk.len();
        if taken >= MOST_ANSWER_BYTES {
            return;
        }
    }
}

/// What an error of the client means to who has named the address: without the URL, which he knows.
fn why(error: reqwest::Error) -> SendError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        if cause.is::<NotPublic>() {
            return SendError::NotPublic;
        }
        source = cause.source();
    }
    let text = failure::of_transport(&error.without_url(), |text| {
        text.chars().filter(|c| !c.is_control()).take(200).collect()
    });
    SendError::Transport(text.detail())
}

fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    headers.contains_key(reqwest::header::RETRY_AFTER).then(|| failure::asked_wait(headers, now))
}

impl Answer {
    /// Whether the receiver has taken the message: 2xx and nothing else.
    pub fn is_success(self) -> bool {
        StatusCode::from_u16(self.status).is_ok_and(|status| status.is_success())
    }
}
