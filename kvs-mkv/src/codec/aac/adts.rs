//! ADTS: the header of each frame in an `.aac` file, which a container must not contain (ISO/IEC 13818-7 §6.2).

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
    /// A frame has several raw data blocks, which cannot be separated without decoding.
    #[error("ADTS frame at offset {at} has {blocks} raw data blocks, only 1 is supported")]
    SeveralBlocks {
        /// Offset of the frame.
        at: usize,
        /// Number of raw data blocks.
        blocks: u32,
    },
}

impl AdtsHeader {
    /// Parses the header at the start of `data`, which need not contain the whole frame.
    ///
    /// # Errors
    /// [`AdtsError`], with offsets from the start of `data`.
    pub fn parse(data: &[u8]) -> Result<Self, AdtsError> {
        let mut bits = BitReader::new(data.get(..SHORT_HEADER).unwrap_or(data));
        if bits.bits(12).is_some_and(|sync| sync != 0xfff) || data.is_empty() {
            return Err(AdtsError::NoSync { at: 0 });
        }
        Self::fields(&mut bits).ok_or(AdtsError::Truncated { at: 0, needed: SHORT_HEADER, left: data.len() })?
    }

    fn fields(bits: &mut BitReader<'_>) -> Option<Result<Self, AdtsError>> {
        bits.flag()?; // ID: MPEG-4 or MPEG-2
        let layer = bits.bits(2)?;
        let header_len = if bits.flag()? { SHORT_HEADER } else { LONG_HEADER };
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
        let sampling_frequency = FREQUENCIES.get(frequency).copied().filter(|_| frame_len >= header_len);
        let Some(sampling_frequency) = sampling_frequency else {
            return Some(Err(AdtsError::Header { at: 0 }));
        };
        if blocks > 1 {
            return Some(Err(AdtsError::SeveralBlocks { at: 0, blocks }));
        }
        // 0 stays 0: a program config element inside the frame states the channels.
        let channels = CHANNELS.get(channels).copied().unwrap_or(0);
        Some(Ok(Self { object_type, sampling_frequency, channels, header_len, frame_len }))
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
const SHORT_HEADER: usize = 7;
/// Size of a header with a checksum of two bytes.
const LONG_HEADER: usize = 9;

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
}

impl AdtsFrames {
    /// Iterates over `stream` from its start.
    #[must_use]
    pub const fn new(stream: Bytes) -> Self {
        Self { data: stream, at: 0 }
    }

    fn frame(&self) -> Result<(AdtsFrame, usize), AdtsError> {
        let rest = self.data.slice(self.at..);
        let header = AdtsHeader::parse(&rest).map_err(|error| error.moved(self.at))?;
        if header.frame_len > rest.len() {
            return Err(AdtsError::Truncated { at: self.at, needed: header.frame_len, left: rest.len() });
        }
        let next = self.at.saturating_add(header.frame_len);
        Ok((AdtsFrame { header, data: rest.slice(header.header_len..header.frame_len) }, next))
    }
}

impl Iterator for AdtsFrames {
    type Item = Result<AdtsFrame, AdtsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.data.len() {
            return None;
        }
        let frame = self.frame();
        self.at = frame.as_ref().map_or(self.data.len(), |(_, next)| *next);
        Some(frame.map(|(frame, _)| frame))
    }
}

impl AdtsError {
    const fn moved(self, to: usize) -> Self {
        match self {
            Self::NoSync { .. } => Self::NoSync { at: to },
            Self::Truncated { needed, left, .. } => Self::Truncated { at: to, needed, left },
            Self::Header { .. } => Self::Header { at: to },
            Self::SeveralBlocks { blocks, .. } => Self::SeveralBlocks { at: to, blocks },
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
