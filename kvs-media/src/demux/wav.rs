//! RIFF/WAVE: PCM and G.711 in frames of 20 ms.

use bytes::{Buf, Bytes, BytesMut};
use kvs_mkv::codec::g711::{self, Law};
use kvs_mkv::codec::pcm::{self, ByteOrder};
use kvs_mkv::{Chunks, Track, TrackKind, TrackNumber};

use super::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::notice::{Notice, NoticeKind};
use crate::payload::PayloadFormat;
use crate::timeline::nanoseconds;

/// Frames per second. G.711 is usually sent in 20 ms.
const FRAMES_PER_SECOND: u32 = 50;
/// Largest chunk before the samples that is read; a format has 16 to 40 bytes.
const FORMAT_BYTES: usize = 4096;
const HEADER: usize = 8;

#[derive(Debug)]
pub(crate) struct Wav {
    buffer: BytesMut,
    /// Bytes of a chunk that is skipped.
    skip: u64,
    at: u64,
    state: State,
    /// Size of the samples if a `ds64` chunk states it.
    long_size: Option<u64>,
    format: Option<Samples>,
}

#[derive(Debug)]
enum State {
    Start,
    Chunks,
    /// Samples, of which so many bytes are left; `None` if only the end of the input ends them.
    Samples {
        left: Option<u64>,
        played: i64,
    },
    Ended,
}

/// The format of the samples.
#[derive(Clone, Debug)]
struct Samples {
    track: Track,
    codec: &'static str,
    rate: u32,
    /// Bytes of one sample of all channels.
    block: usize,
    config: Bytes,
}

impl Wav {
    pub(crate) fn new() -> Self {
        Self { buffer: BytesMut::new(), skip: 0, at: 0, state: State::Start, long_size: None, format: None }
    }

    fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.buffer.len());
        self.at = self.at.saturating_add(count as u64);
        self.buffer.split_to(count).freeze()
    }

    /// Reads the next chunk before the samples; `None` if more bytes are needed.
    fn chunk(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        loop {
            let skipped = self.skip.min(self.buffer.len() as u64);
            self.take(usize::try_from(skipped).unwrap_or(0));
            self.skip -= skipped;
            if self.skip > 0 {
                return self.incomplete(is_end);
            }
            if matches!(self.state, State::Start) {
                if self.buffer.len() < 12 {
                    return self.incomplete(is_end);
                }
                self.take(12);
                self.state = State::Chunks;
            }
            let Some(header) = self.buffer.first_chunk::<HEADER>().copied() else { return self.incomplete(is_end) };
            let [a, b, c, d, sizes @ ..] = header;
            let size = u32::from_le_bytes(sizes);
            match &[a, b, c, d] {
                b"data" => return self.begin(size).map(Some),
                b"fmt " | b"ds64" => {
                    let len = usize::try_from(size).unwrap_or(usize::MAX);
                    if len > FORMAT_BYTES {
                        let at = self.at;
                        return Err(Fault::Damaged(format!(
                            "the chunk at offset {at} has {size} bytes, more than {FORMAT_BYTES}"
                        )));
                    }
                    if self.buffer.len() < HEADER.saturating_add(len) {
                        return self.incomplete(is_end);
                    }
                    self.take(HEADER);
                    let body = self.take(len);
                    self.skip = u64::from(size & 1);
                    match a {
                        b'f' => self.format = Some(Samples::read(&body)?),
                        _ => self.long_size = body.get(8..16).and_then(|mut size| size.try_get_u64_le().ok()),
                    }
                }
                _ => {
                    self.take(HEADER);
                    // Chunks have even sizes.
                    self.skip = u64::from(size).saturating_add(u64::from(size & 1));
                }
            }
        }
    }

    fn begin(&mut self, size: u32) -> Result<Demuxed, Fault> {
        let Some(format) = self.format.clone() else {
            return Err(Fault::Damaged(format!("the samples at offset {} have no format before them", self.at)));
        };
        self.take(HEADER);
        // A program that writes to a pipe does not know the size: it leaves 0 or all ones.
        let left = match size {
            u32::MAX => self.long_size.filter(|size| *size > 0 && *size < u64::MAX),
            0 => None,
            size => Some(size.into()),
        };
        self.state = State::Samples { left, played: 0 };
        Ok(Demuxed::Tracks(vec![DemuxTrack {
            id: 1,
            kind: TrackKind::Audio,
            enabled: true,
            codec: format.codec.to_owned(),
            config: format.config,
            format: Ok(PayloadFormat::Plain(format.track)),
        }]))
    }

    fn incomplete(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        if is_end && !matches!(self.state, State::Ended) {
            self.state = State::Ended;
            return Err(Fault::Truncated("it ends before its samples".to_owned()));
        }
        Ok(None)
    }

    fn samples(&mut self, left: Option<u64>, played: i64, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        let Some(format) = self.format.as_ref() else { return Err(Fault::NoFrames) };
        let (block, rate) = (format.block, format.rate);
        let whole = usize::try_from(rate / FRAMES_PER_SECOND).unwrap_or(1).max(1).saturating_mul(block);
        let wanted = left.map_or(whole, |left| whole.min(usize::try_from(left).unwrap_or(whole)));
        if self.buffer.len() < wanted && !is_end {
            return Ok(None);
        }
        let len = wanted.min(self.buffer.len()) / block * block;
        if len == 0 {
            self.state = State::Ended;
            let missing = left.unwrap_or(0);
            return Ok((missing >= block as u64).then(|| {
                let text = format!("the recording was interrupted: {missing} bytes of its samples are missing");
                Demuxed::Notice(Notice::new(NoticeKind::Interrupted, text))
            }));
        }
        let data = Chunks::from(self.take(len));
        let samples = i64::try_from(len / block).unwrap_or(0);
        let left = left.map(|left| left.saturating_sub(len as u64));
        self.state = State::Samples { left, played: played.saturating_add(samples) };
        let pts = nanoseconds(played, rate);
        Ok(Some(Demuxed::Frame(DemuxFrame { track: 1, pts, dts: Some(pts), keyframe: true, data })))
    }
}

