//! What a payload of H.264 or H.265 consists of.

use kvs_mkv::Chunks;
use kvs_mkv::codec::nal::{self, LengthPrefixer, LengthSize, NalError};
use kvs_mkv::codec::{h264, h265};

/// Reads the payloads of one track: finds their NAL units, checks them, and converts start codes to lengths.
#[derive(Debug)]
pub(crate) struct NalReader {
    codec: NalCodec,
    /// Size of the lengths that the track's codec private data announces.
    lengths: LengthSize,
    /// The source sends start codes. `00 00 01 xx` is also the length of a NAL unit of 256 to 511 bytes, and about one frame
    /// in some hundred passes as both; a source does not change its framing from frame to frame.
    start_codes: bool,
    prefixer: LengthPrefixer,
    /// The latest payload with lengths of four bytes; empty if it came so. It is kept here because moving it through the results of
    /// the put path cost a tenth of the time of a frame, also where there was none.
    converted: Chunks,
    /// The first byte of the first slice of the latest payload.
    slice: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NalCodec {
    H264,
    H265,
}

impl NalCodec {
    /// Whether a NAL unit with this first byte is a parameter set.
    pub(crate) fn is_parameter_set(self, header: u8) -> bool {
        match self {
            Self::H264 => {
                let kinds = [h264::NalType::SPS, h264::NalType::PPS, h264::NalType::SPS_EXTENSION];
                h264::NalType::of(&[header]).is_some_and(|kind| kinds.contains(&kind))
            }
            Self::H265 => h265::NalType::of(&[header, 1]).is_some_and(h265::NalType::is_parameter_set),
        }
    }

    /// Whether decoding can start at a picture whose first slice begins with this byte.
    fn is_random_access(self, slice: u8) -> bool {
        match self {
            Self::H264 => h264::NalType::of(&[slice]) == Some(h264::NalType::IDR),
            Self::H265 => h265::NalType::of(&[slice, 1]).is_some_and(h265::NalType::is_random_access),
        }
    }

    /// Whether a NAL unit with this first byte has coded pixels.
    const fn is_slice(self, header: u8) -> bool {
        match self {
            // 19 to 21 are slices too: of an auxiliary picture, and of the extensions for layers and views (table 7-1).
            Self::H264 => matches!(header & 0x1f, 1..=5 | 19..=21),
            Self::H265 => h265::NalType(header >> 1 & 0x3f).is_slice(),
        }
    }
}

impl NalReader {
    pub(crate) fn new(codec: NalCodec, lengths: LengthSize) -> Self {
        Self { codec, lengths, start_codes: false, prefixer: LengthPrefixer::new(), converted: Chunks::new(), slice: 0 }
    }

    pub(crate) const fn codec(&self) -> NalCodec {
        self.codec
    }

    /// The latest payload with lengths of four bytes; empty if it came so.
    #[inline]
    pub(crate) const fn converted(&self) -> &Chunks {
        &self.converted
    }

    /// Takes the latest payload with lengths of four bytes; empty if it came so.
    pub(crate) fn take_converted(&mut self) -> Chunks {
        std::mem::take(&mut self.converted)
    }

    /// Replaces a payload by what it was converted to.
    #[inline]
    pub(crate) fn replace(&mut self, payload: &mut Chunks) {
        std::mem::swap(payload, &mut self.converted);
        self.converted = Chunks::new();
    }

    /// Finds the NAL units of a payload. Returns whether it has a picture, and not only parameter sets, SEI or a delimiter.
    #[inline]
    pub(crate) fn read(&mut self, data: &Chunks) -> Result<bool, NalError> {
        let slice = self.read_units(data)?;
        self.slice = slice.unwrap_or_default();
        Ok(slice.is_some())
    }

    /// Whether decoding can start at the latest picture.
    pub(crate) fn is_random_access(&self) -> bool {
        self.codec.is_random_access(self.slice)
    }

