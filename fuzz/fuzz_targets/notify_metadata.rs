//! Any lines as the metadata headers of an image, `name: value`: parsed metadata round trips.
#![no_main]

use kvs_notify::ImageMetadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|headers: &str| {
    let pairs = headers.lines().filter_map(|line| line.split_once(": "));
    let Ok(metadata) = ImageMetadata::from_headers(pairs) else { return };
    // A name may equal the prefix, and a pair may exceed the limit; parsing twice must give the same result.
    if let Ok(again) = ImageMetadata::from_headers(metadata.to_headers()) {
        assert_eq!(again, metadata);
    }
});
