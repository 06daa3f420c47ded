//! The way of a frame into a fragment: bitstream conversion, time axis, order among tracks, cuts.

pub(crate) mod adts_reader;
pub(crate) mod bitstream;
pub(crate) mod cut_policy;
pub(crate) mod fragmenter;
pub(crate) mod interleaver;
pub(crate) mod nal_reader;
pub(crate) mod pipeline;
pub(crate) mod put_error;
pub(crate) mod timeline;
