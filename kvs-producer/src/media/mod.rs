//! From a frame to its place in a fragment: bitstream, time, order, fragments.

pub(crate) mod bitstream;
pub(crate) mod fragmenter;
pub(crate) mod interleaver;
pub(crate) mod pipeline;
pub(crate) mod put_error;
pub(crate) mod timeline;
