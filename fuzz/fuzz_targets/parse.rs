//! Any bytes in any pieces as a stream.
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::parse(data));
