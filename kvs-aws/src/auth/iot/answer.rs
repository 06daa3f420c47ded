//! What the endpoint answers.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use serde::Deserialize;

/// The body of a success. No `Debug`: it is all secrets.
#[derive(Deserialize)]
struct Answer {
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

/// Reads credentials that last beyond `now`, or says what is wrong without quoting the body.
pub(super) fn read(body: &[u8], now: SystemTime) -> Result<Credentials, String> {
    let Answer { credentials } = serde_json::from_slice(body).map_err(|error| place(&error))?;
    let Issued { access_key_id, secret_access_key, session_token, expiration } = credentials;
    for (name, value) in
        [("accessKeyId", &access_key_id), ("secretAccessKey", &secret_access_key), ("sessionToken", &session_token)]
    {
        // They become headers.
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{name} is empty or no visible text"));
        }
    }
    let end: jiff::Timestamp = expiration.parse().map_err(|_| "expiration is no time".to_owned())?;
    if SystemTime::from(end) <= now {
        return Err(format!("they ended at {end}"));
    }
    Ok(Credentials::new(access_key_id, secret_access_key, Some(session_token), Some(end.into()), "iot role alias"))
}

/// serde's own words quote values.
fn place(error: &serde_json::Error) -> String {
    let problem = if error.is_data() { "the JSON is of another kind" } else { "it is no whole JSON" };
    format!("{problem} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of the developer guide, shortened.
    const GIVEN: &str = r#"{"credentials":{"accessKeyId":"AKIDIOT","secretAccessKey":"very-secret","sessionToken":"very-secret-token",
        "expiration":"2018-01-18T09:18:06Z"}}"#;

    #[test]
    fn the_documented_answer_is_read() {
        let credentials = read(GIVEN.as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(credentials.access_key_id(), "AKIDIOT");
        assert_eq!(credentials.session_token(), Some("very-secret-token"));
        assert_eq!(credentials.expiry().map(kvs_types::__internal::epoch_millis), Some(1_516_267_086_000));
        assert!(!format!("{credentials:?}").contains("very-secret"));
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_secrets() {
        for (from, to, expected) in [
            (r#""very-secret""#, "17", "the JSON is of another kind at line 1, "),
            (r#""very-secret""#, r#""""#, "secretAccessKey is empty or no visible text"),
            ("very-secret-token", "very-secret\\ntoken", "sessionToken is empty or no visible text"),
            ("2018-01-18T09:18:06Z", "very-secret", "expiration is no time"),
            ("}}", "", "it is no whole JSON at line 2, "),
            (r#""credentials""#, r#""very-secret""#, "the JSON is of another kind at line 2, "),
        ] {
            let problem = read(GIVEN.replacen(from, to, 1).as_bytes(), SystemTime::UNIX_EPOCH).unwrap_err();
            assert!(problem.starts_with(expected) && !problem.contains("very-secret"), "{problem}");
        }
        let late = kvs_types::__internal::from_epoch_millis(1_516_267_086_000);
        assert_eq!(read(GIVEN.as_bytes(), late).unwrap_err(), "they ended at 2018-01-18T09:18:06Z");
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_credentials_that_can_be_headers_or_a_short_refusal(
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
