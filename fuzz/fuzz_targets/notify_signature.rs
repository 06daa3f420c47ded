//! Any text as a certificate URL, a PEM certificate and a signed message: nothing is accepted, because there is no trusted key.
//!
//! The input is the URL on the first line, the PEM up to the first brace, and the message.
#![no_main]

use std::time::{Duration, SystemTime};

use kvs_notify::{SigningCertificate, SnsMessage, TrustRoots, UrlPolicy, Verifier};
use libfuzzer_sys::fuzz_target;

/// A time at which the certificates of the corpus are valid, since the Unix epoch.
const SINCE_1970: Duration = Duration::from_secs(1_748_779_200);

fuzz_target!(|input: &str| {
    let (url, rest) = input.split_once('\n').unwrap_or((input, ""));
    let (pem, json) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
    let pem = pem.as_bytes();
    if let Ok(checked) = UrlPolicy::aws().signing_cert(url) {
        // An accepted URL has a host of SNS.
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
    assert!(verifier.verify(&message, &certificate, SystemTime::UNIX_EPOCH + SINCE_1970).is_err());
});
