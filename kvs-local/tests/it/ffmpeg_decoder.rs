//! Images by the program ffmpeg: of video that the built-in decoders cannot decode, compared with ffmpeg's own frames; and programs
//! in its place that hang, flood and fail.
#![cfg(all(feature = "server", unix))]

use crate::{judge, support};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use judge::{EPOCH, Fragments, Recording, difference};
use kvs_local::__internal::images::{
    DecodeError, DecodeOptions, Decoders, ExtractError, Ffmpeg, FragmentMedia, ImageEncoding, ImageRequest,
    ImageResult, RenderOptions, extract_images,
};
use kvs_local::Decoder;
use kvs_mkv::codec::nal;
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
use kvs_types::TimestampOrigin;
use test_judges::available;

const SIZE: (usize, usize) = (128, 96);

fn images(fragments: &Fragments, instants: Vec<Duration>, decoders: &Decoders) -> Vec<ImageResult> {
    let rendering = RenderOptions { format: ImageEncoding::Png, size: None };
    let origin = TimestampOrigin::Producer;
    let request = ImageRequest { instants, origin, earliest_start: Duration::ZERO, rendering };
    let threads = NonZeroUsize::new(2).unwrap();
    extract_images(fragments, &fragments.spans, &request, DecodeOptions { threads, decoders, canceled: &|| false })
        .results
}

fn pixels(result: &ImageResult) -> Vec<u8> {
    let file = result.as_ref().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width as usize, info.height as usize), SIZE);
    pixels
}

/// Extracts an image at the time of every frame and compares it with ffmpeg's frame and with the frames beside it.
fn assert_every_frame_is_correct(recording: &Recording, decoders: &Decoders) {
    let fragments = Fragments::cut(&recording.path);
    let times = fragments.times();
    // Images have 4:2:0, as JPEG.
    let expected = recording.frames("rgb24", &["-vf", "format=yuv420p"], SIZE);
    assert_eq!(expected.len(), times.len(), "ffmpeg returns as many frames as the recording has");
    for (at, result) in images(&fragments, times, decoders).iter().enumerate() {
        let pixels = pixels(result);
        let off = |frame: Option<&Vec<u8>>| frame.map(|frame| difference(&pixels, frame).1);
        let own = off(expected.get(at)).unwrap();
        assert!(own < 1.5, "frame {at} differs by {own:.2} from ffmpeg's");
        let beside = [at.checked_sub(1).and_then(|before| expected.get(before)), expected.get(at + 1)];
        assert!(beside.into_iter().filter_map(off).all(|beside| beside > own), "frame {at} is another one");
    }
}

#[test]
fn video_that_the_built_in_decoders_cannot_decode_is_decoded_by_ffmpeg() {
    if !available("video_that_the_built_in_decoders_cannot_decode_is_decoded_by_ffmpeg", &["ffmpeg"]) {
        return;
    }
    let first = Decoders::BuiltInFirst(Ffmpeg::find().unwrap());
    let clip = "testsrc2=size=128x96:rate=25:duration=0.8";
    let x264 = |extra: &[&'static str]| [&["-c:v", "libx264", "-g", "10"], extra].concat();
    let x265 = |format: &'static str| {
        let parameters = "log-level=error:keyint=10:min-keyint=10:bframes=3";
        vec!["-c:v", "libx265", "-preset", "superfast", "-x265-params", parameters, "-pix_fmt", format]
    };
    for options in [
        x264(&["-pix_fmt", "yuv420p10le", "-bf", "3"]),
        x264(&["-pix_fmt", "yuv422p", "-bf", "2"]),
        x264(&["-pix_fmt", "yuv422p10le"]),
        x264(&["-pix_fmt", "yuv444p", "-bf", "3"]),
        x264(&["-pix_fmt", "gray"]),
        x264(&["-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-bf", "2"]),
        x265("yuv420p10le"),
        x265("yuv422p10le"),
        x265("yuv444p"),
        x265("yuv420p12le"),
        x265("gray"),
    ] {
        println!("{options:?}");
        let recording = Recording::make(clip, &options);
        assert_every_frame_is_correct(&recording, &first);
        let built_in = images(&Fragments::cut(&recording.path), vec![EPOCH], &Decoders::BuiltIn);
        assert!(matches!(built_in[0], Err(ExtractError::Decode(_))), "{options:?}: ffmpeg was needed");
    }
}

