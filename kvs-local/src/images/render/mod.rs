//! From decoded pictures to files: colours, size and encoding.

pub(in crate::images) mod colour;
pub(in crate::images) mod encode;
