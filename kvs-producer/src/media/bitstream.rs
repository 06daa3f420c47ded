//! Converts payloads as sources deliver them to what the container carries, and takes codec private data from the stream.

use bytes::Buf;
use kvs_mkv::codec::aac::{self, AdtsHeader, AudioSpecificConfig};
use kvs_mkv::codec::h264::SetChange;
use kvs_mkv::codec::limits::PARAMETER_SET_BYTES;
use kvs_mkv::codec::nal::{self, Framing, LengthPrefixer, LengthSize};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, VideoSettings, Writer};

use super::put_error::Refusal;
use crate::config::BitstreamMode;

/// Converts the payloads of one track: start codes of H.264 and H.265 become lengths, ADTS headers of AAC are removed, other
/// payloads pass through.
///
/// No payload byte is copied, also if a payload consists of several pieces.
#[derive(Debug)]
pub(crate) struct BitstreamFilter {
    track: Track,
    codec: Codec,
    prefixer: LengthPrefixer,
}

#[derive(Debug)]
enum Codec {
    Passthrough,
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
    Aac,
}

/// Whether a frame changed the codec private data of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecConfig {
    Unchanged,
    Changed,
}

impl Codec {
    /// Whether a NAL unit with this first byte is a parameter set.
    fn is_parameter_set(&self, header: u8) -> bool {
        match self {
            Self::Passthrough | Self::Aac => false,
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

impl BitstreamFilter {
    pub(crate) fn new(track: &Track, mode: BitstreamMode) -> Self {
        let codec = match mode {
            BitstreamMode::Passthrough => Codec::Passthrough,
            BitstreamMode::Detect if track.codec == CodecId::H264 => {
                let known = h264::ParameterSets::from_avcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H264(known.unwrap_or_default())
            }
            BitstreamMode::Detect if track.codec == CodecId::H265 => {
                let known = h265::ParameterSets::from_hvcc(&track.codec_private).map(|(sets, _)| sets);
                Codec::H265(known.unwrap_or_default())
            }
            BitstreamMode::Detect if track.codec == CodecId::AAC => Codec::Aac,
            BitstreamMode::Detect => Codec::Passthrough,
        };
        Self { track: track.clone(), codec, prefixer: LengthPrefixer::new() }
    }

    /// The description of the track, with the latest codec private data.
    pub(crate) const fn track(&self) -> &Track {
        &self.track
    }

    /// Converts the payload of a frame. On an error the frame is unchanged.
    pub(crate) fn convert(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
        let codec_config = match &mut self.codec {
            Codec::Passthrough => return Ok(CodecConfig::Unchanged),
            Codec::H264(_) | Codec::H265(_) => self.convert_video(frame)?,
            Codec::Aac => self.convert_aac(frame)?,
        };
        if self.track.codec_private.is_empty() {
            return Err(Refusal::MissingCodecPrivate { track: self.track.number });
        }
        Ok(codec_config)
    }

    fn convert_video(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
        let converted = match Framing::detect_chunks(&frame.data).ok_or(Refusal::UnknownFraming)? {
            Framing::AnnexB => Some(self.with_lengths(&frame.data)?),
            _ => None,
        };
        let missing = self.track.codec_private.is_empty();
        // Encoders send parameter sets before key frames; searching other frames would cost a walk over each of them.
        let codec_config = if frame.keyframe || missing {
            self.find_parameter_sets(converted.as_ref().unwrap_or(&frame.data))
        } else {
            CodecConfig::Unchanged
        };
        if let Some(converted) = converted.filter(|_| !self.track.codec_private.is_empty()) {
            frame.data = converted;
        }
        Ok(codec_config)
    }

    fn with_lengths(&mut self, access_unit: &Chunks) -> Result<Chunks, Refusal> {
        let converted = self.prefixer.convert_chunks(access_unit).ok();
        converted.filter(|converted| !converted.is_empty()).ok_or(Refusal::UnknownFraming)
    }

    /// Takes the parameter sets from a length-prefixed access unit; changed ones change the codec private data.
    fn find_parameter_sets(&mut self, access_unit: &Chunks) -> CodecConfig {
        let units = nal::length_prefixed_chunks(access_unit, LengthSize::FOUR).flatten();
        // A longer unit cannot be a parameter set, so it is not copied.
        let sets = units.filter(|unit| self.codec.is_parameter_set(unit.header()) && unit.len() <= PARAMETER_SET_BYTES);
        let found: Vec<_> = sets.map(|unit| unit.bytes()).collect();
        let units = found.iter().map(AsRef::as_ref);
        let number = self.track.number;
        let found = match &mut self.codec {
            Codec::H264(sets) => {
                let change = sets.absorb(units);
                if needs_new_header(change, &self.track) { h264::track(number, sets).ok() } else { None }
            }
            Codec::H265(sets) => {
                let change = sets.absorb(units);
                if needs_new_header(change, &self.track) { h265::track(number, sets).ok() } else { None }
            }
            Codec::Passthrough | Codec::Aac => None,
        };
        found.map_or(CodecConfig::Unchanged, |found| self.adopt(found))
    }

    /// Removes an ADTS header; the first or a different one changes the codec private data.
    fn convert_aac(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
        if frame.data.chunk().first() != Some(&ADTS_SYNC) {
            return Ok(CodecConfig::Unchanged);
        }
        let mut head = [0; ADTS_HEAD];
        let known = copy_head(&frame.data, &mut head);
        let header = AdtsHeader::parse(known).ok().filter(|header| header.frame_len == frame.data.len());
        let Some(header) = header else { return Ok(CodecConfig::Unchanged) };
        let config: AudioSpecificConfig = header.config().map_err(|_| Refusal::UnknownFraming)?;
        if header.header_len >= frame.data.len() {
            return Err(Refusal::EmptyPayload);
        }
        frame.data.advance(header.header_len);
        // An ADTS header cannot express all of an AudioSpecificConfig (SBR, PS), so a configured one stays as long as they agree.
        let given = AudioSpecificConfig::parse(&self.track.codec_private).ok();
        let agree = given.is_some_and(|given| {
            given.sampling_frequency() == config.sampling_frequency() && given.channels() == config.channels()
        });
        if agree { Ok(CodecConfig::Unchanged) } else { Ok(self.adopt(aac::track(self.track.number, &config))) }
    }

    /// Takes the codec description from the stream and keeps the rest of the configured track.
    fn adopt(&mut self, found: Track) -> CodecConfig {
        if found.codec_private == self.track.codec_private {
            return CodecConfig::Unchanged;
        }
        self.track.codec_private = found.codec_private;
        // A container knows how the picture is shown: its rotation, and often the shape of its pixels.
        let completed = |video: VideoSettings| self.track.video.map_or(video, |given| video.completed_by(&given));
        let (video, audio) = (found.video.map(completed).or(self.track.video), found.audio.or(self.track.audio));
        (self.track.video, self.track.audio) = (video, audio);
        // Sizes come from untrusted parameter sets: those that the header cannot represent are omitted.
        if Writer::new(SegmentInfo::new([1; 16]), vec![self.track.clone()]).is_err() {
            (self.track.video, self.track.audio) = (None, None);
        }
        CodecConfig::Changed
    }
}

/// Whether parameter sets must go into a new header: there is none yet, or known sets were replaced.
fn needs_new_header(change: SetChange, track: &Track) -> bool {
    track.codec_private.is_empty() || change == SetChange::Replaced
}

/// Copies the first bytes of a payload, as many as there are.
fn copy_head<'a>(data: &Chunks, head: &'a mut [u8; ADTS_HEAD]) -> &'a [u8] {
    let mut known = 0;
    for (to, from) in head.iter_mut().zip(data.iter().flatten()) {
        *to = *from;
        known += 1;
    }
    head.get(..known).unwrap_or_default()
}

/// The first byte of every ADTS header: eight bits of its sync word of twelve ones.
const ADTS_SYNC: u8 = 0xff;
/// Size of an ADTS header with checksum.
const ADTS_HEAD: usize = 9;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kvs_mkv::{Pose, TrackKind, TrackNumber};

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

