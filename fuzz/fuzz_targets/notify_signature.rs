//! Any text as a signed message with any certificate: nothing is ever accepted, since nobody vouches.
#![no_main]

use std::time::SystemTime;

use kvs_notify::{SigningCertificate, SnsMessage, TrustRoots, UrlPolicy, Verifier};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8], &str)| {
    let (json, pem, url) = input;
    if let Ok(checked) = UrlPolicy::aws().signing_cert(url) {
        // What was let through leads to SNS however one reads it.
        let rest = checked.as_str().to_ascii_lowercase();
        let host = rest.strip_prefix("https://").and_then(|rest| rest.split('/').next()).expect("an https URL");
        let host = host.trim_end_matches(":443");
        assert!(host.starts_with("sns.") && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")));
        let _ = SigningCertificate::from_pem(checked, pem);
    }
    let Ok(message) = serde_json::from_str::<SnsMessage>(json) else { return };
    let verifier = Verifier::new(TrustRoots::new(), [message.topic_arn()]);
    let Ok(url) = verifier.certificate_url(&message) else { return };
    let Ok(certificate) = SigningCertificate::from_pem(url, pem) else { return };
    assert!(verifier.verify(&message, &certificate, SystemTime::UNIX_EPOCH).is_err());
});
