//! One provider: its HTTP connection pool, its budget and its health, and one try of a call.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::task::JoinSet;

use crate::calls::CallCounter;
use crate::error::SetupError;
use crate::failure::{self, Failure};
use crate::health::Health;
use crate::json_rpc::is_answer;
use crate::limiter::{Budget, Slot};
use crate::metrics::ClientMetrics;
use crate::redact::SecretUrl;
use crate::retry::CallPolicy;

/// The largest answer that is read, after decompression. The largest honest ones, token accounts of
/// an owner and pages of 1000 signatures, have a few megabytes.
const LARGEST_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// For so long a provider is not asked again for what it said it does not offer, and not at all after
/// it was found to be something else.
const REMEMBER_LACK: Duration = Duration::from_secs(600);
/// How long a connection may take to come up.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// A JSON body to the endpoint's own URL.
    Post(Vec<u8>),
    /// A JSON body that holds so many calls.
    Batch { body: Vec<u8>, calls: usize },
    /// A GET below the endpoint's URL.
    Get { segments: Vec<String> },
    /// A GET of the endpoint's URL with more parameters than it has.
    Query { pairs: Vec<(&'static str, String)> },
}

impl Outgoing {
    /// Calls in it, as a provider counts them.
    pub(crate) const fn calls(&self) -> usize {
        match self {
            Self::Batch { calls, .. } => *calls,
            Self::Post(_) | Self::Get { .. } | Self::Query { .. } => 1,
        }
    }
}

/// Reads the answer to a [`Proof`].
pub(crate) type ProofReader = Box<dyn Fn(&[u8]) -> Result<(), Failure> + Send + Sync>;

/// A question whose answer proves that an endpoint is what it is configured for.
pub(crate) struct Proof {
    pub method: &'static str,
    pub request: Outgoing,
    /// Refuses any other answer.
    pub read: ProofReader,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.method)
    }
}

/// A provider that can be called.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub name: String,
    pub url: SecretUrl,
    pub budget: Arc<Budget>,
    pub health: Health,
    /// What it said it does not offer, by method, and when.
    lacks: Mutex<HashMap<&'static str, (Instant, Failure)>>,
    http: reqwest::Client,
    metrics: ClientMetrics,
    /// To be asked before anything else, until it is answered well.
    proof: Option<Proof>,
    /// How the question for the proof has ended the last time, and when. Whoever holds it asks.
    proven: tokio::sync::Mutex<Option<(Instant, Result<(), Failure>)>>,
    /// Why nothing is taken from it, and since when.
    rejected: Mutex<Option<(Instant, Failure)>>,
}

impl Endpoint {
    pub(crate) fn new(
        name: &str,
        url: &str,
        requests_per_second: f64,
        metrics: &ClientMetrics,
    ) -> Result<Self, SetupError> {
        let url = SecretUrl::parse(url)
            .map_err(|problem| SetupError::Url { name: name.to_owned(), problem })?;
        let budget = Budget::new(requests_per_second)
            .ok_or_else(|| SetupError::Rate { name: name.to_owned(), rate: requests_per_second })?;
        let http = http_client(&url)
            .map_err(|detail| SetupError::Client { name: name.to_owned(), detail })?;
        metrics.up(name, true);
        let metrics = metrics.clone();
        let (budget, health) = (Arc::new(budget), Health::new());
        let lacks = Mutex::default();
        let (proof, proven) = (None, tokio::sync::Mutex::default());
        let (name, rejected) = (name.to_owned(), Mutex::default());
        Ok(Self { name, url, budget, health, lacks, http, metrics, proof, proven, rejected })
    }

    /// The same endpoint, which is called for anything only when it has proven what it is.
    pub(crate) fn with_proof(self, proof: Proof) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// Asks for the proof, where one is wanted and not given yet. One caller asks, and all that wait for
    /// it take the same answer; a failure is asked about again by the next call. Nobody waits for another
    /// one's question longer than `timeout`.
    pub(crate) async fn prove(
        &self,
        timeout: Duration,
        policy: &CallPolicy,
    ) -> Result<(), Failure> {
        if let Some(failure) = self.rejected() {
            return Err(failure);
        }
        let Some(Proof { method, request, read }) = &self.proof else { return Ok(()) };
        let came = Instant::now();
        let turn = tokio::time::timeout(timeout, self.proven.lock()).await;
        let mut proven = turn.map_err(|_| no_answer(timeout))?;
        match &*proven {
            Some((_, Ok(()))) => return Ok(()),
            Some((ended, failed)) if *ended >= came => return failed.clone(),
            _ => {}
        }
        let answer = match self.budget.acquire(policy.longest_wait).await {
            Ok(slot) => {
                self.attempt(method, request, slot, timeout, policy.trial_every, read).await
            }
            Err(paused) => Err(Failure::Throttled { retry_after: paused.remaining }),
        };
        *proven = Some((Instant::now(), answer.clone()));
        answer
    }

