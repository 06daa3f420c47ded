//! EBML, the grammar of Matroska (RFC 8794).

mod children;
mod element_id;
mod vint;

pub(crate) use children::{Child, Children};
pub use element_id::ElementId;
pub(crate) use vint::{HEAD_BYTES, Head, Unread, put_id, put_size, put_size_in, read_head, read_id, read_vint};
