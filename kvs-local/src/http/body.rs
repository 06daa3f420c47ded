//! Reading request bodies within bounds.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{ApiError, Exception};
use crate::limits;

/// Room for the bodies of all requests whose signature is not verified yet: [`limits::UNVERIFIED_BYTES`].
///
/// The first [`limits::UNVERIFIED_FREE`] bytes of each body take none of it, so that ordinary requests are served while others fill
/// it.
#[derive(Clone, Debug)]
pub(crate) struct BodyRoom(Arc<Semaphore>);

/// A whole body. It takes its room until it is verified.
#[derive(Debug)]
pub(crate) struct UnverifiedBody {
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl UnverifiedBody {
    /// Returns the body, to verify it.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns the body and gives its room back.
    pub(crate) fn verified(self) -> Bytes {
        self.bytes
    }
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::UNVERIFIED_BYTES)))
    }
}

impl BodyRoom {
    /// Reads a whole body of at most [`limits::JSON_BODY`] bytes within [`limits::JSON_BODY_TIME`].
    pub(crate) async fn read_to_end(&self, mut body: Incoming) -> Result<UnverifiedBody, ApiError> {
        let read = tokio::time::timeout(limits::JSON_BODY_TIME, self.collect(&mut body)).await;
        let refusal = match read {
            Ok(Ok(whole)) => return Ok(whole),
            Ok(Err(refusal)) => refusal,
            Err(_) => ApiError::new(
                Exception::RequestTimeout,
                format!("the request body did not arrive within {} s", limits::JSON_BODY_TIME.as_secs()),
            ),
        };
        discard(body);
        Err(refusal)
    }

    async fn collect(&self, body: &mut Incoming) -> Result<UnverifiedBody, ApiError> {
        // Copied: a piece of the connection's buffer would keep all of it, which is not counted here.
        let mut bytes = Vec::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                ApiError::new(Exception::Serialization, format!("the request body ended early: {error}"))
            })?;
            let Some(data) = frame.data_ref() else { continue };
            let len = bytes.len().saturating_add(data.len());
            if len > limits::JSON_BODY {
                return Err(ApiError::new(
                    Exception::RequestEntityTooLarge,
                    format!("the request body may have up to {} bytes", limits::JSON_BODY),
                ));
            }
            let held = room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
            let more = len.saturating_sub(limits::UNVERIFIED_FREE).saturating_sub(held);
            if more > 0 {
                let more = self.take(more)?;
                match &mut room {
                    Some(room) => room.merge(more),
                    None => room = Some(more),
                }
            }
            bytes.extend_from_slice(data);
        }
        Ok(UnverifiedBody { bytes: bytes.into(), _room: room })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.0).try_acquire_many_owned(permits).map_err(|_| {
            let most = limits::UNVERIFIED_BYTES;
            ApiError::new(
                Exception::ServiceUnavailable,
                format!(
                    "the bodies of unfinished requests take all of the {most} bytes that there are for them: try again"
                ),
            )
        })
    }
}

/// Reads and discards the rest of a refused request's body in a background task, for [`limits::REFUSED_DRAIN`] at most.
///
/// A client that is still writing when the connection closes gets a reset and never reads the refusal.
pub(crate) fn discard(mut body: Incoming) {
    let read = async move { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
    let bounded = async { tokio::time::timeout(limits::REFUSED_DRAIN, read).await.unwrap_or(()) };
    drop(tokio::spawn(bounded));
}