impl Demuxer for Wav {
    fn push(&mut self, bytes: Bytes) {
        if !matches!(self.state, State::Ended) {
            self.buffer.extend_from_slice(&bytes);
        }
    }

    fn next(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        match self.state {
            State::Start | State::Chunks => self.chunk(is_end),
            State::Samples { left, played } => self.samples(left, played, is_end),
            State::Ended => {
                self.buffer.clear();
                Ok(None)
            }
        }
    }
}

impl Samples {
    /// Reads a WAVEFORMATEX, or the extensible one, whose first two bytes of the sub-format are the format tag.
    fn read(body: &Bytes) -> Result<Self, Fault> {
        let mut fields = body.get(..16).ok_or_else(|| Fault::Damaged("its format is too short".to_owned()))?;
        let (tag, channels, rate) = (fields.get_u16_le(), fields.get_u16_le(), fields.get_u32_le());
        fields.advance(6);
        let bits = fields.get_u16_le();
        let tag = match (tag, body.get(24..26)) {
            (0xfffe, Some(&[low, high])) => u16::from_le_bytes([low, high]),
            _ => tag,
        };
        if !matches!((tag, bits), (1, 8..=32) | (6 | 7, 8)) {
            let codec = match tag {
                3 => "floating-point PCM".to_owned(),
                tag => format!("WAVE format {tag:#06x} of {bits} bits"),
            };
            return Err(Fault::Codec { kind: "audio", codec });
        }
        let block = usize::from(channels).saturating_mul(usize::from(bits / 8));
        if block == 0 || rate == 0 || !bits.is_multiple_of(8) {
            return Err(Fault::Damaged(format!("its format has {channels} channels, {rate} Hz and {bits} bits")));
        }
        let frame = u64::from(rate / FRAMES_PER_SECOND).max(1).saturating_mul(block as u64);
        if frame > crate::MAX_FRAME_BYTES {
            return Err(Fault::Damaged(format!(
                "a fiftieth of a second of {channels} channels, {rate} Hz and {bits} bits has {frame} bytes, more than {}",
                crate::MAX_FRAME_BYTES
            )));
        }
        let number = TrackNumber::ONE;
        let (track, codec) = match tag {
            1 => (pcm::track(number, ByteOrder::Little, rate, channels, bits), "PCM"),
            6 => (g711::track(number, Law::A, rate, channels), "G.711 A-law"),
            _ => (g711::track(number, Law::Mu, rate, channels), "G.711 mu-law"),
        };
        Ok(Self { track, codec, rate, block, config: body.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format chunk of PCM.
    fn format(channels: u16, rate: u32, bits: u16) -> Result<Samples, Fault> {
        let mut body = [&1u16.to_le_bytes()[..], &channels.to_le_bytes(), &rate.to_le_bytes(), &[0; 6]].concat();
        body.extend(bits.to_le_bytes());
        Samples::read(&body.into())
    }

    #[test]
    fn other_codecs_are_named() {
        let read = |tag: u16, bits: u16| {
            let mut body = [&tag.to_le_bytes()[..], &1u16.to_le_bytes(), &8000u32.to_le_bytes(), &[0; 6]].concat();
            body.extend(bits.to_le_bytes());
            Samples::read(&body.into()).unwrap_err()
        };
        // IMA ADPCM, MP3 and floating point.
        for (tag, bits, name) in [
            (0x11, 4, "WAVE format 0x0011 of 4 bits"),
            (0x55, 0, "WAVE format 0x0055 of 0 bits"),
            (3, 32, "floating-point PCM"),
        ] {
            let error = read(tag, bits);
            assert!(matches!(&error, Fault::Codec { codec, .. } if codec == name), "{error:?}");
        }
        assert!(matches!(read(1, 12), Fault::Damaged(_)));
    }

    #[test]
    fn size_of_a_frame_is_bounded() {
        assert_eq!(format(2, 48_000, 16).unwrap().block, 4);
        // 50,000,000 bytes are 2,500,000,000 a second.
        assert!(format(1, 2_500_000_000, 8).is_ok());
        let error = format(1, 2_500_000_050, 8).unwrap_err();
        assert!(
            matches!(&error, Fault::Damaged(text) if text.contains("50000001 bytes, more than 50000000")),
            "{error:?}"
        );
        assert!(matches!(format(u16::MAX, u32::MAX, 32), Err(Fault::Damaged(_))));
    }
}
