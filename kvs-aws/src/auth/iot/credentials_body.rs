//! The response body of the credentials provider.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use serde::Deserialize;

/// The body of a successful response. It has no `Debug` because it consists of secrets.
#[derive(Deserialize)]
struct Body {
    credentials: Issued,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

/// Reads credentials that expire after `now`. The error text never quotes the body.
pub(super) fn read(body: &[u8], now: SystemTime) -> Result<Credentials, String> {
    let Body { credentials } = serde_json::from_slice(body).map_err(|error| describe(&error))?;
    let Issued { access_key_id, secret_access_key, session_token, expiration } = credentials;
    for (name, value) in
        [("accessKeyId", &access_key_id), ("secretAccessKey", &secret_access_key), ("sessionToken", &session_token)]
    {
        // They become header values.
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{name} is empty or contains invisible characters"));
        }
    }
    let expiry: jiff::Timestamp = expiration.parse().map_err(|_| "expiration is not a time".to_owned())?;
    if SystemTime::from(expiry) <= now {
        return Err(format!("the credentials expired at {expiry}"));
    }
    Ok(Credentials::new(access_key_id, secret_access_key, Some(session_token), Some(expiry.into()), "iot role alias"))
}

/// Describes a JSON error without the message of serde, which quotes values.
fn describe(error: &serde_json::Error) -> String {
    let problem = if error.is_data() { "unexpected JSON" } else { "invalid JSON" };
    format!("{problem} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the developer guide, shortened.
    const GIVEN: &str = r#"{"credentials":{"accessKeyId":"AKIDIOT","secretAccessKey":"very-secret","sessionToken":"very-secret-token",
        "expiration":"2018-01-18T09:18:06Z"}}"#;

    #[test]
    fn reads_the_documented_response() {
        let credentials = read(GIVEN.as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(credentials.access_key_id(), "AKIDIOT");
        assert_eq!(credentials.session_token(), Some("very-secret-token"));
        assert_eq!(credentials.expiry().map(kvs_types::__internal::epoch_millis), Some(1_516_267_086_000));
        assert!(!format!("{credentials:?}").contains("very-secret"));
    }

    #[test]
    fn errors_do_not_quote_secrets() {
        for (from, to, expected) in [
            (r#""very-secret""#, "17", "unexpected JSON at line 1, "),
            (r#""very-secret""#, r#""""#, "secretAccessKey is empty or contains invisible characters"),
            ("very-secret-token", "very-secret\\ntoken", "sessionToken is empty or contains invisible characters"),
            ("2018-01-18T09:18:06Z", "very-secret", "expiration is not a time"),
            ("}}", "", "invalid JSON at line 2, "),
            (r#""credentials""#, r#""very-secret""#, "unexpected JSON at line 2, "),
        ] {
            let problem = read(GIVEN.replacen(from, to, 1).as_bytes(), SystemTime::UNIX_EPOCH).unwrap_err();
            assert!(problem.starts_with(expected) && !problem.contains("very-secret"), "{problem}");
        }
        let late = kvs_types::__internal::from_epoch_millis(1_516_267_086_000);
        assert_eq!(read(GIVEN.as_bytes(), late).unwrap_err(), "the credentials expired at 2018-01-18T09:18:06Z");
    }

    proptest::proptest! {
        #[test]
        fn any_body_gives_credentials_or_a_short_error(
            at in 0..GIVEN.len(), length in 0_usize..40, text in ".{0,20}",
        ) {
            let end = (at + length).min(GIVEN.len());
            let body = [&GIVEN.as_bytes()[..at], text.as_bytes(), &GIVEN.as_bytes()[end..]].concat();
            match read(&body, SystemTime::UNIX_EPOCH) {
                Ok(credentials) => assert!(credentials.session_token().unwrap().bytes().all(|byte| byte.is_ascii_graphic())),
                Err(problem) => assert!(problem.len() < 200, "{problem}"),
            }
        }
    }
}