    fn h264() -> BitstreamFilter {
        BitstreamFilter::new(&Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264), BitstreamMode::Detect)
    }

    #[test]
    fn start_codes_become_lengths_and_parameter_sets_become_codec_private_data() {
        let mut filter = h264();
        let mut frame = video(annex_b(&[SPS, PPS, b"\x65\x88\x84"]), true);
        let payload = frame.data.pieces()[0].as_ptr_range();
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::Changed));
        assert!(filter.track().codec_private.starts_with(&[1, 0x42, 0xc0, 0x0a]));
        assert!(filter.track().video.is_some());
        let last = frame.data.pieces().last().unwrap();
        assert!(payload.contains(&last.as_ptr()), "the payload is a slice of the input");
        assert!(frame.data.into_bytes().ends_with(b"\0\0\0\x03\x65\x88\x84"));
        let mut next = video(annex_b(&[b"\x41\x9a"]), false);
        assert_eq!(filter.convert(&mut next), Ok(CodecConfig::Unchanged));
        assert_eq!(next.data.into_bytes(), &b"\0\0\0\x02\x41\x9a"[..]);
    }

    #[test]
    fn size_comes_from_the_stream_and_rotation_from_the_caller() {
        let turned = VideoSettings::new(640, 480).with_pose(Pose::clockwise(90.0));
        let mut track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
        track.video = Some(turned);
        let mut filter = BitstreamFilter::new(&track, BitstreamMode::Detect);
        filter.convert(&mut video(annex_b(&[SPS, PPS, b"\x65\x88\x84"]), true)).unwrap();
        let found = filter.track().video.unwrap();
        assert_eq!((found.width, found.height, found.pose), (240, 320, turned.pose));
    }

    #[test]
    fn rejects_frames_without_codec_private_data() {
        let mut filter = h264();
        let mut frame = video(annex_b(&[b"\x65\x88\x84"]), true);
        let before = frame.clone();
        assert_eq!(filter.convert(&mut frame), Err(Refusal::MissingCodecPrivate { track: TrackNumber::ONE }));
        assert_eq!(frame, before);
        assert_eq!(filter.convert(&mut video(vec![7; 100], true)), Err(Refusal::UnknownFraming));
    }

    #[test]
    fn changed_parameter_sets_change_codec_private_data() {
        let mut filter = h264();
        filter.convert(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)).unwrap();
        assert_eq!(filter.convert(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)), Ok(CodecConfig::Unchanged));
        let mut other = SPS.to_vec();
        other[3] = 0x0b;
        assert_eq!(filter.convert(&mut video(annex_b(&[&other, PPS, b"\x65\x88"]), true)), Ok(CodecConfig::Changed));
        assert_eq!(filter.track().codec_private[3], 0x0b);
    }

    #[test]
    fn length_prefixed_payloads_pass_through() {
        let mut filter = h264();
        filter.convert(&mut video(annex_b(&[SPS, PPS, b"\x65\x88"]), true)).unwrap();
        let mut frame = video(b"\0\0\0\x02\x41\x9a".to_vec(), false);
        let before = frame.data.pieces()[0].as_ptr();
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::Unchanged));
        assert_eq!(frame.data.pieces()[0].as_ptr(), before);
    }

    #[test]
    fn adts_payload_equals_raw_payload() {
        let track = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC);
        let mut filter = BitstreamFilter::new(&track, BitstreamMode::Detect);
        let mut raw = Frame::new(TrackNumber::TWO, Duration::ZERO, b"\x21\x10".as_slice());
        assert!(filter.convert(&mut raw).is_err(), "raw AAC carries no configuration");
        let mut frame = Frame::new(TrackNumber::TWO, Duration::ZERO, ADTS);
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::Changed));
        assert_eq!(frame.data, raw.data);
        assert_eq!(filter.track().codec_private, [0x12, 0x10][..]);
        assert_eq!(filter.convert(&mut raw), Ok(CodecConfig::Unchanged));
        let pieces = ADTS.chunks(2).map(bytes::Bytes::copy_from_slice).collect::<Chunks>();
        let mut pieces = Frame::new(TrackNumber::TWO, Duration::ZERO, pieces);
        assert_eq!((filter.convert(&mut pieces), pieces.data), (Ok(CodecConfig::Unchanged), raw.data));
    }

    #[test]
    fn pieces_of_an_access_unit_are_not_joined() {
        let mut filter = h264();
        let whole = bytes::Bytes::from(annex_b(&[SPS, PPS, b"\x65\x88\x84", b"\x65\x11\x22"]));
        let pieces = [0..9, 9..30, 30..34, 34..whole.len()].map(|range| whole.slice(range));
        let mut frame = Frame::new(TrackNumber::ONE, Duration::ZERO, pieces.into_iter().collect::<Chunks>());
        frame.keyframe = true;
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::Changed));
        let came_in = whole.as_ptr_range();
        let kept = frame.data.iter().filter(|piece| came_in.contains(&piece.as_ptr()));
        assert_eq!(
            kept.map(bytes::Bytes::len).sum::<usize>(),
            SPS.len() + PPS.len() + 6,
            "units are slices of the input"
        );
        let expected = nal::annex_b_to_length_prefixed(&whole).unwrap();
        assert_eq!(frame.data, expected);
    }
}
