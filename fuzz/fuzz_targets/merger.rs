//! Any bytes as fragments, merged and parsed again.
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::merger(data));
