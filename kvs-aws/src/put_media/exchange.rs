//! The two halves of a PutMedia session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use kvs_types::__internal::ErrorChain;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::body::{Message, Pieces, PutBody};
use super::read_first::ReadFirst;
use crate::client::Client;
use crate::net::dial::Connection;
use crate::net::error::{Phase, TransportError};
use crate::net::http_send::ResponseBody;
use crate::net::hyper_send::IncomingBody;
use crate::protocol::error::Error;
use crate::protocol::response;
use crate::protocol::service_error::ServiceError;

/// An open PutMedia session.
#[derive(Debug)]
pub struct PutMediaExchange {
    sender: PutMediaSender,
    acks: PutMediaAcks,
}

/// The sending half of a session.
///
/// Dropping it before [`finish`](Self::finish) closes the connection without the end of the request, so the service does not
/// take a cut fragment for a complete one.
#[derive(Debug)]
pub struct PutMediaSender {
    messages: mpsc::Sender<Message>,
    connection: OnDrop,
}

/// The receiving half of a session.
///
/// Read it while media is sent, also with [`Acks::NotRequired`](crate::Acks): otherwise unread data fills the connection until
/// the service stops reading media. Dropping it closes the connection.
pub struct PutMediaAcks {
    state: State,
    head_limit: Duration,
    client: Client,
    connection: OnDrop,
}

/// ```text
/// Opening --head 200--> Streaming ---end or error--> Ended
///    |`---head 4xx, 5xx--> Rejected --error read-------^
///    `----broken, timeout------------------------------'
/// ```
enum State {
    /// The response head has not arrived; the instant is its deadline.
    Opening(Head, Instant),
    /// The service rejected the session; the error body is being read.
    Rejected(Rejection),
    /// Acknowledgements arrive.
    Streaming(ResponseBody),
    /// The session is over.
    Ended,
}

type Head = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;
type Rejection = Pin<Box<dyn Future<Output = ServiceError> + Send>>;

/// The session has ended, so nothing can be sent. [`PutMediaAcks::next`] returns the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("PutMedia session has ended")]
#[non_exhaustive]
pub struct SessionEnded;

/// Capacity for one message in the queue to the socket. Dropping it returns the capacity.
#[derive(Debug)]
pub struct SendPermit<'a>(mpsc::Permit<'a, Message>);

/// Aborts the task that drives the connection, and so closes the socket, when a half is dropped.
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
    connection: Connection,
    request: Request<PutBody>,
    messages: mpsc::Sender<Message>,
) -> Result<PutMediaExchange, Error> {
    let timeouts = client.config().timeouts;
    let broken = |error: hyper::Error| TransportError::Broken { source: error.into() };
    let (mut requests, connection) = http1::handshake(ReadFirst::new(connection)).await.map_err(broken)?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The caller gets this error from the response body.
            let error = ErrorChain(&error);
            tracing::debug!(%error, "PutMedia connection ended");
        }
    })
    .abort_handle();
    let opened = Instant::now();
    // hyper expects the URI in origin form; the host is in the signed header.
    let mut request = request;
    *request.uri_mut() = http::Uri::from_static("/putMedia");
    let mut acks = PutMediaAcks {
        state: State::Opening(Box::pin(requests.send_request(request)), opened + timeouts.response_head),
        head_limit: timeouts.response_head,
        client,
        connection: OnDrop(Some(driver.clone())),
    };
    let sender = PutMediaSender { messages, connection: OnDrop(Some(driver)) };
    // If the service rejects a session while media is being sent, the socket is reset and the rejection is lost before it is
    // read. So media waits for the head, but only briefly: a service may send the head only after media.
    match tokio::time::timeout(timeouts.put_media_head, acks.head()).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(PutMediaExchange { sender, acks }),
    }
}

impl PutMediaExchange {
    /// Splits the session into its halves, which must be used concurrently.
    #[must_use]
    pub fn split(self) -> (PutMediaSender, PutMediaAcks) {
        (self.sender, self.acks)
    }
}

