//! The operations of the service.

pub(crate) mod archived;
pub(crate) mod control;
pub(crate) mod media;
