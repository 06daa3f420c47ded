//! Reading request bodies within bounds.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::api::{ApiError, Exception};
use crate::limits;

/// Reads a whole body of at most [`limits::JSON_BODY`] bytes within [`limits::JSON_BODY_TIME`].
pub(crate) async fn read_to_end(body: Incoming) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(limits::JSON_BODY_TIME, Limited::new(body, limits::JSON_BODY).collect()).await;
    match collected {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::new(
            Exception::RequestEntityTooLarge,
            format!("the request body may have up to {} bytes", limits::JSON_BODY),
        )),
        Ok(Err(error)) => {
            Err(ApiError::new(Exception::Serialization, format!("the request body ended early: {error}")))
        }
        Err(_) => Err(ApiError::new(
            Exception::RequestTimeout,
            format!("the request body did not arrive within {} s", limits::JSON_BODY_TIME.as_secs()),
        )),
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
