//! Payloads as a source gives them, made into what the container carries; codec set-up taken from the stream.

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AdtsHeader, AudioSpecificConfig};
use kvs_mkv::codec::h264::SetChange;
use kvs_mkv::codec::nal::{self, Framing, LengthSize};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, Writer};

use crate::config::Payloads;
use crate::put_error::Refusal;

/// One track's payloads: H.264 and H.265 with start codes or lengths, AAC with or without ADTS headers, others as they are.
///
/// No payload is copied, except one with start codes that lies in several pieces.
#[derive(Debug)]
pub(crate) struct Adapter {
    track: Track,
    codec: Codec,
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

impl Adapter {
    pub(crate) fn new(track: &Track, payloads: Payloads) -> Self {
        let codec = match payloads {
            Payloads::AsIs => Codec::AsIs,
            Payloads::Detect if track.codec == CodecId::H264 => {
                let known = h264::ParameterSets::from_avcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H264(known.unwrap_or_default())
            }
            Payloads::Detect if track.codec == CodecId::H265 => {
                let known = h265::ParameterSets::from_hvcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H265(known.unwrap_or_default())
            }
            Payloads::Detect if track.codec == CodecId::AAC => Codec::Aac,
            Payloads::Detect => Codec::AsIs,
        };
        Self { track: track.clone(), codec }
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
            return Err(Refusal::NoCodecPrivate { track: self.track.number });
        }
        Ok(set_up)
    }

    fn units(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        let data = contiguous(&frame.data);
        let framing = match &data {
            Some(data) => Framing::detect(data).ok_or(Refusal::Framing)?,
            // In several pieces and without a start code: lengths, which need no change.
            None => Framing::LengthPrefixed(LengthSize::FOUR),
        };
        let missing = self.track.codec_private.is_empty();
        let set_up = match &data {
            // Parameter sets stand before key frames; looking for them elsewhere would cost every frame a walk.
            Some(data) if frame.keyframe || missing => self.look_for_sets(data, framing)?,
            _ => SetUp::Same,
        };
        if let (Some(data), Framing::AnnexB) = (&data, framing) {
            let converted = nal::annex_b_to_length_prefixed(data).map_err(|_| Refusal::Framing)?;
            if converted.is_empty() {
                return Err(Refusal::Framing);
            }
            if !self.track.codec_private.is_empty() {
                frame.data = converted;
            }
        }
        Ok(set_up)
    }

    /// Takes parameter sets out of an access unit; new ones make a new codec private data.
    fn look_for_sets(&mut self, data: &[u8], framing: Framing) -> Result<SetUp, Refusal> {
        let units = nal::units_in(data, framing).map_err(|_| Refusal::Framing)?;
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
        Ok(found.map_or(SetUp::Same, |found| self.learn(found)))
    }

    /// Removes an ADTS header; the first one, or another one, makes a new codec private data.
    fn sound(&mut self, frame: &mut Frame) -> Result<SetUp, Refusal> {
        let Some(data) = single(&frame.data) else { return Ok(SetUp::Same) };
        let header = AdtsHeader::parse(&data).ok().filter(|header| header.frame_len == data.len());
        let Some(header) = header else { return Ok(SetUp::Same) };
        let config: AudioSpecificConfig = header.config().map_err(|_| Refusal::Framing)?;
        let raw = data.slice(header.header_len..);
        if raw.is_empty() {
            return Err(Refusal::Empty);
        }
        frame.data = Chunks::from(raw);
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

/// The payload as one piece, if it is one.
fn single(data: &Chunks) -> Option<Bytes> {
    match data.pieces() {
        [piece] => Some(piece.clone()),
        _ => None,
    }
}

/// The payload as one piece where that is free, or where it must be looked at because it begins with a start code.
fn contiguous(data: &Chunks) -> Option<Bytes> {
    let begins = |head: &[u8]| head.starts_with(&[0, 0, 1]) || head.starts_with(&[0, 0, 0, 1]);
    match data.pieces() {
        [piece] => Some(piece.clone()),
        [first, ..] if begins(first) => Some(data.clone().into_bytes()),
        _ => None,
    }
}

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
        Adapter::new(&Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264), Payloads::Detect)
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
        assert_eq!(adapter.adapt(&mut frame), Err(Refusal::NoCodecPrivate { track: TrackNumber::ONE }));
        assert_eq!(frame, before);
        assert_eq!(adapter.adapt(&mut video(vec![7; 100], true)), Err(Refusal::Framing));
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
        let mut adapter = Adapter::new(&track, Payloads::Detect);
        let mut raw = Frame::new(TrackNumber::TWO, Duration::ZERO, b"\x21\x10".as_slice());
        assert!(adapter.adapt(&mut raw).is_err(), "raw sound says nothing of itself");
        let mut frame = Frame::new(TrackNumber::TWO, Duration::ZERO, ADTS);
        assert_eq!(adapter.adapt(&mut frame), Ok(SetUp::Changed));
        assert_eq!(frame.data, raw.data);
        assert_eq!(adapter.track().codec_private, [0x12, 0x10][..]);
        assert_eq!(adapter.adapt(&mut raw), Ok(SetUp::Same));
    }
}
