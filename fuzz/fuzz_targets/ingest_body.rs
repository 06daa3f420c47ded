//! Any bytes as a PutMedia body, divided and timed by the first three bytes: at most one error, as the last event; acks in
//! order; all bytes kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kvs_local::__internal::fuzz::ingest(data));
