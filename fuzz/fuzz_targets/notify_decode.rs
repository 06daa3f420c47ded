//! Any bytes as a received document.
#![no_main]

use kvs_notify::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let Ok(delivery) = decode(document) else { return };
    for event in delivery.objects() {
        assert!(event.key.len() <= document.len());
        let _ = event.image_key();
    }
    for message in &delivery.messages {
        let Some(sns) = &message.sns else { continue };
        // Written messages parse back, and their signature stays valid.
        let written = serde_json::to_string(sns).expect("messages are written as JSON");
        let back: kvs_notify::SnsMessage = serde_json::from_str(&written).expect("what was written is read");
        assert_eq!(back.string_to_sign(), sns.string_to_sign());
    }
});
