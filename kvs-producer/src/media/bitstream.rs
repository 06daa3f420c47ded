//! BitstreamMode as a source gives them, made into what the container carries; codec set-up taken from the stream.

use bytes::Buf;
use kvs_mkv::codec::aac::{self, AdtsHeader, AudioSpecificConfig};
use kvs_mkv::codec::h264::SetChange;
use kvs_mkv::codec::limits::PARAMETER_SET_BYTES;
use kvs_mkv::codec::nal::{self, Framing, LengthPrefixer, LengthSize};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, Writer};

use crate::config::BitstreamMode;
use crate::media::put_error::Refusal;

/// One track's payloads: H.264 and H.265 with start codes or lengths, AAC with or without ADTS headers, others as they are.
///
/// No payload is copied, in however many pieces it lies.
#[derive(Debug)]
pub(crate) struct Adapter {
    track: Track,
    codec: Codec,
    prefixer: LengthPrefixer,
}

#[derive(Debug)]
enum Codec {
    AsIs,
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
    Aac,
}

/// Whether what a decoder must know before the first frame became known or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetUp {
    Same,
    Changed,
}

impl Codec {
    /// Whether a NAL unit that begins with this byte may tell a decoder how to begin.
    fn is_parameter_set(&self, header: u8) -> bool {
        match self {
            Self::AsIs | Self::Aac => false,
            Self::H264(_) => {
                let kinds = [h264::NalType::SPS, h264::NalType::PPS, h264::NalType::SPS_EXTENSION];
                h264::NalType::of(&[header]).is_some_and(|kind| kinds.contains(&kind))
            }
            Self::H265(_) => {
                let kinds = [h265::NalType::VPS, h265::NalType::SPS, h265::NalType::PPS];
                h265::NalType::of(&[header, 1]).is_some_and(|kind| kinds.contains(&kind))
            }
        }
    }
}

impl Adapter {
    pub(crate) fn new(track: &Track, mode: BitstreamMode) -> Self {
        let codec = match mode {
            BitstreamMode::Passthrough => Codec::AsIs,
            BitstreamMode::Detect if track.codec == CodecId::H264 => {
                let known = h264::ParameterSets::from_avcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H264(known.unwrap_or_default())
            }
            BitstreamMode::Detect if track.codec == CodecId::H265 => {
                let known = h265::ParameterSets::from_hvcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H265(known.unwrap_or_default())
            }
            BitstreamMode::Detect if track.codec == CodecId::AAC => Codec::Aac,
            BitstreamMode::Detect => Codec::AsIs,
        };
        Self { track: track.clone(), codec, prefixer: LengthPrefixer::new() }
    }

    /// The track as it is known now.
    pub(crate) const fn track(&self) -> &Track {
        &self.track
    }

    /// Changes a frame's payload to what the container carries. The frame stays as it was when it is refused.
    pub(crate) fn adapt(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        let set_up = match &mut self.codec {
            Codec::AsIs => return Ok(SetUp::Same),
            Codec::H264(_) | Codec::H265(_) => self.units(frame)?,
            Codec::Aac => self.sound(frame)?,
        };
        if self.track.codec_private.is_empty() {
            return Err(Refusal::MissingCodecPrivate { track: self.track.number });
        }
        Ok(set_up)
    }

    fn units(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        let converted = match Framing::detect_chunks(&frame.data).ok_or(Refusal::UnknownFraming)? {
            Framing::AnnexB => Some(self.with_lengths(&frame.data)?),
            _ => None,
        };
        let missing = self.track.codec_private.is_empty();
        // Parameter sets stand before key frames; looking for them elsewhere would cost every frame a walk.
        let set_up = if frame.keyframe || missing {
            self.look_for_sets(converted.as_ref().unwrap_or(&frame.data))
        } else {
            SetUp::Same
        };
        if let Some(converted) = converted.filter(|_| !self.track.codec_private.is_empty()) {
            frame.data = converted;
        }
        Ok(set_up)
    }

    fn with_lengths(&mut self, access_unit: &Chunks) -> Result<Chunks, Refusal> {
        let converted = self.prefixer.convert_chunks(access_unit).ok();
        converted.filter(|converted| !converted.is_empty()).ok_or(Refusal::UnknownFraming)
    }

