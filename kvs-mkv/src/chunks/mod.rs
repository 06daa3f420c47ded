//! A payload that may lie in several places: the zero-copy currency of these crates.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// The bytes of one payload as a short list of [`Bytes`], never joined unless asked.
///
/// A block that leaves the writer is a few header bytes and then the very payload that came in; a frame that leaves the
/// parser is a list of slices of what was pushed. Cloning copies no payload.
///
/// Memory: one small list (up to two pieces are held without an allocation) plus what each [`Bytes`] keeps alive.
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

#[derive(Clone, Default)]
enum List {
    #[default]
    Empty,
    One([Bytes; 1]),
    Two([Bytes; 2]),
    Many(Vec<Bytes>),
}

impl Chunks {
    /// An empty payload.
    #[must_use]
    pub const fn new() -> Self {
        Self { list: List::Empty, len: 0 }
    }

    /// An empty payload with room for this many pieces.
    pub(crate) fn with_capacity(pieces: usize) -> Self {
        let list = if pieces > 2 { List::Many(Vec::with_capacity(pieces)) } else { List::Empty };
        Self { list, len: 0 }
    }

    /// Of pieces that have `len` bytes in all, none of them empty.
    pub(crate) fn from_pieces(pieces: Vec<Bytes>, len: usize) -> Self {
        debug_assert!(pieces.iter().all(|piece| !piece.is_empty()), "pieces have bytes");
        debug_assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), len, "the length is that of the pieces");
        let list = match <[Bytes; 2]>::try_from(pieces) {
            Ok(two) => List::Two(two),
            Err(pieces) => List::Many(pieces),
        };
        Self { list, len }
    }

    /// Appends a piece; empty pieces are dropped.
    #[inline]
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.len = self.len.saturating_add(piece.len());
        self.list = match std::mem::take(&mut self.list) {
            List::Empty => List::One([piece]),
            List::One([first]) => List::Two([first, piece]),
            List::Two([first, second]) => List::Many(vec![first, second, piece]),
            List::Many(mut list) => {
                list.push(piece);
                List::Many(list)
            }
        };
    }

    /// Puts a piece in front of all others; an empty one is dropped.
    #[inline]
    pub fn prepend(&mut self, piece: Bytes) {
        *self = std::mem::take(self).behind(piece);
    }

    /// The same payload with `piece` in front of it.
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

    /// Puts `piece` in the place of the first one.
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

    /// How many bytes there are in all.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order, none of them empty.
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

    /// The pieces in order, none of them empty.
    pub fn iter(&self) -> std::slice::Iter<'_, Bytes> {
        self.pieces().iter()
    }

    /// Joins the pieces: free for up to one piece, one allocation and one copy for more.
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

impl Buf for Chunks {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces().first().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.len, "cannot advance by {count} past {} remaining bytes", self.len);
        self.len -= count;
        let mut left = count;
        match &mut self.list {
            List::Empty => {}
            List::One([piece]) => piece.advance(left),
            List::Two([first, second]) => {
                if left < first.len() {
                    first.advance(left);
                } else {
                    second.advance(left - first.len());
                    self.list = List::One([std::mem::take(second)]);
                }
            }
            List::Many(list) => {
                let mut spent = 0;
                for piece in list.iter_mut() {
                    let step = left.min(piece.len());
                    piece.advance(step);
                    left -= step;
                    if !piece.is_empty() {
                        break;
                    }
                    spent += 1;
                }
                list.drain(..spent);
            }
        }
        if self.len == 0 {
            self.list = List::Empty;
        }
    }
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

impl IntoIterator for Chunks {
    type Item = Bytes;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(match self.list {
            List::Empty => Pieces::Few([Bytes::new(), Bytes::new()].into_iter()),
            List::One([first]) => Pieces::Few([first, Bytes::new()].into_iter()),
            List::Two(two) => Pieces::Few(two.into_iter()),
            List::Many(list) => Pieces::Many(list.into_iter()),
        })
    }
}

/// The pieces of a [`Chunks`] by value, in order, none of them empty.
#[derive(Debug)]
pub struct IntoIter(Pieces);

#[derive(Debug)]
enum Pieces {
    /// Empty ones stand where there is none.
    Few(std::array::IntoIter<Bytes, 2>),
    Many(std::vec::IntoIter<Bytes>),
}

impl Iterator for IntoIter {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Pieces::Few(few) => few.find(|piece| !piece.is_empty()),
            Pieces::Many(many) => many.next(),
        }
    }
}

impl<'a> IntoIterator for &'a Chunks {
    type Item = &'a Bytes;
    type IntoIter = std::slice::Iter<'a, Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Equal when the bytes are equal, however they are cut.
impl PartialEq for Chunks {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().flatten().eq(other.iter().flatten())
    }
}

impl Eq for Chunks {}

/// Shows the length and the first bytes only: a payload is media, not text.
impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunks({} bytes:", self.len)?;
        for byte in self.iter().flatten().take(DEBUG_BYTES) {
            write!(f, " {byte:02x}")?;
        }
        f.write_str(if self.len > DEBUG_BYTES { " …)" } else { ")" })
    }
}

/// How many payload bytes `Debug` shows.
const DEBUG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Chunks {
        [&b"ab"[..], b"", b"cde", b"f"].into_iter().map(Bytes::from_static).collect()
    }

    #[test]
    fn equality_ignores_the_cuts() {
        assert_eq!(three(), Chunks::from(&b"abcdef"[..]));
        assert_ne!(three(), Chunks::from(&b"abcdeF"[..]));
        assert_eq!(three().pieces().len(), 3);
    }

    #[test]
    fn advancing_drops_whole_pieces() {
        let mut chunks = three();
        chunks.advance(3);
        assert_eq!((chunks.remaining(), chunks.chunk()), (3, &b"de"[..]));
        chunks.advance(3);
        assert_eq!((chunks.remaining(), chunks.chunk()), (0, &b""[..]));
    }

    #[test]
    fn any_number_of_pieces_behaves_alike() {
        for pieces in 0..6 {
            let cut: Vec<Bytes> = (0..pieces).map(|n| Bytes::from(vec![n; usize::from(n) + 1])).collect();
            let flat: Vec<u8> = cut.iter().flatten().copied().collect();
            let forward: Chunks = cut.iter().cloned().collect();
            let mut backward = Chunks::new();
            cut.iter().rev().cloned().for_each(|piece| backward.prepend(piece));
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
    fn joining_one_piece_copies_nothing() {
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
