//! The two halves of a running session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::{Message, Pieces, PutBody};
use crate::client::Client;
use crate::net::dial::Dialed;
use crate::net::http_send::ResponseBody;
use crate::net::hyper_send::IncomingBody;
use crate::protocol::error::{Error, Phase, ServiceError, TransportError};
use crate::protocol::reply;

/// A session whose request is on its way.
#[derive(Debug)]
pub struct PutMediaExchange {
    sender: PutMediaSender,
    acks: PutMediaAcks,
}

/// The half that media goes into.
///
/// Dropping it without [`finish`](Self::finish) closes the connection with the request visibly cut short: a half
/// fragment never looks whole.
#[derive(Debug)]
pub struct PutMediaSender {
    messages: mpsc::Sender<Message>,
    connection: OnDrop,
}

/// The half that acknowledgements come out of.
///
/// It must be read for as long as media is sent, also with acknowledgements switched off: unread ones fill the
/// connection until it stands still. Dropping it closes the connection.
pub struct PutMediaAcks {
    state: State,
    head_limit: Duration,
    client: Client,
    connection: OnDrop,
}

/// ```text
/// Opening --head 200--> Streaming ---end or error--> Ended
///    |`---head 4xx, 5xx--> Refused ---error read-------^
///    `----broken, late---------------------------------'
/// ```
enum State {
    /// The head has not come yet; it is late at the instant.
    Opening(Head, Instant),
    /// The service refused the session; why is being read.
    Refused(Refusal),
    /// Acknowledgements are coming.
    Streaming(ResponseBody),
    /// Nothing comes any more.
    Ended,
}

type Head = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;
type Refusal = Pin<Box<dyn Future<Output = ServiceError> + Send>>;

/// The session is over, so this cannot be sent. Why it ended is what [`PutMediaAcks::next`] tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session has ended")]
#[non_exhaustive]
pub struct SessionEnded;

/// Room for one message in the queue to the socket; giving it back unused costs nothing.
#[derive(Debug)]
pub struct SendPermit<'a>(mpsc::Permit<'a, Message>);

/// Ends the task that drives the connection, and with it the socket, when a half goes away.
#[derive(Debug)]
struct OnDrop(Option<AbortHandle>);

impl OnDrop {
    fn abort(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.abort();
    }
}

pub(super) async fn open(
    client: Client,
    connection: Dialed,
    request: Request<PutBody>,
    messages: mpsc::Sender<Message>,
) -> Result<PutMediaExchange, Error> {
    let timeouts = client.config().timeouts;
    let broken = |error: hyper::Error| TransportError::Broken { source: error.into() };
    let (mut requests, connection) = http1::handshake(connection).await.map_err(broken)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The response body tells the owner; this is only for whoever reads logs.
            tracing::debug!(%error, "PutMedia connection ended");
        }
    })
    .abort_handle();
    let opened = Instant::now();
    // hyper takes the address in origin form; the host stands in its header, signed.
    let mut request = request;
    *request.uri_mut() = http::Uri::from_static("/putMedia");
    let mut acks = PutMediaAcks {
        state: State::Opening(Box::pin(requests.send_request(request)), opened + timeouts.head),
        head_limit: timeouts.head,
        client,
        connection: OnDrop(Some(driver.clone())),
    };
    let sender = PutMediaSender { messages, connection: OnDrop(Some(driver)) };
    // Media pushed at a session that is being refused can wipe out the refusal before it is read (the socket is reset),
    // so the head gets a little time alone; a service that sends it only after media is served all the same.
    match tokio::time::timeout(timeouts.put_media_head_start, acks.head()).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(PutMediaExchange { sender, acks }),
    }
}

impl PutMediaExchange {
    /// The two halves, to be used side by side: neither works for long without the other.
    #[must_use]
    pub fn split(self) -> (PutMediaSender, PutMediaAcks) {
        (self.sender, self.acks)
    }
}

