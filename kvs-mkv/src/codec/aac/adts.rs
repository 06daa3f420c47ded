//! ADTS: the header of each frame in an `.aac` file, which a container must not contain (ISO/IEC 13818-7 §6.2).

use std::ops::Range;

use bytes::Bytes;

use super::{AudioSpecificConfig, CHANNELS, ConfigError, FREQUENCIES};
use crate::codec::bit_reader::BitReader;

/// The fields of an ADTS header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsHeader {
    /// Audio object type: 1 Main, 2 LC, 3 SSR, 4 LTP.
    pub object_type: u8,
    /// Sampling frequency of the core in Hz.
    pub sampling_frequency: u32,
    /// Number of channels; 0 if a program config element in the stream states it.
    pub channels: u8,
    /// Size of the header in bytes: 7, or 9 with a checksum.
    pub header_len: usize,
    /// Size of the frame in bytes, including the header.
    pub frame_len: usize,
    /// Number of raw data blocks, 1 to 4. Each is one AAC frame.
    pub blocks: u32,
}

/// An ADTS stream that cannot be read; the encoder or the framing setting is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdtsError {
    /// There is no sync word where a frame should start.
    #[error("no ADTS sync word at offset {at}")]
    NoSync {
        /// Offset of the expected frame.
        at: usize,
    },
    /// A header or frame ends early.
    #[error("ADTS frame at offset {at} has {needed} bytes, but only {left} are left")]
    Truncated {
        /// Offset of the frame.
        at: usize,
        /// Size of the frame, or of its header, in bytes.
        needed: usize,
        /// Bytes from the offset to the end of the data.
        left: usize,
    },
    /// The sampling frequency is reserved, or the frame is shorter than its header.
    #[error("header of the ADTS frame at offset {at} has a reserved frequency or a length below its own")]
    Header {
        /// Offset of the frame.
        at: usize,
    },
    /// A frame has several raw data blocks. Without checksums nothing says where they start.
    #[error(
        "ADTS frame at offset {at} has {blocks} raw data blocks, which cannot be separated; set the encoder to 1 per frame"
    )]
    SeveralBlocks {
        /// Offset of the frame.
        at: usize,
        /// Number of raw data blocks.
        blocks: u32,
    },
    /// The header gives no AudioSpecificConfig.
    #[error("the ADTS frame at offset {at} has settings that cannot be used")]
    Config {
        /// Offset of the frame.
        at: usize,
        /// What is wrong with them.
        source: ConfigError,
    },
}

impl AdtsHeader {
    /// Parses the header at the start of `data`, which need not contain the whole frame. A frame with several raw data blocks
    /// is an error here; [`AdtsFrames`] and [`AdtsSplitter`](super::AdtsSplitter) separate them.
    ///
    /// # Errors
    /// [`AdtsError`], with offsets from the start of `data`.
    pub fn parse(data: &[u8]) -> Result<Self, AdtsError> {
        let header = Self::parse_any(data)?;
        match header.blocks {
            1 => Ok(header),
            blocks => Err(AdtsError::SeveralBlocks { at: 0, blocks }),
        }
    }

    /// Parses a header with any number of raw data blocks.
    pub(super) fn parse_any(data: &[u8]) -> Result<Self, AdtsError> {
        let mut bits = BitReader::new(data.get(..SHORT_HEADER).unwrap_or(data));
        if bits.bits(12).is_some_and(|sync| sync != 0xfff) || data.is_empty() {
            return Err(AdtsError::NoSync { at: 0 });
        }
        Self::fields(&mut bits).ok_or(AdtsError::Truncated { at: 0, needed: SHORT_HEADER, left: data.len() })?
    }

    fn fields(bits: &mut BitReader<'_>) -> Option<Result<Self, AdtsError>> {
        bits.flag()?; // ID: MPEG-4 or MPEG-2
        let layer = bits.bits(2)?;
        let has_checksum = !bits.flag()?;
        let object_type = u8::try_from(bits.bits(2)?).ok()?.saturating_add(1);
        let frequency = usize::try_from(bits.bits(4)?).ok()?;
        bits.flag()?; // private_bit
        let channels = usize::try_from(bits.bits(3)?).ok()?;
        bits.skip(4)?; // original, home, copyright
        let frame_len = usize::try_from(bits.bits(13)?).ok()?;
        bits.skip(11)?; // buffer fullness
        let blocks = bits.bits(2)?.saturating_add(1);
        // MPEG audio layers 1 to 3 share the sync word; layer 0 is AAC only (13818-7 §6.2.1).
        if layer != 0 {
            return Some(Err(AdtsError::NoSync { at: 0 }));
        }
        // The positions of all blocks but the first come before the checksum (14496-3 table 1.A.9).
        let positions = usize::try_from(blocks).ok()?.checked_sub(1)?.checked_mul(2)?;
        let header_len = if has_checksum { LONG_HEADER.checked_add(positions)? } else { SHORT_HEADER };
        let sampling_frequency = FREQUENCIES.get(frequency).copied().filter(|_| frame_len >= header_len);
        let Some(sampling_frequency) = sampling_frequency else {
            return Some(Err(AdtsError::Header { at: 0 }));
        };
        // 0 stays 0: a program config element inside the frame states the channels.
        let channels = CHANNELS.get(channels).copied().unwrap_or(0);
        Some(Ok(Self { object_type, sampling_frequency, channels, header_len, frame_len, blocks }))
    }