    /// Returns the first byte of the first slice.
    #[inline]
    fn read_units(&mut self, data: &Chunks) -> Result<Option<u8>, NalError> {
        if !self.converted.is_empty() {
            self.converted = Chunks::new();
        }
        if starts_with_code(data) {
            return self.read_start_codes(data);
        }
        match self.check_whole_piece(data) {
            Some(slice) => Ok(slice),
            None => self.check_lengths(data),
        }
    }

    fn read_start_codes(&mut self, data: &Chunks) -> Result<Option<u8>, NalError> {
        if !self.start_codes {
            // Four-byte start codes never pass as lengths, unless the NAL unit is a single byte: then both give the same.
            if let Ok(slice) = self.check_lengths(data) {
                return Ok(slice);
            }
        }
        let slice = self.convert(data)?;
        self.start_codes = true;
        Ok(slice)
    }

    /// The usual payload: NAL units behind lengths of four bytes, all in one piece. `None` for every other one, and for every error:
    /// those are for [`check_lengths`](Self::check_lengths). With it alone, reading a payload took 250 instructions instead of 113.
    #[inline]
    fn check_whole_piece(&self, data: &Chunks) -> Option<Option<u8>> {
        let [piece] = data.pieces() else { return None };
        if self.lengths != LengthSize::FOUR {
            return None;
        }
        let (mut rest, mut slice) = (piece.as_ref(), None);
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let &header = after.get(..length)?.first()?;
            // Any other first byte is for `check_header` to judge.
            if !matches!(header, 1..=0x7f) {
                return None;
            }
            if slice.is_none() && self.codec.is_slice(header) {
                slice = Some(header);
            }
            rest = after.get(length..)?;
        }
        (rest.is_empty() && !piece.is_empty()).then_some(slice)
    }

    fn check_lengths(&mut self, data: &Chunks) -> Result<Option<u8>, NalError> {
        let (mut any, mut slice) = (false, None);
        for unit in nal::length_prefixed_chunks(data, self.lengths) {
            let unit = unit?;
            unit.check_header()?;
            any = true;
            if slice.is_none() && self.codec.is_slice(unit.header()) {
                slice = Some(unit.header());
            }
        }
        if !any {
            return Err(NalError::UnknownFraming { len: data.len() });
        }
        // Codec private data that this crate builds announces four-byte lengths.
        if self.lengths != LengthSize::FOUR {
            self.converted = nal::widen_lengths(&data.clone().into_bytes(), self.lengths)?;
        }
        Ok(slice)
    }

    fn convert(&mut self, data: &Chunks) -> Result<Option<u8>, NalError> {
        if let Err(error) = self.prefixer.append_chunks(data, &mut self.converted) {
            self.converted = Chunks::new();
            return Err(error);
        }
        if self.converted.is_empty() {
            return Err(NalError::UnknownFraming { len: data.len() });
        }
        let found = if data.pieces().len() == 1 { self.slice_among_pairs() } else { None };
        match found {
            Some(slice) => Ok(slice),
            None => self.first_slice(),
        }
    }

    /// Finds the first slice in a payload that came in one piece: its pieces are lengths and NAL units in turn. `None` if another one
    /// is no NAL unit: that is for [`first_slice`](Self::first_slice). With it alone, reading a payload took 300 instructions more.
    fn slice_among_pairs(&self) -> Option<Option<u8>> {
        for pair in self.converted.pieces().chunks_exact(2) {
            let &header = pair.last()?.first()?;
            if !matches!(header, 1..=0x7f) {
                return None;
            }
            if self.codec.is_slice(header) {
                return Some(Some(header));
            }
        }
        Some(None)
    }

    fn first_slice(&self) -> Result<Option<u8>, NalError> {
        for unit in nal::length_prefixed_chunks(&self.converted, LengthSize::FOUR) {
            let unit = unit?;
            unit.check_header()?;
            if self.codec.is_slice(unit.header()) {
                return Ok(Some(unit.header()));
            }
        }
        Ok(None)
    }
}

