//! One track of the movie: its timescale, edit list, sample descriptions and the offsets of its frames.

use bytes::Bytes;
use kvs_mkv::{Pose, TrackKind};

use super::boxes::{Box, BoxError, Fields};
use super::edits::{EditList, Part, Parts, Samples};
use super::{Entry, Mp4Error, codec, sound};
use crate::error::Fault;
use crate::input::Input;
use crate::notice::{Notice, NoticeKind};
use crate::payload::PayloadFormat;
use crate::selection::{Candidate, kind_name};
use crate::timeline::{Stream, Unit, sum_in_nanoseconds};

pub(super) struct Mp4Track<'a> {
    pub(super) id: u32,
    pub(super) kind: TrackKind,
    /// Whether players use the track without being asked.
    is_enabled: bool,
    pub(super) timescale: u32,
    edits: EditList,
    /// How players turn the picture.
    pose: Pose,
    /// The boxes of the sample table.
    pub(super) table: Box<'a>,
    pub(super) entries: Vec<Entry>,
}

/// Returns the tracks of a movie.
pub(super) fn tracks<'a>(movie: &Box<'a>) -> Result<Vec<Mp4Track<'a>>, Mp4Error> {
    let mut tracks = Vec::new();
    let movie_header = movie_header(movie)?;
    for child in movie.children(0)? {
        let child = child?;
        if child.kind == *b"trak" {
            if tracks.len() >= MAX_TRACKS {
                return Err(Mp4Error::TooManyTracks { limit: MAX_TRACKS });
            }
            tracks.push(track(&child, movie_header)?);
        }
    }
    Ok(tracks)
}

/// Most tracks of a movie. Cameras write up to about ten.
const MAX_TRACKS: usize = 1000;

fn track<'a>(trak: &Box<'a>, movie: Movie) -> Result<Mp4Track<'a>, Mp4Error> {
    let media = required(trak, b"mdia")?;
    let mut handler = required(&media, b"hdlr")?.fields();
    handler.skip(8)?;
    let kind = match &handler.u32()?.to_be_bytes() {
        b"vide" => TrackKind::Video,
        b"soun" => TrackKind::Audio,
        b"text" | b"sbtl" | b"subt" => TrackKind::Subtitle,
        _ => TrackKind::Other(0),
    };
    let timescale = timescale(&required(&media, b"mdhd")?)?;
    let table = required(&required(&media, b"minf")?, b"stbl")?;
    let edits = EditList::read(trak.child(b"edts")?, movie.timescale)?;
    let Header { id, is_enabled, matrix } = header(trak)?;
    let pose = Pose::from_matrix(product(matrix, movie.matrix)).unwrap_or(Pose::UPRIGHT);
    Ok(Mp4Track { id, kind, is_enabled, timescale, edits, pose, table, entries: Vec::new() })
}

pub(super) fn required<'a>(parent: &Box<'a>, kind: &[u8; 4]) -> Result<Box<'a>, BoxError> {
    parent.child(kind)?.ok_or(parent.short())
}

/// What the header of a track states (§8.3.2).
struct Header {
    id: u32,
    /// Whether players use the track without being asked.
    is_enabled: bool,
    matrix: Matrix,
}

/// The numbers a, b, c and d of a display matrix.
type Matrix = [f64; 4];
const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0];

fn header(trak: &Box<'_>) -> Result<Header, BoxError> {
    let mut header = required(trak, b"tkhd")?.fields();
    let (version, flags) = header.version_and_flags()?;
    header.skip(if version == 0 { 8 } else { 16 })?;
    let id = header.u32()?;
    // Reserved, duration, reserved, layer, group, volume, reserved.
    let matrix = header.skip(if version == 0 { 24 } else { 28 }).and_then(|()| matrix(&mut header));
    Ok(Header { id, is_enabled: flags & 1 != 0, matrix: matrix.unwrap_or(IDENTITY) })
}

