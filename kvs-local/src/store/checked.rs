//! Small text files with a checksum in their last line, so that one wrong bit is noticed even if the text is still valid JSON.
//!
//! ```text
//! {"stream":"door"}
//! #crc32 89abcdef
//! ```

/// What the last line starts with.
const MARK: &[u8] = b"\n#crc32 ";

/// Returns a text with its checksum.
pub(crate) fn seal(mut text: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(&text);
    text.extend_from_slice(MARK);
    text.extend_from_slice(format!("{sum:08x}\n").as_bytes());
    text
}

/// Returns the text without its checksum; `None` if the checksum does not match. Files of earlier versions have none. If its mark is
/// damaged, the line stays in the text and makes the JSON invalid.
pub(crate) fn open(file: &[u8]) -> Option<&[u8]> {
    let Some(at) = file.windows(MARK.len()).rposition(|window| window == MARK) else { return Some(file) };
    let (text, last) = file.split_at_checked(at)?;
    let sum = std::str::from_utf8(last.strip_prefix(MARK)?.strip_suffix(b"\n")?).ok()?;
    (sum.len() == 8 && u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(text)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_noticed() {
        let file = seal(br#"{"stream":"door","hours":24}"#.to_vec());
        assert_eq!(open(&file), Some(&br#"{"stream":"door","hours":24}"#[..]));
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = open(&damaged).and_then(|text| serde_json::from_slice::<serde_json::Value>(text).ok());
            let unchanged = open(&damaged) == open(&file);
            assert!(read.is_none() || unchanged, "bit {bit}: {read:?}");
        }
        assert_eq!(open(br#"{"stream":"old"}"#), Some(&br#"{"stream":"old"}"#[..]));
    }
}