    /// Takes parameter sets out of a length-prefixed access unit; new ones make a new codec private data.
    fn look_for_sets(&mut self, access_unit: &Chunks) -> SetUp {
        let units = nal::length_prefixed_chunks(access_unit, LengthSize::FOUR).flatten();
        // What is longer than a parameter set can be is not worth a copy.
        let sets = units.filter(|unit| self.codec.is_parameter_set(unit.header()) && unit.len() <= PARAMETER_SET_BYTES);
        let found: Vec<_> = sets.map(|unit| unit.bytes()).collect();
        let units = found.iter().map(AsRef::as_ref);
        let number = self.track.number;
        let found = match &mut self.codec {
            Codec::H264(sets) => {
                let change = sets.absorb(units);
                if is_news(change, &self.track) { h264::track(number, sets).ok() } else { None }
            }
            Codec::H265(sets) => {
                let change = sets.absorb(units);
                if is_news(change, &self.track) { h265::track(number, sets).ok() } else { None }
            }
            Codec::AsIs | Codec::Aac => None,
        };
        found.map_or(SetUp::Same, |found| self.learn(found))
    }

    /// Removes an ADTS header; the first one, or another one, makes a new codec private data.
    fn sound(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        if frame.data.chunk().first() != Some(&ADTS_SYNC) {
            return Ok(SetUp::Same);
        }
        let mut head = [0; ADTS_HEAD];
        let known = copy_head(&frame.data, &mut head);
        let header = AdtsHeader::parse(known).ok().filter(|header| header.frame_len == frame.data.len());
        let Some(header) = header else { return Ok(SetUp::Same) };
        let config: AudioSpecificConfig = header.config().map_err(|_| Refusal::UnknownFraming)?;
        if header.header_len >= frame.data.len() {
            return Err(Refusal::EmptyPayload);
        }
        frame.data.advance(header.header_len);
        // An ADTS header cannot say all that a given configuration may (SBR, PS): the given one stays while they agree.
        let given = AudioSpecificConfig::parse(&self.track.codec_private).ok();
        let agree = given.is_some_and(|given| {
            given.sampling_frequency() == config.sampling_frequency() && given.channels() == config.channels()
        });
        if agree { Ok(SetUp::Same) } else { Ok(self.learn(aac::track(self.track.number, &config))) }
    }

    /// Keeps what the user said of the track and takes what the stream says of the codec.
    fn learn(&mut self, found: Track) -> SetUp {
        if found.codec_private == self.track.codec_private {
            return SetUp::Same;
        }
        self.track.codec_private = found.codec_private;
        let (video, audio) = (found.video.or(self.track.video), found.audio.or(self.track.audio));
        (self.track.video, self.track.audio) = (video, audio);
        // Sizes come from the stream: what the header has no room for is left out.
        if Writer::new(SegmentInfo::new([1; 16]), vec![self.track.clone()]).is_err() {
            (self.track.video, self.track.audio) = (None, None);
        }
        SetUp::Changed
    }
}

/// Whether found sets must go into a header: none are there yet, or known ones were replaced.
fn is_news(change: SetChange, track: &Track) -> bool {
    track.codec_private.is_empty() || change == SetChange::Replaced
}

/// The first bytes of a payload, as many as there are.
fn copy_head<'a>(data: &Chunks, head: &'a mut [u8; ADTS_HEAD]) -> &'a [u8] {
    let mut known = 0;
    for (to, from) in head.iter_mut().zip(data.iter().flatten()) {
        *to = *from;
        known += 1;
    }
    head.get(..known).unwrap_or_default()
}

