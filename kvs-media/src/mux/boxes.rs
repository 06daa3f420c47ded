//! Writing boxes (ISO/IEC 14496-12 §4.2).

/// Boxes in writing. Sizes are patched when a box ends.
#[derive(Debug, Default)]
pub(super) struct BoxWriter {
    bytes: Vec<u8>,
}

impl BoxWriter {
    /// Writes a box with what `content` writes.
    pub(super) fn boxed(&mut self, kind: &[u8; 4], content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.raw(kind);
        content(self);
        let size = u32::try_from(self.bytes.len() - start).expect("metadata boxes are below 4 GiB");
        self.patch(start, size);
    }

    /// Writes a box with version and flags.
    pub(super) fn full(&mut self, kind: &[u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Self)) {
        self.boxed(kind, |to| {
            to.u32(u32::from(version) << 24 | (flags & 0x00ff_ffff));
            content(to);
        });
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len().saturating_add(count), 0);
    }

    /// Returns the number of bytes so far.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Replaces four bytes that were written before.
    pub(super) fn patch(&mut self, at: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(|bytes| bytes.first_chunk_mut::<4>()) {
            *place = value.to_be_bytes();
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes the header of an `mdat` box with this many bytes of media behind it.
    pub(super) fn media_header(&mut self, media: u64) {
        match u32::try_from(media.saturating_add(MEDIA_HEADER)) {
            Ok(size) => {
                self.u32(size);
                self.raw(b"mdat");
            }
            Err(_) => {
                self.u32(1);
                self.raw(b"mdat");
                self.u64(media.saturating_add(LARGE_MEDIA_HEADER));
            }
        }
    }
}

/// Returns the size of the header of an `mdat` box with this many bytes of media.
pub(super) fn media_header_len(media: u64) -> u64 {
    if u32::try_from(media.saturating_add(MEDIA_HEADER)).is_ok() { MEDIA_HEADER } else { LARGE_MEDIA_HEADER }
}

const MEDIA_HEADER: u64 = 8;
const LARGE_MEDIA_HEADER: u64 = 16;
