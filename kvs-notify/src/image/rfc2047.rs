//! Header values with non-ASCII characters: `=?UTF-8?B?...?=` (RFC 2047), as S3 returns them.

use base64_simd::STANDARD;

use crate::hex::byte_of;

/// Encodes a header value: printable ASCII stays unchanged, other text becomes one encoded word.
pub(super) fn encode(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    format!("=?UTF-8?B?{}?=", STANDARD.encode_to_string(text))
}

/// Returns whether the text is printable and cannot be mistaken for an encoded word. Spaces at the ends would be lost.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim_ascii() == text && !text.contains("=?")
}

/// Decodes a header value. White space between two encoded words is removed (RFC 2047 section 6.2); words that cannot be decoded stay
/// unchanged.
pub(super) fn decode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    while let Some((plain, word, tail)) = next_word(rest) {
        if !(after_word && plain.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))) {
            text.push_str(plain);
        }
        text.push_str(&word);
        (rest, after_word) = (tail, true);
    }
    text.push_str(rest);
    text
}

/// Returns the text before the next encoded word, the decoded word, and the text after it.
fn next_word(text: &str) -> Option<(&str, String, &str)> {
    for (at, _) in text.match_indices("=?") {
        let (plain, from_word) = text.split_at_checked(at)?;
        if let Some((word, tail)) = from_word.strip_prefix("=?").and_then(word) {
            return Some((plain, word, tail));
        }
        // Without "?=" no later opening can end either; stopping here keeps the search linear.
        if !from_word.contains("?=") {
            return None;
        }
    }
    None
}

/// Decodes `charset?encoding?text?=`; returns it and the text after it.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (encoded, tail) = rest.split_once("?=")?;
    if charset.len() > 32 || encoded.contains([' ', '?']) {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode_to_vec(encoded).ok()?,
        "Q" | "q" => quoted(encoded)?,
        _ => return None,
    };
    Some((in_charset(charset, bytes)?, tail))
}

/// Decodes the Q encoding: `_` is a space, `=XX` a byte.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => byte_of(rest.next()?, rest.next()?)?,
            other => other,
        });
    }
    Some(bytes)
}

fn in_charset(charset: &str, bytes: Vec<u8>) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_both_encodings() {
        assert_eq!(decode("=?UTF-8?B?w4TDtsO8?="), "Äöü");
        assert_eq!(decode("=?utf-8?q?Caf=C3=A9_au_lait?="), "Café au lait");
        assert_eq!(decode("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), "ab");
        assert_eq!(decode("=?ISO-8859-1?Q?caf=E9?= x"), "café x");
        assert_eq!(decode("gate =?UTF-8?B?w6Q=?= 7"), "gate ä 7");
    }

    #[test]
    fn keeps_text_that_is_not_an_encoded_word() {
        for text in ["", "plain", "a =? b", "=?UTF-8?X?abc?=", "=?UTF-8?B?!!?=", "=?KOI8-R?Q?=C1?=", "=?UTF-8?Q?=C3?="]
        {
            assert_eq!(decode(text), text);
        }
    }

    #[test]
    fn handles_many_unterminated_words_in_linear_time() {
        let text = "=?".repeat(1 << 20);
        assert_eq!(decode(&text).len(), text.len());
    }

    proptest! {
        #[test]
        fn every_text_survives(text in ".{0,60}") {
            prop_assert_eq!(decode(&encode(&text)), text);
        }
    }
}
