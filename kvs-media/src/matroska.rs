//! Matroska and WebM files, also live ones.

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::{CodecId, Event, Frame, Limits, ParseError, Parser, Position, Problem, Track, TrackKind, TrackNumber};

use super::input::Input;
use super::nal_track::{NalCodec, NalTrack};
use super::payload::PayloadFormat;
use super::timeline::{Stream, Unit, fill_decoding_times};
use super::{MAX_SAMPLES, MediaError};

pub(super) fn read(input: &Input) -> Result<Vec<Stream>, MediaError> {
    let mut reader = Reader { input, tracks: Vec::new(), chosen: Vec::new(), start: None };
    let mut parser = Parser::new(Limits::default());
    let mut at = 0;
    while at < input.len {
        let piece = input.read_up_to(at, WINDOW)?;
        if piece.is_empty() {
            break;
        }
        at = at.saturating_add(piece.len() as u64);
        parser.push(piece);
        while let Some((event, position)) = parser.next_event_with_position().map_err(|error| broken(input, error))? {
            reader.take(event, position)?;
        }
    }
    parser.finish().map_err(|error| broken(input, error))?;
    reader
        .chosen
        .into_iter()
        .filter(|chosen| !chosen.units.is_empty())
        .map(|chosen| chosen.into_stream(input))
        .collect()
}

/// Bytes parsed at a time.
const WINDOW: u64 = 256 << 10;

fn broken(input: &Input, error: ParseError) -> MediaError {
    if error.problem == Problem::Truncated { input.truncated(error) } else { input.damaged(error) }
}

struct Reader<'a> {
    input: &'a Input,
    /// The first track list; a live recording repeats it.
    tracks: Vec<Track>,
    chosen: Vec<Chosen>,
    /// Timecode of the first cluster in nanoseconds: live recordings count from 1970.
    start: Option<i64>,
}

/// A track that is returned.
struct Chosen {
    number: TrackNumber,
    format: PayloadFormat,
    units: Vec<Unit>,
}

impl Reader<'_> {
    /// Takes what comes next; `at` is where the payload of a frame lies.
    fn take(&mut self, event: Event, position: Position) -> Result<(), MediaError> {
        match event {
            Event::Tracks(tracks) if self.tracks.is_empty() => self.choose(tracks),
            Event::Tracks(tracks) if tracks != self.tracks => {
                Err(self.input.damaged("its tracks change on the way, which is not supported"))
            }
            Event::Cluster { at } => {
                self.start.get_or_insert(i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
                Ok(())
            }
            Event::Frame(frame) => self.frame(frame, position.payload.unwrap_or(position.span.start)),
            _ => Ok(()),
        }
    }

    fn choose(&mut self, tracks: Vec<Track>) -> Result<(), MediaError> {
        for kind in [TrackKind::Video, TrackKind::Audio] {
            if let Some(track) = tracks.iter().find(|track| track.kind == kind) {
                let format = format(self.input, track)?;
                self.chosen.push(Chosen { number: track.number, format, units: Vec::new() });
            }
        }
        self.tracks = tracks;
        Ok(())
    }

    fn frame(&mut self, frame: Frame, at: u64) -> Result<(), MediaError> {
        let Some(chosen) = self.chosen.iter_mut().find(|chosen| chosen.number == frame.track) else { return Ok(()) };
        if chosen.units.len() >= MAX_SAMPLES {
            return Err(self.input.damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
        let len = frame.data.len() as u64;
        if chosen.format.is_unsettled() {
            chosen.format.payload(frame.data.into_bytes()).map_err(|error| {
                self.input.damaged(format!("the frame of track {} at {:?}: {error}", frame.track, frame.pts))
            })?;
        }
        let pts = i64::try_from(frame.pts.as_nanos()).unwrap_or(i64::MAX).saturating_sub(self.start.unwrap_or(0));
        chosen.units.push(Unit { pts, dts: pts, keyframe: frame.keyframe, at, len });
        Ok(())
    }
}

impl Chosen {
    fn into_stream(mut self, input: &Input) -> Result<Stream, MediaError> {
        fill_decoding_times(&mut self.units);
        self.format.into_stream(input, self.number, self.units)
    }
}

fn format(input: &Input, track: &Track) -> Result<PayloadFormat, MediaError> {
    if track.encoded {
        return Err(input.damaged(format!("the frames of track {} are compressed or encrypted", track.number)));
    }
    let size = track.video.map_or((0, 0), |video| (video.width, video.height));
    let nal = |codec| PayloadFormat::Nal(Box::new(NalTrack::new(codec, track.codec_private.clone(), size)));
    let plain = || PayloadFormat::Plain(copy_of(track, track.codec.clone()));
    match track.codec.as_str() {
        "V_MPEG4/ISO/AVC" => Ok(nal(NalCodec::H264)),
        "V_MPEGH/ISO/HEVC" => Ok(nal(NalCodec::H265)),
        "V_MJPEG" | "A_PCM/INT/LIT" | "A_PCM/INT/BIG" => Ok(plain()),
        "V_MS/VFW/FOURCC" if track.codec_private.get(16..20) == Some(b"MJPG") => Ok(plain()),
        "A_MS/ACM" if matches!(track.codec_private.get(..2), Some([1 | 6 | 7, 0])) => Ok(plain()),
        id if id == "A_AAC" || id.starts_with("A_AAC/") => aac_format(input, track),
        id => Err(input.codec(if track.kind == TrackKind::Video { "video" } else { "audio" }, id)),
    }
}

/// AAC. Old files name the profile in the codec id and have no AudioSpecificConfig.
fn aac_format(input: &Input, track: &Track) -> Result<PayloadFormat, MediaError> {
    let audio = track.audio.as_ref();
    let config = if track.codec_private.is_empty() {
        let frequency = audio.map_or(8000.0, |audio| audio.sampling_frequency);
        let channels = audio.and_then(|audio| u8::try_from(audio.channels).ok()).unwrap_or(1);
        // A frequency is a whole number of Hz between 7,350 and 96,000.
        AudioSpecificConfig::lc(frequency.clamp(0.0, 1e6) as u32, channels)
    } else {
        AudioSpecificConfig::parse(&track.codec_private)
    };
    let config = config.map_err(|error| input.damaged(error))?;
    Ok(PayloadFormat::Plain(aac::track(track.number, &config)))
}

/// Copies the fields of a track that a recording keeps.
fn copy_of(track: &Track, codec: CodecId) -> Track {
    let mut new = Track::new(track.number, track.kind, codec).with_codec_private(Bytes::clone(&track.codec_private));
    (new.video, new.audio) = (track.video, track.audio);
    new
}