/// Reads the upper left of a matrix in 16.16 fixed point: a, b, u, c, d.
fn matrix(fields: &mut Fields<'_>) -> Result<Matrix, BoxError> {
    let [a, b, _, c, d] = [fields.i32()?, fields.i32()?, fields.i32()?, fields.i32()?, fields.i32()?];
    Ok([a, b, c, d].map(|number| f64::from(number) / 65536.0))
}

/// The matrix of turning by one matrix, then by the other.
fn product([a, b, c, d]: Matrix, [e, f, g, h]: Matrix) -> Matrix {
    [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h]
}

/// What the movie header states for all tracks (§8.2.2).
#[derive(Clone, Copy)]
struct Movie {
    timescale: u32,
    matrix: Matrix,
}

fn movie_header(movie: &Box<'_>) -> Result<Movie, BoxError> {
    let Some(header) = movie.child(b"mvhd")? else { return Ok(Movie { timescale: 1000, matrix: IDENTITY }) };
    let mut fields = header.fields();
    let (version, _) = fields.version_and_flags()?;
    // Times and duration, then rate, volume and reserved fields.
    let matrix = fields.skip(if version == 0 { 32 } else { 44 }).and_then(|()| matrix(&mut fields));
    Ok(Movie { timescale: timescale(&header)?, matrix: matrix.unwrap_or(IDENTITY) })
}

/// Ticks per second in a movie header or a media header.
fn timescale(header: &Box<'_>) -> Result<u32, BoxError> {
    let mut fields = header.fields();
    let (version, _) = fields.version_and_flags()?;
    fields.skip(if version == 0 { 8 } else { 16 })?;
    fields.u32().map(|scale| scale.max(1))
}

