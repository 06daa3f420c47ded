//! Extracted images compared with ffmpeg: the correct frame at every instant, in the correct colors.
#![cfg(feature = "server")]

use crate::judge;
use std::num::NonZeroUsize;
use std::time::Duration;

use judge::{EPOCH, Fragments, Recording, difference, gray, ssim};
use kvs_local::__internal::images::{
    DecodeError, DecodeOptions, Decoders, ExtractError, ExtractedImages, FragmentMedia, ImageEncoding, ImageRequest,
    ImageSize, RenderOptions, extract_images, extract_shaped_images,
};
use kvs_types::TimestampOrigin;
use test_judges::available;

const OPTIONS: DecodeOptions<'static> =
    DecodeOptions { threads: NonZeroUsize::new(2).unwrap(), decoders: &Decoders::BuiltIn, canceled: &|| false };

fn request(instants: Vec<Duration>, format: ImageEncoding) -> ImageRequest {
    let rendering = RenderOptions { format, size: None };
    ImageRequest { instants, origin: TimestampOrigin::Producer, earliest_start: Duration::ZERO, rendering }
}

fn take(fragments: &Fragments, request: &ImageRequest) -> ExtractedImages {
    extract_images(fragments, &fragments.spans, request, OPTIONS)
}

fn png(file: &[u8]) -> (Vec<u8>, usize, usize) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (pixels, info.width as usize, info.height as usize)
}

/// Extracts an image at the time of every frame and 1 ms before the next one, and compares both with ffmpeg's frame.
fn assert_every_frame_is_correct(recording: &Recording, size: (usize, usize)) {
    let fragments = Fragments::cut(&recording.path);
    let times = fragments.times();
    let expected = recording.frames("rgb24", &[], size);
    assert_eq!(expected.len(), times.len(), "ffmpeg returns as many frames as the recording has");
    let late = times.iter().zip(times.iter().skip(1)).map(|(_, next)| *next - Duration::from_millis(1));
    let instants: Vec<Duration> = times.iter().copied().chain(late).collect();
    let taken = take(&fragments, &request(instants, ImageEncoding::Png));
    assert!(taken.frames_decoded <= times.len(), "{} of {} frames", taken.frames_decoded, times.len());
    for (at, result) in taken.results.iter().enumerate() {
        let (pixels, width, height) = png(result.as_ref().unwrap());
        assert_eq!((width, height), size);
        let (_, mean) = difference(&pixels, &expected[at % times.len()]);
        assert!(mean < 1.0, "instant {at}: differs by {mean:.2} from ffmpeg's frame");
    }
}

