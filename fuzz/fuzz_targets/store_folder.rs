//! Any bytes in the files of a store: it opens, serves the complete fragments and stores more.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| kvs_local::__internal::fuzz::store(data));
