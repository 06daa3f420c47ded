//! The header of a stream: EBML head, Segment, Info and Tracks.

use std::time::Duration;

use bytes::Bytes;

use super::WriterError;
use super::video::put_video;
use crate::ebml::{put_id, put_size, put_size_in};
use crate::{AudioSettings, ElementId, SegmentInfo, Track};

/// The EBML head of a Matroska document of version 2, and the head of a Segment of unknown size (RFC 8794 §11.2.4).
const EBML_AND_SEGMENT: [u8; 45] = [
    0x1A, 0x45, 0xDF, 0xA3, 0xA3, // EBML
    0x42, 0x86, 0x81, 0x01, // EBMLVersion
    0x42, 0xF7, 0x81, 0x01, // EBMLReadVersion
    0x42, 0xF2, 0x81, 0x04, // EBMLMaxIDLength
    0x42, 0xF3, 0x81, 0x08, // EBMLMaxSizeLength
    0x42, 0x82, 0x88, b'm', b'a', b't', b'r', b'o', b's', b'k', b'a', // DocType
    0x42, 0x87, 0x81, 0x02, // DocTypeVersion
    0x42, 0x85, 0x81, 0x02, // DocTypeReadVersion
    0x18, 0x53, 0x80, 0x67, 0xFF, // Segment
];

/// Offset of the value of DocTypeVersion.
const DOC_TYPE_VERSION: usize = 35;
/// The first version of Matroska with Projection elements (RFC 9559 §5.1.4.1.28.41). Players of version 2 skip them.
const VERSION_OF_PROJECTION: u8 = 4;

/// Builds everything before the first cluster.
pub(super) fn header(info: &SegmentInfo, tracks: &[Track]) -> Result<Bytes, WriterError> {
    let mut out = EBML_AND_SEGMENT.to_vec();
    let is_turned = tracks.iter().filter_map(|track| track.video).any(|video| !video.pose.is_upright());
    if let Some(version) = out.get_mut(DOC_TYPE_VERSION).filter(|_| is_turned) {
        *version = VERSION_OF_PROJECTION;
    }
    put_info(&mut out, info)?;
    check(tracks)?;
    let mut entries = Vec::new();
    for track in tracks {
        let entry = entry(track)?;
        put_id(&mut entries, ElementId::TRACK_ENTRY);
        put_wide_size(&mut entries, entry.len())?;
        entries.extend_from_slice(&entry);
    }
    put_id(&mut out, ElementId::TRACKS);
    put_wide_size(&mut out, entries.len())?;
    out.extend_from_slice(&entries);
    Ok(out.into())
}

/// Returns the nanoseconds per timecode unit.
pub(super) fn scale(info: &SegmentInfo) -> Result<u64, WriterError> {
    let scale = info.timecode_scale;
    match u64::try_from(scale.as_nanos()) {
        Ok(nanos) if nanos > 0 && scale <= LONGEST_UNIT => Ok(nanos),
        _ => Err(WriterError::TimecodeScale { scale }),
    }
}

fn put_info(out: &mut Vec<u8>, info: &SegmentInfo) -> Result<(), WriterError> {
    if info.uid == [0; 16] {
        return Err(WriterError::ZeroUid);
    }
    for (field, text) in [("title", &info.title), ("app", &info.app)] {
        if text.len() > TEXT_BYTES {
            return Err(WriterError::Text { field, length: text.len(), limit: TEXT_BYTES });
        }
    }
    let mut body = Vec::new();
    put_bytes(&mut body, ElementId::SEGMENT_UID, &info.uid);
    put_bytes(&mut body, ElementId::TIMESTAMP_SCALE, &scale(info)?.to_be_bytes());
    put_bytes(&mut body, ElementId::TITLE, info.title.as_bytes());
    put_bytes(&mut body, ElementId::MUXING_APP, info.app.as_bytes());
    put_bytes(&mut body, ElementId::WRITING_APP, info.app.as_bytes());
    put_id(out, ElementId::INFO);
    // The producer SDK for C writes this size in two bytes: the texts are limited, so it always fits.
    put_size_in(out, body.len() as u64, 2);
    out.extend_from_slice(&body);
    Ok(())
}

