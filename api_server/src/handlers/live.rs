//! Following a job.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use persistence_layer::batches::BatchRef;
use persistence_layer::job_events::Number;
use uuid::Uuid;

use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::extract::{JobId, Params, check_accept};
use crate::handlers::keep::Keep;
use crate::handlers::same_origin;
use crate::keys::Caller;
use crate::live::socket::{self, MAX_MESSAGE_BYTES, Start};
use crate::live::{Dropped, End, Follower, Live, Message, Place, Transport};
use crate::problems;
use crate::wire::Stalled;

/// The media type of server-sent events.
pub const EVENT_STREAM: &str = "text/event-stream";

/// Longest silence on a stream.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// When a client that lost its stream comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);

/// The last event that a client has, which comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// nginx passes a stream on as it comes only when told to.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// `GET /api/pnl/batch/{job_id}/events`
pub async fn events(
    State(app): State<AppState>,
    headers: HeaderMap,
    Caller { key, .. }: Caller,
    Extension(stalled): Extension<Stalled>,
    mut params: Params,
    JobId(job): JobId,
) -> Result<Response, ApiError> {
    check_accept(&headers, EVENT_STREAM)?;
    let after = after(&mut params);
    params.finish()?;
    follow(app, &headers, key, stalled, job, after).await
}

/// `GET /api/events?job_id=`
pub async fn events_of(
    State(app): State<AppState>,
    headers: HeaderMap,
    Caller { tenant, key, .. }: Caller,
    Extension(stalled): Extension<Stalled>,
    mut params: Params,
) -> Result<Response, ApiError> {
    check_accept(&headers, EVENT_STREAM)?;
    let (id, after) = (params.job("job_id"), after(&mut params));
    params.finish()?;
    // Without one the reading has ended with an error.
    let id = id.ok_or_else(ApiError::internal)?;
    follow(app, &headers, key, stalled, BatchRef { tenant, id }, after).await
}

/// The stream of a job, from behind an event.
async fn follow(
    app: AppState,
    headers: &HeaderMap,
    key: Option<Uuid>,
    stalled: Stalled,
    job: BatchRef,
    after: Option<Number>,
) -> Result<Response, ApiError> {
    let place = place(&app, Transport::Sse, key)?;
    let follower = app.live.follow(place, job, last_event_id(headers).or(after)).await?;
    if follower.is_over() {
        // What tells a browser not to come back.
        return Ok((StatusCode::NO_CONTENT, [Keep::Not.header()]).into_response());
    }
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("heartbeat");
    let stream = Sse::new(stream(follower, Watch { live: app.live.clone(), stalled }));
    Ok(([Keep::Not.header(), UNBUFFERED], stream.keep_alive(heartbeat)).into_response())
}

/// What may be buffered of what a WebSocket sends and gets, in bytes. A client sends next to nothing.
const SOCKET_BUFFER_BYTES: usize = 4096;

/// A frame beyond this breaks the protocol; smaller ones that are too large are told so.
const MAX_FRAME_BYTES: usize = 16 * MAX_MESSAGE_BYTES;

/// A handshake, or why it is none.
type Handshake = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /api/pnl/batch/{job_id}/ws`
pub async fn socket_of_job(
    State(app): State<AppState>,
    headers: HeaderMap,
    Caller { key, .. }: Caller,
    mut params: Params,
    JobId(job): JobId,
    handshake: Handshake,
) -> Result<Response, ApiError> {
    let read = |text: &str| text.parse().ok().map(Number);
    let after = params.read("last_event_id", "is no number of an event", read);
    params.finish()?;
    let upgrade = match accept(&headers, handshake)? {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(*refusal),
    };
    let place = place(&app, Transport::WebSocket, key)?;
    let follower = Box::new(app.live.follow(place, job.clone(), after).await?);
    let live = app.live.clone();
    let talk = move |socket: WebSocket| socket::run(live, socket, Start::Following(job, follower));
    Ok(upgrade.on_upgrade(talk))
}

/// `GET /api/ws`
pub async fn socket(
    State(app): State<AppState>,
    headers: HeaderMap,
    Caller { tenant, key, .. }: Caller,
    params: Params,
    handshake: Handshake,
) -> Result<Response, ApiError> {
    params.finish()?;
    let upgrade = match accept(&headers, handshake)? {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(*refusal),
    };
    let place = place(&app, Transport::WebSocket, key)?;
    let live = app.live.clone();
    Ok(upgrade.on_upgrade(|socket| socket::run(live, socket, Start::Asked(tenant, place))))
}

/// The handshake with the bounds of a socket; the inner error is the answer to what is none.
fn accept(
    headers: &HeaderMap,
    handshake: Handshake,
) -> Result<Result<WebSocketUpgrade, Box<Response>>, ApiError> {
    let Ok(upgrade) = handshake else {
        let detail = "The route takes a WebSocket handshake of version 13 by GET alone.";
        let mut response = ApiError::new(problems::UPGRADE_REQUIRED, detail).into_response();
        let offered = [
            (header::CONNECTION, "upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
        ];
        let offered = offered.map(|(name, value)| (name, HeaderValue::from_static(value)));
        response.headers_mut().extend(offered);
        return Ok(Err(Box::new(response)));
    };
    same_origin(headers)?;
    let upgrade = upgrade
        .read_buffer_size(SOCKET_BUFFER_BYTES)
        .write_buffer_size(SOCKET_BUFFER_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES);
    Ok(Ok(upgrade))
}

/// `after`: the event behind which to begin.
fn after(params: &mut Params) -> Option<Number> {
    params.read("after", "is no number of an event", |text| text.parse().ok().map(Number))
}

/// The event that the client had last; a text that is none is that of another stream.
fn last_event_id(headers: &HeaderMap) -> Option<Number> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok().map(Number)
}

fn place(app: &App, transport: Transport, key: Option<Uuid>) -> Result<Place, ApiError> {
    if app.is_draining() {
        let detail = "The process is about to stop; come back to another one.";
        return Err(ApiError::new(problems::NOT_READY, detail));
    }
    app.live.place(transport, key).ok_or_else(|| {
        let detail = "So many clients follow jobs here that this one cannot.";
        ApiError::new(problems::TOO_MANY_STREAMS, detail)
    })
}

/// Counts a stream that is let go of, in whatever way it ends.
struct Watch {
    live: Live,
    stalled: Stalled,
}

impl Watch {
    fn dropped(&self, reason: Dropped) {
        self.live.dropped(Transport::Sse, reason);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.stalled.get() {
            self.dropped(Dropped::Slow);
        }
    }
}

/// The messages of a follower; the first says when to come back after a break.
fn stream(follower: Follower, watch: Watch) -> impl Stream<Item = Result<Event, Infallible>> {
    let begin = Event::default().retry(COME_BACK_AFTER);
    let rest = futures::stream::unfold(Some((follower, watch)), |state| async {
        let (mut follower, watch) = state?;
        let (reason, goodbye) = match follower.next().await {
            Ok(message) => return Some((Ok(told(&message)), Some((follower, watch)))),
            Err(End::Over) => return None,
            Err(End::Stopping) => (Dropped::Stopping, "the process stops, come back"),
            Err(End::KeyGone) => (Dropped::Key, "the key has expired or was revoked"),
        };
        watch.dropped(reason);
        Some((Ok(Event::default().comment(goodbye)), None))
    });
    futures::StreamExt::chain(futures::stream::once(async { Ok(begin) }), rest)
}

fn told(message: &Message) -> Event {
    let event = Event::default().event(message.name).data(&message.json);
    match message.number {
        Some(number) => event.id(number.to_string()),
        None => event,
    }
}
