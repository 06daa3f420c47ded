//! Messages and certificates made by OpenSSL (`tests/vectors/make.py`), and every way to tamper with them.
#![cfg(feature = "verify")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use kvs_notify::{
    AcceptedVersions, CertificateCache, CertificateError, ReplayWindow, Replayed, SigningCertUrl, SigningCertificate,
    SnsMessage, TrustRoots, UrlError, UrlPolicy, Verifier, VerifyError,
};
use serde_json::{Value, json};

const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:cameras";
const NAMES: [&str; 4] = ["notification", "no-subject", "SubscriptionConfirmation", "UnsubscribeConfirmation"];

/// Half a minute after the vectors' timestamp.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_748_779_230)
}

fn checked_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/openssl")
}

fn pem(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(format!("{name}.pem"))).unwrap()
}

fn json_of(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join(format!("{name}.json"))).unwrap()).unwrap()
}

fn message(value: &Value) -> SnsMessage {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn verifier(dir: &Path) -> Verifier {
    Verifier::new(TrustRoots::new().roots_pem(&pem(dir, "root")).unwrap(), [TOPIC])
}

fn certificate(dir: &Path, name: &str, url: SigningCertUrl) -> SigningCertificate {
    SigningCertificate::from_pem(url, &pem(dir, name)).unwrap()
}

/// Verifies with the named certificate, as if the message's URL had served it.
fn verify_with(verifier: &Verifier, value: &Value, name: &str) -> Result<(), VerifyError> {
    let message = message(value);
    let url = verifier.certificate_url(&message)?;
    verifier.verify(&message, &certificate(&checked_in(), name, url), now()).map(drop)
}

fn verify(value: &Value) -> Result<(), VerifyError> {
    verify_with(&verifier(&checked_in()), value, "leaf")
}

/// All eight messages of a folder are accepted with its own certificates.
fn accept_all(dir: &Path) {
    for name in NAMES {
        for version in ["v1", "v2"] {
            let message = message(&json_of(dir, &format!("{name}-{version}")));
            let verifier = verifier(dir);
            let certificate = certificate(dir, "leaf", verifier.certificate_url(&message).unwrap());
            let verified = verifier.verify(&message, &certificate, now());
            assert_eq!(verified.map(|verified| verified.message().topic_arn()), Ok(TOPIC), "{name} {version}");
        }
    }
}

#[test]
fn accepts_messages_signed_by_openssl_in_both_versions() {
    accept_all(&checked_in());
}

#[test]
fn accepts_messages_that_openssl_signs_now() {
    let test = "accepts_messages_that_openssl_signs_now";
    let Some(python) = test_judges::python(test, &[]) else { return };
    if !test_judges::available(test, &["openssl"]) {
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fresh-vectors-{}", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/make.py");
    let output = Command::new(python).arg(script).arg(&dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    accept_all(&dir);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn accepts_the_lambda_spelling_of_urls() {
    let mut value = json_of(&checked_in(), "notification-v2");
    let object = value.as_object_mut().unwrap();
    let url = object.remove("SigningCertURL").unwrap();
    object.insert("SigningCertUrl".into(), url);
    assert_eq!(verify(&value), Ok(()));
}

#[test]
fn rejects_every_change_of_a_signed_field() {
    for name in NAMES {
        for version in ["v1", "v2"] {
            let genuine = json_of(&checked_in(), &format!("{name}-{version}"));
            for field in ["Message", "MessageId", "Subject", "SubscribeURL", "Token"] {
                let Some(text) = genuine.get(field).and_then(Value::as_str) else { continue };
                let mut value = genuine.clone();
                for changed in [format!("{text} "), format!("x{text}"), text[1..].to_owned()] {
                    value[field] = json!(changed);
                    assert_eq!(verify(&value), Err(VerifyError::Signature), "{name} {version} {field}");
                }
                value[field] = json!("");
                // An empty URL or token counts as absent, and a confirmation without it is not decoded.
                if serde_json::from_value::<SnsMessage>(value.clone()).is_ok() {
                    assert_eq!(verify(&value), Err(VerifyError::Signature), "{name} {version} {field}");
                } else {
                    assert!(["SubscribeURL", "Token"].contains(&field), "{name} {version} {field}");
                }
            }
            let mut value = genuine.clone();
            value["Timestamp"] = json!("2025-06-01T12:00:00.195Z");
            assert_eq!(verify(&value), Err(VerifyError::Signature), "another millisecond");
            value["Timestamp"] = json!("2025-06-01T12:00:00.1940Z");
            assert_eq!(verify(&value), Err(VerifyError::Signature), "the same instant in other words");
        }
    }
}

#[test]
fn rejects_an_added_or_removed_subject() {
    let mut added = json_of(&checked_in(), "no-subject-v2");
    added["Subject"] = json!("hello");
    assert_eq!(verify(&added), Err(VerifyError::Signature));
    let mut empty = json_of(&checked_in(), "no-subject-v2");
    empty["Subject"] = json!("");
    assert_eq!(verify(&empty), Err(VerifyError::Signature));
    let mut taken = json_of(&checked_in(), "notification-v2");
    taken.as_object_mut().unwrap().remove("Subject");
    assert_eq!(verify(&taken), Err(VerifyError::Signature));
}

#[test]
fn rejects_another_type_with_the_same_signature() {
    let mut value = json_of(&checked_in(), "SubscriptionConfirmation-v2");
    value["Type"] = json!("UnsubscribeConfirmation");
    assert_eq!(verify(&value), Err(VerifyError::Signature));
}

#[test]
fn rejects_an_unexpected_topic_before_fetching() {
    let mut value = json_of(&checked_in(), "notification-v2");
    for topic in ["arn:aws:sns:us-west-2:999988887777:cameras", "arn:aws:sns:us-west-2:111122223333:cameras2", ""] {
        value["TopicArn"] = json!(topic);
        assert_eq!(verify(&value), Err(VerifyError::Topic { topic: topic.into() }));
    }
    let nobody = Verifier::new(TrustRoots::new(), Vec::<String>::new());
    let genuine = message(&json_of(&checked_in(), "notification-v2"));
    assert!(matches!(nobody.certificate_url(&genuine), Err(VerifyError::Topic { .. })));
}

#[test]
fn rejects_unknown_signature_versions_and_malformed_signatures() {
    let swap = |from: &str, to: &str| {
        let mut value = json_of(&checked_in(), &format!("notification-{from}"));
        value["SignatureVersion"] = json!(to);
        verify(&value)
    };
    assert_eq!(swap("v1", "2"), Err(VerifyError::Signature));
    assert_eq!(swap("v2", "1"), Err(VerifyError::Signature));
    assert_eq!(swap("v2", "3"), Err(VerifyError::Version { version: "3".into() }));
    let mut value = json_of(&checked_in(), "notification-v2");
    let signature = value["Signature"].as_str().unwrap().to_owned();
    for (changed, error) in [
        ("not base64".to_owned(), VerifyError::NotBase64),
        (signature[..signature.len() - 4].to_owned(), VerifyError::Signature),
        (signature.replacen('A', "B", 1), VerifyError::Signature),
        ("AAAA".repeat(1000), VerifyError::Signature),
    ] {
        value["Signature"] = json!(changed);
        assert_eq!(verify(&value), Err(error));
    }
    // Empty members count as absent, and the three are required together.
    for field in ["SignatureVersion", "Signature", "SigningCertURL"] {
        let mut value = json_of(&checked_in(), "notification-v2");
        value[field] = json!("");
        let error = serde_json::from_value::<SnsMessage>(value).unwrap_err().to_string();
        assert!(error.starts_with(&format!("missing field `{field}`")), "{error}");
    }
}

#[test]
fn rejects_every_changed_bit_of_the_signature() {
    let genuine = json_of(&checked_in(), "no-subject-v2");
    let bytes = base64_simd::STANDARD.decode_to_vec(genuine["Signature"].as_str().unwrap()).unwrap();
    for at in (0..bytes.len()).step_by(17) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let mut value = genuine.clone();
        value["Signature"] = json!(base64_simd::STANDARD.encode_to_string(&changed));
        assert_eq!(verify(&value), Err(VerifyError::Signature), "byte {at}");
    }
}

#[test]
fn rejects_an_unsigned_message() {
    let mut value = json_of(&checked_in(), "notification-v2");
    for field in ["Signature", "SignatureVersion", "SigningCertURL"] {
        value.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(verify(&value), Err(VerifyError::Unsigned));
}

#[test]
fn sha1_can_be_disabled() {
    let strict = verifier(&checked_in()).versions(AcceptedVersions::OnlySha256);
    assert_eq!(verify_with(&strict, &json_of(&checked_in(), "notification-v2"), "leaf"), Ok(()));
    let old = verify_with(&strict, &json_of(&checked_in(), "notification-v1"), "leaf");
    assert_eq!(old, Err(VerifyError::Version { version: "1".into() }));
}

#[test]
fn rejects_certificate_urls_outside_sns() {
    let mut value = json_of(&checked_in(), "notification-v2");
    for (url, error) in [
        ("https://sns.us-west-2.amazonaws.com.evil.example/x.pem", UrlError::ForeignHost),
        ("https://evil.example/sns.us-west-2.amazonaws.com/x.pem", UrlError::ForeignHost),
        ("http://sns.us-west-2.amazonaws.com/x.pem", UrlError::NotHttps),
        ("https://sns.us-west-2.amazonaws.com@evil.example/x.pem", UrlError::Malformed),
        ("https://sns.us-west-2.amazonaws.com/x.crt", UrlError::NotAPem),
    ] {
        value["SigningCertURL"] = json!(url);
        assert_eq!(verify(&value), Err(VerifyError::Url(error)), "{url}");
    }
}

#[test]
fn rejects_certificates_that_do_not_chain_to_a_root() {
    let value = json_of(&checked_in(), "notification-v2");
    let genuine = verifier(&checked_in());
    for name in ["expired", "not-yet", "foreign", "client-only", "leaf-under-intermediate", "root"] {
        let refused = verify_with(&genuine, &value, name);
        let expected = matches!(refused, Err(VerifyError::Certificate(CertificateError::NotTrusted { .. })));
        assert!(expected, "{name}: {refused:?}");
    }
    let other = verify_with(&genuine, &value, "other-name");
    assert_eq!(other, Err(VerifyError::Certificate(CertificateError::ForeignName)));
    assert_eq!(verify_with(&genuine, &value, "ec"), Err(VerifyError::Signature));
    let nobody = Verifier::new(TrustRoots::new(), [TOPIC]);
    assert!(matches!(verify_with(&nobody, &value, "leaf"), Err(VerifyError::Certificate(_))));
}

#[test]
fn accepts_a_chain_through_an_intermediate() {
    let value = json_of(&checked_in(), "notification-v2");
    let dir = checked_in();
    let roots = TrustRoots::new().roots_pem(&pem(&dir, "root")).unwrap();
    let linked = Verifier::new(roots.intermediates_pem(&pem(&dir, "intermediate")).unwrap(), [TOPIC]);
    assert_eq!(verify_with(&linked, &value, "leaf-under-intermediate"), Ok(()));
    let as_root = Verifier::new(TrustRoots::new().roots_pem(&pem(&dir, "intermediate")).unwrap(), [TOPIC]);
    assert_eq!(verify_with(&as_root, &value, "leaf-under-intermediate"), Ok(()));

    let message = message(&value);
    let verifier = verifier(&dir);
    let served = [pem(&dir, "leaf-under-intermediate"), pem(&dir, "intermediate")].concat();
    let url = verifier.certificate_url(&message).unwrap();
    let chain = SigningCertificate::from_pem(url, &served).unwrap();
    assert!(verifier.verify(&message, &chain, now()).is_ok(), "a chain that is served is used");
}

#[test]
fn rejects_a_certificate_from_another_url() {
    let message = message(&json_of(&checked_in(), "notification-v2"));
    let elsewhere = UrlPolicy::aws().signing_cert("https://sns.us-west-2.amazonaws.com/other.pem").unwrap();
    let certificate = certificate(&checked_in(), "leaf", elsewhere);
    let verified = verifier(&checked_in()).verify(&message, &certificate, now());
    assert_eq!(verified, Err(VerifyError::OtherCertificate));
}

#[test]
fn rejects_messages_that_are_too_old_or_in_the_future() {
    let value = json_of(&checked_in(), "notification-v2");
    let message = message(&value);
    let verifier = verifier(&checked_in()).max_age(Duration::from_secs(60)).max_skew(Duration::from_secs(10));
    let url = verifier.certificate_url(&message).unwrap();
    let certificate = certificate(&checked_in(), "leaf", url);
    let stamp = message.timestamp().at();
    let at = |offset: i64| {
        let offset_duration = Duration::from_secs(offset.unsigned_abs());
        let now = if offset < 0 { stamp - offset_duration } else { stamp + offset_duration };
        verifier.verify(&message, &certificate, now)
    };
    assert!(at(60).is_ok() && at(-10).is_ok());
    assert!(matches!(at(61), Err(VerifyError::TooOld { .. })));
    assert!(matches!(at(-11), Err(VerifyError::FromTheFuture { .. })));
}

#[test]
fn rejects_line_breaks_in_signed_fields() {
    // The signed text would stay the same if an id could hold "\nTimestamp\n..." and the real stamp stood twice.
    let genuine = json_of(&checked_in(), "no-subject-v2");
    let mut shifted = genuine.clone();
    let id = genuine["MessageId"].as_str().unwrap();
    let stamp = genuine["Timestamp"].as_str().unwrap();
    shifted["MessageId"] = json!(format!("{id}\nTimestamp\n{stamp}"));
    assert_eq!(verify(&shifted), Err(VerifyError::LineBreak { field: "MessageId" }));
    let mut subject = genuine;
    subject["Subject"] = json!("a\nb");
    assert_eq!(verify(&subject), Err(VerifyError::LineBreak { field: "Subject" }));
}

#[test]
fn checks_and_redacts_the_url_of_a_confirmation() {
    let verifier = verifier(&checked_in());
    let message = message(&json_of(&checked_in(), "SubscriptionConfirmation-v2"));
    assert!(!format!("{message:?}").contains("2336412f37"), "tokens are not printed");
    let certificate = certificate(&checked_in(), "leaf", verifier.certificate_url(&message).unwrap());
    let verified = verifier.verify(&message, &certificate, now()).unwrap();
    let url = verifier.subscription_url(&verified).unwrap().unwrap();
    assert!(url.as_str().starts_with("https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription"));
}

#[test]
fn accepts_a_local_service_by_its_origin() {
    let mut value = json_of(&checked_in(), "notification-v2");
    value["SigningCertURL"] = json!("http://127.0.0.1:4566/sns/cert.pem");
    assert_eq!(verify(&value), Err(VerifyError::Url(UrlError::NotHttps)));
    let local = UrlPolicy::aws().and_origin("http://127.0.0.1:4566", "sns.amazonaws.com");
    assert_eq!(verify_with(&verifier(&checked_in()).urls(local), &value, "leaf"), Ok(()));
    let other_name = UrlPolicy::aws().and_origin("http://127.0.0.1:4566", "localhost");
    let refused = verify_with(&verifier(&checked_in()).urls(other_name), &value, "leaf");
    assert_eq!(refused, Err(VerifyError::Certificate(CertificateError::ForeignName)));
}

#[test]
fn detects_duplicates_within_the_window() {
    let verifier = verifier(&checked_in());
    let first = message(&json_of(&checked_in(), "notification-v1"));
    let certificate = certificate(&checked_in(), "leaf", verifier.certificate_url(&first).unwrap());
    let verified = verifier.verify(&first, &certificate, now()).unwrap();
    let mut window = ReplayWindow::new(1, Duration::from_secs(100));
    assert_eq!(window.admit(&verified, now()), Ok(()));
    assert_eq!(window.admit(&verified, now() + Duration::from_secs(100)), Err(Replayed::default()));
    window.forget(&verified);
    assert_eq!(window.admit(&verified, now()), Ok(()), "what failed may come again");
    assert_eq!(window.admit(&verified, now() + Duration::from_secs(101)), Ok(()), "the age is bounded");
}

#[test]
fn cache_is_limited_by_url_age_and_count() {
    let dir = checked_in();
    let url = |name: &str| {
        let url = format!("https://sns.us-west-2.amazonaws.com/{name}.pem");
        UrlPolicy::aws().signing_cert(&url).unwrap()
    };
    let mut cache = CertificateCache::new(2, Duration::from_secs(100));
    for name in ["a", "b", "c"] {
        cache.insert(certificate(&dir, "leaf", url(name)), now());
    }
    assert!(cache.find(&url("a"), now()).is_none(), "the oldest went");
    assert!(cache.find(&url("b"), now() + Duration::from_secs(99)).is_some());
    assert!(cache.find(&url("b"), now() + Duration::from_secs(100)).is_none());
    assert!(cache.find(&url("c"), now() - Duration::from_secs(1)).is_none(), "a clock that was set back");
}
