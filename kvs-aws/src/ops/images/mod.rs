//! GetImages and its result.

pub(crate) mod error;
pub(crate) mod get_images;