/// The first byte of every ADTS header: eight of the twelve ones it begins with.
const ADTS_SYNC: u8 = 0xff;
/// Bytes of an ADTS header with its checksum.
const ADTS_HEAD: usize = 9;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kvs_mkv::{TrackKind, TrackNumber};

    use super::*;

    const SPS: &[u8] = b"\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10";
    const PPS: &[u8] = b"\x68\xce\x3c\x80";
    const ADTS: &[u8] = b"\xff\xf1\x50\x80\x01\x3f\xfc\x21\x10";

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [b"\0\0\0\x01".as_slice(), unit].concat()).collect()
    }

    fn video(data: Vec<u8>, keyframe: bool) -> Frame {
        Frame::new(TrackNumber::ONE, Duration::ZERO, data).with_keyframe(keyframe)
    }

    fn h264() -> Adapter {
        Adapter::new(&Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264), BitstreamMode::Detect)
    }

    #[test]
    fn start_codes_become_lengths_and_the_first_sets_the_codec_private_data() {
        let mut adapter = h264();
        let mut frame = video(annex_b(&[SPS, PPS, b"\x65\x88\x84"]), true);
        let payload = frame.data.pieces()[0].as_ptr_range();
        assert_eq!(adapter.adapt(&mut frame), Ok(SetUp::Changed));
        assert!(adapter.track().codec_private.starts_with(&[1, 0x42, 0xc0, 0x0a]));
        assert!(adapter.track().video.is_some());
        let last = frame.data.pieces().last().unwrap();
        assert!(payload.contains(&last.as_ptr()), "the payload is a slice of what came in");
        assert!(frame.data.into_bytes().ends_with(b"\0\0\0\x03\x65\x88\x84"));
        let mut next = video(annex_b(&[b"\x41\x9a"]), false);
        assert_eq!(adapter.adapt(&mut next), Ok(SetUp::Same));
        assert_eq!(next.data.into_bytes(), &b"\0\0\0\x02\x41\x9a"[..]);
    }

    #[test]
    fn missing_cpd_is_local_error() {
        let mut adapter = h264();
        let mut frame = video(annex_b(&[b"\x65\x88\x84"]), true);
        let before = frame.clone();
        assert_eq!(adapter.adapt(&mut frame), Err(Refusal::MissingCodecPrivate { track: TrackNumber::ONE }));
        assert_eq!(frame, before);
        assert_eq!(adapter.adapt(&mut video(vec![7; 100], true)), Err(Refusal::UnknownFraming));
    }

    #[test]
    fn params_change_starts_session() {
        let mut adapter = h264();
        adapter.adapt(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)).unwrap();
        assert_eq!(adapter.adapt(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)), Ok(SetUp::Same));
        let mut other = SPS.to_vec();
        other[3] = 0x0b;
        assert_eq!(adapter.adapt(&mut video(annex_b(&[&other, PPS, b"\x65\x88"]), true)), Ok(SetUp::Changed));
        assert_eq!(adapter.track().codec_private[3], 0x0b);
    }

    #[test]
    fn length_prefixed_payloads_are_left_as_they_are() {
        let mut adapter = h264();
        adapter.adapt(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)).unwrap();
        let mut frame = video(b"\0\0\0\x02\x41\x9a".to_vec(), false);
        let before = frame.data.pieces()[0].as_ptr();
        assert_eq!(adapter.adapt(&mut frame), Ok(SetUp::Same));
        assert_eq!(frame.data.pieces()[0].as_ptr(), before);
    }

    #[test]
    fn adts_equals_raw() {
        let track = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC);
        let mut adapter = Adapter::new(&track, BitstreamMode::Detect);
        let mut raw = Frame::new(TrackNumber::TWO, Duration::ZERO, b"\x21\x10".as_slice());
        assert!(adapter.adapt(&mut raw).is_err(), "raw sound says nothing of itself");
        let mut frame = Frame::new(TrackNumber::TWO, Duration::ZERO, ADTS);
        assert_eq!(adapter.adapt(&mut frame), Ok(SetUp::Changed));
        assert_eq!(frame.data, raw.data);
        assert_eq!(adapter.track().codec_private, [0x12, 0x10][..]);
        assert_eq!(adapter.adapt(&mut raw), Ok(SetUp::Same));
        let pieces = ADTS.chunks(2).map(bytes::Bytes::copy_from_slice).collect::<Chunks>();
        let mut pieces = Frame::new(TrackNumber::TWO, Duration::ZERO, pieces);
        assert_eq!((adapter.adapt(&mut pieces), pieces.data), (Ok(SetUp::Same), raw.data));
    }

    #[test]
    fn pieces_of_an_access_unit_are_never_joined() {
        let mut adapter = h264();
        let whole = bytes::Bytes::from(annex_b(&[SPS, PPS, b"\x65\x88\x84", b"\x65\x11\x22"]));
        let pieces = [0..9, 9..30, 30..34, 34..whole.len()].map(|range| whole.slice(range));
        let mut frame = Frame::new(TrackNumber::ONE, Duration::ZERO, pieces.into_iter().collect::<Chunks>());
        frame.keyframe = true;
        assert_eq!(adapter.adapt(&mut frame), Ok(SetUp::Changed));
        let came_in = whole.as_ptr_range();
        let kept = frame.data.iter().filter(|piece| came_in.contains(&piece.as_ptr()));
        assert_eq!(
            kept.map(bytes::Bytes::len).sum::<usize>(),
            SPS.len() + PPS.len() + 6,
            "units lie where they came in"
        );
        let expected = nal::annex_b_to_length_prefixed(&whole).unwrap();
        assert_eq!(frame.data, expected);
    }
}
