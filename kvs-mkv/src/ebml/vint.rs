//! Element heads and the variable-size integers in them (RFC 8794 §4 to §6).

use super::ElementId;

/// Most bytes of an element head: four of id and eight of size (RFC 8794 §5, §6).
pub(crate) const HEAD_BYTES: usize = 12;

/// The id and size before the body of every element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) id: ElementId,
    /// Size of the body in bytes; `None` if it is marked as unknown.
    pub(crate) size: Option<u64>,
    /// Size of the head in bytes.
    pub(crate) len: usize,
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// At least this many bytes are needed to try again.
    Needs(usize),
    /// No variable-size integer starts with these bytes.
    Invalid,
}

/// Reads an element id and returns it with its length: one to four bytes, the value bits neither all zeros nor all ones
/// (RFC 8794 §5).
#[inline]
pub(crate) fn read_id(bytes: &[u8]) -> Result<(ElementId, usize), Unread> {
    let Some(&first) = bytes.first() else { return Err(Unread::Needs(1)) };
    // One byte first: SimpleBlock, the most frequent element, has such an id. 80 and FF are reserved (RFC 8794 §5).
    if first >= 0x80 {
        return if matches!(first, 0x80 | 0xFF) { Err(Unread::Invalid) } else { Ok((ElementId(first.into()), 1)) };
    }
    let len = first.leading_zeros() as usize + 1;
    if len > 4 {
        return Err(Unread::Invalid);
    }
    let id = bytes.get(..len).ok_or(Unread::Needs(len))?.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let value_mask = (1u32 << (7 * len)) - 1;
    if id & value_mask == 0 || id & value_mask == value_mask {
        return Err(Unread::Invalid);
    }
    Ok((ElementId(id), len))
}

/// Reads a variable-size integer and returns it with its length; `None` if all value bits are ones (RFC 8794 §4).
#[inline]
pub(crate) fn read_vint(bytes: &[u8]) -> Result<(Option<u64>, usize), Unread> {
    let Some(&first) = bytes.first() else { return Err(Unread::Needs(1)) };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(Unread::Invalid);
    }
    let mask = (1u64 << (7 * len)) - 1;
    // With eight bytes at hand, one load and one shift replace a loop.
    let value = match bytes.first_chunk::<8>() {
        Some(&eight) => u64::from_be_bytes(eight) >> (64 - 8 * len),
        None => bytes.get(..len).ok_or(Unread::Needs(len))?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
    } & mask;
    Ok(((value != mask).then_some(value), len))
}

/// Reads an element head.
#[inline]
pub(crate) fn read_head(bytes: &[u8]) -> Result<Head, Unread> {
    let (id, id_len) = read_id(bytes)?;
    match read_vint(bytes.get(id_len..).unwrap_or_default()) {
        Ok((size, size_len)) => Ok(Head { id, size, len: id_len + size_len }),
        Err(Unread::Needs(more)) => Err(Unread::Needs(id_len + more)),
        Err(Unread::Invalid) => Err(Unread::Invalid),
    }
}

/// Appends a size in as few bytes as possible.
///
/// `size` must be below 2^56 − 1, which is true for every length in memory.
pub(crate) fn put_size(out: &mut Vec<u8>, size: usize) {
    let size = size as u64;
    let len = (1..8).find(|len| size < (1 << (7 * len)) - 1).unwrap_or(8);
    put_size_in(out, size, len);
}

/// Appends a size in exactly `len` bytes, 1 to 8.
pub(crate) fn put_size_in(out: &mut Vec<u8>, size: u64, len: usize) {
    debug_assert!((1..=8).contains(&len) && size < (1 << (7 * len)) - 1, "size {size} in {len} bytes");
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(marked.to_be_bytes().get(8 - len..).unwrap_or_default());
}

/// Appends an element id.
pub(crate) fn put_id(out: &mut Vec<u8>, id: ElementId) {
    let bytes = id.0.to_be_bytes();
    let skip = (id.0.leading_zeros() / 8) as usize;
    out.extend_from_slice(bytes.get(skip..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rejects_reserved_ids() {
        for bytes in [&[0x80][..], &[0xFF], &[0x40, 0], &[0x7F, 0xFF], &[0x08, 0, 0, 0, 1], &[0]] {
            assert_eq!(read_id(bytes), Err(Unread::Invalid), "{bytes:x?}");
        }
        assert_eq!(read_id(&[0x1A, 0x45, 0xDF]), Err(Unread::Needs(4)));
    }

    #[test]
    fn recognizes_unknown_size_of_any_length() {
        for len in 1..=8 {
            let mut bytes = vec![0xFF; len];
            bytes[0] = 0xFF >> (len - 1);
            assert_eq!(read_vint(&bytes), Ok((None, len)));
        }
        assert_eq!(read_vint(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), Err(Unread::Invalid));
    }

    proptest! {
        #[test]
        fn sizes_round_trip(size in 0..(1usize << 55), behind in 0..9usize) {
            let mut bytes = Vec::new();
            put_size(&mut bytes, size);
            let len = bytes.len();
            bytes.extend(std::iter::repeat_n(0xEE, behind));
            prop_assert_eq!(read_vint(&bytes), Ok((Some(size as u64), len)));
            prop_assert_eq!(read_vint(&bytes[..len - 1]), Err(Unread::Needs(if len == 1 { 1 } else { len })));
        }
    }
}