impl PutMediaSender {
    /// Waits for capacity for one message. Cancel-safe: if the future is dropped, no capacity is taken.
    ///
    /// # Errors
    /// Returns an error if the session has ended.
    pub async fn reserve(&mut self) -> Result<SendPermit<'_>, SessionEnded> {
        self.messages.reserve().await.map(SendPermit).map_err(|_| SessionEnded)
    }

    /// Returns capacity for one message if there is some now.
    ///
    /// # Errors
    /// Returns an error if the session has ended.
    pub fn try_reserve(&mut self) -> Result<Option<SendPermit<'_>>, SessionEnded> {
        match self.messages.try_reserve() {
            Ok(permit) => Ok(Some(SendPermit(permit))),
            Err(TrySendError::Full(())) => Ok(None),
            Err(TrySendError::Closed(())) => Err(SessionEnded),
        }
    }

    /// Sends media as one HTTP chunk. Waits while the queue is full.
    ///
    /// If the future is dropped, either all pieces are sent or none.
    ///
    /// # Errors
    /// Returns an error if the session has ended.
    pub async fn send(&mut self, pieces: impl IntoIterator<Item = Bytes>) -> Result<(), SessionEnded> {
        self.reserve().await?.send(pieces);
        Ok(())
    }

    /// Ends the media. Acknowledgements continue until the service ends the response.
    ///
    /// # Errors
    /// Returns an error if the session has ended already.
    pub async fn finish(mut self) -> Result<(), SessionEnded> {
        self.messages.send(Message::End).await.map_err(|_| SessionEnded)?;
        // From now on only the receiving half keeps the connection open.
        self.connection.0 = None;
        Ok(())
    }

    /// Closes the connection without the end of the request.
    pub fn abort(self) {}
}

impl SendPermit<'_> {
    /// Sends media as one HTTP chunk. Sends nothing if all pieces are empty.
    pub fn send(self, pieces: impl IntoIterator<Item = Bytes>) {
        let pieces: Pieces = pieces.into_iter().collect();
        if !pieces.is_empty() {
            self.0.send(Message::Data(pieces));
        }
    }

    /// Ends the media. Keep the sender, or pass it to [`PutMediaSender::finish`]: dropping it closes the connection.
    pub fn end(self) {
        self.0.send(Message::End);
    }
}

impl PutMediaAcks {
    /// Returns the next bytes of the acknowledgements, split anywhere; `None` when the service has ended the session.
    ///
    /// Cancel-safe: if the future is dropped, no data is lost. After `None` or an error, it returns `None`.
    ///
    /// # Errors
    /// Returns an error if the service rejects the session, the response head times out, or the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.head().await?;
        let State::Streaming(body) = &mut self.state else { return Ok(None) };
        let piece = body.next().await;
        if !matches!(piece, Ok(Some(_))) {
            self.end();
        }
        Ok(piece?)
    }

    /// Reads the response head, and the error body if the service rejected the session. Cancel-safe.
    async fn head(&mut self) -> Result<(), Error> {
        if let State::Opening(head, late_at) = &mut self.state {
            let result = tokio::time::timeout_at(*late_at, head.as_mut()).await;
            self.on_head(result.map_err(|_| self.head_limit))?;
        }
        let State::Rejected(rejection) = &mut self.state else { return Ok(()) };
        let error = rejection.as_mut().await;
        self.end();
        self.client.note_skew(&error);
        Err(error.into())
    }

    fn on_head(&mut self, result: Result<hyper::Result<Response<Incoming>>, Duration>) -> Result<(), TransportError> {
        let error = match result {
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
            let body = body.idle_limit(Some(self.client.config().timeouts.response_body));
            State::Rejected(Box::pin(async move { response::read_error(head.status, &head.headers, body).await }))
        };
    }

    /// Closes the connection, because hyper continues to send after the response is complete (hyper issue 4176).
    fn end(&mut self) {
        self.state = State::Ended;
        self.connection.abort();
    }
}

impl fmt::Debug for PutMediaAcks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Opening(..) => "Opening",
            State::Rejected(_) => "Rejected",
            State::Streaming(_) => "Streaming",
            State::Ended => "Ended",
        };
        f.debug_struct("PutMediaAcks").field("state", &state).finish_non_exhaustive()
    }
}
