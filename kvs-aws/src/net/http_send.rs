//! The one method a transport has, and the body it gives back.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use crate::protocol::error::{Phase, TransportError};

/// Sends one request and gives the response's head and a body to read.
///
/// [`Client`](crate::Client) comes with a pooled hyper and rustls implementation; another one may be put in with
/// [`ClientConfig::transport`](crate::ClientConfig::transport), for tests or for another HTTP stack. PutMedia does not go through
/// it: that exchange needs to own its connection.
pub trait HttpSend: Send + Sync + fmt::Debug {
    /// Sends `request`, whose address is absolute and whose headers are signed: they must go out as they are.
    ///
    /// Dropping the future gives the exchange up.
    fn send(&self, request: http::Request<Bytes>) -> Sending<'_>;
}

/// What [`HttpSend::send`] gives back.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<http::Response<ResponseBody>, TransportError>> + Send + 'a>>;

/// A response body, read piece by piece.
///
/// Nothing is buffered here: what is not read waits in the socket.
pub struct ResponseBody {
    inner: Pin<Box<dyn Body<Data = Bytes, Error = TransportError> + Send>>,
    idle_limit: Option<Duration>,
}

impl ResponseBody {
    /// Wraps a body.
    pub fn new(body: impl Body<Data = Bytes, Error = TransportError> + Send + 'static) -> Self {
        Self { inner: Box::pin(body), idle_limit: None }
    }

    /// A body that is known as a whole; for tests and for fakes of the service.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        use http_body_util::BodyExt;
        Self::new(http_body_util::Full::new(bytes).map_err(|never| match never {}))
    }

    /// Sets how long one piece may take to come.
    #[must_use]
    pub fn idle_limit(mut self, limit: Option<Duration>) -> Self {
        self.idle_limit = limit;
        self
    }

    /// The next piece, `None` at the end. Cancel-safe: a dropped call takes nothing.
    ///
    /// # Errors
    /// When the connection breaks or the piece takes longer than the limit.
    pub async fn next(&mut self) -> Result<Option<Bytes>, TransportError> {
        let Some(limit) = self.idle_limit else { return self.next_piece().await };
        match tokio::time::timeout(limit, self.next_piece()).await {
            Ok(piece) => piece,
            Err(_) => Err(TransportError::Timeout { phase: Phase::Body, limit }),
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        loop {
            match poll_fn(|cx| self.inner.as_mut().poll_frame(cx)).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) if !piece.is_empty() => return Ok(Some(piece)),
                    // Empty pieces and trailers say nothing.
                    Ok(_) | Err(_) => {}
                },
            }
        }
    }

    /// What is known to come, but never more than a first guess of 1 MiB: a header alone reserves no more.
    pub(crate) fn size_hint(&self, limit: usize) -> usize {
        const FIRST_GUESS: usize = 1 << 20;
        usize::try_from(self.inner.size_hint().lower()).unwrap_or(usize::MAX).min(limit).min(FIRST_GUESS)
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("idle_limit", &self.idle_limit).finish_non_exhaustive()
    }
}
