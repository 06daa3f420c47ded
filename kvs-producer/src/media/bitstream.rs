//! Converts payloads as sources deliver them to what the container carries, and takes codec private data from the stream.

use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::codec::h264::SetChange;
use kvs_mkv::codec::limits::PARAMETER_SET_BYTES;
use kvs_mkv::codec::nal::{self, LengthSize};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, VideoSettings, Writer};

use super::adts_reader::{self, AdtsPart, Unsplittable};
use super::nal_reader::{NalCodec, NalReader, starts_with_code};
use super::put_error::Refusal;
use crate::config::BitstreamMode;
use crate::limits::{ADTS_FRAMES, FRAME_OVERHEAD, HELD_BYTES};

/// Reads and converts the payloads of one track: start codes of H.264 and H.265 become lengths, ADTS headers of AAC are
/// removed, other payloads pass through.
///
/// A payload is first [read](Self::read), which changes nothing that is stored, and then [applied](Self::apply) to its frame,
/// or [held](Self::hold) for the next one.
///
/// No payload byte is copied, also if a payload consists of several pieces.
#[derive(Debug)]
pub(crate) struct BitstreamFilter {
    track: Track,
    codec: Codec,
    held: Held,
}

#[derive(Debug)]
enum Codec {
    /// With whether the track's codec private data announces lengths.
    Passthrough {
        lengths: bool,
    },
    Video(Box<Video>),
    Aac {
        adts: bool,
    },
}

#[derive(Debug)]
struct Video {
    sets: Sets,
    reader: NalReader,
}

#[derive(Debug)]
enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

/// What came without a picture, for the next frame.
#[derive(Debug, Default)]
struct Held {
    units: Chunks,
    /// One of the puts was marked as a key frame.
    keyframe: bool,
    puts: usize,
}

/// What a payload is.
#[derive(Debug)]
pub(crate) enum Content {
    /// Stored as it is.
    AsIs,
    /// A picture, or part of one.
    Picture,
    /// Parameter sets, SEI or delimiters: they belong to the next picture.
    NoPicture,
    /// One ADTS frame, and those that follow it. On the heap: all other payloads would carry the size of it.
    Adts(Box<(AdtsPart, Vec<AdtsPart>)>),
}

impl Content {
    /// Number of frames.
    pub(crate) const fn frames(&self) -> usize {
        match self {
            Self::AsIs | Self::Picture | Self::NoPicture => 1,
            Self::Adts(parts) => parts.1.len() + 1,
        }
    }

    /// One ADTS frame alone.
    pub(crate) fn of_adts(part: AdtsPart) -> Self {
        Self::Adts(Box::new((part, Vec::new())))
    }
}

/// Whether a frame changed the codec private data of its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodecConfig {
    Unchanged,
    /// There was none: no frame of the track was stored before.
    First,
    Changed,
}

impl BitstreamFilter {
    pub(crate) fn new(track: &Track, mode: BitstreamMode) -> Self {
        let mut track = track.clone();
        let detect = mode == BitstreamMode::Detect;
        let codec = match NalCodec::of(&track.codec) {
            Some(codec) if detect => Codec::Video(Box::new(Video::new(codec, &mut track))),
            Some(codec) => Codec::Passthrough { lengths: Sets::known(codec, &track).is_some() },
            None if detect && track.codec == CodecId::AAC => Codec::Aac { adts: false },
            None => Codec::Passthrough { lengths: false },
        };
        Self { track, codec, held: Held::default() }
    }

    /// The description of the track, with the latest codec private data.
    pub(crate) const fn track(&self) -> &Track {
        &self.track
    }

