//! The operations of the service.

pub(crate) mod archived;
pub(crate) mod configuration;
pub(crate) mod control;
pub(crate) mod images;
pub(crate) mod media;
