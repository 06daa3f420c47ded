//! ADTS: the header that each frame of a `.aac` file carries, and that a container must not (ISO/IEC 13818-7 §6.2).

use bytes::Bytes;

use super::{AudioSpecificConfig, CHANNELS, ConfigError, FREQUENCIES};
use crate::codec::bit_reader::BitReader;

/// What an ADTS header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsHeader {
    /// Audio object type: 1 Main, 2 LC, 3 SSR, 4 LTP.
    pub object_type: u8,
    /// Sampling frequency of the core in Hz.
    pub sampling_frequency: u32,
    /// Channels; 0 where a program config element in the stream says it.
    pub channels: u8,
    /// Bytes of the header with its checksum: 7 or 9.
    pub header_len: usize,
    /// Bytes of the frame with its header.
    pub frame_len: usize,
}

/// An ADTS stream that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdtsError {
    /// No sync word where a frame should begin.
    #[error("no ADTS frame begins at offset {at}")]
    NoSync {
        /// Where one should.
        at: usize,
    },
    /// The header or the frame ends early.
    #[error("the ADTS frame at offset {at} needs {needed} bytes but {left} are left")]
    Truncated {
        /// Where it begins.
        at: usize,
        /// What it needs.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A reserved sampling frequency, or a frame shorter than its header.
    #[error("the header of the ADTS frame at offset {at} contradicts itself")]
    Header {
        /// Where it begins.
        at: usize,
    },
    /// Several raw data blocks in one frame: they cannot be told apart without decoding.
    #[error("the ADTS frame at offset {at} holds {blocks} raw data blocks; one is supported")]
    SeveralBlocks {
        /// Where it begins.
        at: usize,
        /// How many it holds.
        blocks: u32,
    },
}

impl AdtsHeader {
    /// Reads the header at the beginning of `data`.
    ///
    /// # Errors
    /// [`AdtsError`], its offsets counted from the beginning of `data`. The frame may go on behind `data`.
    pub fn parse(data: &[u8]) -> Result<Self, AdtsError> {
        let mut bits = BitReader::new(data.get(..SHORT_HEADER).unwrap_or(data));
        if bits.bits(12).is_some_and(|sync| sync != 0xfff) || data.is_empty() {
            return Err(AdtsError::NoSync { at: 0 });
        }
        Self::fields(&mut bits).ok_or(AdtsError::Truncated { at: 0, needed: SHORT_HEADER, left: data.len() })?
    }

    fn fields(bits: &mut BitReader<'_>) -> Option<Result<Self, AdtsError>> {
        bits.flag()?; // MPEG-4 or MPEG-2
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
        let channels = CHANNELS.get(channels).copied().unwrap_or(0);
        Some(Ok(Self { object_type, sampling_frequency, channels, header_len, frame_len }))
    }

    /// The AudioSpecificConfig of the stream that this header belongs to.
    ///
    /// # Errors
    /// [`ConfigError::Channels`] where the channels stand in the stream only.
    pub fn config(&self) -> Result<AudioSpecificConfig, ConfigError> {
        AudioSpecificConfig::new(self.object_type, self.sampling_frequency, self.channels)
    }
}

const SHORT_HEADER: usize = 7;
/// With a checksum of two bytes.
const LONG_HEADER: usize = 9;

/// One frame of an ADTS stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsFrame {
    /// What its header says.
    pub header: AdtsHeader,
    /// The raw AAC frame behind the header, as a slice of the stream.
    pub data: Bytes,
}

/// Walks an ADTS stream frame by frame, removing the headers; no payload is copied. Ends after the first error.
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
    /// Walks `stream` from its beginning.
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
    fn headers_go_and_frames_stay_in_place() {
        let stream = Bytes::from_static(&hex!("fff15080013ffc 2110 fff05080017ffc abcd 2111"));
        let frames: Result<Vec<_>, _> = AdtsFrames::new(stream.clone()).collect();
        let frames = frames.unwrap();
        assert_eq!(frames.iter().map(|frame| &frame.data[..]).collect::<Vec<_>>(), [hex!("2110"), hex!("2111")]);
        assert_eq!(frames[1].data.as_ptr(), stream[18..].as_ptr());
        assert_eq!(frames[0].header.config().unwrap().to_bytes(), hex!("1210")[..]);
    }

    #[test]
    fn broken_streams_say_where() {
        assert_eq!(errors(&hex!("fff15080013ffc 2110 00000000000000")), AdtsError::NoSync { at: 9 });
        assert_eq!(errors(&hex!("fff15080013ffc 21")), AdtsError::Truncated { at: 0, needed: 9, left: 8 });
        assert_eq!(errors(&hex!("fff150")), AdtsError::Truncated { at: 0, needed: 7, left: 3 });
        assert_eq!(errors(&hex!("fff150800 01ffc")), AdtsError::Header { at: 0 });
        assert_eq!(errors(&hex!("fff15080013ffd 2110")), AdtsError::SeveralBlocks { at: 0, blocks: 2 });
    }
}
