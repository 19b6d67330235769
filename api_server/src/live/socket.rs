//! A client that follows a job over a WebSocket (RFC 6455).
//!
//! It is told the same as over server-sent events, one CloudEvent in each text message. A client that names no
//! event in the address may do so in one message of its own. Every way in which a socket ends has a close
//! code of its own ([`Goodbye`]).

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use job_orchestrator::batch::BatchError;
use persistence_layer::Tenant;
use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::job_events::Number;
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Dropped, End, Follower, Live, Message, Place, Transport};
use crate::error::ApiError;
use crate::extract::job_id;

/// Largest message that is taken from a client, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// Frames of a client between two pings; a client has hardly anything to say.
const MAX_FRAMES: u32 = 100;

/// How long the other side may take for its part of the end.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Why a socket ends: a code and a reason of at most 123 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goodbye {
    code: u16,
    reason: Cow<'static, str>,
}

impl Goodbye {
    /// The job is over, and the client has all of it.
    const OVER: Self = Self::new(1000, "the job is over");
    /// A frame that is none, or too large for one.
    const PROTOCOL: Self = Self::new(1002, "a frame is not well-formed, or too large");
    /// A message in bytes.
    const BINARY: Self = Self::new(1003, "messages are JSON text");
    /// A message that says nothing.
    const BAD_MESSAGE: Self =
        Self::new(1008, "bad message: {\"subscribe\": JOB, \"from\": NUMBER} is what is taken");
    /// A socket is for one job, from one place on.
    const TWICE: Self = Self::new(1008, "the socket has subscribed already; open another one");
    /// A message about another job than the address.
    const OTHER_JOB: Self = Self::new(1008, "the address of the socket names another job");
    /// More frames than anybody needs to send.
    const TOO_MANY: Self = Self::new(1008, "too many messages");
    /// A message beyond [`MAX_MESSAGE_BYTES`].
    const TOO_LARGE: Self = Self::new(1009, "a message has 4,096 bytes at most");
    /// The process stops.
    const STOPPING: Self = Self::new(1012, "the process stops; go on at another one");
    /// The key of the client has expired or was revoked: as a request with it would be refused.
    const KEY_GONE: Self = Self::new(4401, "unauthorized: the key has expired or was revoked");
    /// The client takes its messages too slowly.
    const TOO_SLOW: Self = Self::new(1013, "too slow; go on behind the last event");
    /// Nothing was heard of the client.
    const SILENT: Self = Self::new(4408, "no answer to pings, or no subscription in time");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// What the end counts as, where it is not the client's wish or that of its job.
    const fn dropped(&self) -> Option<Dropped> {
        match self.code {
            // A connection that broke looks like a frame that is none.
            1000 | 1002 => None,
            1012 => Some(Dropped::Stopping),
            1013 => Some(Dropped::Slow),
            4401 => Some(Dropped::Key),
            4408 => Some(Dropped::Silent),
            _ => Some(Dropped::Refused),
        }
    }

    /// What a request would have been refused with: 4000 and the status, and the code of the problem.
    fn refused(error: BatchError) -> Self {
        let problem = ApiError::from(error).problem();
        Self { code: 4000 + problem.status.as_u16(), reason: problem.code.into() }
    }
}

/// What a client may send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    subscribe: Option<String>,
    from: Option<From>,
}

/// The number of an event, as JSON number or as the text that events have it in.
#[derive(Deserialize)]
#[serde(untagged)]
enum From {
    Number(u64),
    Text(String),
}

impl From {
    fn number(self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(Number(number)),
            Self::Text(text) => text.parse().ok().map(Number),
        }
    }
}

/// What a socket does when it opens.
pub enum Start {
    /// The address names the job.
    Following(BatchRef, Box<Follower>),
    /// The client will name one of this tenant.
    Asked(Tenant, Place),
}

/// Whether the client follows something yet.
enum State {
    Asked(Place),
    Following(Box<Follower>),
}

struct Socket {
    live: Live,
    socket: WebSocket,
    /// Whose jobs it can be about.
    tenant: Tenant,
    /// The job that the address names.
    job: Option<BatchId>,
    /// Empty for no longer than one follower becomes another.
    state: Option<State>,
    has_subscribed: bool,
    heard: Instant,
    frames: u32,
}

/// What happens next.
enum Step {
    Told(Result<Message, End>),
    Heard(Option<Result<Frame, axum::Error>>),
    Beat,
}

/// Tells the client until one of the two has enough.
pub async fn run(live: Live, socket: WebSocket, start: Start) {
    let (tenant, job, state) = match start {
        Start::Following(job, follower) => (job.tenant, Some(job.id), State::Following(follower)),
        Start::Asked(tenant, place) => (tenant, None, State::Asked(place)),
    };
    let mut socket = Socket {
        live,
        socket,
        tenant,
        job,
        state: Some(state),
        has_subscribed: false,
        heard: Instant::now(),
        frames: 0,
    };
    let goodbye = socket.converse().await;
    socket.close(goodbye).await;
}

