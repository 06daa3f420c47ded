//! Matroska and WebM, also live.

mod segments;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::{CodecId, Event, Frame, Limits, ParseError, Parser, Position, Problem, Tag, Track, VideoSettings};
use kvs_types::tag_names::{FROM_PRODUCERS, SERVICE_PREFIX};

use self::segments::Segments;
use super::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::nal_track::{NalCodec, NalTrack};
use crate::notice::{Notice, NoticeKind};
use crate::payload::PayloadFormat;
use crate::selection::kind_name;
use crate::timeline::nanoseconds;

/// Reads Matroska. Times count from the first cluster: live recordings count from 1970.
#[derive(Debug)]
pub(crate) struct Matroska {
    /// `None` after the end of the input.
    parser: Option<Parser>,
    /// Why parsing stopped: an error, unless only zeros follow.
    failed: Option<ParseError>,
    bytes: Seen,
    segments: Segments,
    /// How long the frames of sound are, by track.
    paces: BTreeMap<u64, Pace>,
    lace: Lace,
    /// Frames without payload, by track.
    empty: BTreeMap<u64, u64>,
    notices: Vec<Notice>,
}

/// What is known about the bytes so far.
#[derive(Debug, Default)]
struct Seen {
    len: u64,
    /// Offset behind the last byte that is not zero.
    content: u64,
    /// Offset behind the segment, if its head states its size.
    segment_end: Option<u64>,
}

/// The laced block that the last frame came from.
#[derive(Debug, Default)]
struct Lace {
    span: Range<u64>,
    pts: i64,
    /// How long its frames so far are, in samples or bytes.
    amount: i64,
}

/// How long a frame of sound is.
#[derive(Clone, Copy, Debug)]
enum Pace {
    /// AAC: each frame has this many samples.
    Samples { per_frame: i64, per_second: u32 },
    /// G.711 and other sound without compression between frames: as long as its payload.
    Bytes { per_second: u32 },
}

impl Pace {
    /// Returns how much a frame adds, and how much is a second.
    fn of(self, len: usize) -> (i64, u32) {
        match self {
            Self::Samples { per_frame, per_second } => (per_frame, per_second),
            Self::Bytes { per_second } => (i64::try_from(len).unwrap_or(i64::MAX), per_second),
        }
    }
}