    /// Takes nothing more from it for a while: its answers have shown that it is not what it is
    /// configured for.
    pub(crate) fn reject(&self, failure: Failure, trial_every: Duration) {
        self.health.failed(&failure, trial_every);
        self.metrics.up(&self.name, self.health.reading().up);
        *self.rejected.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), failure));
    }

    fn rejected(&self) -> Option<Failure> {
        let rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, failure) = rejected.as_ref()?;
        (since.elapsed() < REMEMBER_LACK).then(|| failure.clone())
    }

    /// Takes down that it does not offer the method.
    pub(crate) fn note_lack(&self, method: &'static str, failure: Failure) {
        let mut lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        lacks.insert(method, (Instant::now(), failure));
    }

    /// Its refusal, when it has said lately that it does not offer the method.
    pub(crate) fn lacks(&self, method: &str) -> Option<Failure> {
        let lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, failure) = lacks.get(method)?;
        (since.elapsed() < REMEMBER_LACK).then(|| failure.clone())
    }

    /// One try: sends `request`, reads the whole answer within `timeout` and hands it to `read`.
    /// Everybody who watches is told: counters, health, metrics, and the budget of a 429.
    pub(crate) async fn attempt<T>(
        &self,
        method: &'static str,
        request: &Outgoing,
        slot: Slot,
        timeout: Duration,
        trial_every: Duration,
        read: impl Fn(&[u8]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        CallCounter::count(method, request.calls());
        self.health.sent(request.calls());
        self.health.begin_trial(trial_every);
        let mut observed = Observed::start(self, method);
        let answer = match tokio::time::timeout(timeout, self.exchange(request, slot)).await {
            Ok(answer) => answer,
            Err(_) => Err(no_answer(timeout)),
        };
        // Nodes repeat what they were asked, and some the URL.
        let read = |body: Vec<u8>| {
            read(&body).map_err(|failure| failure.map_detail(|text| self.url.quote(text)))
        };
        let result = answer.and_then(read);
        match &result {
            Ok(_) => {
                observed.outcome = "ok";
                self.health.answered();
            }
            Err(failure) => {
                observed.outcome = failure.outcome();
                if let Failure::Throttled { retry_after } = failure {
                    self.metrics.throttled(&self.name);
                    self.budget.pause_for(*retry_after);
                }
                match failure {
                    Failure::Missing
                    | Failure::PlaceUnknown(_)
                    | Failure::Refused { scope: failure::Scope::Request, .. } => {
                        self.health.answered();
                    }
                    _ => self.health.failed(failure, trial_every),
                }
                tracing::debug!(
                    provider = self.name,
                    method,
                    outcome = failure.outcome(),
                    detail = failure.detail(),
                    "provider call failed"
                );
            }
        }
        self.metrics.up(&self.name, self.health.reading().up);
        result
    }

    async fn exchange(&self, request: &Outgoing, slot: Slot) -> Result<Vec<u8>, Failure> {
        let request = match request {
            Outgoing::Post(body) | Outgoing::Batch { body, .. } => self
                .http
                .post(self.url.expose().clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.clone()),
            Outgoing::Get { segments } => self.http.get(below(self.url.expose(), segments)),
            Outgoing::Query { pairs } => self.http.get(with_query(self.url.expose(), pairs)),
        };
        let quote = |text: &str| self.url.quote(text);
        // In a task of its own: it leaves and its slot is given back also while the caller's task
        // does something else. Dropping the set ends it.
        let mut sending = JoinSet::new();
        sending.spawn(async move {
            let sent = request.send().await;
            // Answered or failed for good: either way nothing of this call is still on its way.
            slot.answered();
            sent
        });
        let Some(Ok(sent)) = sending.join_next().await else {
            return Err(Failure::Transient("the call was cut short".to_owned()));
        };
        let mut response = sent.map_err(|error| failure::of_transport(&error, quote))?;
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| failure::of_transport(&error, quote))?
        {
            if body.len() + chunk.len() > LARGEST_ANSWER_BYTES {
                return Err(Failure::Refused {
                    code: "provider-answer-too-large",
                    detail: format!("more than {LARGEST_ANSWER_BYTES} bytes"),
                    scope: failure::Scope::Provider,
                });
            }
            body.extend_from_slice(&chunk);
        }
        let status = response.status();
        if status == StatusCode::OK || (failure::is_about_the_call(status) && is_answer(&body)) {
            return Ok(body);
        }
        let said = self.url.quote(&String::from_utf8_lossy(&body));
        Err(failure::of_status(status, response.headers(), &said))
    }
}

