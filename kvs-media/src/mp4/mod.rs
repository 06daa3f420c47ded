//! MP4 and QuickTime files, also fragmented ones (ISO/IEC 14496-12).
//!
//! This reader is our own code. It compares every size and count with the file before it uses it, keeps one entry per frame,
//! and follows edit lists, several sample descriptions and fragments behind a filled movie box.
//!
//! The crates were tried on the recordings beside the tests. `re_mp4` 0.5.1 panics on a negative time step (negstts), refuses
//! compact sizes (stz2) and trailers (junk_text), ignores edit lists and holds the file in memory. `mp4-atom` 0.17 reads atoms
//! only, refuses the same two files, and leaves tables, times, edits and fragments to its user, which is what this module does.

mod boxes;
mod codec;
mod edits;
mod fragments;
mod pipe;
mod sound;
mod tables;
mod tail;
mod track;

use boxes::{Box, BoxError, HEADER_BYTES, Head, head, name};
use bytes::Bytes;
use fragments::Fragments;
pub(super) use pipe::Mp4Pipe;
use tail::Tail;
use track::Mp4Track;

use super::MAX_SAMPLES;
use super::error::Fault;
use super::input::Input;
use super::notice::{Notice, NoticeKind};
use super::options::ReaderOptions;
use super::selection::{self, Candidate};
use super::timeline::Stream;

/// Offset, size and times of a frame, the times in ticks of its track.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    size: u32,
    dts: i64,
    composition: i32,
    keyframe: bool,
    /// Number of its sample description; the first is 1.
    description: u32,
}

impl Entry {
    /// Composition time.
    const fn composed(&self) -> i64 {
        self.dts.saturating_add(self.composition as i64)
    }

    const fn end(&self) -> u64 {
        self.offset.saturating_add(self.size as u64)
    }
}

/// A fault in the structure of a file.
#[derive(Debug, thiserror::Error)]
enum Mp4Error {
    #[error(transparent)]
    Box(#[from] BoxError),
    #[error("the tables of track {track} contradict each other: {what}")]
    Tables { track: u32, what: &'static str },
    #[error("it declares more than {limit} frames")]
    TooManySamples { limit: usize },
    #[error(
        "the times of track {track} jump back at the fragment at offset {at}: recordings were joined there; split it at that fragment or \
         its index ('moov' box), or write it out with: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4"
    )]
    JumpsBack { track: u32, at: u64 },
    #[error("it has more than {limit} tracks")]
    TooManyTracks { limit: usize },
    #[error("an edit list has {count} edits, more than {limit}")]
    TooManyEdits { count: usize, limit: usize },
}

impl From<Mp4Error> for Fault {
    fn from(error: Mp4Error) -> Self {
        match error {
            Mp4Error::JumpsBack { .. } => Self::Refused(error.to_string()),
            error => Self::damaged(error),
        }
    }
}

impl From<BoxError> for Fault {
    fn from(error: BoxError) -> Self {
        Self::damaged(error)
    }
}

/// Largest `moov` or `moof` box that is read: about ten million frames.
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// Reads the index and returns the chosen tracks.
pub(super) fn read(input: &Input, options: &ReaderOptions, notices: &mut Vec<Notice>) -> Result<Vec<Stream>, Fault> {
    let mut found = find(input)?;
    let Some(movie) = found.movie else {
        if !found.fragments.is_empty() {
            return Err(Fault::Refused(WITHOUT_INDEX.to_owned()));
        }
        let what = "it has no index ('moov' box), so it was not recorded or copied to the end";
        return Err(Fault::Truncated(what.to_owned()));
    };
    let payload = movie.load(input)?;
    let movie = movie.parse(&payload);
    let is_fragmented = !found.fragments.is_empty() || movie.child(b"mvex")?.is_some();
    let end = match &found.end {
        End::Whole | End::Open { .. } => input.len,
        End::Zeros { .. } | End::Inside { .. } => input.end_of_content()?,
        End::NoBox { at } => *at,
    };
    found.fragments.retain(|fragment| fragment.end() <= end || !is_fragmented);
    if let Some(at) = found.second.filter(|_| found.fragments.is_empty()) {
        let text = format!("two recordings were joined: the second index, at byte {at}, and its media are ignored");
        notices.push(Notice::new(NoticeKind::Ignored, text));
    }
    let mut tracks = track::tracks(&movie)?;
    read_entries(input, &movie, &mut tracks, &found.fragments)?;
    let missing = if is_fragmented { drop_missing(&mut tracks, end) } else { Missing::default() };
    notices.extend(found.end.notice(input, end, is_fragmented, &missing)?);
    let candidates: Vec<Candidate> = tracks.iter().map(Mp4Track::candidate).collect();
    let (chosen, left_out) = selection::choose(&candidates, options)?;
    notices.extend(left_out);
    let mut tracks: Vec<_> = tracks.into_iter().map(Some).collect();
    let chosen = chosen.into_iter().filter_map(|index| tracks.get_mut(index)?.take());
    chosen.map(|track| track.into_stream(input, notices)).collect()
}