    /// Payload bytes that wait for a picture.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held.units.len()
    }

    /// Finds out what a payload is, and whether it is what the track says.
    #[inline]
    pub(crate) fn read(&mut self, data: &Chunks) -> Result<Content, Refusal> {
        let track = self.track.number;
        match &mut self.codec {
            Codec::Passthrough { lengths: true } if starts_with_code(data) => {
                let walk = nal::length_prefixed_chunks(data, LengthSize::FOUR);
                match walk.map(|unit| unit?.check_header()).find_map(Result::err) {
                    Some(error) => Err(Refusal::InvalidNalUnits { track, error }),
                    None => Ok(Content::AsIs),
                }
            }
            Codec::Passthrough { .. } => Ok(Content::AsIs),
            Codec::Video(video) => match video.reader.read(data) {
                Ok(true) => Ok(Content::Picture),
                Ok(false) => Ok(Content::NoPicture),
                Err(error) => Err(Refusal::InvalidNalUnits { track, error }),
            },
            Codec::Aac { adts: false } if !adts_reader::starts_with_sync(data) => Ok(Content::AsIs),
            Codec::Aac { adts } => {
                let (first, others) = adts_reader::split(data).map_err(|reason| match reason {
                    Unsplittable::Damaged(error) => Refusal::InvalidAdts { track, error },
                    Unsplittable::Empty => Refusal::EmptyPayload,
                    Unsplittable::TooMany => Refusal::TooManyFrames { track, limit: ADTS_FRAMES },
                })?;
                *adts = true;
                Ok(Content::Adts(Box::new((first, others))))
            }
        }
    }

    /// Keeps what came without a picture. On an error nothing changes.
    pub(crate) fn hold(&mut self, frame: &Frame) -> Result<(), Refusal> {
        let converted = self.take_converted();
        let units = if converted.is_empty() { frame.data.clone() } else { converted };
        let held = self.held.cost().saturating_add(units.len()).saturating_add(FRAME_OVERHEAD);
        if held > HELD_BYTES {
            return Err(Refusal::NoPicture { track: self.track.number, held, limit: HELD_BYTES });
        }
        self.held.units.append(units);
        self.held.keyframe |= frame.keyframe;
        self.held.puts += 1;
        Ok(())
    }

    /// Takes what is still held, because no picture follows.
    pub(crate) fn take_held(&mut self) -> Chunks {
        std::mem::take(&mut self.held).units
    }

    /// Replaces the payload of a frame by what is stored. On an error the frame is unchanged.
    #[inline]
    pub(crate) fn apply(&mut self, frame: &mut Frame, content: Content) -> Result<CodecConfig, Refusal> {
        match content {
            Content::AsIs => match &self.codec {
                Codec::Aac { .. } => self.ready().map(|()| CodecConfig::Unchanged),
                _ => Ok(CodecConfig::Unchanged),
            },
            Content::Picture | Content::NoPicture => self.apply_picture(frame),
            Content::Adts(parts) => self.apply_adts(frame, parts.0),
        }
    }

    #[inline]
    fn apply_picture(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
        let keyframe = frame.keyframe || self.held.keyframe && self.is_random_access();
        // Encoders send parameter sets before key frames; searching other frames would cost a walk over each of them.
        let may_change = keyframe || self.track.codec_private.is_empty();
        let codec_config = if may_change || self.held.puts > 0 {
            self.complete(frame, may_change)?
        } else {
            if self.converted_len().is_some() {
                self.replace_by_converted(frame);
            }
            CodecConfig::Unchanged
        };
        frame.keyframe = keyframe;
        Ok(codec_config)
    }

    #[inline]
    fn replace_by_converted(&mut self, frame: &mut Frame) {
        if let Codec::Video(video) = &mut self.codec {
            video.reader.replace(&mut frame.data);
        }
    }

    /// Replaces the payload of a picture by what is stored: what is held is in front of it. If the codec private data may change, reads
    /// its parameter sets. On an error the frame is unchanged.
    fn complete(&mut self, frame: &mut Frame, may_change: bool) -> Result<CodecConfig, Refusal> {
        let converted = self.take_converted();
        let came = if converted.is_empty() { &frame.data } else { &converted };
        let held = (self.held.puts > 0).then(|| {
            let mut all = self.held.units.clone();
            all.extend(came.iter().cloned());
            all
        });
        let stored = held.as_ref().unwrap_or(came);
        let codec_config = if may_change { self.find_parameter_sets(stored) } else { CodecConfig::Unchanged };
        self.ready()?;
        if let Some(data) = held.or_else(|| Some(converted).filter(|converted| !converted.is_empty())) {
            frame.data = data;
        }
        self.held = Held::default();
        Ok(codec_config)
    }

    /// Size of the payload that was read, as it is stored; `None` if it stays as it came.
    #[inline]
    pub(crate) fn converted_len(&self) -> Option<usize> {
        match &self.codec {
            Codec::Video(video) => Some(video.reader.converted().len()).filter(|len| *len > 0),
            _ => None,
        }
    }

    /// Forgets what was converted of a frame that was refused.
    pub(crate) fn discard_converted(&mut self) {
        drop(self.take_converted());
    }

    fn take_converted(&mut self) -> Chunks {
        match &mut self.codec {
            Codec::Video(video) => video.reader.take_converted(),
            _ => Chunks::new(),
        }
    }

    fn is_random_access(&self) -> bool {
        matches!(&self.codec, Codec::Video(video) if video.reader.is_random_access())
    }

    /// Whether decoders can be set up.
    const fn ready(&self) -> Result<(), Refusal> {
        if self.track.codec_private.is_empty() {
            return Err(Refusal::MissingCodecPrivate { track: self.track.number });
        }
        Ok(())
    }

    /// Takes the parameter sets from a length-prefixed access unit; changed ones change the codec private data.
    fn find_parameter_sets(&mut self, access_unit: &Chunks) -> CodecConfig {
        let Codec::Video(video) = &mut self.codec else { return CodecConfig::Unchanged };
        let codec = video.reader.codec();
        let units = nal::length_prefixed_chunks(access_unit, LengthSize::FOUR).flatten();
        // A longer unit cannot be a parameter set, so it is not copied.
        let sets = units.filter(|unit| codec.is_parameter_set(unit.header()) && unit.len() <= PARAMETER_SET_BYTES);
        let found: Vec<_> = sets.map(|unit| unit.bytes()).collect();
        let units = found.iter().map(AsRef::as_ref);
        let number = self.track.number;
        let found = match &mut video.sets {
            Sets::H264(sets) => {
                let change = sets.absorb(units);
                if needs_new_header(change, &self.track) { h264::track(number, sets).ok() } else { None }
            }
            Sets::H265(sets) => {
                let change = sets.absorb(units);
                if needs_new_header(change, &self.track) { h265::track(number, sets).ok() } else { None }
            }
        };
        found.map_or(CodecConfig::Unchanged, |found| self.adopt(found))
    }

    /// The first or a different ADTS header changes the codec private data.
    fn apply_adts(&mut self, frame: &mut Frame, part: AdtsPart) -> Result<CodecConfig, Refusal> {
        // An ADTS header cannot express all of an AudioSpecificConfig (SBR, PS), so a configured one stays as long as they agree.
        let given = AudioSpecificConfig::parse(&self.track.codec_private).ok();
        let agree = |config: &AudioSpecificConfig| {
            given.as_ref().is_some_and(|given| {
                given.sampling_frequency() == config.sampling_frequency() && given.channels() == config.channels()
            })
        };
        let codec_config = match part.config {
            Some(config) if !agree(&config) => self.adopt(aac::track(self.track.number, &config)),
            _ => CodecConfig::Unchanged,
        };
        self.ready()?;
        frame.data = part.data;
        Ok(codec_config)
    }

    /// Takes the codec description from the stream and keeps the rest of the configured track.
    fn adopt(&mut self, found: Track) -> CodecConfig {
        if found.codec_private == self.track.codec_private {
            return CodecConfig::Unchanged;
        }
        let first = self.track.codec_private.is_empty();
        self.track.codec_private = found.codec_private;
        // A container knows how the picture is shown: its rotation, and often the shape of its pixels.
        let completed = |video: VideoSettings| self.track.video.map_or(video, |given| video.completed_by(&given));
        let (video, audio) = (found.video.map(completed).or(self.track.video), found.audio.or(self.track.audio));
        (self.track.video, self.track.audio) = (video, audio);
        // Sizes come from untrusted parameter sets: those that the header cannot represent are omitted.
        if Writer::new(SegmentInfo::new([1; 16]), vec![self.track.clone()]).is_err() {
            (self.track.video, self.track.audio) = (None, None);
        }
        if first { CodecConfig::First } else { CodecConfig::Changed }
    }
}