fn no_answer(within: Duration) -> Failure {
    Failure::Transient(format!("no answer within {within:?}"))
}

/// Records a call when it ends, also one whose caller gave up.
struct Observed<'a> {
    endpoint: &'a Endpoint,
    method: &'static str,
    started: Instant,
    outcome: &'static str,
}

impl<'a> Observed<'a> {
    fn start(endpoint: &'a Endpoint, method: &'static str) -> Self {
        Self { endpoint, method, started: Instant::now(), outcome: "cancelled" }
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        let Self { endpoint, method, started, outcome } = self;
        endpoint.metrics.call(&endpoint.name, method, outcome, started.elapsed());
    }
}

/// `base` with further parameters.
fn with_query(base: &Url, pairs: &[(&'static str, String)]) -> Url {
    let mut url = base.clone();
    url.query_pairs_mut().extend_pairs(pairs);
    url
}

/// `base` with further path segments.
fn below(base: &Url, segments: &[String]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("an http URL has a path").pop_if_empty().extend(segments);
    url
}

/// A client for one endpoint. It neither retries nor follows redirects: every call that leaves is
/// one that the budget knows.
///
/// Certificates are judged by the machine's own roots; on a machine that has none, by Mozilla's,
/// which are compiled in.
pub(crate) fn http_client(url: &SecretUrl) -> Result<reqwest::Client, String> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("pnl-tracker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if url.is_loopback() { builder.no_proxy() } else { builder }
    };
    let client = if url.is_https() {
        build_client(builder, url)
    } else {
        // Without TLS no root certificate is needed, and none is looked for.
        built_in_roots(builder())
    };
    client.map_err(|error| failure::of_transport(&error, |text| url.quote(text)).detail())
}

/// Builds a client that judges certificates by the machine's roots, else by those that are compiled in. `endpoint` is
/// named in the log.
pub(crate) fn build_client(
    builder: impl Fn() -> reqwest::ClientBuilder,
    endpoint: impl std::fmt::Display,
) -> Result<reqwest::Client, reqwest::Error> {
    // The binary installs a provider at its start; a library user may not have.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody else was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    if let Ok(client) = builder().build() {
        return Ok(client);
    }
    tracing::warn!(%endpoint, "no root certificates on this machine, using built-in ones");
    built_in_roots(builder())
}