#[test]
fn ffmpeg_can_decode_everything() {
    if !available("ffmpeg_can_decode_everything", &["ffmpeg"]) {
        return;
    }
    let always = Decoders::Ffmpeg(Ffmpeg::find().unwrap());
    let clip = "testsrc2=size=128x96:rate=25:duration=1";
    let x264 = ["-c:v", "libx264", "-g", "10", "-bf", "3", "-pix_fmt", "yuv420p"];
    assert_every_frame_is_correct(&Recording::make(clip, &x264), &always);
    let open_gop = "log-level=error:bframes=4:b-pyramid=1:open-gop=1:scenecut=0:keyint=10:min-keyint=10";
    let x265 = ["-c:v", "libx265", "-preset", "superfast", "-pix_fmt", "yuv420p", "-x265-params", open_gop];
    assert_every_frame_is_correct(&Recording::make(clip, &x265), &always);
}

#[test]
fn damaged_and_missing_frames_give_errors_and_no_guesses() {
    if !available("damaged_and_missing_frames_give_errors_and_no_guesses", &["ffmpeg"]) {
        return;
    }
    let first = Decoders::BuiltInFirst(Ffmpeg::find().unwrap());
    let clip = "testsrc2=size=128x96:rate=25:duration=0.8";
    let x264 = ["-c:v", "libx264", "-g", "10", "-bf", "0", "-pix_fmt", "yuv420p10le"];
    let x265 = ["-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=error:keyint=10:bframes=0"];
    for options in [x264.as_slice(), &x265] {
        let recording = Recording::make(clip, options);
        let expected = recording.frames("rgb24", &["-vf", "format=yuv420p"], SIZE);
        let whole = Fragments::cut(&recording.path);
        let times = whole.times();
        let broken: [fn(&mut Vec<Frame>); 2] = [
            |frames| {
                let data = frames[4].data.clone().into_bytes();
                frames[4].data = data.slice(..data.len() / 2).into();
            },
            |frames| drop(frames.remove(4)),
        ];
        for breaks in broken {
            let mut fragments = Fragments::cut(&recording.path);
            breaks(&mut fragments.media[0].frames);
            let results = images(&fragments, times.clone(), &first);
            assert!(results[5..10].iter().all(Result::is_err), "{options:?}: {results:?}");
            for (at, result) in results.iter().enumerate().filter(|(_, result)| result.is_ok()) {
                // At the time of the missing frame, the one before it is displayed.
                let off = difference(&pixels(result), &expected[at])
                    .1
                    .min(difference(&pixels(result), &expected[at.saturating_sub(1)]).1);
                assert!(off < 1.5, "{options:?}: frame {at} is off by {off}");
            }
            assert!(results[10..].iter().all(Result::is_ok), "{options:?}: the next key frame is whole");
        }
    }
}

/// Four pictures of 48x32 with 10 bits.
fn ten_bits() -> Fragments {
    let data = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips/high10.h264")).unwrap();
    let (mut private, mut frames) = (Vec::new(), Vec::new());
    for unit in nal::annex_b_lossy(&data) {
        let coded = [&[0, 0, 0, 1], unit].concat();
        match unit[0] & 0x1f {
            7 | 8 => private.extend(coded),
            1 | 5 => {
                let at = EPOCH + Duration::from_millis(40 * frames.len() as u64);
                frames.push(Frame::new(TrackNumber::ONE, at, coded).with_keyframe(frames.is_empty()));
            }
            _ => {}
        }
    }
    assert_eq!(frames.len(), 4);
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(private);
    Fragments::of(vec![FragmentMedia { tracks: Arc::new([track]), start: EPOCH, frames }])
}

