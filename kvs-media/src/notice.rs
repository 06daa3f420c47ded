//! What a reader left out, added or repaired: one line each.

use std::fmt;

/// What a reader did not return as it is in the input. A notice is no error: the rest is complete.
///
/// Its text is one line that names the track, the place and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The kind of notice, for programs.
    pub kind: NoticeKind,
    text: String,
}

/// The kind of a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoticeKind {
    /// Tracks are left out.
    LeftOut,
    /// The recording ends in the middle, because the recorder lost power or the copy was not finished.
    Interrupted,
    /// Frames are left out: without payload, or before the first parameter sets.
    Skipped,
    /// Pictures before the first shown one are returned, because decoding starts at a key frame.
    Preroll,
    /// Bytes that belong to no element of the container are ignored.
    Ignored,
    /// A property of the pictures cannot be expressed and is lost.
    Lost,
}

impl Notice {
    pub(crate) fn new(kind: NoticeKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
