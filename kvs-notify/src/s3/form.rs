//! Keys as events of S3 write them: form-URL-encoded.

use std::borrow::Cow;

use memchr::memchr2;

use crate::hex::byte_of;

/// The key itself: `+` is a space, `%XX` a byte. Nothing if an escape is cut short or the bytes are no UTF-8.
pub(crate) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    if memchr2(b'+', b'%', encoded.as_bytes()).is_none() {
        return Some(Cow::Borrowed(encoded));
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => byte_of(rest.next()?, rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The key as an event writes it.
pub(crate) fn encode(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => encoded.push(byte.into()),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plus_is_a_space_and_an_escaped_plus_is_a_plus() {
        assert_eq!(decode("a+b%2Bc%20d").unwrap(), "a b+c d");
        assert_eq!(decode("caf%C3%A9/x").unwrap(), "café/x");
        assert!(matches!(decode("111122223333_demo_1_x.jpg"), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for encoded in ["%", "%2", "%zz", "%C3", "a%+1"] {
            assert_eq!(decode(encoded), None, "{encoded}");
        }
    }

    proptest! {
        #[test]
        fn every_key_survives(key in ".{0,60}") {
            let encoded = encode(&key);
            prop_assert_eq!(decode(&encoded).unwrap(), key);
        }
    }
}
