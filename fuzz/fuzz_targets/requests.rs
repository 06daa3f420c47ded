//! Any head and body as a request: signatures, headers and the JSON of every operation are read without a failure.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kvs_local::__fuzz::requests(data));
