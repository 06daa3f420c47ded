//! Fragments that are not persisted yet, bounded in bytes and in time.

pub(crate) mod budget;
pub(crate) mod epoch;
pub(crate) mod fragment;
pub(crate) mod fragment_buffer;
pub(crate) mod spill;
