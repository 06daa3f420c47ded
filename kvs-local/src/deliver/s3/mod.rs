//! Images as objects of S3: made, kept in a folder, announced.

pub(in crate::deliver) mod event;
pub(in crate::deliver) mod images;
pub(in crate::deliver) mod object_store;
