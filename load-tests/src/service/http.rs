//! A small HTTP client: one connection for each request, so that no answer depends on an earlier
//! one.

use std::time::Duration;

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;

/// Longest time of one exchange.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else.
    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, no such JSON: {}", self.status, self.text()))
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer itself when its status is `status`.
    ///
    /// # Errors
    /// When it is another one; the error shows the body.
    pub fn expect(self, status: u16) -> anyhow::Result<Self> {
        anyhow::ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            self.text()
        );
        Ok(self)
    }
}

/// Speaks to one listener.
#[derive(Debug, Clone)]
pub struct Client {
    host: String,
    patience: Duration,
}

impl Client {
    /// For `http://HOST:PORT`.
    pub fn new(url: &str) -> Self {
        let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_owned();
        Self { host, patience: PATIENCE }
    }

    /// The same with another longest time of one exchange.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// GET `path`.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(Method::GET, path, &[], None).await
    }

    /// GET `path`, whose answer is 200 and JSON.
    ///
    /// # Errors
    /// When it is anything else.
    pub async fn get_json(&self, path: &str) -> anyhow::Result<Value> {
        self.get(path).await?.expect(200).with_context(|| format!("GET {path}"))?.json()
    }

    /// GET `path`, whose answer is 200 and may be larger than memory: its bytes and its line ends
    /// are counted as they come.
    ///
    /// # Errors
    /// When it is not 200 or breaks off.
    pub async fn count(&self, path: &str) -> anyhow::Result<(u64, u64)> {
        let request = Request::get(path).header(HOST, &self.host).body(Body::empty())?;
        let stream = TcpStream::connect(&self.host).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let counted = async {
            let answer = sender.send_request(request).await?;
            anyhow::ensure!(answer.status() == 200, "GET {path}: {}", answer.status());
            let mut pieces = Body::new(answer.into_body()).into_data_stream();
            let (mut bytes, mut lines) = (0, 0);
            while let Some(piece) = pieces.next().await {
                let piece = piece?;
                bytes += piece.len() as u64;
                lines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
            }
            Ok((bytes, lines))
        };
        let counted = counted.await;
        connection.abort();
        counted
    }

    /// POST `body` as JSON.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Answer> {
        self.post_with(path, &[], body).await
    }

    /// POST `body` as JSON with further headers.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &impl Serialize,
    ) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, headers, Some(serde_json::to_vec(body)?)).await
    }

    /// One exchange.
    ///
    /// # Errors
    /// When no whole answer came within the patience.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(&method).uri(path).header(HOST, &self.host);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.map_or_else(Body::empty, Body::from))?;
        tokio::time::timeout(self.patience, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {} s", self.patience.as_secs())))
            .with_context(|| format!("{method} http://{}{path}", self.host))
    }

    async fn exchange(&self, request: Request<Body>) -> anyhow::Result<Answer> {
        let stream = TcpStream::connect(&self.host).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // The connection does the reading and writing; its error is that of the exchange.
        let connection = tokio::spawn(connection);
        let answer = async {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = axum::body::to_bytes(Body::new(body), usize::MAX).await?;
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let answer = answer.await;
        connection.abort();
        answer
    }
}
