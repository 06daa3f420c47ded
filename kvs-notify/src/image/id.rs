//! The random id in the key of an image.

use std::fmt;
use std::str::FromStr;

use crate::image::key::InvalidKeyPart;
use crate::limits::IMAGE_ID_BYTES;

/// The random part of an image key, which makes keys unique: a GUID in lower case.
///
/// Parsing accepts any 1 to 64 letters, digits and hyphens.
///
/// ```
/// use kvs_notify::ImageId;
///
/// let id = ImageId::from_bytes([0xf2, 0x0f, 0x9a, 0xdd, 0x7e, 0x57, 0x43, 0x99, 0xa3, 0x0f, 0xfc, 0x7a, 0xef, 0xb1, 0xba, 0xb7]);
/// assert_eq!(id.as_str(), "f20f9add-7e57-4399-a30f-fc7aefb1bab7");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(Box<str>);

impl ImageId {
    /// Creates the GUID of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let n = u128::from_be_bytes(bytes);
        let (high, low) = (n >> 64, n & u128::from(u64::MAX));
        let text = format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        );
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageId {
    type Err = InvalidKeyPart;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !legal || !(1..=IMAGE_ID_BYTES).contains(&text.len()) {
            return Err(InvalidKeyPart::Id { size: text.len(), limit: IMAGE_ID_BYTES });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({})", self.0)
    }
}
