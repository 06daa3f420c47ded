//! Any bytes as a page of images: one entry per element of the list, and each image has the size that its text states.
#![no_main]

use kvs_aws::__internal::parse_page;
use kvs_aws::ImageFailure;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let Ok(page) = parse_page("GetImages", body) else { return };
    let Ok(json) = serde_json::from_slice::<Value>(body) else { return };
    let given = json["Images"].as_array().expect("a page that was read has its list");
    assert_eq!(page.images.len(), given.len());
    for (image, given) in page.images.iter().zip(given).filter(|(_, given)| given.is_object()) {
        match (&image.content, given["ImageContent"].as_str()) {
            (Ok(bytes), Some(text)) => assert_eq!(bytes.len(), decoded_length(text), "{text}"),
            (Ok(_), None) => panic!("a picture out of nothing: {given}"),
            (Err(ImageFailure::NotBase64 { chars }), Some(text)) => assert_eq!(*chars, text.len()),
            (Err(_), _) => {}
        }
    }
});

/// Returns the number of bytes that a base64 text encodes.
fn decoded_length(text: &str) -> usize {
    assert!(text.len().is_multiple_of(4));
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count()
}
