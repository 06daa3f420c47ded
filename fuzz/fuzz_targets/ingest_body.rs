//! Any bytes as a PutMedia body, cut and timed by their first three: one error at most and last, acks in order, bytes kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kvs_local::__fuzz::ingest(data));
