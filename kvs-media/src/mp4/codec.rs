//! The sample description (§8.5.2): the codec, and its private data as Matroska has it.

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};

use super::boxes::{Box, BoxError, name};
use crate::MediaError;
use crate::input::Input;
use crate::nal_track::{NalCodec, NalTrack};
use crate::payload::PayloadFormat;

/// Reads the first entry of an `stsd` box.
pub(super) fn format_of(input: &Input, kind: &'static str, description: &Box<'_>) -> Result<PayloadFormat, MediaError> {
    let damaged = |error: BoxError| input.damaged(error);
    let entry = description.children(8).map_err(damaged)?.next().transpose().map_err(damaged)?;
    let entry = entry.ok_or_else(|| input.damaged(description.short()))?;
    match &entry.kind {
        b"avc1" | b"avc3" => nal(&entry, NalCodec::H264, b"avcC").map_err(damaged),
        b"hvc1" | b"hev1" => nal(&entry, NalCodec::H265, b"hvcC").map_err(damaged),
        b"jpeg" | b"mjpa" => motion_jpeg(&entry).map_err(damaged),
        b"mp4v" | b"mp4a" => described(input, kind, &entry),
        _ => Err(input.codec(kind, codec_name(entry.kind))),
    }
}

/// The usual name of a four-character code.
fn codec_name(kind: [u8; 4]) -> String {
    let known = match &kind {
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"av01" => "AV1",
        b"ac-3" => "AC-3",
        b"ec-3" => "E-AC-3",
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b".mp3" => "MP3",
        b"s263" => "H.263",
        b"apch" | b"apcn" | b"apcs" | b"apco" | b"ap4h" => "ProRes",
        b"encv" | b"enca" => "encrypted media",
        _ => return format!("'{}'", name(kind)),
    };
    format!("{known} ('{}')", name(kind))
}

/// Bytes of a VisualSampleEntry before its boxes (§12.1.3).
const VISUAL_ENTRY: usize = 78;

fn size(entry: &Box<'_>) -> Result<(u16, u16), BoxError> {
    let mut fields = entry.fields();
    fields.skip(24)?;
    Ok((fields.u16()?, fields.u16()?))
}

fn nal(entry: &Box<'_>, codec: NalCodec, record: &[u8; 4]) -> Result<PayloadFormat, BoxError> {
    let mut config = Bytes::new();
    for child in entry.children(VISUAL_ENTRY)? {
        let child = child?;
        if child.kind == *record {
            config = Bytes::copy_from_slice(child.payload);
        }
    }
    let (width, height) = size(entry)?;
    Ok(PayloadFormat::Nal(NalTrack::new(codec, config, (width.into(), height.into())).into()))
}

fn motion_jpeg(entry: &Box<'_>) -> Result<PayloadFormat, BoxError> {
    let (width, height) = size(entry)?;
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::MJPEG);
    Ok(PayloadFormat::Plain(track.with_video(width.into(), height.into())))
}

/// A codec that the elementary stream descriptor names (ISO/IEC 14496-14 §5.6).
fn described(input: &Input, kind: &'static str, entry: &Box<'_>) -> Result<PayloadFormat, MediaError> {
    let descriptor = elementary_stream(entry).map_err(|error| input.damaged(error))?;
    let descriptor = descriptor.unwrap_or_default();
    let Some((object_type, config)) = decoder_config(descriptor) else {
        return Err(input.damaged(format!("the '{}' description has no decoder configuration", name(entry.kind))));
    };
    match object_type {
        0x40 | 0x66..=0x68 => {
            let config = AudioSpecificConfig::parse(config).map_err(|error| match error {
                aac::ConfigError::ObjectType { value } => {
                    input.codec(kind, format!("MPEG-4 audio object type {value}"))
                }
                error => input.damaged(error),
            })?;
            Ok(PayloadFormat::Plain(aac::track(TrackNumber::TWO, &config)))
        }
        0x6c => motion_jpeg(entry).map_err(|error| input.damaged(error)),
        0x20 => Err(input.codec(kind, "MPEG-4 Visual")),
        0x60..=0x65 => Err(input.codec(kind, "MPEG-2 video")),
        0x69 | 0x6b => Err(input.codec(kind, "MP3")),
        other => Err(input.codec(kind, format!("MPEG-4 object type {other:#04x}"))),
    }
}

/// Finds the `esds` box of a description: among its boxes, or inside a `wave` box in QuickTime.
fn elementary_stream<'a>(entry: &Box<'a>) -> Result<Option<&'a [u8]>, BoxError> {
    let skip = if entry.kind == *b"mp4v" { VISUAL_ENTRY } else { audio_entry(entry)? };
    for child in entry.children(skip)? {
        let child = child?;
        let found = match &child.kind {
            b"esds" => Some(child),
            b"wave" => child.child(b"esds")?,
            _ => None,
        };
        if let Some(found) = found {
            return found.payload.get(4..).map(Some).ok_or(found.short());
        }
    }
    Ok(None)
}

/// Bytes of an AudioSampleEntry before its boxes: versions 1 and 2 of QuickTime have more.
fn audio_entry(entry: &Box<'_>) -> Result<usize, BoxError> {
    let mut fields = entry.fields();
    fields.skip(8)?;
    Ok(match fields.u16()? {
        1 => 44,
        2 => 64,
        _ => 28,
    })
}

/// Object type and decoder specific info of an elementary stream descriptor (ISO/IEC 14496-1 §7.2.6).
fn decoder_config(descriptor: &[u8]) -> Option<(u8, &[u8])> {
    let (3, stream, _) = tagged(descriptor)? else { return None };
    let flags = *stream.get(2)?;
    let mut rest = stream.get(3..)?;
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        let (&url, behind) = rest.split_first()?;
        rest = behind.get(usize::from(url)..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    let (4, config, _) = tagged(rest)? else { return None };
    let object_type = *config.first()?;
    let info = match tagged(config.get(13..)?) {
        Some((5, info, _)) => info,
        _ => &[],
    };
    Some((object_type, info))
}

/// Splits off a descriptor: tag, content and the rest. The size has seven bits per byte.
fn tagged(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, mut rest) = data.split_first()?;
    let mut size = 0usize;
    for _ in 0..4 {
        let (&byte, behind) = rest.split_first()?;
        rest = behind;
        size = size << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    // Some writers count one byte too many at the end.
    let (content, behind) = rest.split_at(size.min(rest.len()));
    Some((tag, content, behind))
}
