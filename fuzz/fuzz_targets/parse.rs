//! Any bytes in any pieces, parsed as a stream.
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::parse(data));
