//! A payload in one or more pieces, which is never copied.

mod buf;
mod into_iter;

use std::fmt;

use bytes::{Bytes, BytesMut};

pub use into_iter::ChunksIntoIter;

/// The bytes of a payload as a short list of [`Bytes`], joined only by [`into_bytes`](Self::into_bytes).
///
/// A block from the writer is a few header bytes followed by the payload of the frame, not a copy of it. A frame from the
/// parser is a list of slices of the pushed input. Cloning does not copy the payload either.
///
/// Memory: a small list (up to two pieces need no allocation), and the buffers behind the [`Bytes`].
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::Chunks;
///
/// let mut chunks = Chunks::from(Bytes::from_static(b"head"));
/// chunks.push(Bytes::from_static(b"payload"));
/// assert_eq!(chunks.len(), 11);
/// assert_eq!(chunks.into_bytes(), "headpayload");
/// ```
#[derive(Clone, Default)]
pub struct Chunks {
    list: List,
    len: usize,
}

/// Most payloads have one piece (as pushed) or two (a length or header, and the data): those live in the struct itself.
#[derive(Clone, Default)]
enum List {
    #[default]
    Empty,
    // Arrays, so that `pieces` returns a slice in every case.
    One([Bytes; 1]),
    Two([Bytes; 2]),
    Many(Vec<Bytes>),
}

impl Chunks {
    /// Creates an empty payload.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: List::Empty, len: 0 }
    }

    /// Creates an empty payload with capacity for this many pieces.
    pub(crate) fn with_capacity(pieces: usize) -> Self {
        let list = if pieces > 2 { List::Many(Vec::with_capacity(pieces)) } else { List::Empty };
        Self { list, len: 0 }
    }

    /// Makes room for this many more pieces.
    pub(crate) fn reserve(&mut self, pieces: usize) {
        if pieces <= 2 {
            return;
        }
        if let List::Many(list) = &mut self.list {
            return list.reserve(pieces);
        }
        let mut list = Vec::with_capacity(pieces.saturating_add(2));
        let len = self.len;
        self.take_each(|piece| list.push(piece));
        *self = Self { list: List::Many(list), len };
    }

    /// Creates a payload from pieces of `len` bytes in total, none of them empty.
    pub(crate) fn from_pieces(pieces: Vec<Bytes>, len: usize) -> Self {
        debug_assert!(pieces.iter().all(|piece| !piece.is_empty()), "pieces have bytes");
        debug_assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), len, "the length is that of the pieces");
        let list = match <[Bytes; 2]>::try_from(pieces) {
            Ok(two) => List::Two(two),
            Err(pieces) => List::Many(pieces),
        };
        Self { list, len }
    }

    /// Creates a payload from a piece that is not empty.
    #[inline]
    pub(crate) const fn from_one(piece: Bytes) -> Self {
        debug_assert!(!piece.is_empty(), "pieces have bytes");
        let len = piece.len();
        Self { list: List::One([piece]), len }
    }

    /// Creates a payload from two pieces that are not empty.
    pub(crate) fn from_two(pieces: [Bytes; 2]) -> Self {
        debug_assert!(pieces.iter().all(|piece| !piece.is_empty()), "pieces have bytes");
        let len = pieces.iter().map(Bytes::len).sum();
        Self { list: List::Two(pieces), len }
    }

    /// Appends a piece; empty pieces are ignored.
    #[inline]
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.len = self.len.saturating_add(piece.len());
        if let List::Empty = self.list {
            self.list = List::One([piece]);
        } else {
            self.push_behind(piece);
        }
    }

    /// Changes a list of one or two pieces where it is: moving it costs more than the rest.
    fn push_behind(&mut self, piece: Bytes) {
        match &mut self.list {
            List::Empty => self.list = List::One([piece]),
            List::One([first]) => {
                let first = std::mem::take(first);
                self.list = List::Two([first, piece]);
            }
            List::Two([first, second]) => {
                let pieces = vec![std::mem::take(first), std::mem::take(second), piece];
                self.list = List::Many(pieces);
            }
            List::Many(list) => list.push(piece),
        }
    }

    /// Removes all pieces and passes each to `take`, without moving the list.
    #[inline]
    pub(crate) fn take_each(&mut self, mut take: impl FnMut(Bytes)) {
        match &mut self.list {
            List::Empty => {}
            List::One(pieces) => pieces.iter_mut().for_each(|piece| take(std::mem::take(piece))),
            List::Two(pieces) => pieces.iter_mut().for_each(|piece| take(std::mem::take(piece))),
            List::Many(pieces) => pieces.drain(..).for_each(take),
        }
        self.list = List::Empty;
        self.len = 0;
    }

    /// Returns the same payload with `piece` before it.
    #[inline]
    pub(crate) fn behind(self, piece: Bytes) -> Self {
        if piece.is_empty() {
            return self;
        }
        let len = self.len.saturating_add(piece.len());
        let list = match self.list {
            List::Empty => List::One([piece]),
            List::One([second]) => List::Two([piece, second]),
            List::Two([second, third]) => List::Many(vec![piece, second, third]),
            List::Many(mut list) => {
                list.insert(0, piece);
                List::Many(list)
            }
        };
        Self { list, len }
    }

    /// Replaces the first piece.
    #[inline]
    pub(crate) fn replace_first(&mut self, piece: Bytes) {
        let first = match &mut self.list {
            List::Empty => return self.push(piece),
            List::One([first]) | List::Two([first, _]) => Some(first),
            List::Many(list) => list.first_mut(),
        };
        if let Some(first) = first {
            self.len = self.len.saturating_add(piece.len()).saturating_sub(first.len());
            *first = piece;
        }
    }

    /// Appends all pieces of `other`.
    pub fn append(&mut self, other: Self) {
        for piece in other {
            self.push(piece);
        }
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the pieces in order; none of them is empty.
    #[inline]
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        match &self.list {
            List::Empty => &[],
            List::One(one) => one,
            List::Two(two) => two,
            List::Many(list) => list,
        }
    }

    /// Iterates over the pieces in order; none of them is empty.
    pub fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.pieces().iter()
    }

    /// Joins the pieces: no cost for up to one piece, one allocation and one copy for more.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.list {
            List::Empty => Bytes::new(),
            List::One([piece]) => piece,
            List::Two(list) => join(&list, self.len),
            List::Many(list) => join(&list, self.len),
        }
    }
}

