//! Any lines as the headers of an image, `name: value`: whatever reads survives being written and read again.
#![no_main]

use kvs_notify::ImageMetadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: &str| {
    let pairs = headers.lines().filter_map(|line| line.split_once(": "));
    let Ok(metadata) = ImageMetadata::from_headers(pairs) else { return };
    // A pair may be named like the prefix itself or grow past the bound; what is read twice must agree with itself.
    if let Ok(again) = ImageMetadata::from_headers(metadata.to_headers()) {
        assert_eq!(again, metadata);
    }
});
