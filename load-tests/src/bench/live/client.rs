//! One client that follows a job to its end, and comes back where it was when something breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use futures::StreamExt as _;
use hyper::Request;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Wait before a client comes back.
const PAUSE: Duration = Duration::from_millis(100);

/// What a client buffers: its own memory is not the question, but there are thousands.
const BUFFER_BYTES: usize = 4096;

/// Where clients go, and what they have done together. A cheap clone.
#[derive(Debug, Clone)]
pub struct Scene(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    host: String,
    connected: AtomicU64,
    heard: AtomicU64,
}

impl Scene {
    /// At the public listener `http://HOST:PORT`.
    pub fn at(url: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        Self(Arc::new(Inner { host, connected: AtomicU64::new(0), heard: AtomicU64::new(0) }))
    }

    /// Connections on which something came, so far.
    pub fn connected(&self) -> u64 {
        self.0.connected.load(Ordering::Relaxed)
    }

    /// Events that clients have heard, so far.
    pub fn heard(&self) -> u64 {
        self.0.heard.load(Ordering::Relaxed)
    }
}

/// How a client follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    Sse,
    /// A WebSocket.
    WebSocket,
}

/// An event as a client heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its number in the job.
    pub number: u64,
    /// What happened, and to which wallet.
    pub what: String,
    /// When it was heard, in microseconds since 1970.
    pub at: i64,
}

/// All that a client heard.
#[derive(Debug)]
pub struct Story {
    /// The job.
    pub job: String,
    /// The number behind which it began.
    pub behind: u64,
    /// The events, as they came.
    pub heard: Vec<Heard>,
    /// Connections it took.
    pub connections: u64,
}

/// A client before it goes.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    /// The last event it has; none: it begins with a snapshot.
    last: Option<u64>,
    is_over: bool,
    /// Whether something came on this connection.
    is_connected: bool,
    story: Story,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: &'a str,
    lasteventid: Option<&'a str>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    wallet: Option<&'a str>,
}

impl Client {
    /// Follows `job`, from its first event on or with a snapshot first.
    pub fn new(transport: Transport, job: &str, is_from_first: bool) -> Self {
        let story = Story { job: job.to_owned(), behind: 0, heard: Vec::new(), connections: 0 };
        let last = is_from_first.then_some(0);
        Self { transport, last, is_over: false, is_connected: false, story }
    }

    /// Follows until the job is over.
    ///
    /// # Errors
    /// What no client may meet: a message that is none of the protocol. That a connection breaks is no error.
    pub async fn follow(mut self, scene: Scene) -> anyhow::Result<Story> {
        while !self.is_over {
            self.is_connected = false;
            let broken = match self.transport {
                Transport::Sse => self.stream(&scene).await?,
                Transport::WebSocket => self.socket(&scene).await?,
            };
            ensure!(broken || self.is_over, "an end that is none, after {:?}", self.last);
            if !self.is_over {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(self.story)
    }

    /// Whether the connection broke, or was never made.
    async fn stream(&mut self, scene: &Scene) -> anyhow::Result<bool> {
        let host = &scene.0.host;
        let Ok(stream) = TcpStream::connect(host).await else { return Ok(true) };
        let mut request =
            Request::get(format!("/api/pnl/batch/{}/events", self.story.job)).header(HOST, host);
        if let Some(last) = self.last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty())?;
        let Ok((mut sender, connection)) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await
        else {
            return Ok(true);
        };
        let exchange = async {
            let Ok(answer) = sender.send_request(request).await else { return Ok(true) };
            // A process that starts may not be ready.
            if answer.status() == 503 {
                return Ok(true);
            }
            ensure!(answer.status() == 200, "a stream is answered {}", answer.status());
            let mut pieces = Body::new(answer.into_body()).into_data_stream();
            let mut text = String::new();
            while let Some(piece) = pieces.next().await {
                let Ok(piece) = piece else { return Ok(true) };
                text.push_str(std::str::from_utf8(&piece).context("an event is cut in a letter")?);
                while let Some(end) = text.find("\n\n") {
                    let frame: String = text.drain(..end + 2).collect();
                    let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
                    data.map_or(Ok(()), |data| self.take(scene, data))?;
                }
            }
            Ok(false)
        };
        // The connection does the reading and writing; its error is that of the exchange.
        let connection = tokio::spawn(connection);
        let exchanged = exchange.await;
        connection.abort();
        exchanged
    }

    /// The same over a WebSocket.
    async fn socket(&mut self, scene: &Scene) -> anyhow::Result<bool> {
        let host = &scene.0.host;
        let Ok(stream) = TcpStream::connect(host).await else { return Ok(true) };
        let last = self.last.map(|last| format!("?last_event_id={last}")).unwrap_or_default();
        let request = format!("ws://{host}/api/pnl/batch/{}/ws{last}", self.story.job);
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES);
        let opened = tokio_tungstenite::client_async_with_config(
            request.into_client_request()?,
            stream,
            Some(config),
        );
        let Ok((mut socket, _)) = opened.await else { return Ok(true) };
        while let Some(frame) = socket.next().await {
            match frame {
                Ok(Message::Text(text)) => self.take(scene, &text)?,
                Ok(Message::Close(Some(frame))) => match u16::from(frame.code) {
                    // Answers in kind; the other side may be gone.
                    1000 => drop(socket.close(None).await),
                    code => bail!("closed with {code}: {}", frame.reason),
                },
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Ok(!self.is_over)
    }

    fn take(&mut self, scene: &Scene, json: &str) -> anyhow::Result<()> {
        let at = super::now()?;
        let event: Event<'_> = serde_json::from_str(json).with_context(|| json.to_owned())?;
        if !std::mem::replace(&mut self.is_connected, true) {
            self.story.connections += 1;
            scene.0.connected.fetch_add(1, Ordering::Relaxed);
        }
        let name = event.r#type.trim_start_matches("com.pnl.");
        // Progress has no number.
        let Some(number) = event.lasteventid else { return Ok(()) };
        let number = number.parse()?;
        if name == "job.snapshot" {
            ensure!(
                self.last.is_none(),
                "a snapshot for a client that named event {:?}",
                self.last
            );
            self.story.behind = number;
        } else {
            let what = format!("{name} {}", event.data.wallet.unwrap_or_default());
            self.story.heard.push(Heard { number, what, at });
            scene.0.heard.fetch_add(1, Ordering::Relaxed);
            self.is_over = name.starts_with("job.") && name != "job.started";
        }
        self.last = Some(number);
        Ok(())
    }
}