fn join(pieces: &[Bytes], len: usize) -> Bytes {
    if let [piece] = pieces {
        return piece.clone();
    }
    let mut joined = BytesMut::with_capacity(len);
    for piece in pieces {
        joined.extend_from_slice(piece);
    }
    joined.freeze()
}

impl From<Bytes> for Chunks {
    #[inline]
    fn from(piece: Bytes) -> Self {
        let len = piece.len();
        Self { list: if len == 0 { List::Empty } else { List::One([piece]) }, len }
    }
}

impl From<Vec<u8>> for Chunks {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<&'static [u8]> for Chunks {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl FromIterator<Bytes> for Chunks {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut chunks = Self::new();
        chunks.extend(pieces);
        chunks
    }
}

impl Extend<Bytes> for Chunks {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, pieces: I) {
        for piece in pieces {
            self.push(piece);
        }
    }
}

/// Equal if the bytes are equal, however they are divided into pieces.
impl PartialEq for Chunks {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().flatten().eq(other.iter().flatten())
    }
}

impl Eq for Chunks {}

/// Shows the length and the first bytes: a payload is media, not text.
impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({} bytes:", self.len)?;
        for byte in self.iter().flatten().take(DEBUG_BYTES) {
            write!(f, " {byte:02x}")?;
        }
        f.write_str(if self.len > DEBUG_BYTES { " …)" } else { ")" })
    }
}

/// Payload bytes that `Debug` shows.
const DEBUG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use bytes::Buf as _;

    use super::*;

    fn three() -> Chunks {
        [&b"ab"[..], b"", b"cde", b"f"].into_iter().map(Bytes::from_static).collect()
    }

    #[test]
    fn equality_ignores_division_into_pieces() {
        assert_eq!(three(), Chunks::from(&b"abcdef"[..]));
        assert_ne!(three(), Chunks::from(&b"abcdeF"[..]));
        assert_eq!(three().pieces().len(), 3);
    }

    #[test]
    fn advance_drops_whole_pieces() {
        let mut chunks = three();
        chunks.advance(3);
        assert_eq!((chunks.remaining(), chunks.chunk()), (3, &b"de"[..]));
        chunks.advance(3);
        assert_eq!((chunks.remaining(), chunks.chunk()), (0, &b""[..]));
    }

    #[test]
    fn any_number_of_pieces_behaves_the_same() {
        for pieces in 0..6 {
            let cut: Vec<Bytes> = (0..pieces).map(|n| Bytes::from(vec![n; usize::from(n) + 1])).collect();
            let flat: Vec<u8> = cut.iter().flatten().copied().collect();
            let forward: Chunks = cut.iter().cloned().collect();
            let mut backward = Chunks::new();
            for piece in cut.iter().rev() {
                backward = backward.behind(piece.clone());
            }
            assert_eq!((forward.len(), &forward), (flat.len(), &backward));
            assert_eq!(forward.clone().into_iter().collect::<Vec<_>>(), cut);
            assert_eq!(forward.clone().into_bytes(), flat);
            for count in 0..=flat.len() {
                let mut rest = forward.clone();
                rest.advance(count);
                assert_eq!((rest.remaining(), &rest.into_bytes()[..]), (flat.len() - count, &flat[count..]));
            }
        }
    }

    #[test]
    fn joining_one_piece_does_not_copy() {
        let piece = Bytes::from(vec![7; 64]);
        let joined = Chunks::from(piece.clone()).into_bytes();
        assert_eq!(joined.as_ptr(), piece.as_ptr());
    }

    #[test]
    fn debug_is_short() {
        let text = format!("{:?}", Chunks::from(vec![0xab; 1000]));
        assert!(text.starts_with("Chunks(1000 bytes: ab ab") && text.ends_with("…)") && text.len() < 100);
    }
}
