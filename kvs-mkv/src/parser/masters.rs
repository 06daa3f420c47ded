//! The small master elements, which are read whole: EBML head, Info, Tracks, Tag.

use std::time::Duration;

use bytes::Bytes;

use super::level::DEFAULT_SCALE;
use super::video::video;
use crate::ebml::{Child, Children};
use crate::limits::TAG_DEPTH;
use crate::{
    AudioSettings, CodecId, ElementId, Limits, ParseError, Problem, SegmentInfo, Tag, Track, TrackKind, TrackNumber,
};

/// Checks that the document is Matroska this parser can read (RFC 8794 §11.2).
pub(super) fn check_ebml_head(mut children: Children<'_>) -> Result<(), ParseError> {
    while let Some(child) = children.next()? {
        let limit = match child.id {
            ElementId::EBML_READ_VERSION => 1,
            ElementId::EBML_MAX_ID_LENGTH => 4,
            ElementId::EBML_MAX_SIZE_LENGTH => 8,
            // WebM is a subset of Matroska.
            ElementId::DOC_TYPE if !matches!(child.text().as_str(), "matroska" | "webm") => {
                return Err(ParseError::new(child.offset, child.id, Problem::DocType));
            }
            _ => continue,
        };
        let needed = child.uint()?;
        if needed > limit {
            return Err(ParseError::new(child.offset, child.id, Problem::Version { needed, limit }));
        }
    }
    Ok(())
}

/// The header of a Segment without an Info element.
pub(super) fn no_info() -> SegmentInfo {
    SegmentInfo::new([0; 16]).with_title("").with_app("")
}

/// Reads an Info element (RFC 9559 §5.1.2).
pub(super) fn info(mut children: Children<'_>) -> Result<SegmentInfo, ParseError> {
    let mut info = no_info();
    let (mut muxer, mut writer) = (String::new(), String::new());
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::SEGMENT_UID => {
                let length = child.body.len() as u64;
                let wrong = ParseError::new(child.offset, child.id, Problem::WrongLength { length });
                info.uid = child.body.try_into().map_err(|_| wrong)?;
            }
            ElementId::TIMESTAMP_SCALE => info.timecode_scale = Duration::from_nanos(not_zero(&child)?),
            ElementId::TITLE => info.title = child.text(),
            ElementId::MUXING_APP => muxer = child.text(),
            ElementId::WRITING_APP => writer = child.text(),
            _ => {}
        }
    }
    // MuxingApp is the library, WritingApp the program (RFC 9559 §5.1.2.13, §5.1.2.14).
    info.app = if writer.is_empty() { muxer } else { writer };
    debug_assert_ne!(DEFAULT_SCALE, 0, "a timecode unit is longer than zero");
    Ok(info)
}

/// Reads a Tracks element (RFC 9559 §5.1.4).
pub(super) fn tracks(mut children: Children<'_>, limit: usize) -> Result<Vec<Track>, ParseError> {
    let mut tracks = Vec::new();
    while let Some(child) = children.next()? {
        if child.id != ElementId::TRACK_ENTRY {
            continue;
        }
        if tracks.len() >= limit {
            return Err(ParseError::new(child.offset, child.id, Problem::TooMany { limit: limit as u64 }));
        }
        tracks.push(track(&child)?);
    }
    Ok(tracks)
}

fn track(entry: &Child<'_>) -> Result<Track, ParseError> {
    let missing = |child| ParseError::new(entry.offset, entry.id, Problem::Missing { child });
    let (mut number, mut kind, mut uid) = (None, None, None);
    let mut track = Track::new(TrackNumber::ONE, TrackKind::Video, "");
    let mut children = entry.children();
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::TRACK_NUMBER => number = Some(track_number(&child)?),
            ElementId::TRACK_UID => uid = Some(child.uint()?),
            ElementId::TRACK_TYPE => kind = Some(TrackKind::from_number(child.uint()?)),
            ElementId::TRACK_NAME => track.name = Some(child.text()).filter(|name| !name.is_empty()),
            ElementId::CODEC_ID => track.codec = CodecId::from(child.text()),
            // Copied, so that it does not keep the whole input buffer in memory.
            ElementId::CODEC_PRIVATE => track.codec_private = Bytes::copy_from_slice(child.body),
            ElementId::DEFAULT_DURATION => track.default_duration = Some(Duration::from_nanos(not_zero(&child)?)),
            ElementId::CONTENT_ENCODINGS => track.encoded = true,
            ElementId::VIDEO => track.video = Some(video(child.children())?),
            ElementId::AUDIO => track.audio = Some(audio(child.children())?),
            _ => {}
        }
    }
    track.number = number.ok_or_else(|| missing(ElementId::TRACK_NUMBER))?;
    track.kind = kind.ok_or_else(|| missing(ElementId::TRACK_TYPE))?;
    // TrackUID is mandatory (RFC 9559 §5.1.4.1.2), but nothing here depends on it.
    track.uid = uid.unwrap_or(track.number.get());
    Ok(track)
}

fn track_number(child: &Child<'_>) -> Result<TrackNumber, ParseError> {
    let value = child.uint()?;
    TrackNumber::new(value).map_err(|_| ParseError::new(child.offset, child.id, Problem::Value { value }))
}

fn not_zero(child: &Child<'_>) -> Result<u64, ParseError> {
    match child.uint()? {
        0 => Err(ParseError::new(child.offset, child.id, Problem::Value { value: 0 })),
        value => Ok(value),
    }
}

/// Reads an Audio element with the defaults of RFC 9559 §5.1.4.1.29. A frequency that is not a positive number is ignored.
fn audio(mut children: Children<'_>) -> Result<AudioSettings, ParseError> {
    let mut audio = AudioSettings::new(8000.0, 1, None);
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::SAMPLING_FREQUENCY => {
                let frequency = child.float()?;
                if frequency.is_finite() && frequency > 0.0 {
                    audio.sampling_frequency = frequency;
                }
            }
            ElementId::CHANNELS => audio.channels = child.uint()?,
            ElementId::BIT_DEPTH => audio.bit_depth = Some(child.uint()?),
            _ => {}
        }
    }
    Ok(audio)
}

/// Reads one Tag element: its SimpleTags in order, nested ones after the one around them (RFC 9559 §5.1.8.1).
///
/// The walk has its own stack, so that hostile nesting cannot overflow the call stack.
pub(super) fn tag(tag: &Child<'_>, limits: &Limits) -> Result<Vec<Tag>, ParseError> {
    let mut tags = Vec::new();
    let mut open = vec![tag.children()];
    while let Some(innermost) = open.last_mut() {
        let Some(child) = innermost.next()? else {
            open.pop();
            continue;
        };
        if child.id != ElementId::SIMPLE_TAG {
            continue;
        }
        let wrong = |problem| ParseError::new(child.offset, child.id, problem);
        if tags.len() >= limits.tags {
            return Err(wrong(Problem::TooMany { limit: limits.tags as u64 }));
        }
        if open.len() > TAG_DEPTH {
            return Err(wrong(Problem::TooDeep { limit: TAG_DEPTH as u64 }));
        }
        tags.push(simple_tag(child.children())?);
        open.push(child.children());
    }
    Ok(tags)
}

fn simple_tag(mut children: Children<'_>) -> Result<Tag, ParseError> {
    let mut tag = Tag::new("", "");
    while let Some(child) = children.next()? {
        match child.id {
            ElementId::TAG_NAME => tag.name = child.text(),
            ElementId::TAG_STRING => tag.value = child.text(),
            _ => {}
        }
    }
    Ok(tag)
}
