//! The image objects that the service writes to S3.

mod id;
mod key;
mod metadata;
mod object;
mod parse;
mod rfc2047;

pub use id::ImageId;
pub use key::{ImageObjectKey, InvalidKeyPart};
pub use metadata::{ImageMetadata, InvalidMetadata};
pub use object::ImageObject;
pub use parse::{Candidates, KeyHints, ParseKeyError};