impl Socket {
    /// Gives why it ends; `None` when the client is gone.
    async fn converse(&mut self) -> Option<Goodbye> {
        let pause = self.live.rules().ping_pause();
        let mut beat = tokio::time::interval_at(Instant::now() + pause, pause);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Nothing of what is not awaited to its end is lost.
            let step = tokio::select! {
                told = next(self.state.as_mut()) => Step::Told(told),
                heard = self.socket.recv() => Step::Heard(heard),
                _ = beat.tick() => Step::Beat,
            };
            let goes_on = match step {
                Step::Told(Ok(message)) => self.send(Frame::Text((&*message.json).into())).await,
                Step::Told(Err(End::Over)) => Err(Some(Goodbye::OVER)),
                Step::Told(Err(End::Stopping)) => Err(Some(Goodbye::STOPPING)),
                Step::Told(Err(End::KeyGone)) => Err(Some(Goodbye::KEY_GONE)),
                Step::Heard(frame) => self.hear(frame).await,
                Step::Beat => self.beat(pause).await,
            };
            if let Err(end) = goes_on {
                return end;
            }
        }
    }

    async fn beat(&mut self, pause: Duration) -> Result<(), Option<Goodbye>> {
        let waits = matches!(self.state, Some(State::Asked(_)));
        if waits || self.heard.elapsed() > pause * 2 {
            return Err(Some(Goodbye::SILENT));
        }
        self.frames = 0;
        self.send(Frame::Ping(axum::body::Bytes::new())).await
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Option<Goodbye>> {
        let patience = self.live.rules().patience();
        match tokio::time::timeout(patience, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(Goodbye::TOO_SLOW)),
        }
    }

    async fn hear(
        &mut self,
        frame: Option<Result<Frame, axum::Error>>,
    ) -> Result<(), Option<Goodbye>> {
        self.heard = Instant::now();
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            return Err(Some(Goodbye::TOO_MANY));
        }
        match frame {
            None | Some(Ok(Frame::Close(_))) => Err(None),
            Some(Err(_)) => Err(Some(Goodbye::PROTOCOL)),
            // Pings are answered by the implementation.
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(()),
            Some(Ok(Frame::Binary(_))) => Err(Some(Goodbye::BINARY)),
            Some(Ok(Frame::Text(text))) => self.subscribe(text.as_str()).await.map_err(Some),
        }
    }

    async fn subscribe(&mut self, text: &str) -> Result<(), Goodbye> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(Goodbye::TOO_LARGE);
        }
        let read = serde_json::from_str(text);
        let Subscription { subscribe, from } = read.map_err(|_| Goodbye::BAD_MESSAGE)?;
        let named = subscribe.map(|text| job_id(&text).ok_or(BatchError::Unknown));
        let id = match (self.job, named.transpose().map_err(Goodbye::refused)?) {
            (Some(job), Some(other)) if job != other => return Err(Goodbye::OTHER_JOB),
            (Some(job), _) | (None, Some(job)) => job,
            (None, None) => return Err(Goodbye::BAD_MESSAGE),
        };
        let from = from.map(|from| from.number().ok_or(Goodbye::BAD_MESSAGE)).transpose()?;
        if std::mem::replace(&mut self.has_subscribed, true) {
            return Err(Goodbye::TWICE);
        }
        let place = match self.state.take() {
            Some(State::Asked(place)) => place,
            Some(State::Following(follower)) => follower.leave(),
            None => return Err(Goodbye::TWICE),
        };
        let job = BatchRef { tenant: self.tenant.clone(), id };
        let follower = self.live.follow(place, job, from).await.map_err(Goodbye::refused)?;
        self.state = Some(State::Following(Box::new(follower)));
        Ok(())
    }

    /// Says why, unless the client was first, and waits a moment for the other side to have read it: a
    /// connection that is closed with bytes unread is reset, and the code would be lost.
    async fn close(mut self, goodbye: Option<Goodbye>) {
        if let Some(reason) = goodbye.as_ref().and_then(Goodbye::dropped) {
            self.live.dropped(Transport::WebSocket, reason);
        }
        let farewell = async {
            if let Some(Goodbye { code, reason }) = goodbye {
                tracing::debug!(code, %reason, "a WebSocket is closed");
                let frame = CloseFrame { code, reason: reason.as_ref().into() };
                self.socket.send(Frame::Close(Some(frame))).await?;
            }
            while let Some(frame) = self.socket.recv().await {
                frame?;
            }
            Ok::<_, axum::Error>(())
        };
        // A client that is gone needs no goodbye.
        let _ = tokio::time::timeout(CLOSE_TIME, farewell).await;
    }
}

/// The next message; never one before the client follows something.
async fn next(state: Option<&mut State>) -> Result<Message, End> {
    match state {
        Some(State::Following(follower)) => follower.next().await,
        Some(State::Asked(place)) => {
            place.until().cancelled().await;
            Err(place.end())
        }
        // The socket ends.
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_a_close_frame() {
        for goodbye in [
            Goodbye::OVER,
            Goodbye::PROTOCOL,
            Goodbye::BINARY,
            Goodbye::BAD_MESSAGE,
            Goodbye::TWICE,
            Goodbye::OTHER_JOB,
            Goodbye::TOO_MANY,
            Goodbye::TOO_LARGE,
            Goodbye::STOPPING,
            Goodbye::KEY_GONE,
            Goodbye::TOO_SLOW,
            Goodbye::SILENT,
            Goodbye::refused(BatchError::Unknown),
        ] {
            assert!(goodbye.reason.len() <= 123, "{goodbye:?}");
        }
        assert_eq!(Goodbye::refused(BatchError::Unknown).code, 4404);
        assert_eq!(Goodbye::refused(BatchError::Busy).code, 4503);
    }
}
