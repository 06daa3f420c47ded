//! Any text as the object key of an image: parsed keys round trip.
#![no_main]

use kvs_notify::{ImageObjectKey, ParseKeyError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match ImageObjectKey::parse(text) {
        Ok(key) => assert_eq!(key.to_string(), text),
        Err(ParseKeyError::Ambiguous { candidates }) => {
            assert!(candidates.iter().count() > 1);
            candidates.iter().for_each(|key| assert_eq!(key.to_string(), text));
        }
        Err(_) => {}
    }
});