#[test]
fn h264_images_show_the_correct_frame_in_every_profile() {
    if !available("h264_images_show_the_correct_frame_in_every_profile", &["ffmpeg"]) {
        return;
    }
    let clip = "testsrc2=size=128x96:rate=25:duration=2";
    let x264 = |extra: &[&'static str]| [&["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"], extra].concat();
    for options in [
        x264(&["-profile:v", "baseline"]),
        x264(&["-profile:v", "main", "-bf", "3"]),
        x264(&["-profile:v", "high", "-bf", "3", "-refs", "4"]),
        x264(&["-profile:v", "high", "-bf", "3", "-x264-params", "open-gop=1:b-pyramid=normal:keyint=25:scenecut=0"]),
        x264(&["-profile:v", "high", "-x264-params", "slices=4:bframes=2"]),
        x264(&["-profile:v", "main", "-x264-params", "b-pyramid=strict:bframes=5:weightp=2"]),
        x264(&["-tune", "zerolatency", "-profile:v", "high"]),
    ] {
        println!("{options:?}");
        assert_every_frame_is_correct(&Recording::make(clip, &options), (128, 96));
    }
}

#[test]
fn h265_images_show_the_correct_frame() {
    if !available("h265_images_show_the_correct_frame", &["ffmpeg"]) {
        return;
    }
    let clip = "testsrc2=size=128x96:rate=25:duration=1.2";
    let x265 = |parameters: &'static str| {
        ["-c:v", "libx265", "-preset", "superfast", "-g", "10", "-pix_fmt", "yuv420p", "-x265-params", parameters]
            .to_vec()
    };
    for options in [
        x265("log-level=error:bframes=0"),
        x265("log-level=error:bframes=4:b-pyramid=1:no-open-gop=1"),
        // Every key frame except the first is a CRA picture followed by leading pictures.
        x265("log-level=error:bframes=4:b-pyramid=1:open-gop=1:scenecut=0:keyint=10:min-keyint=10"),
        x265("log-level=error:bframes=3:radl=2:no-open-gop=1:keyint=10:min-keyint=10"),
        x265("log-level=error:temporal-layers=3:bframes=4:b-pyramid=1"),
        x265("log-level=error:weightb=1:ref=5:bframes=8"),
        x265("log-level=error:repeat-headers=1:aud=1:hrd=1:vbv-maxrate=500:vbv-bufsize=500"),
    ] {
        println!("{options:?}");
        assert_every_frame_is_correct(&Recording::make(clip, &options), (128, 96));
    }
    let large = Recording::make("testsrc2=size=640x384:rate=25:duration=0.4", &x265("log-level=error:slices=3"));
    assert_every_frame_is_correct(&large, (640, 384));
    let odd = "testsrc2=size=318x182:rate=25:duration=0.4";
    assert_every_frame_is_correct(&Recording::make(odd, &x265("log-level=error")), (318, 182));
    let bars = "smptehdbars=size=320x192:rate=25:duration=0.2";
    let colors = ["-colorspace", "bt709", "-vf", "scale=out_color_matrix=bt709:out_range=pc", "-color_range", "pc"];
    let colored = Recording::make(bars, &[&x265("log-level=error:range=full:colormatrix=bt709"), &colors[..]].concat());
    assert_every_frame_is_correct(&colored, (320, 192));
}

#[test]
fn codec_can_change_between_sessions() {
    if !available("codec_can_change_between_sessions", &["ffmpeg"]) {
        return;
    }
    let make = |codec: &'static str| {
        let options = ["-c:v", codec, "-g", "25", "-pix_fmt", "yuv420p", "-x265-params", "log-level=error"];
        let recording = Recording::make("testsrc2=size=128x96:rate=25:duration=1", &options);
        (Fragments::cut(&recording.path).media.remove(0), recording.frames("rgb24", &[], (128, 96)))
    };
    let ((first, before), (second, after)) = (make("libx264"), make("libx265"));
    let mut later = second;
    let second_later = Duration::from_secs(1);
    later.start += second_later;
    later.frames.iter_mut().for_each(|frame| frame.pts += second_later);
    let fragments = Fragments::of(vec![first, later]);
    let times = fragments.times();
    let taken = take(&fragments, &request(times, ImageEncoding::Png));
    for (nth, (result, expected)) in taken.results.iter().zip(before.iter().chain(&after)).enumerate() {
        let (pixels, ..) = png(result.as_ref().unwrap_or_else(|error| panic!("frame {nth}: {error}")));
        assert!(difference(&pixels, expected).1 < 1.0, "frame {nth}");
    }
}

