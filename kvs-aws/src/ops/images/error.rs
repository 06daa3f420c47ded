//! Why a result of GetImages has no image.

use std::sync::Arc;

use kvs_types::ImageError;

use crate::protocol::error::Error;

/// Why there is no image for a timestamp.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFailure {
    /// The service has no image for this timestamp and says why.
    #[error("the service returned {0} for this timestamp")]
    Service(ImageError),
    /// The response has no entry for this timestamp.
    #[error("the response has no entry for this timestamp")]
    NotAnswered,
    /// The content of the image is not base64.
    #[error("the content of the image is not base64 ({chars} characters)")]
    NotBase64 {
        /// Length of the content in characters.
        chars: usize,
    },
    /// The request for this part of the range failed. All its timestamps share the error.
    #[error("the request for this timestamp failed")]
    Call(#[source] Arc<Error>),
}

impl ImageFailure {
    /// Returns the service's reason, `None` if the failure has another cause.
    #[must_use]
    pub const fn image_error(&self) -> Option<&ImageError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }
}

/// Failed requests are equal only if they are the same request.
impl PartialEq for ImageFailure {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(a), Self::Service(b)) => a == b,
            (Self::NotBase64 { chars: a }, Self::NotBase64 { chars: b }) => a == b,
            (Self::Call(a), Self::Call(b)) => Arc::ptr_eq(a, b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl Eq for ImageFailure {}
