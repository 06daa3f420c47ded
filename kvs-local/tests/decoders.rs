//! Decoders, scaler and encoders on whole clips and on damaged ones. `.ci/sanitize` runs these tests under AddressSanitizer: a read
//! or write outside of memory ends them there. `KVS_DECODER_MUTATIONS` sets the number of damaged copies of each clip.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_local::__internal::images::{
    DecodeOptions, Decoders, FragmentMedia, FragmentSpan, ImageEncoding, ImageRequest, ImageResult, ImageSize,
    JpegQuality, MediaSource, RenderOptions, extract_images,
};
use kvs_mkv::codec::{h264, h265, nal};
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_types::{FragmentNumber, TimestampOrigin};

/// The clips in `tests/clips`, each with its number of pictures. x265 and x264 made them from the test patterns of ffmpeg.
const CLIPS: [(&str, usize); 5] = [
    // Its 4-wide tail of motion compensation was read 8 bytes behind the plane.
    ("h265_208x120.265", 25),
    ("narrow.265", 8),
    ("cavlc_b_slices.h264", 8),
    ("cabac_b_slices.h264", 8),
    ("cropped.h264", 8),
];

/// The sizes of the images: that of the clip, smaller, and odd and larger.
const SIZES: [Option<(u32, u32)>; 3] = [None, Some((33, 17)), Some((401, 203))];

#[test]
fn every_picture_of_a_clip_is_decoded_and_scaled() {
    for (name, pictures) in CLIPS {
        let clip = Clip::read(name);
        assert_eq!(clip.frames.len(), pictures, "{name}");
        for size in SIZES {
            for format in [ImageEncoding::Png, ImageEncoding::Jpeg(JpegQuality::default())] {
                let images = clip.images(&clip.frames, RenderOptions { format, size: size.map(sized) });
                let failed: Vec<_> = images.iter().filter_map(|image| image.as_ref().err()).collect();
                assert!(failed.is_empty(), "{name}: {failed:?}");
            }
        }
    }
}

#[test]
fn damaged_clips_give_an_image_or_an_error_for_every_instant() {
    let copies = std::env::var("KVS_DECODER_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut random = fastrand::Rng::with_seed(0xdec0de);
    let (mut images, mut errors) = (0_usize, 0_usize);
    for (name, _) in CLIPS {
        let clip = Clip::read(name);
        let whole: Vec<Bytes> = clip.frames.iter().take(8).cloned().collect();
        for copy in 0..copies {
            let mut frames: Vec<Vec<u8>> = whole.iter().map(|frame| frame.to_vec()).collect();
            for _ in 0..random.usize(1..8) {
                let frame = random.usize(0..frames.len());
                let frame = &mut frames[frame];
                let place = random.usize(0..frame.len());
                frame[place] = if random.bool() { random.u8(..) } else { frame[place] ^ (1 << random.u8(..8)) };
            }
            let size = SIZES[copy % SIZES.len()].map(sized);
            let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
            let results = clip.images(&frames, RenderOptions { format: ImageEncoding::default(), size });
            assert_eq!(results.len(), frames.len(), "{name}");
            images += results.iter().filter(|result| result.is_ok()).count();
            errors += results.iter().filter(|result| result.is_err()).count();
        }
    }
    println!("{copies} damaged copies of each clip: {images} images, {errors} errors");
    assert!(images > 0 && errors > 0);
}

fn sized((width, height): (u32, u32)) -> ImageSize {
    ImageSize::new(width, height).unwrap()
}

/// A clip as access units with start codes.
struct Clip {
    codec: CodecId,
    private: Bytes,
    frames: Vec<Bytes>,
}

impl Clip {
    fn read(name: &str) -> Self {
        let data = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips").join(name)).unwrap();
        let is_h264 = name.ends_with(".h264");
        let codec = if is_h264 { CodecId::H264 } else { CodecId::H265 };
        let (mut private, mut frames, mut frame, mut has_slice) = (Vec::new(), Vec::new(), Vec::new(), false);
        for unit in nal::annex_b_lossy(&data) {
            let (is_slice, is_set, starts) = if is_h264 {
                let kind = h264::NalType::of(unit).unwrap();
                (kind.is_slice(), kind.is_parameter_set(), h264::starts_picture(unit) == Some(true))
            } else {
                let kind = h265::NalType::of(unit).unwrap();
                (kind.is_slice(), kind.is_parameter_set(), h265::starts_picture(unit) == Some(true))
            };
            if has_slice && (!is_slice || starts) {
                frames.push(Bytes::from(std::mem::take(&mut frame)));
                has_slice = false;
            }
            if is_set && frames.is_empty() {
                private.extend_from_slice(&[0, 0, 0, 1]);
                private.extend_from_slice(unit);
            }
            has_slice |= is_slice;
            frame.extend_from_slice(&[0, 0, 0, 1]);
            frame.extend_from_slice(unit);
        }
        frames.push(Bytes::from(frame));
        Self { codec, private: Bytes::from(private), frames }
    }

    /// Extracts one image for each frame. Frames have their times in decoding order, as an encoder's output has.
    fn images(&self, frames: &[Bytes], rendering: RenderOptions) -> Vec<ImageResult> {
        let track =
            Track::new(TrackNumber::ONE, TrackKind::Video, self.codec.clone()).with_codec_private(self.private.clone());
        let at = |number: usize| Duration::from_millis(40 * number as u64);
        let frame = |(number, data): (usize, &Bytes)| {
            Frame::new(TrackNumber::ONE, at(number), data.clone()).with_keyframe(number == 0)
        };
        let media = FragmentMedia {
            tracks: Arc::new([track]),
            start: Duration::ZERO,
            frames: frames.iter().enumerate().map(frame).collect(),
        };
        let span = FragmentSpan {
            number: "1".parse().unwrap(),
            producer_timestamp: Duration::ZERO,
            server_timestamp: Duration::ZERO,
            duration: at(frames.len()),
        };
        let instants = (0..frames.len()).map(at).collect();
        let request =
            ImageRequest { instants, origin: TimestampOrigin::Producer, earliest_start: Duration::ZERO, rendering };
        let options = DecodeOptions { threads: NonZeroUsize::MIN, decoders: &Decoders::BuiltIn, canceled: &|| false };
        extract_images(&One(media), &[span], &request, options).results
    }
}

struct One(FragmentMedia);

impl MediaSource for One {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}
