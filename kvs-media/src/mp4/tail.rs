//! Bytes behind the last box that can be read: zeros that a recorder reserved, data of the camera, or damage.

use crate::error::Fault;
use crate::input::Input;
use crate::notice::{Notice, NoticeKind};

/// What is known of such bytes, which are not kept.
#[derive(Debug)]
pub(super) struct Tail {
    at: u64,
    len: u64,
    has_content: bool,
    has_fragments: bool,
    /// The last bytes: what is searched may be divided between two pieces.
    last: [u8; FRAGMENT.len() - 1],
}

/// The head of the first box in a fragment, whose size is always the same: eight bytes that coded media does not have by chance.
const FRAGMENT: &[u8; 8] = b"\0\0\0\x10mfhd";

impl Tail {
    /// The tail that starts at this offset.
    pub(super) const fn new(at: u64) -> Self {
        Self { at, len: 0, has_content: false, has_fragments: false, last: [1; FRAGMENT.len() - 1] }
    }

    /// Looks at everything behind this offset.
    pub(super) fn read(input: &Input, at: u64) -> Result<Self, Fault> {
        let mut tail = Self::new(at);
        input.windows(at, |window, _| {
            tail.take(&window);
            Ok(())
        })?;
        Ok(tail)
    }

    /// Looks at the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.len = self.len.saturating_add(bytes.len() as u64);
        self.has_content |= bytes.iter().any(|&byte| byte != 0);
        let joined: Vec<u8> = self.last.iter().chain(bytes.iter().take(self.last.len())).copied().collect();
        self.has_fragments |= has_fragment(&joined) || has_fragment(bytes);
        let end = if bytes.len() < self.last.len() { &joined } else { bytes };
        if let Some(last) = end.last_chunk() {
            self.last = *last;
        }
    }

    /// Whether fragments are in it.
    pub(super) const fn has_fragments(&self) -> bool {
        self.has_fragments
    }

    /// States what the tail is. In a fragmented recording, fragments in it are missing.
    pub(super) fn notice(&self, is_fragmented: bool) -> Option<Notice> {
        let Self { at, len, .. } = self;
        if self.len == 0 {
            return None;
        }
        if is_fragmented && self.has_fragments {
            let text = format!(
                "the recording was interrupted: there is no box at byte {at}, so the fragments in the last {len} bytes are missing"
            );
            return Some(Notice::new(NoticeKind::Interrupted, text));
        }
        Some(ignored(*at, *len, if self.has_content { "are no box" } else { "are zeros" }))
    }
}

/// States that the bytes behind an offset are left out.
pub(super) fn ignored(at: u64, len: u64, what: &str) -> Notice {
    Notice::new(NoticeKind::Ignored, format!("the last {len} bytes, from byte {at} on, {what} and are ignored"))
}

fn has_fragment(bytes: &[u8]) -> bool {
    bytes.windows(FRAGMENT.len()).any(|window| window == FRAGMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(pieces: &[&[u8]]) -> Tail {
        let mut tail = Tail::new(100);
        pieces.iter().for_each(|piece| tail.take(piece));
        tail
    }

    fn kinds(pieces: &[&[u8]]) -> [Option<NoticeKind>; 2] {
        [true, false].map(|is_fragmented| tail(pieces).notice(is_fragmented).map(|notice| notice.kind))
    }

    #[test]
    fn only_fragments_of_a_fragmented_recording_are_missing() {
        let [ignored, interrupted] = [NoticeKind::Ignored, NoticeKind::Interrupted].map(Some);
        assert_eq!(kinds(&[]), [None, None]);
        assert_eq!(kinds(&[&[0; 9], &[0; 4]]), [ignored, ignored]);
        assert_eq!(kinds(&[b"a trailer", b" of the camera"]), [ignored, ignored]);
        let fragment = b"\0\0\0\x90moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x02";
        for cut in 0..fragment.len() {
            let (front, back) = fragment.split_at(cut);
            assert_eq!(kinds(&[front, back]), [interrupted, ignored], "cut at {cut}");
            let bytes: Vec<_> = fragment.chunks(1 + cut).collect();
            assert_eq!(kinds(&bytes), [interrupted, ignored], "pieces of {}", 1 + cut);
        }
    }

    #[test]
    fn notice_states_the_place_and_the_number_of_bytes() {
        let text = |pieces: &[&[u8]]| tail(pieces).notice(true).unwrap().to_string();
        assert_eq!(text(&[&[0; 9], &[0; 4]]), "the last 13 bytes, from byte 100 on, are zeros and are ignored");
        assert_eq!(text(&[b"trailer"]), "the last 7 bytes, from byte 100 on, are no box and are ignored");
        assert!(
            text(&[b"....", FRAGMENT])
                .contains("no box at byte 100, so the fragments in the last 12 bytes are missing")
        );
    }
}
