//! One track of the movie: its timescale, edit list, sample description and the offsets of its frames.

use super::boxes::{Box, BoxError};
use super::{Entry, Mp4Error, codec};
use crate::MediaError;
use crate::input::Input;
use crate::timeline::{Stream, Unit, nanoseconds};
use kvs_mkv::TrackNumber;

pub(super) struct Mp4Track<'a> {
    pub(super) id: u32,
    /// `video` or `audio`.
    pub(super) kind: &'static str,
    timescale: u32,
    /// Nanoseconds by which the edit list moves the track.
    shift: i64,
    /// The boxes of the sample table.
    pub(super) table: Box<'a>,
    pub(super) entries: Vec<Entry>,
}

/// Returns the video and audio tracks of a movie; others (text, time codes, hints) are skipped.
pub(super) fn tracks<'a>(movie: &Box<'a>) -> Result<Vec<Mp4Track<'a>>, Mp4Error> {
    let mut tracks = Vec::new();
    let movie_timescale = match movie.child(b"mvhd")? {
        Some(header) => timescale(&header)?,
        None => 1000,
    };
    for child in movie.children(0)? {
        let child = child?;
        if child.kind == *b"trak" {
            tracks.extend(track(&child, movie_timescale)?);
        }
    }
    Ok(tracks)
}

fn track<'a>(trak: &Box<'a>, movie_timescale: u32) -> Result<Option<Mp4Track<'a>>, BoxError> {
    let media = required(trak, b"mdia")?;
    let mut handler = required(&media, b"hdlr")?.fields();
    handler.skip(8)?;
    let kind = match &handler.u32()?.to_be_bytes() {
        b"vide" => "video",
        b"soun" => "audio",
        _ => return Ok(None),
    };
    let timescale = timescale(&required(&media, b"mdhd")?)?;
    let table = required(&required(&media, b"minf")?, b"stbl")?;
    let shift = match trak.child(b"edts")? {
        Some(edits) => edit_shift(&edits, movie_timescale, timescale)?,
        None => 0,
    };
    Ok(Some(Mp4Track { id: track_id(trak)?, kind, timescale, shift, table, entries: Vec::new() }))
}

pub(super) fn required<'a>(parent: &Box<'a>, kind: &[u8; 4]) -> Result<Box<'a>, BoxError> {
    parent.child(kind)?.ok_or(parent.short())
}

fn track_id(trak: &Box<'_>) -> Result<u32, BoxError> {
    let mut header = required(trak, b"tkhd")?.fields();
    let (version, _) = header.version_and_flags()?;
    header.skip(if version == 0 { 8 } else { 16 })?;
    header.u32()
}

/// Ticks per second in a movie header or a media header.
fn timescale(header: &Box<'_>) -> Result<u32, BoxError> {
    let mut fields = header.fields();
    let (version, _) = fields.version_and_flags()?;
    fields.skip(if version == 0 { 8 } else { 16 })?;
    fields.u32().map(|scale| scale.max(1))
}

/// How the edit list moves the start of the track (§8.6.6): a leading empty edit delays it, the first other edit names the
/// media time of the start. Later edits (cuts) are ignored, so that all frames are returned.
fn edit_shift(edits: &Box<'_>, movie_timescale: u32, timescale: u32) -> Result<i64, BoxError> {
    let Some(list) = edits.child(b"elst")? else { return Ok(0) };
    let mut fields = list.fields();
    let (version, _) = fields.version_and_flags()?;
    let count = fields.u32()?;
    let mut delay = 0i64;
    for _ in 0..count {
        let duration = fields.sized(version)?;
        let media_time = fields.sized(version)?;
        fields.skip(4)?; // media_rate
        let empty = if version == 0 { u64::from(u32::MAX) } else { u64::MAX };
        if media_time != empty {
            let start = nanoseconds(i64::try_from(media_time).unwrap_or(i64::MAX), timescale);
            return Ok(delay.saturating_sub(start));
        }
        delay = delay.saturating_add(nanoseconds(i64::try_from(duration).unwrap_or(i64::MAX), movie_timescale));
    }
    Ok(delay)
}

impl Mp4Track<'_> {
    pub(super) const fn contradiction(&self, what: &'static str) -> Mp4Error {
        Mp4Error::Tables { track: self.id, what }
    }

    /// Returns the frames with their offsets in the file.
    pub(super) fn into_stream(self, input: &Input) -> Result<Stream, MediaError> {
        let description = required(&self.table, b"stsd").map_err(|error| input.damaged(error))?;
        let mut format = codec::format_of(input, self.kind, &description)?;
        let mut units = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            self.check(input, index, entry)?;
            let time = |ticks| nanoseconds(ticks, self.timescale).saturating_add(self.shift);
            let pts = time(entry.dts.saturating_add(entry.composition.into()));
            let (at, len) = (entry.offset, entry.size.into());
            units.push(Unit { pts, dts: time(entry.dts), keyframe: entry.keyframe, at, len });
        }
        format.settle(input, &units)?;
        format.into_stream(input, TrackNumber::ONE, units)
    }

    /// Checks that a frame ends within the file.
    fn check(&self, input: &Input, index: usize, entry: &Entry) -> Result<(), MediaError> {
        let end = entry.offset.saturating_add(entry.size.into());
        if end > input.len {
            return Err(input.truncated(format!(
                "frame {index} of {} of its {} track ends at byte {end} but the file has {} bytes",
                self.entries.len(),
                self.kind,
                input.len
            )));
        }
        Ok(())
    }
}
