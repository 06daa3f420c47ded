//! The interface to an HTTP client, and the response body that it returns.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::error::{Phase, TransportError};

/// An HTTP client that sends one request and returns the response.
///
/// [`Client`](crate::Client) has a pooled one on hyper and rustls.
/// [`ClientConfig::transport`](crate::ClientConfig::transport) replaces it, for tests or for another HTTP stack. PutMedia does
/// not use it, because a session needs an exclusive connection.
pub trait HttpSend: Send + Sync + fmt::Debug {
    /// Sends `request`.
    ///
    /// The URI is absolute. The headers are signed and must be sent unchanged. Dropping the future must cancel the request.
    fn send(&self, request: http::Request<Bytes>) -> SendFuture<'_>;
}

/// The future that [`HttpSend::send`] returns.
pub type SendFuture<'a> =
    Pin<Box<dyn Future<Output = Result<http::Response<ResponseBody>, TransportError>> + Send + 'a>>;

/// A response body, read piece by piece. Unread data stays in the socket.
pub struct ResponseBody {
    inner: Pin<Box<dyn Body<Data = Bytes, Error = TransportError> + Send>>,
    idle_limit: Option<Duration>,
}

impl ResponseBody {
    /// Creates a response body from any HTTP body.
    pub fn new(body: impl Body<Data = Bytes, Error = TransportError> + Send + 'static) -> Self {
        Self { inner: Box::pin(body), idle_limit: None }
    }

    /// Creates a response body of known bytes, for tests and fake services.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        use http_body_util::BodyExt;
        Self::new(http_body_util::Full::new(bytes).map_err(|never| match never {}))
    }

    /// Sets the longest wait for one piece. Default: no limit.
    #[must_use]
    pub fn idle_limit(mut self, limit: Option<Duration>) -> Self {
        self.idle_limit = limit;
        self
    }

    /// Returns the next piece, `None` at the end. Cancel-safe: if the future is dropped, no data is lost.
    ///
    /// # Errors
    /// Returns an error if the connection breaks or the piece takes longer than the limit.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let Some(limit) = self.idle_limit else { return self.next_piece().await };
        match tokio::time::timeout(limit, self.next_piece()).await {
            Ok(piece) => piece,
            Err(_) => Err(TransportError::Timeout { phase: Phase::Body, limit }),
        }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// Returns an error if the connection breaks or the body is longer than `limit` bytes.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let mut whole = match self.next().await? {
            None if first.len() <= limit => return Ok(first),
            None => return Err(TransportError::TooLong { limit }),
            Some(second) => {
                let received = first.len() + second.len();
                let mut whole = BytesMut::with_capacity(self.size_hint(limit).saturating_add(received));
                whole.extend_from_slice(&first);
                whole.extend_from_slice(&second);
                whole
            }
        };
        while whole.len() <= limit {
            match self.next().await? {
                Some(piece) => whole.extend_from_slice(&piece),
                None => return Ok(whole.freeze()),
            }
        }
        Err(TransportError::TooLong { limit })
    }

    /// Reads up to about `limit` bytes. If the connection breaks, returns what was read before.
    pub(crate) async fn collect_some(mut self, limit: usize) -> Bytes {
        let mut whole = BytesMut::new();
        while whole.len() < limit {
            match self.next().await {
                Ok(Some(piece)) => whole.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        whole.freeze()
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match poll_fn(|cx| self.inner.as_mut().poll_frame(cx)).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                    // Empty pieces and trailers carry no data.
                    Ok(_) | Err(_) => {}
                },
            }
        }
    }

    /// Returns the announced size, at most 1 MiB: a `Content-Length` header alone must not reserve more.
    fn size_hint(&self, limit: usize) -> usize {
        const LARGEST_RESERVATION: usize = 1 << 20;
        usize::try_from(self.inner.size_hint().lower()).unwrap_or(usize::MAX).min(limit).min(LARGEST_RESERVATION)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("idle_limit", &self.idle_limit).finish_non_exhaustive()
    }
}