fn check(tracks: &[Track]) -> Result<(), WriterError> {
    if tracks.is_empty() {
        return Err(WriterError::NoTracks);
    }
    for (nth, track) in tracks.iter().enumerate() {
        let same = |earlier: &Track| earlier.number == track.number || earlier.uid == track.uid;
        if track.uid == 0 || tracks.iter().take(nth).any(same) {
            return Err(WriterError::DuplicateTrack { number: track.number });
        }
        if track.number.get() > LARGEST_TRACK_NUMBER {
            return Err(WriterError::TrackNumber { number: track.number });
        }
        if track.encoded {
            return Err(WriterError::Encoded { number: track.number });
        }
    }
    Ok(())
}

fn entry(track: &Track) -> Result<Vec<u8>, WriterError> {
    let mut out = Vec::new();
    put_bytes(&mut out, ElementId::TRACK_NUMBER, &[byte(track, "number", track.number.get())?]);
    // Eight bytes even for small numbers, as the producer SDK for C writes them.
    put_bytes(&mut out, ElementId::TRACK_UID, &track.uid.to_be_bytes());
    put_bytes(&mut out, ElementId::TRACK_TYPE, &[byte(track, "kind", track.kind.number())?]);
    if let Some(duration) = track.default_duration.filter(|duration| !duration.is_zero()) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        put_bytes(&mut out, ElementId::DEFAULT_DURATION, &nanos.to_be_bytes());
    }
    if let Some(name) = track.name.as_ref().filter(|name| !name.is_empty()) {
        put_bytes(&mut out, ElementId::TRACK_NAME, name.as_bytes());
    }
    if !track.codec.as_str().is_empty() {
        put_bytes(&mut out, ElementId::CODEC_ID, track.codec.as_str().as_bytes());
    }
    if let Some(video) = track.video {
        put_video(&mut out, track, video)?;
    }
    if let Some(audio) = track.audio {
        put_audio(&mut out, track, audio)?;
    }
    if !track.codec_private.is_empty() {
        put_bytes(&mut out, ElementId::CODEC_PRIVATE, &track.codec_private);
    }
    Ok(out)
}

fn put_audio(out: &mut Vec<u8>, track: &Track, audio: AudioSettings) -> Result<(), WriterError> {
    let frequency = audio.sampling_frequency;
    if !frequency.is_finite() || frequency <= 0.0 {
        return Err(WriterError::SamplingFrequency { number: track.number });
    }
    let mut body = Vec::new();
    put_bytes(&mut body, ElementId::SAMPLING_FREQUENCY, &frequency.to_be_bytes());
    put_bytes(&mut body, ElementId::CHANNELS, &[byte(track, "channels", audio.channels)?]);
    if let Some(depth) = audio.bit_depth {
        put_bytes(&mut body, ElementId::BIT_DEPTH, &[byte(track, "bit depth", depth)?]);
    }
    put_id(out, ElementId::AUDIO);
    put_wide_size(out, body.len())?;
    out.extend_from_slice(&body);
    Ok(())
}

fn byte(track: &Track, field: &'static str, value: u64) -> Result<u8, WriterError> {
    let error = WriterError::TrackSetting { number: track.number, field, value, limit: u8::MAX.into() };
    u8::try_from(value).map_err(|_| error)
}

pub(super) fn put_bytes(out: &mut Vec<u8>, id: ElementId, bytes: &[u8]) {
    put_id(out, id);
    put_size(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a size of four bytes, as the producer SDK for C writes those of tracks.
pub(super) fn put_wide_size(out: &mut Vec<u8>, size: usize) -> Result<(), WriterError> {
    if size > LARGEST_WIDE_SIZE {
        return Err(WriterError::TracksTooLarge { size, limit: LARGEST_WIDE_SIZE });
    }
    put_size_in(out, size as u64, 4);
    Ok(())
}

/// The largest size of four bytes that does not mean "unknown" (RFC 8794 §6.2).
const LARGEST_WIDE_SIZE: usize = (1 << 28) - 2;
/// The longest text whose size fits one byte.
const TEXT_BYTES: usize = 126;
/// The largest track number that fits the one byte of a block header: 127 would mean "unknown" (RFC 8794 §6.2).
const LARGEST_TRACK_NUMBER: u64 = 126;
/// The longest timecode unit that the producer SDK for C accepts.
const LONGEST_UNIT: Duration = Duration::from_secs(1);
