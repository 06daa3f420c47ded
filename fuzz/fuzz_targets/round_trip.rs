//! Any calls of a writer, parsed back.
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::round_trip(data));