fn built_in_roots(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring offers the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    builder.tls_backend_preconfigured(tls).build()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn paths_are_appended_whether_or_not_the_base_ends_in_a_slash() {
        for base in ["http://h/llama", "http://h/llama/"] {
            let segments = ["prices".to_owned(), "coingecko:solana,base:0x0".to_owned()];
            let url = below(&Url::parse(base).unwrap(), &segments);
            assert_eq!(url.as_str(), "http://h/llama/prices/coingecko:solana,base:0x0");
        }
    }
    /// An endpoint, and a node that answers its first call with an empty object.
    async fn answered_once(requests_per_second: f64) -> (Endpoint, impl Future<Output = ()>) {
        answered_with(requests_per_second, "200 OK", "{}").await
    }

    async fn answered_with(
        requests_per_second: f64,
        status: &'static str,
        body: &'static str,
    ) -> (Endpoint, impl Future<Output = ()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/?api-key=0123456789abcdef", listener.local_addr().unwrap());
        let metrics = ClientMetrics::register(&prometheus::Registry::new()).unwrap();
        let node = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let length = body.len();
            let head = "Connection: close\r\nContent-Length:";
            let answer = format!("HTTP/1.1 {status}\r\n{head} {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        (Endpoint::new("keyed", &url, requests_per_second, &metrics).unwrap(), node)
    }

    #[tokio::test]
    async fn what_a_node_says_is_quoted_short_and_without_the_key() {
        let (endpoint, node) = answered_once(1000.0).await;
        let slot = endpoint.budget.acquire(Duration::ZERO).await.unwrap();
        let said = format!("no plan for 0123456789abcdef{}", "!".repeat(1000));
        let second = Duration::from_secs(1);
        let request = Outgoing::Post(Vec::new());
        let read = |_: &[u8]| Err::<(), _>(failure::of_rpc_error(-32011, &said));
        let call = endpoint.attempt("getSlot", &request, slot, second, second, read);
        let (answer, ()) = futures::join!(call, node);
        let detail = answer.unwrap_err().detail();
        assert!(detail.contains("no plan for [redacted]!"), "{detail}");
        assert!(detail.chars().count() <= 300, "{detail}");
    }

    #[tokio::test]
    async fn a_refusal_of_a_call_is_read_whatever_its_status() {
        const SAID: &str =
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"too much"}}"#;
        const ALL: &str = r#" [{"jsonrpc":"2.0","id":1,"error":{"code":35,"message":"range"}}]"#;
        for (status, body, expected) in [
            ("400 Bad Request", SAID, "read"),
            ("404 Not Found", SAID, "read"),
            ("422 Unprocessable Content", ALL, "read"),
            ("400 Bad Request", "{}", "refused"),
            ("400 Bad Request", "<html>", "refused"),
            ("403 Forbidden", SAID, "refused"),
            ("429 Too Many Requests", SAID, "throttled"),
            ("503 Service Unavailable", SAID, "endpoint"),
        ] {
            let (endpoint, node) = answered_with(1000.0, status, body).await;
            let slot = endpoint.budget.acquire(Duration::ZERO).await.unwrap();
            let second = Duration::from_secs(1);
            let request = Outgoing::Post(Vec::new());
            let read = |read: &[u8]| {
                assert_eq!(read, body.as_bytes());
                Ok(())
            };
            let call = endpoint.attempt("eth_getLogs", &request, slot, second, second, read);
            let (answer, ()) = futures::join!(call, node);
            assert_eq!(answer.map_or_else(|one| one.outcome(), |()| "read"), expected, "{status}");
        }
    }

    #[tokio::test]
    async fn all_who_wait_for_the_proof_of_a_silent_node_take_one_failure() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let metrics = ClientMetrics::register(&prometheus::Registry::new()).unwrap();
        let read: ProofReader = Box::new(|_| Ok(()));
        let proof = Proof { method: "eth_chainId", request: Outgoing::Post(Vec::new()), read };
        let endpoint = Endpoint::new("silent", &url, 1000.0, &metrics).unwrap().with_proof(proof);
        let (policy, soon) = (CallPolicy::default(), Duration::from_millis(200));
        let callers = futures::future::join_all((0..20).map(|_| endpoint.prove(soon, &policy)));
        assert!(callers.await.iter().all(|answer| *answer == Err(no_answer(soon))));
        assert_eq!(endpoint.health.reading().calls, 1);
        // One that has less time than whoever asks does not wait for it.
        let minute = Duration::from_secs(60);
        let mut patient = Box::pin(endpoint.prove(minute, &policy));
        assert!(futures::poll!(patient.as_mut()).is_pending());
        assert_eq!(endpoint.prove(soon, &policy).await, Err(no_answer(soon)));
        assert!(futures::poll!(patient.as_mut()).is_pending());
        // The next one asks again, and then nobody.
        drop(patient);
        let answer = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let read = stream.read(&mut [0; 4096]).await;
                if read.is_ok_and(|length| length > 0) {
                    let body = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                    // Those who gave up do not read it.
                    let _ = stream.write_all(body.as_bytes()).await;
                }
            }
        });
        assert_eq!(endpoint.prove(minute, &policy).await, Ok(()));
        let calls = endpoint.health.reading().calls;
        assert_eq!(endpoint.prove(soon, &policy).await, Ok(()));
        assert_eq!(endpoint.health.reading().calls, calls, "once");
        answer.abort();
    }

    #[tokio::test]
    async fn a_call_whose_caller_is_busy_leaves_and_gives_its_slot_back() {
        let (endpoint, node) = answered_once(1.0).await;
        let slot = endpoint.budget.acquire(Duration::ZERO).await.unwrap();
        let minute = Duration::from_secs(60);
        let request = Outgoing::Post(Vec::new());
        let read = |body: &[u8]| Ok(body.len());
        let call = endpoint.attempt("getSlot", &request, slot, minute, minute, read);
        let mut call = Box::pin(call);
        assert!(futures::poll!(call.as_mut()).is_pending());
        node.await;
        let next = tokio::time::timeout(Duration::from_secs(3), endpoint.budget.acquire(minute));
        next.await.expect("the slot is free one window after the answer").unwrap().answered();
        assert_eq!(call.await, Ok(2));
    }
}
