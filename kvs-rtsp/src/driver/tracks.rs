//! The tracks that a camera offers, and those that are taken.

use bytes::Bytes;
use kvs_mkv::codec::aac::{self, AudioSpecificConfig};
use kvs_mkv::codec::g711::{self, Law};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
use retina::client::Stream;
use retina::codec::{ParametersRef, VideoParameters, VideoParametersCodec};

use crate::event::{SkipReason, SkippedTrack};

/// What is taken of a session description.
#[derive(Debug)]
pub(super) struct Selection {
    /// Indices of the streams, and their codecs: the leading one first.
    pub(super) taken: Vec<(usize, Codec)>,
    pub(super) skipped: Vec<SkippedTrack>,
}

/// A codec that the service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    H264,
    H265,
    Aac,
    G711(Law),
}

impl Codec {
    fn of(stream: &Stream) -> Option<Self> {
        match (stream.media(), stream.encoding_name()) {
            ("video", "h264") => Some(Self::H264),
            ("video", "h265") => Some(Self::H265),
            ("audio", "mpeg4-generic") => Some(Self::Aac),
            ("audio", "pcma") => Some(Self::G711(Law::A)),
            ("audio", "pcmu") => Some(Self::G711(Law::Mu)),
            _ => None,
        }
    }

    pub(super) const fn is_video(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

impl Selection {
    /// Takes the first video track and, if it is wanted, the first audio track that the service takes.
    pub(super) fn of(streams: &[Stream], with_audio: bool, refused_audio: bool) -> Self {
        let (mut video, mut audio, mut skipped) = (None, None, Vec::new());
        for (at, stream) in streams.iter().enumerate() {
            let reason = match Codec::of(stream) {
                None => SkipReason::Codec,
                Some(codec) if !codec.is_video() && !with_audio => SkipReason::NotWanted,
                Some(codec) if !codec.is_video() && refused_audio => SkipReason::Refused,
                // Sound has its parameters in the session description only.
                Some(codec) if !codec.is_video() && stream.parameters().is_none() => SkipReason::Parameters,
                Some(codec) => {
                    let place = if codec.is_video() { &mut video } else { &mut audio };
                    if place.is_none() {
                        *place = Some((at, codec));
                        continue;
                    }
                    SkipReason::Second
                }
            };
            skipped.push(SkippedTrack {
                media: short(stream.media()),
                encoding: short(stream.encoding_name()),
                reason,
            });
        }
        Self { taken: video.into_iter().chain(audio).collect(), skipped }
    }

    /// Returns the tracks, if their parameters are known by now.
    pub(super) fn tracks(&self, streams: &[Stream]) -> Option<Vec<Track>> {
        let numbers = [TrackNumber::ONE, TrackNumber::TWO];
        self.taken.iter().zip(numbers).map(|(&(at, codec), number)| track(streams.get(at)?, codec, number)).collect()
    }
}

/// A name from outside, cut to what is worth printing.
fn short(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(MOST_LETTERS).collect()
}

/// Letters of a codec's name that are kept.
const MOST_LETTERS: usize = 40;

fn track(stream: &Stream, codec: Codec, number: TrackNumber) -> Option<Track> {
    match (stream.parameters()?, codec) {
        (ParametersRef::Video(video), _) => video_track(video, number),
        (ParametersRef::Audio(audio), Codec::G711(law)) => {
            Some(g711::track(number, law, audio.clock_rate(), audio.channels().get()))
        }
        (ParametersRef::Audio(audio), _) => {
            Some(aac::track(number, &AudioSpecificConfig::parse(audio.extra_data()).ok()?))
        }
        (ParametersRef::Message(_), _) => None,
    }
}

fn video_track(video: &VideoParameters, number: TrackNumber) -> Option<Track> {
    let read = match video.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => {
            let mut sets = h264::ParameterSets::new();
            sets.absorb([&sps[..], &pps[..]]);
            h264::track(number, &sets).ok()
        }
        VideoParametersCodec::H265 { vps, sps, pps } => {
            let mut sets = h265::ParameterSets::new();
            sets.absorb([&vps[..], &sps[..], &pps[..]]);
            h265::track(number, &sets).ok()
        }
        _ => return None,
    };
    // The RTSP library has understood the sets: its record is better than none.
    Some(read.unwrap_or_else(|| {
        let codec = match video.codec_params() {
            VideoParametersCodec::H265 { .. } => CodecId::H265,
            _ => CodecId::H264,
        };
        let (width, height) = video.pixel_dimensions();
        Track::new(number, TrackKind::Video, codec)
            .with_codec_private(Bytes::copy_from_slice(video.extra_data()))
            .with_video(width.into(), height.into())
    }))
}
