//! The pooled HTTP client on hyper and rustls. PutMedia does not use it.

use std::error::Error as _;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::dial::{DialError, Dialer};
use super::error::{Phase, TransportError};
use super::http_send::{HttpSend, ResponseBody, SendFuture};
use super::timeouts::Timeouts;

/// How long an idle connection stays in the pool. Below 20 s, after which AWS front ends close idle connections.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// A pool of HTTP/1.1 connections.
pub(crate) struct HyperSend {
    pool: legacy::Client<Dialer, Full<Bytes>>,
    timeouts: Timeouts,
}

impl HyperSend {
    pub(crate) fn new(dialer: Dialer, timeouts: Timeouts) -> Self {
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_timer(TokioTimer::new())
            .build(dialer);
        Self { pool, timeouts }
    }
}

impl HttpSend for HyperSend {
    fn send(&self, request: http::Request<Bytes>) -> SendFuture<'_> {
        Box::pin(async move {
            let endpoint = request.uri().authority().map_or_else(String::new, ToString::to_string);
            let limit = self.timeouts.response_head;
            let result = tokio::time::timeout(limit, self.pool.request(request.map(Full::new))).await;
            let response = result
                .map_err(|_| TransportError::Timeout { phase: Phase::Head, limit })?
                .map_err(|error| classify(error, endpoint))?;
            let idle = self.timeouts.response_body;
            Ok(response.map(|body| ResponseBody::new(IncomingBody(body)).idle_limit(Some(idle))))
        })
    }
}

fn classify(error: legacy::Error, endpoint: String) -> TransportError {
    match error.source().and_then(|source| source.downcast_ref()).and_then(DialError::take) {
        Some(dial_error) => dial_error,
        None if error.is_connect() => TransportError::Connect { endpoint, source: error.into() },
        None => TransportError::Broken { source: error.into() },
    }
}

impl fmt::Debug for HyperSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperSend").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}

/// A hyper body with this crate's error type.
pub(crate) struct IncomingBody(pub(crate) Incoming);

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|error| TransportError::Broken { source: error.into() })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
