//! Any bytes in any pieces, read as fragments.
#![no_main]

#[path = "../src/container.rs"]
mod container;

libfuzzer_sys::fuzz_target!(|data: &[u8]| container::fragment_reader(data));
