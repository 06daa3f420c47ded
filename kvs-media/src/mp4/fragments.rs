//! Movie fragments (§8.8): frames described before their data, as live encoders and DASH packagers write them.

use std::collections::BTreeMap;

use super::boxes::{Box, BoxError, Fields};
use super::track::{Mp4Track, required};
use super::{Entry, Mp4Error};

/// Defaults for the frames of a track.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    description: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { description: 1, duration: 0, size: 0, flags: 0 }
    }
}

/// Reads consecutive fragments and keeps each track's decoding time.
#[derive(Debug)]
pub(super) struct Fragments {
    /// By track id: the defaults of the movie, and the decoding time of the next frame.
    tracks: BTreeMap<u32, (Defaults, i64)>,
    limit: usize,
    /// Frames that may still be read, of all tracks.
    left: usize,
}

/// `sample_is_non_sync_sample` of the sample flags (§8.8.3.1).
const NOT_SYNC: u32 = 0x0001_0000;

impl Fragments {
    /// Fragments that follow the frames of the movie box itself, whose ends are given by track id.
    pub(super) fn new(movie: &Box<'_>, ends: &[(u32, i64)], limit: usize) -> Result<Self, Mp4Error> {
        let mut tracks: BTreeMap<_, _> = ends.iter().map(|&(id, end)| (id, (Defaults::default(), end))).collect();
        if let Some(extends) = movie.child(b"mvex")? {
            for child in extends.children(0)? {
                let child = child?;
                if child.kind == *b"trex" {
                    let mut fields = child.fields();
                    fields.version_and_flags()?;
                    let id = fields.u32()?;
                    let description = fields.u32()?;
                    let (duration, size, flags) = (fields.u32()?, fields.u32()?, fields.u32()?);
                    tracks.entry(id).or_default().0 = Defaults { description, duration, size, flags };
                }
            }
        }
        Ok(Self { tracks, limit, left: limit })
    }

    /// Allows as many frames again: those so far are not kept.
    pub(super) const fn forget(&mut self) {
        self.left = self.limit;
    }

    /// Appends the frames of one `moof` to the tracks they belong to.
    pub(super) fn read(&mut self, fragment: &Box<'_>, tracks: &mut [Mp4Track<'_>]) -> Result<(), Mp4Error> {
        let mut previous_end = fragment.at;
        for child in fragment.children(0)? {
            let child = child?;
            if child.kind == *b"traf" {
                previous_end = self.track_fragment(fragment.at, previous_end, &child, tracks)?;
            }
        }
        Ok(())
    }

    fn track_fragment(
        &mut self,
        fragment_at: u64,
        previous_end: u64,
        traf: &Box<'_>,
        tracks: &mut [Mp4Track<'_>],
    ) -> Result<u64, Mp4Error> {
        let header = Header::read(&required(traf, b"tfhd")?, &self.tracks)?;
        let (_, next) = self.tracks.entry(header.track).or_default();
        if let Some(time) = traf.child(b"tfdt")? {
            let mut fields = time.fields();
            let (version, _) = fields.version_and_flags()?;
            let stated = i64::try_from(fields.sized(version)?).unwrap_or(i64::MAX);
            let scale = tracks.iter().find(|track| track.id == header.track).map_or(u32::MAX, |track| track.timescale);
            if stated.saturating_add(scale.into()) < *next {
                return Err(Mp4Error::JumpsBack { track: header.track, at: fragment_at });
            }
            *next = stated;
        }
        let base = match (header.base, header.base_is_fragment) {
            (Some(base), _) => base,
            (None, true) => fragment_at,
            (None, false) => previous_end,
        };
        let mut run = Run { defaults: header.defaults, base, offset: base, next };
        let mut entries = Vec::new();
        for child in traf.children(0)? {
            let child = child?;
            if child.kind == *b"trun" {
                let room = self.left.saturating_sub(entries.len());
                if !run.read(&child, room, &mut entries)? {
                    return Err(Mp4Error::TooManySamples { limit: self.limit });
                }
            }
        }
        let end = run.offset;
        self.left = self.left.saturating_sub(entries.len());
        if let Some(track) = tracks.iter_mut().find(|track| track.id == header.track) {
            track.entries.append(&mut entries);
        }
        Ok(end)
    }
}

/// Reads `tfhd`: the track, and what differs from the movie's defaults.
struct Header {
    track: u32,
    base: Option<u64>,
    base_is_fragment: bool,
    defaults: Defaults,
}

impl Header {
    fn read(header: &Box<'_>, tracks: &BTreeMap<u32, (Defaults, i64)>) -> Result<Self, BoxError> {
        let mut fields = header.fields();
        let (_, flags) = fields.version_and_flags()?;
        let track = fields.u32()?;
        let mut defaults = tracks.get(&track).map(|(defaults, _)| *defaults).unwrap_or_default();
        let base = if flags & 0x1 != 0 { Some(fields.u64()?) } else { None };
        read_if(&mut fields, flags & 0x2, &mut defaults.description)?;
        read_if(&mut fields, flags & 0x8, &mut defaults.duration)?;
        read_if(&mut fields, flags & 0x10, &mut defaults.size)?;
        read_if(&mut fields, flags & 0x20, &mut defaults.flags)?;
        Ok(Self { track, base, base_is_fragment: flags & 0x0002_0000 != 0, defaults })
    }
}

fn read_if(fields: &mut Fields<'_>, flag: u32, value: &mut u32) -> Result<(), BoxError> {
    if flag != 0 {
        *value = fields.u32()?;
    }
    Ok(())
}

/// The runs of one track fragment; a run without an offset starts where the previous one ended.
struct Run<'a> {
    defaults: Defaults,
    base: u64,
    offset: u64,
    next: &'a mut i64,
}

impl Run<'_> {
    /// Returns false if the run has more frames than may still be read.
    fn read(&mut self, trun: &Box<'_>, room: usize, entries: &mut Vec<Entry>) -> Result<bool, BoxError> {
        let mut fields = trun.fields();
        let (_, flags) = fields.version_and_flags()?;
        let count = fields.u32()?;
        if flags & 0x1 != 0 {
            self.offset = self.base.saturating_add_signed(fields.i32()?.into());
        }
        let mut first_flags = None;
        if flags & 0x4 != 0 {
            first_flags = Some(fields.u32()?);
        }
        if usize::try_from(count).is_ok_and(|count| count > room) {
            return Ok(false);
        }
        for _ in 0..count {
            let mut sample = self.defaults;
            read_if(&mut fields, flags & 0x100, &mut sample.duration)?;
            read_if(&mut fields, flags & 0x200, &mut sample.size)?;
            sample.flags = first_flags.take().unwrap_or(sample.flags);
            read_if(&mut fields, flags & 0x400, &mut sample.flags)?;
            let composition = if flags & 0x800 != 0 { fields.i32()? } else { 0 };
            entries.push(Entry {
                offset: self.offset,
                size: sample.size,
                dts: *self.next,
                composition,
                keyframe: sample.flags & NOT_SYNC == 0,
                description: sample.description,
            });
            self.offset = self.offset.saturating_add(sample.size.into());
            *self.next = self.next.saturating_add(sample.duration.into());
        }
        Ok(true)
    }
}
