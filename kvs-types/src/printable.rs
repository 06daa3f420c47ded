//! Text from outside, for terminals and logs.

use std::fmt::{self, Display, Write};

/// Displays a value so that it can neither control a terminal nor begin a line of its own: control characters, line separators
/// and marks that reorder text are escaped, as in Rust's `\u{1b}`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around one value")]
pub struct Printable<T>(pub T);

/// The same for JSON, compact or with line breaks between its members: escapes stay JSON, as in `\u009b`.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper around one value")]
pub struct PrintableJson<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |f: &mut fmt::Formatter<'_>, character: char| write!(f, "{}", character.escape_default());
        write!(Escaping { f, acts, escape }, "{}", self.0)
    }
}

impl<T: Display> Display for PrintableJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Line breaks are between members: in its strings they are escaped already.
        let acts = |character| acts(character) && character != '\n';
        // All of these have 16 bits, but for the tags, which are a surrogate pair.
        let escape = |f: &mut fmt::Formatter<'_>, character: char| {
            character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))
        };
        write!(Escaping { f, acts, escape }, "{}", self.0)
    }
}

/// Whether a character does something other than to be shown.
fn acts(character: char) -> bool {
    match character {
        // C0, DEL and C1: 0x9b is the same as ESC [ for some terminals.
        character if character.is_control() => true,
        // Line and paragraph separators; marks, embeddings, overrides and isolates of directions; soft hyphen and other
        // invisible characters; tags.
        '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => false,
    }
}

/// Passes text on and escapes some characters of it.
struct Escaping<'f, 'o, A, E> {
    f: &'f mut fmt::Formatter<'o>,
    acts: A,
    escape: E,
}

impl<A, E> Write for Escaping<'_, '_, A, E>
where
    A: Fn(char) -> bool,
    E: Fn(&mut fmt::Formatter<'_>, char) -> fmt::Result,
{
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| (self.acts)(*character)) {
            let (plain, from) = rest.split_at(at);
            self.f.write_str(plain)?;
            (self.escape)(self.f, character)?;
            rest = from.get(character.len_utf8()..).unwrap_or_default();
        }
        self.f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_neither_control_a_terminal_nor_begin_a_line() {
        let text = Printable("a\x1b[31mred\r\nerror: forged\u{9b}1m\u{202e}\t\u{7f}").to_string();
        assert_eq!(text, r"a\u{1b}[31mred\r\nerror: forged\u{9b}1m\u{202e}\t\u{7f}");
        assert_eq!(Printable("Tür – 門 🎥 \\n").to_string(), "Tür – 門 🎥 \\n", "what is shown stays");
    }

    #[test]
    fn json_stays_json() {
        let json = "{\n  \"a\": \"\u{9b}1m\u{202e}\u{e0041}é\"\n}";
        let printed = PrintableJson(json).to_string();
        assert_eq!(printed, "{\n  \"a\": \"\\u009b1m\\u202e\\udb40\\udc41é\"\n}");
        #[cfg(feature = "serde")]
        {
            let (printed, given): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&printed).unwrap(), serde_json::from_str(json).unwrap());
            assert_eq!(printed, given);
        }
    }
}
