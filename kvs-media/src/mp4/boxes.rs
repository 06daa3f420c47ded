//! Boxes (ISO/IEC 14496-12 §4.2). Each declared size is checked against what encloses the box.

/// A box: its kind, its offset in the file and its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Box<'a> {
    pub(super) kind: [u8; 4],
    /// Offset of its header in the file.
    pub(super) at: u64,
    pub(super) payload: &'a [u8],
}

/// A box or a field that does not fit into what encloses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BoxError {
    /// The box ends after what encloses it.
    #[error("the '{}' box at offset {at} declares {declared} bytes but {left} are left", name(*kind))]
    Truncated { kind: [u8; 4], at: u64, declared: u64, left: u64 },
    /// The payload ends inside a field.
    #[error("the '{}' box at offset {at} is too short", name(*kind))]
    Short { kind: [u8; 4], at: u64 },
}

/// The header of a box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) kind: [u8; 4],
    pub(super) header_len: u64,
    /// Bytes of the whole box: at least those of the header, at most what is left.
    pub(super) len: u64,
    /// Whether only the end of the file ends it.
    pub(super) is_open: bool,
}

/// Largest header in bytes.
pub(super) const HEADER_BYTES: u64 = 16;

/// Reads the header of the box at offset `at` of the file, where `left` bytes are left and `data` is their start.
pub(super) fn head(data: &[u8], at: u64, left: u64) -> Option<Result<Head, BoxError>> {
    // Some writers leave padding that is shorter than a header (a zero word at the end of `udta`).
    let (size, rest) = data.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_be_bytes(*size);
    let (header_len, declared) = match size {
        0 => (8, left),
        1 => match rest.first_chunk::<8>() {
            Some(large) => (HEADER_BYTES, u64::from_be_bytes(*large)),
            None => (HEADER_BYTES, HEADER_BYTES),
        },
        size => (8, u64::from(size)),
    };
    if declared < header_len || declared > left {
        return Some(Err(BoxError::Truncated { kind: *kind, at, declared, left }));
    }
    Some(Ok(Head { kind: *kind, header_len, len: declared, is_open: size == 0 }))
}

/// A box kind as text.
pub(super) fn name(kind: [u8; 4]) -> String {
    kind.iter().map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '?' }).collect()
}

/// Walks the consecutive boxes in `data`, which starts at offset `at` of the file.
pub(super) const fn boxes(data: &[u8], at: u64) -> Boxes<'_> {
    Boxes { data, at }
}

#[derive(Clone, Copy)]
pub(super) struct Boxes<'a> {
    data: &'a [u8],
    at: u64,
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Result<Box<'a>, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        let head = match head(self.data, self.at, self.data.len() as u64)? {
            Ok(head) => head,
            Err(error) => return self.fail(error),
        };
        // Neither is greater than what is left, so both fit into usize.
        let [header_len, len] = [head.header_len, head.len].map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        let (whole, behind) = self.data.split_at_checked(len)?;
        let found = Box { kind: head.kind, at: self.at, payload: whole.get(header_len..)? };
        (self.data, self.at) = (behind, self.at.saturating_add(head.len));
        Some(Ok(found))
    }
}

impl<'a> Boxes<'a> {
    fn fail(&mut self, error: BoxError) -> Option<Result<Box<'a>, BoxError>> {
        self.data = &[];
        Some(Err(error))
    }
}

impl<'a> Box<'a> {
    /// Offset of the payload in the file, for boxes with a short header; used in messages only.
    fn payload_at(&self) -> u64 {
        self.at.saturating_add(8)
    }

    /// The boxes in its payload after `skip` bytes.
    pub(super) fn children(&self, skip: usize) -> Result<Boxes<'a>, BoxError> {
        let data = self.payload.get(skip..).ok_or(self.short())?;
        Ok(boxes(data, self.payload_at().saturating_add(skip as u64)))
    }

    /// The first child of this kind.
    pub(super) fn child(&self, kind: &[u8; 4]) -> Result<Option<Self>, BoxError> {
        for child in self.children(0)? {
            let child = child?;
            if child.kind == *kind {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    /// Reads fields from the start of the payload.
    pub(super) const fn fields(&self) -> Fields<'a> {
        Fields { rest: self.payload, kind: self.kind, at: self.at }
    }

    pub(super) const fn short(&self) -> BoxError {
        BoxError::Short { kind: self.kind, at: self.at }
    }
}

/// Big-endian fields of one box, in order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    kind: [u8; 4],
    at: u64,
}

impl<'a> Fields<'a> {
    const fn short(&self) -> BoxError {
        BoxError::Short { kind: self.kind, at: self.at }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], BoxError> {
        let (field, rest) = self.rest.split_first_chunk::<N>().ok_or(self.short())?;
        self.rest = rest;
        Ok(*field)
    }

    pub(super) fn u16(&mut self) -> Result<u16, BoxError> {
        Ok(u16::from_be_bytes(self.take()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, BoxError> {
        Ok(u32::from_be_bytes(self.take()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, BoxError> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, BoxError> {
        Ok(u64::from_be_bytes(self.take()?))
    }

    /// Version and flags of a full box.
    pub(super) fn version_and_flags(&mut self) -> Result<(u8, u32), BoxError> {
        let word = self.u32()?;
        Ok((u8::try_from(word >> 24).unwrap_or(0), word & 0x00ff_ffff))
    }

    /// A number that has 32 bits in version 0 and 64 in version 1.
    pub(super) fn sized(&mut self, version: u8) -> Result<u64, BoxError> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), BoxError> {
        self.rest = self.rest.get(count..).ok_or(self.short())?;
        Ok(())
    }

    /// Everything that was not read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// A table of `N`-byte entries that starts with their count; the count is checked against the payload.
    pub(super) fn table<const N: usize>(&mut self) -> Result<&'a [[u8; N]], BoxError> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        let bytes = count.checked_mul(N).and_then(|len| self.rest.get(..len)).ok_or(self.short())?;
        Ok(bytes.as_chunks().0)
    }
}
