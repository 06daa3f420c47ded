//! The key of an image object.

use std::fmt;
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis_checked;
use kvs_types::ImageFormat;
use kvs_types::limits::S3_KEY_BYTES;

use crate::epoch_ms;
use crate::image::id::ImageId;
use crate::stream_arn::{is_account_id, is_stream_name};

/// The key under which the service puts an image into the bucket.
///
/// ```text
/// [FOLDER/][PREFIX_]ACCOUNT_STREAM_TIMECODE_ID.EXTENSION
///
/// gate/6_111122223333_demo-stream_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg
/// ^^^^^^ ^^^^^^^^^^^^ ^^^^^^^^^^^ ^^^^^^^^^^^^^ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
/// lead   12 digits    stream name epoch ms      random id
/// ```
///
/// The lead is what the destination's URI and the producer's prefix tag put in front; both may hold `/` and `_`, so a key does not tell
/// which of them wrote what. Source: <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/s3-delivery.html>.
///
/// Built with [`new`](Self::new) and written with `Display`; read with [`parse`](Self::parse) or
/// [`parse_with`](Self::parse_with). What is written reads back equal, given the account as a hint if it is ambiguous.
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
    /// All before the account: empty, or ends with `_` or `/`.
    pub(super) lead: String,
    pub(super) account: String,
    pub(super) stream: String,
    /// In whole milliseconds.
    pub(super) timecode: SystemTime,
    pub(super) id: ImageId,
    pub(super) format: ImageFormat,
}

impl ImageObjectKey {
    /// A key without folder and prefix; a fraction of a millisecond is cut off.
    ///
    /// # Errors
    /// An account of other than 12 digits, a name that no stream can have, an instant before 1970.
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

    /// The same behind the value of the tag `AWS_KINESISVIDEO_IMAGE_PREFIX`. An empty one changes nothing.
    ///
    /// # Errors
    /// The key would be longer than S3 allows.
    pub fn with_prefix(self, prefix: &str) -> Result<Self, InvalidKeyPart> {
        if prefix.is_empty() { Ok(self) } else { self.with_lead(prefix, '_') }
    }

    /// The same inside the path of the destination's URI (`a/b` of `s3://bucket/a/b`), with one `/` between. An empty one changes
    /// nothing. Put the prefix on first.
    ///
    /// # Errors
    /// The key would be longer than S3 allows.
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

    /// All that stands before the account, its separator included; empty without folder and prefix.
    #[must_use]
    pub fn lead(&self) -> &str {
        &self.lead
    }

    /// The lead up to its last `/`, that included: where a browser of S3 shows the image.
    #[must_use]
    pub fn folder(&self) -> &str {
        let end = self.lead.rfind('/').map_or(0, |at| at.saturating_add(1));
        self.lead.get(..end).unwrap_or_default()
    }

    /// The lead without the `_` that joins it to the account: the prefix tag's value, behind the folder if there is one. `None` if nothing but a folder
    /// stands before the account.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.lead.strip_suffix('_')
    }

    /// The account that owns the stream: 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The instant that the image shows, on the clock that the stream's configuration chose (server or producer).
    #[must_use]
    pub fn timecode(&self) -> SystemTime {
        self.timecode
    }

    /// The random part.
    #[must_use]
    pub fn id(&self) -> &ImageId {
        &self.id
    }

    /// The format, from the extension.
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

/// A part that no image's key can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeyPart {
    /// Not an account's number.
    #[error("an account has 12 digits, this text of {length} bytes is none")]
    Account {
        /// Bytes given.
        length: usize,
    },
    /// Not a stream's name.
    #[error("a stream's name has 1 to 256 of a-z, A-Z, 0-9, _, . and -, this text of {length} bytes is none")]
    Stream {
        /// Bytes given.
        length: usize,
    },
    /// Before 1970.
    #[error("the timecode is before 1970")]
    Timecode,
    /// Not a random part.
    #[error("the random part has 1 to {limit} letters, digits and hyphens, this text of {size} bytes is none")]
    Id {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The key as a whole is too long for S3.
    #[error("a key of S3 has at most {limit} bytes, this one would have {size}")]
    TooLong {
        /// Bytes of the key.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
