//! Stored media of any shape as playlists, manifests, segments and clips, and any query on the URLs of a streaming session.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    kvs_local::__internal::fuzz::playback(data);
});
