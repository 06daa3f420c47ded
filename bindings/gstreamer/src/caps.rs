//! Caps: what the pads take, and the track that caps describe.

use bytes::Bytes;
use kvs_mkv::codec::g711::{self, Law};
use kvs_producer::{CodecId, Track, TrackKind, TrackNumber};

/// What the request pads `video_%u` take.
pub(crate) fn video() -> gst::Caps {
    let h264 = gst::Caps::builder("video/x-h264")
        .field("stream-format", gst::List::new(["avc", "avc3", "byte-stream"]))
        .field("alignment", "au");
    let h265 = gst::Caps::builder("video/x-h265")
        .field("stream-format", gst::List::new(["hvc1", "hev1", "byte-stream"]))
        .field("alignment", "au");
    let mut caps = h264.build();
    caps.merge(h265.build());
    caps
}

/// What the request pads `audio_%u` take.
pub(crate) fn audio() -> gst::Caps {
    let mut caps = gst::Caps::builder("audio/mpeg")
        .field("mpegversion", gst::List::new([2, 4]))
        .field("stream-format", gst::List::new(["raw", "adts"]))
        .build();
    for law in ["audio/x-alaw", "audio/x-mulaw"] {
        let range = gst::Caps::builder(law)
            .field("rate", gst::IntRange::new(8_000, 192_000))
            .field("channels", gst::IntRange::new(1, 2));
        caps.merge(range.build());
    }
    caps
}

/// Caps that the element cannot send. The message is for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CapsError {
    #[error("caps {caps} have no {field}")]
    Missing { caps: String, field: &'static str },
    #[error("caps {caps} are not supported: send H.264, H.265, AAC, A-law or mu-law")]
    Unknown { caps: String },
}

/// The track of caps. Codec private data that they lack is taken from the first frames.
pub(crate) fn track(number: TrackNumber, caps: &gst::CapsRef, name: &str) -> Result<Track, CapsError> {
    let unknown = || CapsError::Unknown { caps: caps.to_string() };
    let fields = caps.structure(0).ok_or_else(unknown)?;
    let private = codec_data(fields);
    match fields.name().as_str() {
        "video/x-h264" => Ok(video_track(number, CodecId::H264, fields, private, name)),
        "video/x-h265" => Ok(video_track(number, CodecId::H265, fields, private, name)),
        "audio/mpeg" => aac_track(number, caps, fields, private),
        "audio/x-alaw" => law_track(number, Law::A, caps, fields),
        "audio/x-mulaw" => law_track(number, Law::Mu, caps, fields),
        _ => Err(unknown()),
    }
}

fn video_track(number: TrackNumber, codec: CodecId, fields: &gst::StructureRef, private: Bytes, name: &str) -> Track {
    let track = Track::new(number, TrackKind::Video, codec).with_name(name).with_codec_private(private);
    let size = |field| fields.get::<i32>(field).ok().and_then(|size| u64::try_from(size).ok()).filter(|size| *size > 0);
    match (size("width"), size("height")) {
        (Some(width), Some(height)) => track.with_video(width, height),
        _ => track,
    }
}

fn aac_track(
    number: TrackNumber,
    caps: &gst::CapsRef,
    fields: &gst::StructureRef,
    private: Bytes,
) -> Result<Track, CapsError> {
    let is_raw = fields.get::<&str>("stream-format").is_ok_and(|format| format == "raw");
    if is_raw && private.is_empty() {
        return Err(CapsError::Missing { caps: caps.to_string(), field: "codec_data: put aacparse in front" });
    }
    let (rate, channels) = audio_format(caps, fields)?;
    let track = Track::new(number, TrackKind::Audio, CodecId::AAC).with_codec_private(private);
    Ok(track.with_audio(rate.into(), channels.into(), None))
}

fn law_track(
    number: TrackNumber,
    law: Law,
    caps: &gst::CapsRef,
    fields: &gst::StructureRef,
) -> Result<Track, CapsError> {
    let (rate, channels) = audio_format(caps, fields)?;
    Ok(g711::track(number, law, rate, channels))
}

fn audio_format(caps: &gst::CapsRef, fields: &gst::StructureRef) -> Result<(u32, u16), CapsError> {
    let missing = |field| CapsError::Missing { caps: caps.to_string(), field };
    let rate = fields.get::<i32>("rate").ok().and_then(|rate| u32::try_from(rate).ok());
    let channels = fields.get::<i32>("channels").ok().and_then(|channels| u16::try_from(channels).ok());
    Ok((rate.ok_or_else(|| missing("rate"))?, channels.ok_or_else(|| missing("channels"))?))
}

fn codec_data(fields: &gst::StructureRef) -> Bytes {
    let Ok(buffer) = fields.get::<gst::Buffer>("codec_data") else { return Bytes::new() };
    buffer.map_readable().map(|data| Bytes::copy_from_slice(&data)).unwrap_or_default()
}

/// The media type of a stream that is created for these tracks, as the C++ producer names it.
pub(crate) fn media_type(tracks: &[Track]) -> String {
    let of = |track: &Track| match track.codec.as_str() {
        "V_MPEGH/ISO/HEVC" => "video/h265",
        "V_MPEG4/ISO/AVC" => "video/h264",
        "A_AAC" => "audio/aac",
        _ if track.codec_private.first() == Some(&7) => "audio/mulaw",
        _ => "audio/alaw",
    };
    tracks.iter().map(of).collect::<Vec<_>>().join(",")
}
