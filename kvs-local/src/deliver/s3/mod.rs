//! Images as S3 objects: made, stored in a local folder and announced with an event.

pub(super) mod bucket_client;
pub(super) mod images;
mod object_created;
pub(super) mod object_store;
