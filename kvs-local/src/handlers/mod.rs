//! What each operation does.

mod control;
mod dispatcher;
mod get_images;
mod get_media;
mod list_fragments;
mod put_media;

pub(crate) use control::Control;
pub(crate) use dispatcher::{Answerer, Arrival};
pub(crate) use get_media::understand as understand_read;
pub(crate) use put_media::understand as understand_put_media;
