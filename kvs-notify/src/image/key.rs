//! The key of an image object.

use std::fmt;
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis_checked;
use kvs_types::ImageFormat;
use kvs_types::limits::S3_KEY_BYTES;

use crate::epoch_ms;
use crate::image::id::ImageId;
use crate::stream_arn::{is_account_id, is_stream_name};

/// The object key of an image that the service writes to S3.
///
/// ```text
/// [FOLDER/][PREFIX_]ACCOUNT_STREAM_TIMECODE_ID.EXTENSION
///
/// gate/6_111122223333_demo-stream_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg
/// ^^^^^^ ^^^^^^^^^^^^ ^^^^^^^^^^^ ^^^^^^^^^^^^^ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
/// lead   12 digits    stream name epoch ms      random id
/// ```
///
/// The lead comes from the destination URI and the producer's prefix tag. Both may contain `/` and `_`, so a key does not show
/// which of them it comes from. Source: <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/s3-delivery.html>.
///
/// Create a key with [`new`](Self::new) and write it with `Display`; parse one with [`parse`](Self::parse) or
/// [`parse_with`](Self::parse_with). A written key parses to the same value, if needed with the account as a hint.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kvs_notify::{ImageFormat, ImageId, ImageObjectKey};
///
/// let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_690_707_290_324);
/// let id: ImageId = "f20f9add-7e57-4399-a30f-fc7aefb1bab7".parse()?;
/// let key = ImageObjectKey::new("111122223333", "demo-stream", at, id, ImageFormat::Jpeg)?.with_prefix("gate/6")?;
/// let text = key.to_string();
/// assert_eq!(text, "gate/6_111122223333_demo-stream_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg");
/// assert_eq!(ImageObjectKey::parse(&text), Ok(key));
/// # Ok::<(), kvs_notify::InvalidKeyPart>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageObjectKey {
    /// Everything before the account: empty, or ends with `_` or `/`.
    pub(super) lead: String,
    pub(super) account: String,
    pub(super) stream: String,
    /// In whole milliseconds.
    pub(super) timecode: SystemTime,
    pub(super) id: ImageId,
    pub(super) format: ImageFormat,
}

impl ImageObjectKey {
    /// Creates a key without folder and prefix. The timecode is rounded down to a millisecond.
    ///
    /// # Errors
    /// Returns an error if the account does not have 12 digits, the stream name is invalid or the timecode is before 1970.
    pub fn new(
        account: &str,
        stream: &str,
        timecode: SystemTime,
        id: ImageId,
        format: ImageFormat,
    ) -> Result<Self, InvalidKeyPart> {
        if !is_account_id(account) {
            return Err(InvalidKeyPart::Account { length: account.len() });
        }
        if !is_stream_name(stream) {
            return Err(InvalidKeyPart::Stream { length: stream.len() });
        }
        let timecode = epoch_ms::floor(timecode).ok_or(InvalidKeyPart::Timecode)?;
        Ok(Self { lead: String::new(), account: account.into(), stream: stream.into(), timecode, id, format })
    }

    /// Prepends the value of the tag `AWS_KINESISVIDEO_IMAGE_PREFIX`. An empty prefix changes nothing.
    ///
    /// # Errors
    /// Returns an error if the key would be longer than S3 accepts.
    pub fn with_prefix(self, prefix: &str) -> Result<Self, InvalidKeyPart> {
        if prefix.is_empty() { Ok(self) } else { self.with_lead(prefix, '_') }
    }

    /// Prepends the path of the destination URI (`a/b` of `s3://bucket/a/b`) and a `/`. An empty path changes nothing. Call
    /// [`with_prefix`](Self::with_prefix) first.
    ///
    /// # Errors
    /// Returns an error if the key would be longer than S3 accepts.
    pub fn with_folder(self, path: &str) -> Result<Self, InvalidKeyPart> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() { Ok(self) } else { self.with_lead(path, '/') }
    }

    fn with_lead(mut self, text: &str, separator: char) -> Result<Self, InvalidKeyPart> {
        self.lead = format!("{text}{separator}{}", self.lead);
        let size = self.to_string().len();
        if size > S3_KEY_BYTES {
            return Err(InvalidKeyPart::TooLong { size, limit: S3_KEY_BYTES });
        }
        Ok(self)
    }

    /// Returns everything before the account, with its separator; empty without folder and prefix.
    #[must_use]
    pub fn lead(&self) -> &str {
        &self.lead
    }

    /// Returns the lead up to and including its last `/`: the folder in which S3 browsers show the image.
    #[must_use]
    pub fn folder(&self) -> &str {
        let end = self.lead.rfind('/').map_or(0, |at| at.saturating_add(1));
        self.lead.get(..end).unwrap_or_default()
    }

    /// Returns the lead without its final `_`: the value of the prefix tag, after the folder if there is one. `None` if there is only a
    /// folder before the account.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.lead.strip_suffix('_')
    }

    /// Returns the id of the account that owns the stream: 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Returns the timestamp of the image, by the clock that the stream's configuration selects (server or producer).
    #[must_use]
    pub fn timecode(&self) -> SystemTime {
        self.timecode
    }

    /// Returns the random part.
    #[must_use]
    pub fn id(&self) -> &ImageId {
        &self.id
    }

    /// Returns the format, from the extension.
    #[must_use]
    pub fn format(&self) -> ImageFormat {
        self.format
    }
}

impl fmt::Display for ImageObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lead, account, stream, timecode, id, format } = self;
        let timecode = epoch_millis_checked(*timecode).unwrap_or_default();
        write!(f, "{lead}{account}_{stream}_{timecode}_{id}.{}", format.extension())
    }
}

/// A part that is not valid in the key of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyPart {
    /// The account id is invalid.
    #[error("invalid account id ({length} bytes): must have 12 digits")]
    Account {
        /// Bytes given.
        length: usize,
    },
    /// The stream name is invalid.
    #[error("invalid stream name ({length} bytes): must have 1 to 256 letters, digits, '_', '.' and '-'")]
    Stream {
        /// Bytes given.
        length: usize,
    },
    /// The timecode is before 1970.
    #[error("the timecode is before 1970")]
    Timecode,
    /// The random part is invalid.
    #[error("invalid image id ({size} bytes): must have 1 to {limit} letters, digits and hyphens")]
    Id {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The key is too long for S3.
    #[error("object key too long: {size} bytes, the limit of S3 is {limit}")]
    TooLong {
        /// Bytes of the key.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
