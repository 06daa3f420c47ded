//! Texts as JSON strings, for the few places where this crate writes JSON itself.

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn write_json_text(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            // RFC 8259 section 7: control characters must be escaped.
            control if u32::from(control) < 0x20 => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => json.push(plain),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::write_json_text;

    #[test]
    fn escapes_what_json_requires() {
        let mut json = String::new();
        write_json_text(&mut json, "a\"b\\c\n\u{1}é");
        assert_eq!(json, r#""a\"b\\c\n\u0001é""#);
        #[cfg(feature = "serde")]
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "a\"b\\c\n\u{1}é");
    }
}
