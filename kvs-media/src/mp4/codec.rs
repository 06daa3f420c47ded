//! The sample description (§8.5.2): the codec, and its private data as Matroska has it.

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::{CodecId, PixelAspect, Pose, Track, TrackKind, TrackNumber, VideoSettings};

use super::boxes::{Box, BoxError, name};
use super::sound::{self, G711};
use crate::error::Fault;
use crate::nal_track::{NalCodec, NalTrack};
use crate::payload::PayloadFormat;
use crate::selection::kind_name;

/// Reads one entry of an `stsd` box.
pub(super) fn format_of(kind: TrackKind, entry: &Box<'_>, pose: Pose) -> Result<PayloadFormat, Fault> {
    match &entry.kind {
        b"avc1" | b"avc3" => Ok(nal(entry, pose, NalCodec::H264, b"avcC")?),
        b"hvc1" | b"hev1" => Ok(nal(entry, pose, NalCodec::H265, b"hvcC")?),
        b"jpeg" | b"mjpa" => Ok(motion_jpeg(entry, pose)?),
        kind_of_sound if sound::is_pcm(*kind_of_sound) => {
            Err(Fault::NotTaken { kind: kind_name(kind), codec: codec_name(entry.kind) })
        }
        b"mp4v" | b"mp4a" => described(kind_name(kind), entry, pose),
        _ => match G711::read(entry)? {
            Some(sound) => Ok(PayloadFormat::Plain(sound.track())),
            None => Err(unsupported(kind_name(kind), codec_name(entry.kind))),
        },
    }
}

/// The entries of an `stsd` box.
pub(super) fn descriptions<'a>(description: &Box<'a>) -> Result<Vec<Box<'a>>, BoxError> {
    description.children(8)?.take(MAX_DESCRIPTIONS).collect()
}

/// Most sample descriptions of a track that are read; a file has one, or one per part that was joined.
const MAX_DESCRIPTIONS: usize = 1000;

fn unsupported(kind: &'static str, codec: impl Into<String>) -> Fault {
    Fault::Codec { kind, codec: codec.into() }
}

/// The usual name of a four-character code.
pub(super) fn codec_name(kind: [u8; 4]) -> String {
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
        _ if sound::law(kind).is_some() => "G.711",
        _ if sound::is_pcm(kind) => "PCM",
        _ => return format!("'{}'", name(kind)),
    };
    format!("{known} ('{}')", name(kind))
}

/// Bytes of a VisualSampleEntry before its boxes (§12.1.3).
const VISUAL_ENTRY: usize = 78;

/// Size in pixels, and how the picture is shown.
fn picture(entry: &Box<'_>, pose: Pose) -> Result<VideoSettings, BoxError> {
    let mut fields = entry.fields();
    fields.skip(24)?;
    let mut picture = VideoSettings::new(fields.u16()?.into(), fields.u16()?.into()).with_pose(pose);
    // Some writers end an entry with a few bytes that are no box.
    for child in entry.children(VISUAL_ENTRY)?.map_while(Result::ok) {
        // The shape of a pixel (§12.1.4.2).
        if child.kind == *b"pasp" {
            let mut fields = child.fields();
            let (width, height) = (fields.u32()?.into(), fields.u32()?.into());
            picture = picture.with_pixel_aspect(PixelAspect { width, height });
        }
    }
    Ok(picture)
}

fn nal(entry: &Box<'_>, pose: Pose, codec: NalCodec, record: &[u8; 4]) -> Result<PayloadFormat, BoxError> {
    let mut config = Bytes::new();
    for child in entry.children(VISUAL_ENTRY)?.map_while(Result::ok) {
        if child.kind == *record {
            config = Bytes::copy_from_slice(child.payload);
        }
    }
    Ok(PayloadFormat::Nal(NalTrack::new(codec, config, picture(entry, pose)?).into()))
}

fn motion_jpeg(entry: &Box<'_>, pose: Pose) -> Result<PayloadFormat, BoxError> {
    let mut track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::MJPEG);
    track.video = Some(picture(entry, pose)?);
    Ok(PayloadFormat::Plain(track))
}

/// A codec that the elementary stream descriptor names (ISO/IEC 14496-14 §5.6).
fn described(kind: &'static str, entry: &Box<'_>, pose: Pose) -> Result<PayloadFormat, Fault> {
    let descriptor = elementary_stream(entry)?.unwrap_or_default();
    let Some((object_type, config)) = decoder_config(descriptor) else {
        return Err(Fault::Damaged(format!("the '{}' description has no decoder configuration", name(entry.kind))));
    };
    match object_type {
        0x40 | 0x66..=0x68 => {
            let config = AudioSpecificConfig::parse(config).map_err(|error| match error {
                aac::ConfigError::ObjectType { value } => {
                    unsupported(kind, format!("MPEG-4 audio object type {value}"))
                }
                error => Fault::damaged(error),
            })?;
            Ok(PayloadFormat::Plain(aac::track(TrackNumber::TWO, &config)))
        }
        0x6c => Ok(motion_jpeg(entry, pose)?),
        0x20 => Err(unsupported(kind, "MPEG-4 Visual")),
        0x60..=0x65 => Err(unsupported(kind, "MPEG-2 video")),
        0x69 | 0x6b => Err(unsupported(kind, "MP3")),
        other => Err(unsupported(kind, format!("MPEG-4 object type {other:#04x}"))),
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
