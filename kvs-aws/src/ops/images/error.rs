//! Why there is no picture.

use std::sync::Arc;

use crate::protocol::error::Error;

/// Why there is no picture of an instant.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no media at this time.
    #[error("no media at this time")]
    NoMedia,
    /// There is media, but no picture can be made of it: damaged, without video, or another codec.
    #[error("the media at this time cannot be decoded")]
    MediaError,
    /// Another reason, in the service's word.
    #[error("the service says {0}")]
    Other(String),
    /// The service answered, but said nothing about this instant.
    #[error("the service's answer leaves this time out")]
    NotAnswered,
    /// What came is no base64 text.
    #[error("the picture's {chars} characters are no base64")]
    NotBase64 {
        /// How long it was.
        chars: usize,
    },
    /// The call for this part of the range failed; all its instants share the error.
    #[error("the call failed: {0}")]
    Call(Arc<Error>),
}

impl ImageError {
    pub(crate) fn from_wire(word: &str) -> Self {
        match word {
            "NO_MEDIA" => Self::NoMedia,
            "MEDIA_ERROR" => Self::MediaError,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Calls that failed are equal only if they are the same one.
impl PartialEq for ImageError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a == b,
            (Self::NotBase64 { chars: a }, Self::NotBase64 { chars: b }) => a == b,
            (Self::Call(a), Self::Call(b)) => Arc::ptr_eq(a, b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl Eq for ImageError {}
