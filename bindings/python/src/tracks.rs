//! Tracks from their descriptions.

use bytes::Bytes;
use kvs_mkv::codec::{g711, h264, h265};
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
use pyo3::prelude::*;

use crate::errors::{chain, invalid};

/// A track as `kvs.Track` describes it.
#[derive(FromPyObject)]
pub(crate) struct TrackSettings {
    codec: String,
    number: u64,
    codec_private: Vec<u8>,
    width: u64,
    height: u64,
    sample_rate: u32,
    channels: u16,
    name: Option<String>,
}

/// Whether and how key frames of a track are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    H265,
    Audio,
}

impl TrackSettings {
    /// Returns the track, and how its key frames are found.
    pub(crate) fn track(self) -> PyResult<(Track, Codec)> {
        let number = TrackNumber::new(self.number).map_err(|error| invalid(chain(&error)))?;
        let video = |id| Track::new(number, TrackKind::Video, id);
        let private = Bytes::from(self.codec_private);
        let (mut track, codec) = match self.codec.as_str() {
            "h264" => (video(CodecId::H264).with_codec_private(avcc(private)?), Codec::H264),
            "h265" => (video(CodecId::H265).with_codec_private(hvcc(private)?), Codec::H265),
            "aac" => {
                let track = Track::new(number, TrackKind::Audio, CodecId::AAC).with_codec_private(private);
                (track.with_audio(f64::from(self.sample_rate), self.channels.into(), None), Codec::Audio)
            }
            "alaw" => (g711::track(number, g711::Law::A, self.sample_rate, self.channels), Codec::Audio),
            "mulaw" => (g711::track(number, g711::Law::Mu, self.sample_rate, self.channels), Codec::Audio),
            other => {
                return Err(invalid(format!("unknown codec {other:?}, it must be h264, h265, aac, alaw or mulaw")));
            }
        };
        if codec != Codec::Audio && self.width > 0 && self.height > 0 {
            track = track.with_video(self.width, self.height);
        }
        if let Some(name) = self.name {
            track = track.with_name(name);
        }
        Ok((track, codec))
    }
}

/// Encoders give parameter sets with start codes, files give them as avcC; the header needs avcC.
fn avcc(private: Bytes) -> PyResult<Bytes> {
    if !has_start_code(&private) {
        return Ok(private);
    }
    let avcc = h264::ParameterSets::from_annex_b(&private).and_then(|sets| sets.to_avcc());
    avcc.map_err(|error| invalid(format!("codec_private: {}", chain(&error))))
}

fn hvcc(private: Bytes) -> PyResult<Bytes> {
    if !has_start_code(&private) {
        return Ok(private);
    }
    let hvcc = h265::ParameterSets::from_annex_b(&private).and_then(|sets| sets.to_hvcc());
    hvcc.map_err(|error| invalid(format!("codec_private: {}", chain(&error))))
}

fn has_start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])
}
