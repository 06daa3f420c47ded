//! Decoders, scaler and encoders on whole clips and on damaged ones. `KVS_DECODER_MUTATIONS` sets the number of damaged copies of
//! each clip.

use bytes::Bytes;
use decoder_tests::{CLIPS, read};
use kvs_local::__internal::fuzz::damage;
use kvs_local::__internal::images::{
    DecodeError, ExtractError, ImageEncoding, ImageSize, JpegQuality, RenderOptions, contained_panics,
};

/// The sizes of the images: that of the clip, smaller, and odd and larger.
const SIZES: [Option<(u32, u32)>; 3] = [None, Some((33, 17)), Some((401, 203))];

#[test]
fn every_picture_of_a_clip_is_decoded_and_scaled() {
    for (name, pictures) in CLIPS {
        let clip = read(name).unwrap();
        assert_eq!(clip.frames.len(), pictures, "{name}");
        for size in SIZES {
            for format in [ImageEncoding::Png, ImageEncoding::Jpeg(JpegQuality::default())] {
                let images = clip.images(RenderOptions { format, size: size.map(sized) });
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
        let mut clip = read(name).unwrap();
        let whole: Vec<Bytes> = clip.frames.iter().take(8).cloned().collect();
        for copy in 0..copies {
            let mut frames: Vec<Vec<u8>> = whole.iter().map(|frame| frame.to_vec()).collect();
            for _ in 0..random.usize(1..8) {
                let frame = random.usize(0..frames.len());
                damage(&mut frames[frame], &mut random);
            }
            let size = SIZES[copy % SIZES.len()].map(sized);
            clip.frames = frames.into_iter().map(Bytes::from).collect();
            let results = clip.images(RenderOptions { format: ImageEncoding::default(), size });
            assert_eq!(results.len(), clip.frames.len(), "{name}");
            images += results.iter().filter(|result| result.is_ok()).count();
            errors += results.iter().filter(|result| result.is_err()).count();
        }
    }
    println!("{copies} damaged copies of each clip: {images} images, {errors} errors");
    assert!(images > 0 && errors > 0);
}

/// The clip states Baseline profile, which has no B slices, and has them: the H.264 decoder has no memory for their second list of
/// motion vectors and panics. x264 made it with Main profile; the profile in its parameter sets was changed.
#[test]
fn after_a_panic_of_the_decoder_the_next_key_frame_has_its_image() {
    let clip = read("baseline_b_slices.h264").unwrap();
    assert_eq!(clip.frames.len(), 8, "two groups of four pictures");
    let before = contained_panics();
    let images = clip.images(RenderOptions::default());
    // Other tests of this program decode at the same time.
    assert!(contained_panics() - before >= 2, "one in each group");
    let outcomes: Vec<_> = images.iter().map(|image| image.as_ref().map(|_| "an image")).collect();
    for group in outcomes.chunks(4) {
        // The third in display order is the last in decoding order.
        let [Ok(_), Ok(_), Err(ExtractError::Decode(DecodeError::Decoder { reason, .. })), Ok(_)] = group else {
            panic!("{outcomes:?}")
        };
        assert_eq!(reason, "the decoder panicked");
    }
}

fn sized((width, height): (u32, u32)) -> ImageSize {
    ImageSize::new(width, height).unwrap()
}