/// Whether a payload begins with a start code, after any number of zeros.
#[inline]
pub(crate) fn starts_with_code(data: &Chunks) -> bool {
    let mut zeros = 0;
    // Two loops instead of `flatten`: every payload passes here.
    for piece in data.pieces() {
        for &byte in piece {
            match byte {
                0 => zeros += 1,
                1 => return zeros >= 2,
                _ => return false,
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reader() -> NalReader {
        NalReader::new(NalCodec::H264, LengthSize::FOUR)
    }

    fn read(reader: &mut NalReader, data: &[u8]) -> Result<(Vec<u8>, bool), NalError> {
        let data = Chunks::from(Bytes::copy_from_slice(data));
        let has_picture = reader.read(&data)?;
        let converted = reader.take_converted();
        let stored = if converted.is_empty() { data } else { converted };
        Ok((stored.into_bytes().to_vec(), has_picture))
    }

    #[test]
    fn a_payload_with_and_without_a_picture() {
        let mut reader = reader();
        assert_eq!(read(&mut reader, b"\0\0\0\x01\x67\x42\0\0\x01\x68\xce").map(|read| read.1), Ok(false));
        assert_eq!(read(&mut reader, b"\0\0\x01\x09\xf0\0\0\x01\x06\x05\0\0\x01\x41\x9a").map(|read| read.1), Ok(true));
        assert_eq!(read(&mut reader, b"\0\0\0\x02\x09\xf0").map(|read| read.1), Ok(false));
        assert_eq!(read(&mut reader, b"\0\0\0\x02\x09\xf0\0\0\0\x02\x65\x88").map(|read| read.1), Ok(true));
    }

    #[test]
    fn a_three_byte_start_code_that_is_also_a_length_is_read_as_the_source_does() {
        // 0x141 bytes follow the first four: a slice header after a start code, or a length.
        let mut data = b"\0\0\x01\x41\x1a".to_vec();
        data.resize(4 + 0x141, 0x55);
        assert_eq!(read(&mut reader(), &data).map(|read| read.0), Ok(data.clone()), "taken for a length at first");
        let mut reader = reader();
        read(&mut reader, b"\0\0\x01\x67\x42\0\0\x01\x68\xce\0\0\x01\x65\x88").unwrap();
        let lengths = [&b"\0\0\x01\x42\x41\x1a"[..], &data[5..]].concat();
        assert_eq!(read(&mut reader, &data).map(|read| read.0), Ok(lengths));
    }

    #[test]
    fn what_is_no_nal_unit_is_refused_with_its_position() {
        let beyond = read(&mut reader(), b"\0\0\0\x02\x65\x88\0\0\0\x09\x41");
        assert_eq!(beyond, Err(NalError::Truncated { at: 6, declared: 9, left: 1 }));
        let code_behind_length = read(&mut reader(), b"\0\0\0\x06\0\0\0\x01\x65\x88");
        assert_eq!(code_behind_length, Err(NalError::Header { at: 0, head: 0 }));
        assert_eq!(read(&mut reader(), b"\0\0\0\x01"), Err(NalError::UnknownFraming { len: 4 }));
        assert_eq!(read(&mut reader(), b"\0\0\0\0"), Err(NalError::UnknownFraming { len: 4 }));
        assert!(matches!(read(&mut reader(), b"\0\0\0\x01\xff\xf1"), Err(NalError::Header { .. })));
    }

    #[test]
    fn short_lengths_are_widened() {
        let mut reader = NalReader::new(NalCodec::H264, LengthSize::new(2).unwrap());
        assert_eq!(read(&mut reader, b"\0\x02\x65\x88"), Ok((b"\0\0\0\x02\x65\x88".to_vec(), true)));
    }
}
