//! Any head and body as a request: the server parses signatures, headers and the JSON of every operation without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kvs_local::__internal::fuzz::requests(data));