/// A segment of DASH, HLS or CMAF alone.
const WITHOUT_INDEX: &str = "it starts with a fragment and has no index ('moov' box); put its initialization segment in front: \
                             cat INIT SEGMENT > OUT.mp4";

/// The boxes that describe the frames.
struct Found {
    movie: Option<Place>,
    /// Offset of a second movie box.
    second: Option<u64>,
    fragments: Vec<Place>,
    end: End,
}

/// How the boxes end.
enum End {
    /// With the last byte.
    Whole,
    /// With the last byte, in a box that does not state its size.
    Open { at: u64 },
    /// Zeros where the next box should start.
    Zeros { at: u64 },
    /// Inside a box of the standard.
    Inside { kind: [u8; 4], at: u64, declared: u64 },
    /// With bytes that are no box: some cameras append data of their own.
    NoBox { at: u64 },
}

impl End {
    fn notice(&self, input: &Input, end: u64, is_fragmented: bool, missing: &Missing) -> Result<Option<Notice>, Fault> {
        let lost = if missing.frames > 0 {
            format!("{} frames ({} bytes) of its last fragment are missing", missing.frames, missing.bytes)
        } else {
            "the frames of its last fragment are missing".to_owned()
        };
        let how = match self {
            Self::Whole | Self::Open { .. } if missing.frames > 0 => format!("it ends at byte {end}"),
            Self::Open { at } if is_fragmented => {
                let tail = Some(Tail::read(input, *at)?);
                return Ok(tail.filter(Tail::has_fragments).and_then(|tail| tail.notice(is_fragmented)));
            }
            Self::Whole | Self::Open { .. } => return Ok(None),
            Self::Inside { kind, at, declared } if is_fragmented => format!(
                "the '{}' box at offset {at} has {} of {declared} bytes",
                name(*kind),
                input.len.min(end.max(*at)).saturating_sub(*at)
            ),
            Self::Zeros { at } if is_fragmented && (missing.frames > 0 || end < *at) => {
                format!("from byte {end} on there are zeros")
            }
            Self::NoBox { at } if is_fragmented && missing.frames > 0 => format!("there is no box at byte {at}"),
            Self::Zeros { at } | Self::NoBox { at } if is_fragmented => {
                return Ok(Tail::read(input, *at)?.notice(is_fragmented));
            }
            Self::Zeros { at } => return Ok(Some(tail::ignored(*at, input.len.saturating_sub(*at), "are zeros"))),
            Self::Inside { at, .. } | Self::NoBox { at } => {
                return Ok(Some(tail::ignored(*at, input.len.saturating_sub(*at), "are no box")));
            }
        };
        Ok(Some(Notice::new(NoticeKind::Interrupted, format!("the recording was interrupted: {how}; {lost}"))))
    }
}

/// What the last fragment declares but the file does not have.
#[derive(Default)]
struct Missing {
    frames: usize,
    bytes: u64,
}

/// Drops the frames that end behind the content of the file.
fn drop_missing(tracks: &mut [Mp4Track<'_>], end: u64) -> Missing {
    let mut missing = Missing::default();
    for track in tracks {
        track.entries.retain(|entry| {
            let is_there = entry.end() <= end;
            if !is_there {
                missing.frames += 1;
                missing.bytes = missing.bytes.saturating_add(entry.end() - end.max(entry.offset).min(entry.end()));
            }
            is_there
        });
    }
    missing
}

/// A box in the file.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    head: Head,
}