impl NalCodec {
    fn of(codec: &CodecId) -> Option<Self> {
        match codec {
            codec if *codec == CodecId::H264 => Some(Self::H264),
            codec if *codec == CodecId::H265 => Some(Self::H265),
            _ => None,
        }
    }
}

impl Video {
    /// Takes the parameter sets of the track. Payloads will have four-byte lengths, and the track will say so.
    fn new(codec: NalCodec, track: &mut Track) -> Self {
        let (sets, lengths) = Sets::known(codec, track).unwrap_or_else(|| (Sets::none(codec), LengthSize::FOUR));
        if lengths != LengthSize::FOUR
            && let Some(private) = sets.private()
        {
            track.codec_private = private;
        }
        Self { sets, reader: NalReader::new(codec, lengths) }
    }
}

impl Sets {
    const fn none(codec: NalCodec) -> Self {
        match codec {
            NalCodec::H264 => Self::H264(h264::ParameterSets::new()),
            NalCodec::H265 => Self::H265(h265::ParameterSets::new()),
        }
    }

    /// Those in the codec private data, with the size of the lengths that it announces.
    fn known(codec: NalCodec, track: &Track) -> Option<(Self, LengthSize)> {
        let private = &track.codec_private;
        match codec {
            NalCodec::H264 => {
                h264::ParameterSets::from_avcc(private).ok().map(|(sets, lengths)| (Self::H264(sets), lengths))
            }
            NalCodec::H265 => {
                h265::ParameterSets::from_hvcc(private).ok().map(|(sets, lengths)| (Self::H265(sets), lengths))
            }
        }
    }

    fn private(&self) -> Option<bytes::Bytes> {
        match self {
            Self::H264(sets) => sets.to_avcc().ok(),
            Self::H265(sets) => sets.to_hvcc().ok(),
        }
    }
}