impl Mp4Track<'_> {
    pub(super) const fn contradiction(&self, what: &'static str) -> Mp4Error {
        Mp4Error::Tables { track: self.id, what }
    }

    pub(super) fn candidate(&self) -> Candidate {
        let codec = self.first_description().map(|entry| entry.kind);
        Candidate {
            kind: self.kind,
            enabled: self.is_enabled,
            // The frames of other tracks are not counted.
            has_frames: !self.entries.is_empty() || !self.is_read(),
            is_taken: !self.is_pcm(),
            codec: codec.map_or_else(|| "unknown".to_owned(), codec_name),
        }
    }

    /// Whether its frames are looked at.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.kind, TrackKind::Video | TrackKind::Audio) && !self.is_pcm()
    }

    fn is_pcm(&self) -> bool {
        self.kind == TrackKind::Audio && self.first_description().is_some_and(|entry| sound::is_pcm(entry.kind))
    }

    pub(super) fn first_description(&self) -> Option<Box<'_>> {
        let descriptions = required(&self.table, b"stsd").and_then(|table| codec::descriptions(&table));
        descriptions.ok()?.into_iter().next()
    }

    /// Returns the frames that the edit list shows, with their offsets in the file.
    pub(super) fn into_stream(self, input: &Input, notices: &mut Vec<Notice>) -> Result<Stream, Fault> {
        if !self.is_read() {
            // Its codec is the reason.
            self.description(1)?;
        }
        let (formats, numbers) = self.formats()?;
        let followed = self.follow()?;
        notices.extend(self.preroll(&followed));
        let (mut units, mut empty) = (Vec::with_capacity(self.entries.len()), 0usize);
        for part in &followed.parts {
            let entries = self.entries.get(part.from..part.to).unwrap_or_default();
            for (index, entry) in entries.iter().enumerate() {
                self.check(input, part.from.saturating_add(index), entry)?;
                if entry.size == 0 {
                    empty += 1;
                    continue;
                }
                let format = numbers.iter().position(|number| *number == entry.description);
                let format = format.and_then(|format| u16::try_from(format).ok());
                let Some(format) = format else {
                    return Err(self
                        .contradiction("a frame refers to a sample description that does not exist")
                        .into());
                };
                let (pts, dts) = (self.time(part, entry.composed()), self.time(part, entry.dts));
                let (at, len) = (entry.offset, entry.size.into());
                units.push(Unit { pts, dts, keyframe: entry.keyframe, at, len, format });
            }
        }
        if empty > 0 {
            let kind = kind_name(self.kind);
            let text = format!("{empty} frames of {kind} track {} have no payload and are skipped", self.id);
            notices.push(Notice::new(NoticeKind::Skipped, text));
        }
        let mut stream = Stream { kind: self.kind, formats, units };
        stream.settle(input)?;
        Ok(stream)
    }

    /// The samples that the edit list shows.
    pub(super) fn follow(&self) -> Result<Parts, Fault> {
        let is_video = self.kind == TrackKind::Video;
        let samples = Samples { entries: &self.entries, timescale: self.timescale, is_video };
        self.edits.follow(&samples).map_err(|error| {
            Fault::Refused(format!(
                "{} track {}: {error}; write it out with: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4",
                kind_name(self.kind),
                self.id
            ))
        })
    }

    /// Names the pictures that are returned before the first shown one.
    pub(super) fn preroll(&self, followed: &Parts) -> Option<Notice> {
        let text = || {
            let (track, before) = (self.id, followed.before);
            format!(
                "the edit list of video track {track} starts between key frames: {before} pictures before its start are returned too"
            )
        };
        let is_named = followed.before > 0 && self.kind == TrackKind::Video;
        is_named.then(|| Notice::new(NoticeKind::Preroll, text()))
    }

    /// How the edit list moves all samples, if it has one edit at most.
    pub(super) fn shift(&self) -> Option<Part> {
        self.edits.shift()
    }

    /// The sample description with this number, and its payload format.
    pub(super) fn description(&self, number: u32) -> Result<(Bytes, PayloadFormat), Fault> {
        let descriptions = codec::descriptions(&required(&self.table, b"stsd")?)?;
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let Some(description) = index.and_then(|index| descriptions.get(index)) else {
            return Err(self.contradiction("a frame refers to a sample description that does not exist").into());
        };
        let format = codec::format_of(self.kind, description, self.pose)?;
        Ok((Bytes::copy_from_slice(description.payload), format))
    }

    /// The formats that frames refer to, and the numbers of their descriptions.
    fn formats(&self) -> Result<(Vec<PayloadFormat>, Vec<u32>), Fault> {
        let descriptions = codec::descriptions(&required(&self.table, b"stsd")?)?;
        let mut numbers = Vec::new();
        for entry in &self.entries {
            if numbers.last() != Some(&entry.description) && !numbers.contains(&entry.description) {
                numbers.push(entry.description);
            }
            // A hostile file could name a description per frame.
            if numbers.len() > descriptions.len() {
                return Err(self.contradiction("a frame refers to a sample description that does not exist").into());
            }
        }
        let mut formats = Vec::new();
        for number in &numbers {
            formats.push(self.description(*number)?.1);
        }
        Ok((formats, numbers))
    }

    /// The time of a frame on the timeline of the movie in nanoseconds.
    pub(super) fn time(&self, part: &Part, media_time: i64) -> i64 {
        let since_start = media_time.saturating_sub(part.media_start);
        sum_in_nanoseconds((part.movie_start, self.edits.movie_timescale()), (since_start, self.timescale))
    }

    /// Checks that a frame ends within the file.
    fn check(&self, input: &Input, index: usize, entry: &Entry) -> Result<(), Fault> {
        let end = entry.end();
        if end > input.len {
            return Err(Fault::Truncated(format!(
                "frame {index} of {} of its {} track ends at byte {end} but the file has {} bytes",
                self.entries.len(),
                kind_name(self.kind),
                input.len
            )));
        }
        Ok(())
    }
}

/// The codec in the words of people who ask for a track.
fn codec_name(kind: [u8; 4]) -> String {
    match &kind {
        b"avc1" | b"avc3" => "H.264".to_owned(),
        b"hvc1" | b"hev1" => "H.265".to_owned(),
        b"mp4a" => "AAC or other MPEG audio".to_owned(),
        b"tx3g" => "timed text".to_owned(),
        b"tmcd" => "time code".to_owned(),
        b"gpmd" => "GoPro metadata".to_owned(),
        _ => codec::codec_name(kind),
    }
}
