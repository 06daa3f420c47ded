//! Clips of coded pictures, whole or damaged, and their images.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::{h264, h265, nal};
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_types::{FragmentNumber, TimestampOrigin};

use crate::images::{
    DecodeOptions, Decoders, FragmentMedia, FragmentSpan, ImageRequest, ImageResult, MediaSource, RenderOptions,
    extract_images,
};

/// A clip of H.264 or H.265 as access units with start codes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Clip {
    /// H.264 or H.265.
    pub codec: CodecId,
    /// The parameter sets before the first picture, with start codes.
    pub private: Bytes,
    /// The access units in decoding order.
    pub frames: Vec<Bytes>,
}

impl Clip {
    /// Reads the first `most` access units of a byte stream with start codes. Units that are no NAL units of the codec are left out.
    #[must_use]
    pub fn parse(data: &[u8], codec: CodecId, most: usize) -> Self {
        let is_h264 = codec == CodecId::H264;
        let (mut private, mut frames, mut frame, mut has_slice) = (Vec::new(), Vec::new(), Vec::new(), false);
        for unit in nal::annex_b_lossy(data) {
            let Some(Kind { is_slice, is_set, starts }) = Kind::of(unit, is_h264) else { continue };
            if has_slice && (!is_slice || starts) {
                frames.push(Bytes::from(std::mem::take(&mut frame)));
                has_slice = false;
                if frames.len() == most {
                    break;
                }
            }
            if is_set && frames.is_empty() {
                private.extend_from_slice(&[0, 0, 0, 1]);
                private.extend_from_slice(unit);
            }
            has_slice |= is_slice;
            frame.extend_from_slice(&[0, 0, 0, 1]);
            frame.extend_from_slice(unit);
        }
        if !frame.is_empty() && frames.len() < most {
            frames.push(Bytes::from(frame));
        }
        Self { codec, private: private.into(), frames }
    }

    /// Returns an image or an error for each access unit. They have their times in decoding order, 40 ms apart.
    #[must_use]
    pub fn images(&self, rendering: RenderOptions) -> Vec<ImageResult> {
        let track =
            Track::new(TrackNumber::ONE, TrackKind::Video, self.codec.clone()).with_codec_private(self.private.clone());
        let at = |number: usize| Duration::from_millis(40 * number as u64);
        let frame = |(number, data): (usize, &Bytes)| {
            Frame::new(TrackNumber::ONE, at(number), data.clone()).with_keyframe(number == 0)
        };
        let media = FragmentMedia {
            tracks: Arc::new([track]),
            start: Duration::ZERO,
            frames: self.frames.iter().enumerate().map(frame).collect(),
        };
        let span = FragmentSpan {
            number: "1".parse().expect("a digit is a fragment number"),
            producer_timestamp: Duration::ZERO,
            server_timestamp: Duration::ZERO,
            duration: at(self.frames.len()),
        };
        let request = ImageRequest {
            instants: (0..self.frames.len()).map(at).collect(),
            origin: TimestampOrigin::Producer,
            earliest_start: Duration::ZERO,
            rendering,
        };
        let options = DecodeOptions { threads: NonZeroUsize::MIN, decoders: &Decoders::BuiltIn, canceled: &|| false };
        extract_images(&One(media), &[span], &request, options).results
    }
}

/// Changes one byte or one bit.
pub fn damage(data: &mut [u8], random: &mut fastrand::Rng) {
    let place = random.usize(0..data.len().max(1));
    if let Some(byte) = data.get_mut(place) {
        *byte = if random.bool() { random.u8(..) } else { *byte ^ (1 << random.u8(..8)) };
    }
}

/// What a NAL unit is to the division into access units.
struct Kind {
    is_slice: bool,
    is_set: bool,
    starts: bool,
}

impl Kind {
    fn of(unit: &[u8], is_h264: bool) -> Option<Self> {
        Some(if is_h264 {
            let kind = h264::NalType::of(unit)?;
            let starts = h264::starts_picture(unit) == Some(true);
            Self { is_slice: kind.is_slice(), is_set: kind.is_parameter_set(), starts }
        } else {
            let kind = h265::NalType::of(unit)?;
            let starts = h265::starts_picture(unit) == Some(true);
            Self { is_slice: kind.is_slice(), is_set: kind.is_parameter_set(), starts }
        })
    }
}

/// A source with one fragment.
struct One(FragmentMedia);

impl MediaSource for One {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}