impl Held {
    fn cost(&self) -> usize {
        self.units.len().saturating_add(self.puts.saturating_mul(FRAME_OVERHEAD))
    }
}

/// Whether parameter sets must go into a new header: there is none yet, or known sets were replaced.
fn needs_new_header(change: SetChange, track: &Track) -> bool {
    track.codec_private.is_empty() || change == SetChange::Replaced
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kvs_mkv::codec::aac::AdtsError;
    use kvs_mkv::codec::nal::NalError;
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

    impl BitstreamFilter {
        /// Reads a frame and applies it, as the pipeline does.
        fn convert(&mut self, frame: &mut Frame) -> Result<CodecConfig, Refusal> {
            let content = self.read(&frame.data)?;
            match content {
                Content::NoPicture => self.hold(frame).map(|()| CodecConfig::Unchanged),
                content => self.apply(frame, content),
            }
        }
    }

    #[test]
    fn start_codes_become_lengths_and_parameter_sets_become_codec_private_data() {
        let mut filter = h264();
        let mut frame = video(annex_b(&[SPS, PPS, b"\x65\x88\x84"]), true);
        let payload = frame.data.pieces()[0].as_ptr_range();
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::First));
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
        let unknown = filter.convert(&mut video(vec![7; 100], true));
        let error = NalError::Truncated { at: 0, declared: 0x0707_0707, left: 96 };
        assert_eq!(unknown, Err(Refusal::InvalidNalUnits { track: TrackNumber::ONE, error }));
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
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::First));
        assert_eq!(frame.data, raw.data);
        assert_eq!(filter.track().codec_private, [0x12, 0x10][..]);
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
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::First));
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

    #[test]
    fn what_has_no_picture_goes_in_front_of_the_next_frame() {
        let mut units = h264();
        for (unit, keyframe) in [(&b"\x09\xf0"[..], false), (SPS, false), (PPS, true)] {
            assert_eq!(units.convert(&mut video(annex_b(&[unit]), keyframe)), Ok(CodecConfig::Unchanged));
        }
        assert_eq!(units.held_bytes(), 2 + SPS.len() + PPS.len() + 12);
        let mut frame = video(annex_b(&[b"\x65\x88\x84"]), false);
        assert_eq!(units.convert(&mut frame), Ok(CodecConfig::First));
        let mut whole = video(annex_b(&[b"\x09\xf0", SPS, PPS, b"\x65\x88\x84"]), true);
        h264().convert(&mut whole).unwrap();
        assert_eq!((frame, units.held_bytes()), (whole, 0), "also the mark of a key frame");
    }

    #[test]
    fn a_mark_on_parameter_sets_makes_no_key_frame_of_a_picture_that_needs_others() {
        let mut filter = h264();
        filter.convert(&mut video(annex_b(&[SPS, PPS]), true)).unwrap();
        let mut frame = video(annex_b(&[b"\x41\x9a"]), false);
        assert_eq!(filter.convert(&mut frame), Ok(CodecConfig::First));
        assert!(!frame.keyframe);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut filter = h264();
        let sei = [&b"\x06\x05"[..], &[0x55; 60_000]].concat();
        for _ in 0..4 {
            filter.convert(&mut video(annex_b(&[&sei]), false)).unwrap();
        }
        let refused = filter.convert(&mut video(annex_b(&[&sei]), false));
        assert!(matches!(refused, Err(Refusal::NoPicture { limit: HELD_BYTES, .. })), "{refused:?}");
    }

    #[test]
    fn after_an_adts_frame_what_has_no_header_is_damaged() {
        let track = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::AAC);
        let mut filter = BitstreamFilter::new(&track, BitstreamMode::Detect);
        filter.convert(&mut Frame::new(TrackNumber::TWO, Duration::ZERO, ADTS)).unwrap();
        let rest = filter.convert(&mut Frame::new(TrackNumber::TWO, Duration::ZERO, &ADTS[7..]));
        let error = AdtsError::NoSync { at: 0 };
        assert_eq!(rest, Err(Refusal::InvalidAdts { track: TrackNumber::TWO, error }));
    }

    #[test]
    fn payloads_that_pass_through_have_the_lengths_that_their_track_announces() {
        let known = h264::ParameterSets::from_annex_b(&annex_b(&[SPS, PPS]).into()).unwrap();
        let track = h264::track(TrackNumber::ONE, &known).unwrap();
        let mut filter = BitstreamFilter::new(&track, BitstreamMode::Passthrough);
        let refused = filter.convert(&mut video(annex_b(&[b"\x65\x88\x84"]), true));
        assert!(matches!(refused, Err(Refusal::InvalidNalUnits { .. })), "{refused:?}");
        assert!(filter.convert(&mut video(b"\0\0\0\x02\x65\x88".to_vec(), true)).is_ok());
    }
}