#[test]
fn images_have_the_cropped_size_of_the_video() {
    if !available("images_have_the_cropped_size_of_the_video", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p"];
    let clip = "testsrc2=size=318x182:rate=25:duration=0.4";
    assert_every_frame_is_correct(&Recording::make(clip, &x264), (318, 182));
    let shifted = ["-bsf:v", "h264_metadata=crop_left=6:crop_top=10:crop_right=2:crop_bottom=4"];
    let recording = Recording::make("testsrc2=size=320x192:rate=25:duration=0.4", &[&x264[..], &shifted].concat());
    assert_every_frame_is_correct(&recording, (312, 178));
}

/// Recordings of phones that are turned and have pixels that are not square, as a player shows them. The service's own images are
/// not confirmed, so this is off by default: see `IMAGES_FOLLOW_CONTAINER`.
#[test]
fn images_can_follow_the_rotation_and_the_pixels_of_an_mp4() {
    if !available("images_can_follow_the_rotation_and_the_pixels_of_an_mp4", &["ffmpeg"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [source, file] = ["source.mp4", "turned.mp4"].map(|name| folder.path().join(name).display().to_string());
    let clip =
        ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.4", "-pix_fmt", "yuv420p", "-c:v", "libx264"];
    judge::ffmpeg(&[&clip[..], &["-preset", "ultrafast", "-qp", "10", &source]].concat(), &[]);
    for (rotation, aspect, size) in [
        ("90", "", (48, 64)),
        ("180", "", (64, 48)),
        ("270", "", (48, 64)),
        ("0", "8:3", (128, 48)),
        ("90", "8:3", (48, 128)),
    ] {
        let rotate = format!("rotate={rotation}");
        let aspects: &[&str] = if aspect.is_empty() { &[] } else { &["-aspect", aspect] };
        let copy = [&["-i", &source, "-c", "copy"], aspects, &["-metadata:s:v", &rotate, &file]].concat();
        judge::ffmpeg(&copy, &[]);
        let recording = kvs_media::Recording::open(&file).unwrap();
        let frames = recording.samples().iter().map(|sample| {
            let frame = kvs_mkv::Frame::new(sample.track, EPOCH + sample.pts, sample.data.clone());
            frame.with_keyframe(sample.keyframe)
        });
        let start = EPOCH + recording.samples()[0].pts;
        let tracks = recording.tracks().to_vec().into();
        let fragments = Fragments::of(vec![FragmentMedia { tracks, start, frames: frames.collect() }]);
        let request = request(fragments.times(), ImageEncoding::Png);
        // ffmpeg turns pictures by itself, but leaves their pixels as they are.
        let stretch = format!("scale={}:{}:flags=bilinear", size.0, size.1);
        let decode = ["-i", &file, "-vf", &stretch, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"];
        let shown = judge::ffmpeg(&decode, &[]);
        let taken = extract_shaped_images(&fragments, &fragments.spans, &request, OPTIONS, true);
        assert_eq!(taken.results.len(), 10);
        for (result, expected) in taken.results.iter().zip(shown.chunks_exact(size.0 * size.1 * 3)) {
            let (pixels, width, height) = png(result.as_ref().unwrap());
            assert_eq!((width, height), size, "{rotation} {aspect}");
            let (_, mean) = difference(&pixels, expected);
            assert!(mean < if aspect.is_empty() { 1.5 } else { 6.0 }, "{rotation} {aspect}: differs by {mean:.2}");
        }
        let plain = extract_images(&fragments, &fragments.spans, &request, OPTIONS);
        let (_, width, height) = png(plain.results[0].as_ref().unwrap());
        assert_eq!((width, height), (64, 48), "the container is not followed by default");
    }
}

#[test]
fn colors_follow_the_color_information_of_the_stream() {
    if !available("colors_follow_the_color_information_of_the_stream", &["ffmpeg"]) {
        return;
    }
    let bars = "smptehdbars=size=320x192:rate=25:duration=0.2";
    let common = ["-c:v", "libx264", "-qp", "4"];
    for (space, range, pixels) in [
        ("bt709", "tv", "yuv420p"),
        ("smpte170m", "tv", "yuv420p"),
        ("bt709", "pc", "yuvj420p"),
        ("bt2020nc", "tv", "yuv420p"),
    ] {
        let tags = ["-colorspace", space, "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", range];
        let filter = format!("scale=out_color_matrix={space}:out_range={range}");
        let filter = filter.replace("bt2020nc", "bt2020");
        let options = [&common[..], &tags, &["-vf", &filter, "-pix_fmt", pixels]].concat();
        let recording = Recording::make(bars, &options);
        let fragments = Fragments::cut(&recording.path);
        let expected = recording.frames("rgb24", &[], (320, 192));
        let taken = take(&fragments, &request(vec![EPOCH], ImageEncoding::Png));
        let (pixels, ..) = png(taken.results[0].as_ref().unwrap());
        let (_, mean) = difference(&pixels, &expected[0]);
        assert!(mean < 1.5, "{space} {range}: differs by {mean:.2}");
        let taken = take(&fragments, &request(vec![EPOCH], ImageEncoding::default()));
        let jpeg = taken.results[0].as_ref().unwrap();
        let shown = judge::ffmpeg(&["-i", "-", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], jpeg);
        let (_, mean) = difference(&shown, &expected[0]);
        assert!(mean < 4.0, "{space} {range} as JPEG: differs by {mean:.2}");
    }
}

#[test]
fn image_shows_the_requested_instant() {
    if !available("image_shows_the_requested_instant", &["ffmpeg"]) {
        return;
    }
    // testsrc draws the current second in digits that fill a third of the height.
    let x264 = ["-c:v", "libx264", "-g", "50", "-bf", "3", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc=size=640x360:rate=25:duration=8", &x264);
    let fragments = Fragments::cut(&recording.path);
    let instants: Vec<Duration> = (0..25).map(|n| EPOCH + Duration::from_millis(317 * n)).collect();
    let size = ImageSize::new(320, 240);
    let rendering = RenderOptions { format: ImageEncoding::default(), size };
    let taken = take(&fragments, &ImageRequest { rendering, ..request(instants.clone(), ImageEncoding::Png) });
    let frames = recording.frames("gray", &["-vf", "scale=320:240:flags=bicubic"], (320, 240));
    let times = fragments.times();
    let jpegs: Vec<u8> = taken.results.iter().flat_map(|result| result.as_ref().unwrap().to_vec()).collect();
    let shown = judge::ffmpeg(&["-f", "mjpeg", "-i", "-", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], &jpegs);
    let shown: Vec<Vec<u8>> = shown.chunks_exact(320 * 240 * 3).map(gray).collect();
    assert_eq!(shown.len(), instants.len());
    for (instant, shown) in instants.iter().zip(&shown) {
        let due = times.iter().rposition(|time| time <= instant).unwrap();
        let similar = ssim(shown, &frames[due], 320);
        assert!(similar >= 0.97, "at {:?}: SSIM {similar:.4}", *instant - EPOCH);
        println!("at {:?}: SSIM {similar:.4}", *instant - EPOCH);
    }
}

#[test]
fn instant_outside_all_fragments_has_no_media() {
    if !available("instant_outside_all_fragments_has_no_media", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=3", &x264);
    let mut fragments = Fragments::cut(&recording.path);
    fragments.spans.remove(1);
    let at = |millis: i64| Duration::from_millis(u64::try_from(EPOCH.as_millis() as i64 + millis).unwrap());
    let taken =
        take(&fragments, &request(vec![at(-1), at(0), at(999), at(1000), at(2000), at(3000)], ImageEncoding::Png));
    let found: Vec<bool> = taken.results.iter().map(Result::is_ok).collect();
    assert_eq!(found, [false, true, true, false, true, false]);
    assert_eq!(taken.results[3], Err(ExtractError::NoMedia));
    let server =
        ImageRequest { origin: TimestampOrigin::Server, ..request(vec![at(100_000), at(0)], ImageEncoding::Png) };
    let taken = take(&fragments, &server);
    assert!(taken.results[0].is_ok() && taken.results[1] == Err(ExtractError::NoMedia));
}

#[test]
fn fragment_without_key_frame_is_decoded_from_the_previous_one() {
    if !available("fragment_without_key_frame_is_decoded_from_the_previous_one", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "75", "-bf", "2", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=3", &x264);
    let (whole, expected) = (Fragments::cut(&recording.path), recording.frames("rgb24", &[], (160, 96)));
    let media = whole.media[0].clone();
    let (first, second) = media.frames.split_at(30);
    let part = |frames: &[kvs_mkv::Frame]| {
        let start = frames.iter().map(|frame| frame.pts).min().unwrap();
        FragmentMedia { tracks: media.tracks.clone(), start, frames: frames.to_vec() }
    };
    let mut fragments = Fragments::of(vec![part(first), part(second)]);
    let instant = EPOCH + Duration::from_millis(2000);
    let taken = take(&fragments, &request(vec![instant], ImageEncoding::Png));
    let (pixels, ..) = png(taken.results[0].as_ref().unwrap());
    assert!(difference(&pixels, &expected[50]).1 < 1.0);

    fragments.spans.remove(0);
    let taken = take(&fragments, &request(vec![instant], ImageEncoding::Png));
    assert_eq!(taken.results[0], Err(DecodeError::NoKeyFrame.into()), "gap before the fragment");
}

#[test]
fn gop_cut_before_its_b_frames_has_no_image_in_the_gap() {
    if !available("gop_cut_before_its_b_frames_has_no_image_in_the_gap", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "75", "-bf", "3", "-b_strategy", "0", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=3", &x264);
    let (whole, expected) = (Fragments::cut(&recording.path), recording.frames("rgb24", &[], (160, 96)));
    let media = whole.media[0].clone();
    // Cut before a frame that is displayed after all earlier frames and after the next one: B-frames follow it.
    let is_anchor = |cut: &usize| {
        let (before, rest) = media.frames.split_at(*cut);
        before.iter().all(|frame| frame.pts < rest[0].pts) && rest[1].pts < rest[0].pts
    };
    let (first, second) = media.frames.split_at((30..70).find(is_anchor).unwrap());
    // As producers do: the timecode of a cluster is the presentation time of its first frame.
    let part = |frames: &[kvs_mkv::Frame]| {
        let start = frames[0].pts;
        FragmentMedia { tracks: media.tracks.clone(), start, frames: frames.to_vec() }
    };
    let mut fragments = Fragments::of(vec![part(first), part(second)]);
    // The service counts the duration of a fragment up to its last frame.
    let last = first.iter().map(|frame| frame.pts).max().unwrap();
    fragments.spans[0].duration = last - first[0].pts;
    let times = whole.times();
    let taken = take(&fragments, &request(times.clone(), ImageEncoding::Png));
    let mut missing = 0;
    for (nth, ((result, expected), at)) in taken.results.iter().zip(&expected).zip(times).enumerate() {
        // B-frames of the second part are displayed before its start.
        if last < at && at < second[0].pts {
            assert_eq!(*result, Err(ExtractError::NoMedia), "frame {nth}");
            missing += 1;
            continue;
        }
        let (pixels, ..) = png(result.as_ref().unwrap_or_else(|error| panic!("frame {nth}: {error}")));
        assert!(difference(&pixels, expected).1 < 1.0, "frame {nth}");
    }
    assert!((1..=3).contains(&missing), "{missing}");
}

#[test]
fn block_times_in_decoding_order_are_corrected() {
    if !available("block_times_in_decoding_order_are_corrected", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "25", "-bf", "3", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=2", &x264);
    let (mut fragments, expected) = (Fragments::cut(&recording.path), recording.frames("rgb24", &[], (160, 96)));
    let times = fragments.times();
    let frames = fragments.media.iter_mut().flat_map(|media| &mut media.frames);
    for (frame, time) in frames.zip(&times) {
        frame.pts = *time;
    }
    let taken = take(&fragments, &request(times, ImageEncoding::Png));
    for (result, expected) in taken.results.iter().zip(&expected) {
        let (pixels, ..) = png(result.as_ref().unwrap());
        assert!(difference(&pixels, expected).1 < 1.0);
    }
}

#[test]
fn unsupported_video_reports_its_reason() {
    if !available("unsupported_video_reports_its_reason", &["ffmpeg"]) {
        return;
    }
    let why = |options: &[&str]| {
        let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=0.4", options);
        let fragments = Fragments::cut(&recording.path);
        let taken = take(&fragments, &request(vec![EPOCH], ImageEncoding::default()));
        match taken.results[0].clone() {
            Err(ExtractError::Decode(reason)) => reason,
            other => panic!("{options:?}: {other:?}"),
        }
    };
    let x264 = |extra: &[&'static str]| why(&[&["-c:v", "libx264"], extra].concat());
    assert_eq!(x264(&["-pix_fmt", "yuv420p10le"]), DecodeError::BitDepth { bits: 10 });
    assert_eq!(x264(&["-pix_fmt", "yuv444p"]), DecodeError::ChromaFormat { id: 3 });
    assert_eq!(x264(&["-pix_fmt", "yuv422p"]), DecodeError::ChromaFormat { id: 2 });
    assert_eq!(x264(&["-pix_fmt", "yuv420p", "-flags", "+ildct+ilme"]), DecodeError::Interlaced);
    let x265 = |format: &'static str| why(&["-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", format]);
    assert_eq!(x265("yuv420p10le"), DecodeError::BitDepth { bits: 10 });
    assert_eq!(x265("yuv444p"), DecodeError::ChromaFormat { id: 3 });
    assert_eq!(why(&["-c:v", "mjpeg"]), DecodeError::Codec { codec: "V_MJPEG".to_owned() });
}

#[test]
fn damaged_frame_fails_images_until_the_next_key_frame() {
    if !available("damaged_frame_fails_images_until_the_next_key_frame", &["ffmpeg"]) {
        return;
    }
    let x264 = ["-c:v", "libx264", "-g", "10", "-bf", "0", "-pix_fmt", "yuv420p"];
    let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=1.2", &x264);
    let mut fragments = Fragments::cut(&recording.path);
    let data = fragments.media[0].frames[5].data.clone().into_bytes();
    fragments.media[0].frames[5].data = data.slice(..data.len() / 2).into();
    let taken = take(&fragments, &request(fragments.times(), ImageEncoding::default()));
    let ok: Vec<bool> = taken.results.iter().map(Result::is_ok).collect();
    let expected: Vec<bool> = (0..30).map(|at| !(5..10).contains(&at)).collect();
    assert_eq!(ok, expected);
    assert!(taken.results[7].as_ref().unwrap_err().to_string().contains("damaged"));
}

#[test]
fn lost_frame_fails_dependent_images_instead_of_gray_ones() {
    if !available("lost_frame_fails_dependent_images_instead_of_gray_ones", &["ffmpeg"]) {
        return;
    }
    let x264 = |parameters| ["-c:v", "libx264", "-x264-params", parameters];
    let x265 = ["-c:v", "libx265", "-x265-params", "bframes=0:log-level=error"];
    // As cameras encode: only frame_num shows the loss.
    let camera = x264("bframes=0:ref=1:weightp=0");
    for codec in [x264("bframes=0"), camera, x264("bframes=0:ref=1:weightp=0:cabac=0:8x8dct=0"), x265] {
        let options = [&codec[..], &["-g", "10", "-pix_fmt", "yuv420p"]].concat();
        let recording = Recording::make("testsrc2=size=160x96:rate=25:duration=0.8", &options);
        let mut fragments = Fragments::cut(&recording.path);
        let times = fragments.times();
        drop(fragments.media[0].frames.remove(5));
        let taken = take(&fragments, &request(times, ImageEncoding::default()));
        let ok: Vec<bool> = taken.results.iter().map(Result::is_ok).collect();
        // At the time of the lost frame, the previous frame is still displayed.
        let expected: Vec<bool> = (0..20).map(|at| !(6..10).contains(&at)).collect();
        assert_eq!(ok, expected, "{codec:?}");
        assert!(taken.results[7].as_ref().unwrap_err().to_string().contains("missing"), "{codec:?}");
    }
}

#[test]
fn extraction_stops_when_canceled() {
    if !available("extraction_stops_when_canceled", &["ffmpeg"]) {
        return;
    }
    let recording =
        Recording::make("testsrc2=size=160x96:rate=25:duration=1", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let fragments = Fragments::cut(&recording.path);
    let options = DecodeOptions { canceled: &|| true, ..OPTIONS };
    let taken = extract_images(&fragments, &fragments.spans, &request(vec![EPOCH], ImageEncoding::Png), options);
    assert_eq!((taken.frames_decoded, &taken.results[0]), (0, &Err(DecodeError::Canceled.into())));
}

#[test]
#[ignore = "a measurement: cargo test --release -p kvs-local --test images -- --ignored --nocapture"]
fn images_take_at_most_three_times_as_long_as_ffmpeg() {
    if !available("images_take_at_most_three_times_as_long_as_ffmpeg", &["ffmpeg"]) {
        return;
    }
    let source = "testsrc2=size=1280x720:rate=25:duration=26,noise=alls=8:allf=t";
    let x264 = ["-c:v", "libx264", "-sc_threshold", "0"];
    let x265 = ["-c:v", "libx265", "-x265-params"];
    for (name, codec) in [
        ("H.264, no B-frames", [&x264[..], &["-bf", "0"]].concat()),
        ("H.264, 2 B-frames", [&x264[..], &["-bf", "2"]].concat()),
        ("H.265, no B-frames", [&x265[..], &["log-level=error:scenecut=0:bframes=0"]].concat()),
        ("H.265, 4 B-frames", [&x265[..], &["log-level=error:scenecut=0:bframes=4:no-open-gop=1"]].concat()),
    ] {
        let rate = ["-preset", "fast", "-b:v", "4M", "-g", "50", "-keyint_min", "50", "-pix_fmt", "yuv420p"];
        let recording = Recording::make(source, &[&codec[..], &rate].concat());
        let fragments = Fragments::cut(&recording.path);
        let wanted =
            request((0..25).map(|second| EPOCH + Duration::from_secs(second)).collect(), ImageEncoding::default());
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let start = std::time::Instant::now();
            let taken = take(&fragments, &wanted);
            ours.push(start.elapsed());
            assert!(taken.results.iter().all(Result::is_ok));
            theirs.push(ffmpeg_time(&recording));
            println!(
                "{name}: ours {:?} with {} frames decoded, ffmpeg {:?}",
                ours.last(),
                taken.frames_decoded,
                theirs.last()
            );
        }
        let (ours, theirs) = (ours.iter().min().unwrap(), theirs.iter().min().unwrap());
        let times = ours.as_secs_f64() / theirs.as_secs_f64();
        println!("{name}: best of 3: ours {ours:?}, ffmpeg {theirs:?}: {times:.2} times as long as ffmpeg");
        assert!(times <= 3.0);
    }
}

/// Measures how long ffmpeg takes for the same 25 images as JPEG in one run, with one thread per core.
fn ffmpeg_time(recording: &Recording) -> Duration {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (recording.path.to_str().unwrap(), dir.path().join("%02d.jpg"));
    let start = std::time::Instant::now();
    let select = "select=not(mod(n\\,25))";
    let args = ["-t", "24.1", "-i", from, "-vf", select, "-fps_mode", "passthrough", "-q:v", "4", to.to_str().unwrap()];
    judge::ffmpeg(&args, &[]);
    let taken = start.elapsed();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 25);
    taken
}
