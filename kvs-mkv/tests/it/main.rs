//! The integration tests in one program: linking each file alone costs more than compiling it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../common/bits.rs"]
mod bits;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/judge.rs"]
mod judge;
#[path = "../common/split.rs"]
mod split;

mod codec;
mod fragments;
mod geometry;
mod golden_bytes;
mod interlaced;
mod judges;
mod round_trip;
mod split_rules;
mod splitters;
mod structure;