    /// Returns where the raw data blocks of this frame are in it.
    pub(super) fn blocks_of(&self, frame: &[u8]) -> Result<Vec<Range<usize>>, AdtsError> {
        let several = AdtsError::SeveralBlocks { at: 0, blocks: self.blocks };
        if self.blocks == 1 {
            return Ok(std::iter::once(self.header_len..self.frame_len).collect());
        }
        if self.header_len == SHORT_HEADER {
            return Err(several);
        }
        // A position counts from the first block, and a checksum follows each block (14496-3 table 1.A.5, §1.A.3.2.1).
        let positions = frame.get(SHORT_HEADER..self.header_len.saturating_sub(CHECKSUM)).unwrap_or_default();
        let mut starts = vec![self.header_len];
        for position in positions.chunks_exact(2) {
            let position = position.iter().fold(0, |value, &byte| value << 8 | usize::from(byte));
            starts.push(self.header_len.saturating_add(position));
        }
        starts.push(self.frame_len);
        let block = |ends: &[usize]| match ends {
            [start, end] => end.checked_sub(CHECKSUM).filter(|end| start < end).map(|end| *start..end),
            _ => None,
        };
        starts.windows(2).map(block).collect::<Option<_>>().ok_or(AdtsError::Header { at: 0 })
    }

    /// Builds the AudioSpecificConfig of the stream.
    ///
    /// # Errors
    /// [`ConfigError::Channels`] if only the stream states the channels.
    pub fn config(&self) -> Result<AudioSpecificConfig, ConfigError> {
        AudioSpecificConfig::new(self.object_type, self.sampling_frequency, self.channels)
    }
}

/// Size of a header without checksum.
pub(super) const SHORT_HEADER: usize = 7;
/// Size of a header with a checksum and one raw data block.
const LONG_HEADER: usize = 9;
/// Size of a checksum.
const CHECKSUM: usize = 2;

/// One frame of an ADTS stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsFrame {
    /// Its header.
    pub header: AdtsHeader,
    /// The raw AAC frame after the header, as a slice of the stream.
    pub data: Bytes,
}

/// Iterates over the frames of an ADTS stream without their headers; no payload is copied. Ends after the first error.
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::codec::aac::AdtsFrames;
///
/// let stream = Bytes::from_static(b"\xff\xf1\x50\x80\x01\x3f\xfc\x21\x10");
/// let frame = AdtsFrames::new(stream).next().expect("one frame")?;
/// assert_eq!((frame.header.sampling_frequency, frame.data), (44_100, Bytes::from_static(b"\x21\x10")));
/// # Ok::<(), kvs_mkv::codec::aac::AdtsError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdtsFrames {
    data: Bytes,
    at: usize,
    /// The rest of a frame with several raw data blocks, the last one first.
    blocks: Vec<AdtsFrame>,
}

impl AdtsFrames {
    /// Iterates over `stream` from its start.
    #[must_use]
    pub const fn new(stream: Bytes) -> Self {
        Self { data: stream, at: 0, blocks: Vec::new() }
    }

    fn frame(&mut self) -> Result<Option<AdtsFrame>, AdtsError> {
        let rest = self.data.slice(self.at..);
        let header = AdtsHeader::parse_any(&rest)?;
        if header.frame_len > rest.len() {
            return Err(AdtsError::Truncated { at: 0, needed: header.frame_len, left: rest.len() });
        }
        let blocks = header.blocks_of(&rest)?;
        self.at = self.at.saturating_add(header.frame_len);
        self.blocks = blocks.into_iter().rev().map(|block| AdtsFrame { header, data: rest.slice(block) }).collect();
        Ok(self.blocks.pop())
    }
}

impl Iterator for AdtsFrames {
    type Item = Result<AdtsFrame, AdtsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(block) = self.blocks.pop() {
            return Some(Ok(block));
        }
        if self.at >= self.data.len() {
            return None;
        }
        let at = self.at;
        let frame = self.frame().map_err(|error| error.moved(at));
        if frame.is_err() {
            self.at = self.data.len();
        }
        frame.transpose()
    }
}

impl AdtsError {
    pub(super) const fn moved(self, to: usize) -> Self {
        match self {
            Self::NoSync { .. } => Self::NoSync { at: to },
            Self::Truncated { needed, left, .. } => Self::Truncated { at: to, needed, left },
            Self::Header { .. } => Self::Header { at: to },
            Self::SeveralBlocks { blocks, .. } => Self::SeveralBlocks { at: to, blocks },
            Self::Config { source, .. } => Self::Config { at: to, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn errors(stream: &'static [u8]) -> AdtsError {
        AdtsFrames::new(Bytes::from_static(stream)).find_map(Result::err).expect("an error")
    }

    #[test]
    fn removes_headers_without_copying_frames() {
        let stream = Bytes::from_static(&hex!("fff15080013ffc 2110 fff05080017ffc abcd 2111"));
        let frames: Result<Vec<_>, _> = AdtsFrames::new(stream.clone()).collect();
        let frames = frames.unwrap();
        assert_eq!(frames.iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), [hex!("2110"), hex!("2111")]);
        assert_eq!(frames[1].data.as_ptr(), stream[18..].as_ptr());
        assert_eq!(frames[0].header.config().unwrap().to_bytes(), hex!("1210")[..]);
    }

    #[test]
    fn reports_offset_of_damage() {
        assert_eq!(errors(&hex!("fff15080013ffc 2110 00000000000000")), AdtsError::NoSync { at: 9 });
        assert_eq!(errors(&hex!("fff15080013ffc 21")), AdtsError::Truncated { at: 0, needed: 9, left: 8 });
        assert_eq!(errors(&hex!("fff150")), AdtsError::Truncated { at: 0, needed: 7, left: 3 });
        assert_eq!(errors(&hex!("fff150800 01ffc")), AdtsError::Header { at: 0 });
        assert_eq!(errors(&hex!("fff15080013ffd 2110")), AdtsError::SeveralBlocks { at: 0, blocks: 2 });
    }
}
