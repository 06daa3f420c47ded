//! The request body of PutMedia.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};

use crate::http::body;
use crate::limits;

/// A body, with a piece that may have been read ahead.
#[derive(Debug)]
pub(super) struct Upload {
    body: Incoming,
    first: Option<Option<Result<Frame<Bytes>, hyper::Error>>>,
}

impl Upload {
    pub(super) const fn new(body: Incoming) -> Self {
        Self { body, first: None }
    }

    /// Makes hyper send `100 Continue`, by reading for [`limits::CONTINUE_TIME`].
    ///
    /// hyper sends it when the body is first read, but not after the head of the response. libcurl, and with it the C
    /// producer, would wait a second for it.
    pub(super) async fn send_continue(&mut self) {
        if let Ok(frame) = tokio::time::timeout(limits::CONTINUE_TIME, self.body.frame()).await {
            self.first = Some(frame);
        }
    }

    /// Returns the next piece. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = match self.first.take() {
            Some(first) => first,
            None => self.body.frame().await,
        };
        // PutMedia has no trailers with a meaning: they become empty pieces.
        frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Discards the rest in a background task, for a short while.
    pub(super) fn discard(self) {
        body::discard(self.body);
    }
}
