//! Any bytes as a live Annex B stream, in any pieces.
#![no_main]

#[path = "../src/splitters.rs"]
mod splitters;

libfuzzer_sys::fuzz_target!(|data: &[u8]| splitters::access_units(data));
