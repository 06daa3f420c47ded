//! Object keys in S3 events: form-URL-encoded.

use std::borrow::Cow;

use memchr::{memchr_iter, memchr2};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What S3 escapes in the keys of its events: everything but letters, digits and these. A space becomes `+` afterwards.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');

/// Decodes a key: `+` is a space, `%XX` a byte. Returns `None` if an escape is incomplete or the bytes are not UTF-8.
pub(crate) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    let bytes = encoded.as_bytes();
    if memchr2(b'+', b'%', bytes).is_none() {
        return Some(Cow::Borrowed(encoded));
    }
    // The decoder passes incomplete escapes through; here they are errors.
    let complete = |at: usize| bytes.get(at..)?.get(1..3).map(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if !memchr_iter(b'%', bytes).all(|at| complete(at) == Some(true)) {
        return None;
    }
    let spaces = encoded.replace('+', " ");
    let key = percent_decode_str(&spaces).decode_utf8().ok()?;
    Some(Cow::Owned(key.into_owned()))
}

/// Encodes a key as an event of S3 contains it.
pub(crate) fn encode(key: &str) -> String {
    utf8_percent_encode(key, ESCAPED).to_string().replace(' ', "+")
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
    fn rejects_incomplete_escapes() {
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
