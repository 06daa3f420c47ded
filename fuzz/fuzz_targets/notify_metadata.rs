//! Any pairs as the headers of an image: whatever reads survives being written and read again.
#![no_main]

use kvs_notify::ImageMetadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: Vec<(String, String)>| {
    let Ok(metadata) = ImageMetadata::from_headers(headers) else { return };
    // A pair may be named like the prefix itself or grow past the bound; what is read twice must agree with itself.
    if let Ok(again) = ImageMetadata::from_headers(metadata.to_headers()) {
        assert_eq!(again, metadata);
    }
});