impl PutMediaSender {
    /// Waits until there is room for one message. Cancel-safe: a dropped call takes nothing.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn reserve(&mut self) -> Result<SendPermit<'_>, SessionEnded> {
        self.messages.reserve().await.map(SendPermit).map_err(|_| SessionEnded)
    }

    /// Sends some bytes of media, in one HTTP chunk; waits while the queue is full.
    ///
    /// Of a dropped call either all pieces are sent or none.
    ///
    /// # Errors
    /// When the session has ended.
    pub async fn send(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> Result<(), SessionEnded> {
        self.reserve().await?.send(pieces);
        Ok(())
    }

    /// Says that the media is complete; acknowledgements go on until the service ends them.
    ///
    /// # Errors
    /// When the session has ended before.
    pub async fn finish(mut self) -> Result<(), SessionEnded> {
        self.messages.send(Message::End).await.map_err(|_| SessionEnded)?;
        // The connection now lives for the acknowledgements.
        self.connection.0 = None;
        Ok(())
    }

    /// Closes the connection at once, the request visibly cut short.
    pub fn abort(self) {}
}

impl SendPermit<'_> {
    /// Sends some bytes of media, in one HTTP chunk. Nothing is sent when there are none.
    pub fn send(self, pieces: impl IntoIterator<Item = Bytes>) {
        let pieces: Pieces = pieces.into_iter().collect();
        if !pieces.is_empty() {
            self.0.send(Message::Data(pieces));
        }
    }

    /// Says that the media is complete. The sender must still be given to [`PutMediaSender::finish`] or kept: dropping
    /// it closes the connection.
    pub fn end(self) {
        self.0.send(Message::End);
    }
}

impl PutMediaAcks {
    /// The next bytes of acknowledgements as they came, cut anywhere; `None` when the service has ended the session.
    ///
    /// Cancel-safe: a dropped call takes nothing. After `None` or an error it is `None`.
    ///
    /// # Errors
    /// When the service refuses the session, its head is late, or the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.head().await?;
        let State::Streaming(body) = &mut self.state else { return Ok(None) };
        let piece = body.next().await;
        if !matches!(piece, Ok(Some(_))) {
            self.end();
        }
        Ok(piece?)
    }

    /// Reads the head if it has not come yet, and why the session is refused if it is. Cancel-safe.
    async fn head(&mut self) -> Result<(), Error> {
        if let State::Opening(head, late_at) = &mut self.state {
            let answer = tokio::time::timeout_at(*late_at, head.as_mut()).await;
            self.on_head(answer.map_err(|_| self.head_limit))?;
        }
        let State::Refused(refusal) = &mut self.state else { return Ok(()) };
        let error = refusal.as_mut().await;
        self.end();
        self.client.note_skew(&error);
        Err(error.into())
    }

    fn on_head(&mut self, answer: Result<hyper::Result<Response<Incoming>>, Duration>) -> Result<(), TransportError> {
        let error = match answer {
            Ok(Ok(response)) => {
                self.on_response(response);
                return Ok(());
            }
            Ok(Err(error)) => TransportError::Broken { source: error.into() },
            Err(limit) => TransportError::Timeout { phase: Phase::Head, limit },
        };
        self.end();
        Err(error)
    }

    fn on_response(&mut self, response: Response<Incoming>) {
        let (head, body) = response.into_parts();
        let body = ResponseBody::new(IncomingBody(body));
        self.state = if head.status.is_success() {
            State::Streaming(body)
        } else {
            let body = body.idle_limit(Some(self.client.config().timeouts.body));
            State::Refused(Box::pin(async move { reply::read_error(head.status, &head.headers, body).await }))
        };
    }

    /// Closes the connection: hyper would go on sending into an exchange whose response is complete (its issue 4176).
    fn end(&mut self) {
        self.state = State::Ended;
        self.connection.abort();
    }
}

impl fmt::Debug for PutMediaAcks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Opening(..) => "Opening",
            State::Refused(_) => "Refused",
            State::Streaming(_) => "Streaming",
            State::Ended => "Ended",
        };
        f.debug_struct("PutMediaAcks").field("state", &state).finish_non_exhaustive()
    }
}
