//! The error ids of acknowledgements.

use std::fmt;

/// The error id of an `ERROR` acknowledgement. An open set: the service may add ids.
///
/// Ids and meanings are those of the API reference of PutMedia,
/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html>.
///
/// ```
/// use kvs_types::ErrorId;
///
/// assert_eq!(ErrorId(4004).code(), Some("FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS"));
/// assert_eq!(ErrorId(4999).to_string(), "4999");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an id is a number")]
pub struct ErrorId(pub u16);

/// Declares the constants, the list of all ids and the lookups from one table.
macro_rules! error_ids {
    ($($name:ident $id:literal $meaning:literal)*) => {
        impl ErrorId {
            $(#[doc = $meaning] pub const $name: Self = Self($id);)*

            /// All documented ids in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the `ErrorCode` of a documented id.
            #[must_use]
            pub const fn code(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// Returns what a documented id means.
            #[must_use]
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($id => Some($meaning),)*
                    _ => None,
                }
            }
        }
    };
}

error_ids! {
    STREAM_READ_ERROR 4000 "the service could not read the body: the client stalled or the connection broke"
    MAX_FRAGMENT_SIZE_REACHED 4001 "the fragment is larger than the service accepts"
    MAX_FRAGMENT_DURATION_REACHED 4002 "the fragment is longer than the service accepts"
    MAX_CONNECTION_DURATION_REACHED 4003 "the connection is older than the service allows"
    FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS 4004 "the fragment does not start after the last frame of the previous one"
    MORE_THAN_ALLOWED_TRACKS_FOUND 4005 "the segment declares more tracks than the service accepts"
    INVALID_MKV_DATA 4006 "the body is not Matroska or contains an element that the service does not accept"
    INVALID_PRODUCER_TIMESTAMP 4007 "the producer start timestamp is not a time"
    STREAM_NOT_ACTIVE 4008 "the stream is not active or no longer exists"
    FRAGMENT_METADATA_LIMIT_REACHED 4009 "the fragment has more or longer tags than the service accepts"
    TRACK_NUMBER_MISMATCH 4010 "a block belongs to a track that the header does not declare"
    FRAMES_MISSING_FOR_TRACK 4011 "the fragment has no frame of a track that the header declares"
    INVALID_FRAGMENT_METADATA 4012 "a tag has a reserved name"
    KMS_KEY_ACCESS_DENIED 4500 "the caller may not use the stream's KMS key"
    KMS_KEY_DISABLED 4501 "the stream's KMS key is disabled"
    KMS_KEY_VALIDATION_ERROR 4502 "the stream's KMS key is not valid"
    KMS_KEY_UNAVAILABLE 4503 "the stream's KMS key is unavailable"
    KMS_KEY_INVALID_USAGE 4504 "the stream's KMS key has the wrong key usage"
    KMS_KEY_INVALID_STATE 4505 "the state of the stream's KMS key does not allow its use"
    KMS_KEY_NOT_FOUND 4506 "the stream's KMS key does not exist"
    STREAM_DELETED 4507 "the stream was deleted"
    INTERNAL_ERROR 5000 "the service failed"
    ARCHIVAL_ERROR 5001 "the service could not persist the fragment"
}

impl fmt::Display for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(f, "{} {code}", self.0),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for ErrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_have_codes() {
        assert!(ErrorId::ALL.is_sorted());
        assert_eq!(ErrorId::ALL.len(), 23);
        assert_eq!(ErrorId::FRAMES_MISSING_FOR_TRACK.to_string(), "4011 FRAMES_MISSING_FOR_TRACK");
        assert_eq!(ErrorId(65535).code(), None);
    }
}