/// Writes a shell script that is run in place of ffmpeg.
fn in_place(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("ffmpeg");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn programs_that_misbehave_give_errors_in_bounded_time() {
    let fragments = ten_bits();
    let folder = tempfile::tempdir().unwrap();
    for (script, reason) in [
        ("sleep 1000 & wait", "longer than"),
        ("cat /dev/zero", "more than the 2304 bytes"),
        ("yes complaint >&2", "longer than"),
        ("echo broken >&2; exit 1", "broken"),
        ("exec 0<&-; exit 0", "another number of pictures"),
        ("cat > /dev/null; head -c 100 /dev/zero", "another number of pictures"),
        ("cat > /dev/null; echo '[h264 @ 0x1] concealing' >&2; head -c 2304 /dev/zero", "concealing"),
        ("kill -KILL $$", "signal"),
    ] {
        let ffmpeg = Ffmpeg::at(in_place(folder.path(), script)).time(Duration::from_secs(3));
        let start = Instant::now();
        let results = images(&fragments, vec![EPOCH + Duration::from_millis(120)], &Decoders::BuiltInFirst(ffmpeg));
        match &results[0] {
            Err(ExtractError::Decode(DecodeError::Decoder { reason: told, .. })) => {
                assert!(told.contains(reason), "{script}: {told}");
            }
            other => panic!("{script}: {other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{script} took {:?}", start.elapsed());
    }
    let missing = Ffmpeg::at(folder.path().join("missing"));
    assert!(images(&fragments, vec![EPOCH], &Decoders::Ffmpeg(missing))[0].is_err());
}

/// Returns the four pictures as a Matroska stream that starts at `at` ms since the epoch.
fn recorded(at: u64) -> Vec<u8> {
    let fragments = ten_bits();
    let FragmentMedia { tracks, frames, .. } = &fragments.media[0];
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), tracks.to_vec()).unwrap();
    let mut all = writer.start_segment().to_vec();
    all.extend_from_slice(&writer.start_cluster(Duration::from_millis(at)).unwrap());
    for frame in frames {
        let mut frame = frame.clone();
        frame.pts = frame.pts - EPOCH + Duration::from_millis(at);
        all.extend_from_slice(&writer.block(frame).unwrap().into_bytes());
    }
    all
}

#[tokio::test]
async fn a_hanging_program_holds_up_neither_other_requests_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let program = in_place(folder.path(), "sleep 1000 & wait");
    let local = support::builder().ffmpeg(program).start().await.unwrap();
    support::create(local.address(), "door").await;
    let mut put = support::Put::open(local.address(), "door", "").await;
    put.send(&recorded(support::SOME_TIME)).await;
    put.end().await;
    assert!(put.rest().await.contains("PERSISTED"));
    let from = support::SOME_TIME as f64 / 1000.0;
    let to = from + 1.0;
    let request = format!(
        r#"{{"StreamName":"door","ImageSelectorType":"PRODUCER_TIMESTAMP","Format":"JPEG","StartTimestamp":{from},"EndTimestamp":{to},"SamplingInterval":200}}"#
    );
    let address = local.address();
    let waiting = tokio::spawn(async move { support::post(address, "/getImages", &request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(support::post(local.address(), "/listStreams", "{}").await.status, 200);
    waiting.abort();
    let start = Instant::now();
    local.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(20), "stopping took {:?}", start.elapsed());
}

#[tokio::test]
async fn a_program_that_was_asked_for_must_be_there() {
    let result = support::builder().decoder(Decoder::Ffmpeg).ffmpeg("/no/such/ffmpeg").start().await;
    assert!(result.is_err_and(|error| error.to_string().contains("/no/such/ffmpeg")));
}