impl Matroska {
    pub(crate) fn new() -> Self {
        Self {
            parser: Some(Parser::new(Limits::default())),
            failed: None,
            bytes: Seen::default(),
            segments: Segments::default(),
            paces: BTreeMap::new(),
            lace: Lace::default(),
            empty: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    fn take(&mut self, event: Event, position: Position) -> Result<Option<Demuxed>, Fault> {
        Ok(match event {
            Event::Tracks(tracks) => {
                self.segments.begin();
                Some(Demuxed::Tracks(tracks.iter().map(|track| self.track(track)).collect()))
            }
            Event::Cluster { at } => {
                self.segments.cluster(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
                None
            }
            Event::Frame(frame) => self.frame(frame, position.span).map(Demuxed::Frame),
            Event::Tags(tags) if self.segments.has_begun() => fragment_tags(tags).map(Demuxed::Tags),
            _ => None,
        })
    }

    fn track(&mut self, track: &Track) -> DemuxTrack {
        let format = format(track);
        if let Ok((_, Some(pace))) = &format {
            self.paces.insert(track.number.get(), *pace);
        }
        let mut config = track.codec.as_str().as_bytes().to_vec();
        config.extend_from_slice(&track.codec_private);
        DemuxTrack {
            id: track.number.get(),
            kind: track.kind,
            enabled: true,
            codec: track.codec.to_string(),
            config: config.into(),
            format: format.map(|(format, _)| format),
        }
    }

    fn frame(&mut self, frame: Frame, span: Range<u64>) -> Option<DemuxFrame> {
        let track = frame.track.get();
        if frame.data.is_empty() {
            *self.empty.entry(track).or_default() += 1;
            return None;
        }
        let pts = self.segments.time(i64::try_from(frame.pts.as_nanos()).unwrap_or(i64::MAX));
        let pts = self.in_lace(track, pts, span, frame.data.len());
        self.segments.frame(track, pts);
        Some(DemuxFrame { track, pts, dts: None, keyframe: frame.keyframe, data: frame.data })
    }

    /// Without a default duration all frames of a laced block have the time of the block: those of sound follow each other by
    /// their samples.
    fn in_lace(&mut self, track: u64, pts: i64, span: Range<u64>, len: usize) -> i64 {
        if self.lace.span != span || self.lace.pts != pts {
            self.lace = Lace { span, pts, amount: 0 };
        }
        let Some((amount, per_second)) = self.paces.get(&track).map(|pace| pace.of(len)) else { return pts };
        let before = self.lace.amount;
        self.lace.amount = before.saturating_add(amount);
        pts.saturating_add(nanoseconds(before, per_second))
    }

    /// The input has ended: is anything missing?
    fn end(&mut self) -> Result<(), Fault> {
        for (track, count) in std::mem::take(&mut self.empty) {
            let text = format!("{count} frames of track {track} have no payload and are skipped");
            self.notices.push(Notice::new(NoticeKind::Skipped, text));
        }
        self.notices.extend(self.segments.notice());
        let failed = self.failed.take();
        if let Some(error) = failed.filter(|error| self.bytes.segment_end.is_some_and(|end| end <= error.offset)) {
            let bytes = self.bytes.len.saturating_sub(error.offset);
            let text = format!("the last {bytes} bytes, from byte {} on, are zeros and are ignored", error.offset);
            self.notices.push(Notice::new(NoticeKind::Ignored, text));
            self.parser = None;
            return Ok(());
        }
        let ended = match (failed, self.parser.take()) {
            (Some(error), _) if self.bytes.only_zeros_from(error.offset) => Err((error, "there are only zeros")),
            (Some(error), _) => return Err(fault(&error)),
            (None, Some(parser)) => parser.finish().map_err(|error| (error, "the input ends")),
            (None, None) => Ok(()),
        };
        let Err((error, how)) = ended else { return Ok(()) };
        if error.problem != Problem::Truncated && how == "the input ends" {
            return Err(fault(&error));
        }
        if !self.segments.has_begun() {
            return Err(Fault::Truncated(error.to_string()));
        }
        let missing = match self.bytes.segment_end.and_then(|end| end.checked_sub(self.bytes.content)) {
            Some(missing) if missing > 0 => format!("{missing} bytes of its segment are missing"),
            _ => format!("its last {} bytes are incomplete", self.bytes.content.saturating_sub(error.offset)),
        };
        let text = format!(
            "the recording was interrupted: {how} inside the {} at byte {}; {missing}",
            error.element, error.offset
        );
        self.notices.push(Notice::new(NoticeKind::Interrupted, text));
        Ok(())
    }
}

impl Demuxer for Matroska {
    fn push(&mut self, bytes: Bytes) {
        self.bytes.take(&bytes);
        if let (Some(parser), None) = (&mut self.parser, &self.failed) {
            parser.push(bytes);
        }
    }

    fn next(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        while let (Some(parser), None) = (&mut self.parser, &self.failed) {
            match parser.next_event_with_position() {
                Ok(Some((event, position))) => {
                    if let Some(found) = self.take(event, position)? {
                        return Ok(Some(found));
                    }
                }
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        if let Some(error) = self.failed.filter(|error| !self.bytes.only_zeros_from(error.offset)) {
            return Err(fault(&error));
        }
        if is_end && self.parser.is_some() {
            self.end()?;
        }
        Ok(self.notices.pop().map(Demuxed::Notice))
    }
}

impl Seen {
    fn take(&mut self, bytes: &[u8]) {
        if self.len == 0 {
            self.segment_end = segment_end(bytes);
        }
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            self.content = self.len.saturating_add(last as u64).saturating_add(1);
        }
        self.len = self.len.saturating_add(bytes.len() as u64);
    }

    /// An element never starts with a zero, so zeros from there on are the reserved rest of a file.
    const fn only_zeros_from(&self, offset: u64) -> bool {
        self.content <= offset && self.len > offset
    }
}

/// Where the segment ends according to its head, which follows the EBML head.
fn segment_end(bytes: &[u8]) -> Option<u64> {
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let at = bytes.get(..512).unwrap_or(bytes).windows(4).position(|window| window == SEGMENT)?.checked_add(4)?;
    let first = *bytes.get(at)?;
    let len = usize::try_from(first.leading_zeros()).ok()?.checked_add(1).filter(|len| *len <= 8)?;
    let coded = bytes.get(at..at.checked_add(len)?)?;
    let value = coded.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let ones = (1u64 << (7 * len)) - 1;
    let size = value & ones;
    (size != ones).then(|| size.saturating_add(at as u64).saturating_add(len as u64))
}

/// The tags that belong to a fragment: not what the service states about it, and not the statistics that mkvmerge writes at
/// the end of a file.
fn fragment_tags(mut tags: Vec<Tag>) -> Option<Vec<Tag>> {
    if tags.iter().any(|tag| STATISTICS.contains(&tag.name.as_str())) {
        return None;
    }
    let end_of_fragment = kvs_types::tag_names::END_OF_FRAGMENT;
    tags.retain(|tag| {
        let name = tag.name.as_str();
        !name.starts_with(SERVICE_PREFIX) || FROM_PRODUCERS.contains(&name) && name != end_of_fragment
    });
    (!tags.is_empty()).then_some(tags)
}

/// A document that asks for more than is supported is not damaged.
fn fault(error: &ParseError) -> Fault {
    match error.problem {
        Problem::Version { .. } | Problem::DocType => Fault::Refused(error.to_string()),
        _ => Fault::damaged(error),
    }
}

/// Tags about a whole track or file.
const STATISTICS: [&str; 3] = ["BPS", "NUMBER_OF_FRAMES", "_STATISTICS_WRITING_APP"];

/// The payload format of a track, and how long its frames are where it is sound whose frames tell.
fn format(track: &Track) -> Result<(PayloadFormat, Option<Pace>), Fault> {
    if track.encoded {
        return Err(Fault::Refused(format!(
            "the frames of track {} are compressed or encrypted; if compressed, write it out with: ffmpeg -i IN -c copy OUT.mkv",
            track.number
        )));
    }
    let video = track.video.unwrap_or(VideoSettings::new(0, 0));
    let nal = |codec| PayloadFormat::Nal(Box::new(NalTrack::new(codec, track.codec_private.clone(), video)));
    let plain = || PayloadFormat::Plain(copy_of(track, track.codec.clone()));
    let format = match track.codec.as_str() {
        "V_MPEG4/ISO/AVC" => nal(NalCodec::H264),
        "V_MPEGH/ISO/HEVC" => nal(NalCodec::H265),
        "V_MJPEG" | "A_PCM/INT/LIT" | "A_PCM/INT/BIG" => plain(),
        "V_MS/VFW/FOURCC" if track.codec_private.get(16..20) == Some(b"MJPG") => plain(),
        "A_MS/ACM" if matches!(track.codec_private.get(..2), Some([1 | 6 | 7, 0])) => {
            return Ok((plain(), acm_pace(&track.codec_private)));
        }
        id if id == "A_AAC" || id.starts_with("A_AAC/") => return aac_format(track),
        id => return Err(Fault::Codec { kind: kind_name(track.kind), codec: id.to_owned() }),
    };
    Ok((format, None))
}

/// AAC. Old files name the profile in the codec id and have no AudioSpecificConfig.
fn aac_format(track: &Track) -> Result<(PayloadFormat, Option<Pace>), Fault> {
    let audio = track.audio.as_ref();
    let config = if track.codec_private.is_empty() {
        let frequency = audio.map_or(8000.0, |audio| audio.sampling_frequency);
        let channels = audio.and_then(|audio| u8::try_from(audio.channels).ok()).unwrap_or(1);
        // A frequency is a whole number of Hz between 7,350 and 96,000.
        AudioSpecificConfig::lc(frequency.clamp(0.0, 1e6) as u32, channels)
    } else {
        AudioSpecificConfig::parse(&track.codec_private)
    };
    let config = config.map_err(Fault::damaged)?;
    let samples = i64::from(config.samples_per_frame());
    let pace = Pace::Samples { per_frame: samples, per_second: config.sampling_frequency() };
    Ok((PayloadFormat::Plain(aac::track(track.number, &config)), Some(pace)))
}

/// The bytes per second of a WAVEFORMATEX.
fn acm_pace(format: &[u8]) -> Option<Pace> {
    let per_second = u32::from_le_bytes(*format.get(8..)?.first_chunk()?);
    (per_second > 0).then_some(Pace::Bytes { per_second })
}

/// Copies the fields of a track that a recording keeps.
fn copy_of(track: &Track, codec: CodecId) -> Track {
    let mut new = Track::new(track.number, track.kind, codec).with_codec_private(Bytes::clone(&track.codec_private));
    (new.video, new.audio) = (track.video, track.audio);
    new
}
