//! GetImages: the call, its pages, and what images look like.

pub(crate) mod error;
pub(crate) mod get_images;