/// Walks the outermost boxes by their headers, without reading their contents.
fn find(input: &Input) -> Result<Found, Fault> {
    let mut found = Found { movie: None, second: None, fragments: Vec::new(), end: End::Whole };
    let mut at = 0;
    while at < input.len {
        let first = input.read_up_to(at, HEADER_BYTES)?;
        if first.iter().take(8).all(|&byte| byte == 0) && found.movie.is_some() {
            found.end = End::Zeros { at };
            break;
        }
        match head(&first, at, input.len.saturating_sub(at)) {
            None => {
                found.end = End::NoBox { at };
                break;
            }
            // The media of a fragment comes behind it.
            Some(Ok(Head { kind: [b'm', b'o', b'o', b'f'], is_open: true, .. })) if found.movie.is_some() => {
                found.end = End::NoBox { at };
                break;
            }
            Some(Ok(head)) => {
                let place = Place { at, head };
                if head.is_open {
                    found.end = End::Open { at };
                }
                match &head.kind {
                    b"moov" if found.movie.is_some() => found.second = found.second.or(Some(at)),
                    b"moov" => found.movie = Some(place),
                    b"moof" => found.fragments.push(place),
                    _ => {}
                }
                at = at.saturating_add(head.len);
            }
            // The offsets of the frames show later whether anything is missing.
            Some(Err(BoxError::Truncated { kind, at, declared, .. })) if found.movie.is_some() => {
                let known = STANDARD_BOXES.contains(&&kind);
                found.end = if known { End::Inside { kind, at, declared } } else { End::NoBox { at } };
                break;
            }
            Some(Err(error)) => return Err(cut_off(error)),
        }
        if found.fragments.len() > MAX_SAMPLES {
            return Err(Mp4Error::TooManySamples { limit: MAX_SAMPLES }.into());
        }
    }
    Ok(found)
}

/// Outermost boxes that may follow the movie box.
const STANDARD_BOXES: [&[u8; 4]; 11] =
    [b"mdat", b"moof", b"styp", b"sidx", b"ssix", b"prft", b"emsg", b"mfra", b"free", b"skip", b"uuid"];

impl Place {
    const fn end(self) -> u64 {
        self.at.saturating_add(self.head.len)
    }

    fn load(self, input: &Input) -> Result<Bytes, Fault> {
        let len = self.head.len.saturating_sub(self.head.header_len);
        if len > MAX_INDEX_BYTES {
            return Err(Fault::Damaged(format!("its index has {len} bytes, more than {MAX_INDEX_BYTES}")));
        }
        input.read(self.at.saturating_add(self.head.header_len), len)
    }

    fn parse(self, payload: &Bytes) -> Box<'_> {
        Box { kind: self.head.kind, at: self.at, payload: payload.as_ref() }
    }
}

fn cut_off(error: BoxError) -> Fault {
    match error {
        BoxError::Truncated { kind, .. } if kind == *b"mdat" => Fault::Truncated(format!(
            "{error} and the index ('moov' box) that should follow is missing, so it was not recorded or copied to the end"
        )),
        _ => Fault::Truncated(error.to_string()),
    }
}

/// Fills in the frames of all tracks: those of the movie box, and those of the fragments behind it.
fn read_entries(input: &Input, movie: &Box<'_>, tracks: &mut [Mp4Track<'_>], fragments: &[Place]) -> Result<(), Fault> {
    // A frame has at least one byte, which bounds the number of frames by the size of the file.
    let limit = MAX_SAMPLES.min(usize::try_from(input.len).unwrap_or(usize::MAX));
    let fault = |error: Mp4Error| match error {
        Mp4Error::TooManySamples { .. } if limit < MAX_SAMPLES => {
            Fault::Truncated(format!("it declares more frames than its {limit} bytes can have"))
        }
        error => error.into(),
    };
    let mut left = limit;
    let mut ends = Vec::new();
    for track in tracks.iter_mut().filter(|track| track.is_read()) {
        let (entries, end) = tables::entries(track, left).map_err(fault)?;
        left = left.saturating_sub(entries.len());
        track.entries = entries;
        ends.push((track.id, end));
    }
    let mut reader = Fragments::new(movie, &ends, limit).map_err(fault)?;
    for fragment in fragments {
        let payload = fragment.load(input)?;
        reader.read(&fragment.parse(&payload), tracks).map_err(fault)?;
    }
    Ok(())
}
