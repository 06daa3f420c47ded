//! Recordings rebuilt after reports of people who could not use them, each with its right result.

use std::path::{Path, PathBuf};

use crate::judge::{frames, make, packets};
use kvs_media::{MediaError, MediaEvent, NoticeKind, Reader, ReaderOptions, Recording, Sample, TrackChoice};
use kvs_mkv::{Frame, SegmentInfo, Track, TrackKind, Writer};
use test_judges::available;

const TOOLS: &[&str] = &["ffmpeg", "ffprobe"];

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

fn open(name: &str) -> Recording {
    Recording::open(case(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn of(recording: &Recording, kind: TrackKind) -> Vec<&Sample> {
    let Some(track) = recording.tracks().iter().find(|track| track.kind == kind) else { return Vec::new() };
    recording.samples().iter().filter(|sample| sample.track == track.number).collect()
}

fn millis(samples: &[&Sample]) -> Vec<u128> {
    let mut times: Vec<_> = samples.iter().map(|sample| (sample.pts.as_nanos() + 500_000) / 1_000_000).collect();
    times.sort_unstable();
    times
}

fn notices(recording: &Recording) -> Vec<String> {
    recording.notices().iter().map(ToString::to_string).collect()
}

/// The frames as ffprobe lists them for one stream: sizes and times, but for one shift.
#[track_caller]
fn assert_packets(name: &str, kind: TrackKind) {
    let recording = open(name);
    let (ours, stream) = (of(&recording, kind), if kind == TrackKind::Video { "v" } else { "a" });
    let theirs = packets(&case(name), stream);
    let sizes: Vec<_> = ours.iter().map(|sample| sample.data.len()).collect();
    assert_eq!(sizes, theirs.iter().map(|packet| packet.size).collect::<Vec<_>>(), "{name}");
    let shift = ours[0].pts.as_secs_f64() - theirs[0].seconds.unwrap();
    for (our, their) in ours.iter().zip(&theirs) {
        let apart = our.pts.as_secs_f64() - their.seconds.unwrap() - shift;
        assert!(apart.abs() < 0.0011, "{name}: {:?} is {apart} s from {their:?}", our.pts);
    }
}

/// Number of pictures that ffmpeg decodes from the frames of a recording as one Matroska segment.
fn decoded(recording: &Recording) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ours.mkv");
    let tracks: Vec<Track> = recording.tracks().to_vec();
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), tracks).unwrap();
    let mut bytes = writer.start_segment().to_vec();
    let mut cluster = None;
    for sample in recording.samples() {
        let pts = std::time::Duration::from_millis(u64::try_from(sample.pts.as_millis()).unwrap());
        if cluster.is_none_or(|start| pts > start + std::time::Duration::from_secs(20)) {
            cluster = Some(pts);
            bytes.extend_from_slice(&writer.start_cluster(pts).unwrap());
        }
        let frame = Frame::new(sample.track, pts, sample.data.clone()).with_keyframe(sample.keyframe);
        bytes.extend_from_slice(&writer.block(frame).unwrap().into_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    frames(&path, "v").len()
}

#[test]
fn first_enabled_sound_track_is_chosen_and_the_other_is_named() {
    let recording = open("twoaudio.mp4");
    let rate = |recording: &Recording| recording.audio().unwrap().audio.unwrap().sampling_frequency;
    assert_eq!((rate(&recording), of(&recording, TrackKind::Audio).len()), (48_000.0, 142));
    assert_eq!(notices(&recording), ["left out: audio track 2 (AAC or other MPEG audio, not enabled)"]);
    let second = ReaderOptions::new().audio(TrackChoice::Number(2));
    let mut reader = Reader::open_with(case("twoaudio.mp4"), &second).unwrap();
    assert_eq!(reader.tracks()[1].audio.unwrap().sampling_frequency, 44_100.0);
    let mut sounds = 0;
    while let Some(sample) = reader.next_sample().unwrap() {
        sounds += usize::from(sample.track == reader.tracks()[1].number);
    }
    assert_eq!(sounds, 131);
    let all = Reader::open_with(case("twoaudio.mp4"), &ReaderOptions::new().audio(TrackChoice::All)).unwrap();
    assert_eq!((all.tracks().len(), all.notices().len()), (3, 0));
    let third = ReaderOptions::new().audio(TrackChoice::Number(3));
    let error = Reader::open_with(case("twoaudio.mp4"), &third).unwrap_err();
    assert!(matches!(error, MediaError::Refused { .. }) && error.to_string().contains("are 1 to 2"), "{error}");
}

#[test]
fn track_without_frames_is_left_out() {
    let recording = open("emptyfirstvideo.mkv");
    assert_eq!(of(&recording, TrackKind::Video).len(), 75);
    assert_eq!(notices(&recording), ["left out: video track 1 (V_MPEG4/ISO/AVC, no frames)"]);
}

#[test]
fn rotation_and_pixel_aspect_of_mp4_are_kept() {
    let video = open("rot90.mp4").video().unwrap().video.unwrap();
    assert_eq!((video.width, video.height, video.pose.quarter_turns()), (160, 96, Some(1)));
    let video = open("pasp.mp4").video().unwrap().video.unwrap();
    let aspect = video.pixel_aspect().unwrap();
    assert_eq!((aspect.width, aspect.height), (4, 3));
}

#[test]
fn pause_in_an_edit_list_is_kept() {
    let recording = open("elst_gap.mp4");
    let times = millis(&of(&recording, TrackKind::Video));
    let first = times[0];
    let expected: Vec<_> = (0..25).chain(75..125).map(|n| first + n * 40).collect();
    assert_eq!(times, expected);
    let sound = millis(&of(&recording, TrackKind::Audio));
    let pauses: Vec<_> =
        sound.windows(2).filter(|pair| pair[1] - pair[0] > 100).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), 1);
    assert!((1990..=2025).contains(&pauses[0]), "{pauses:?}");
    if available("decoding an edited recording", TOOLS) {
        assert_eq!(decoded(&recording), 75);
    }
}

#[test]
fn cut_in_an_edit_list_is_followed() {
    let recording = open("elst_cut.mp4");
    let times = millis(&of(&recording, TrackKind::Video));
    assert_eq!(times, (0..50).map(|n| times[0] + n * 40).collect::<Vec<_>>());
    let sound = millis(&of(&recording, TrackKind::Audio));
    assert!((94..=96).contains(&sound.len()), "{}", sound.len());
    assert!(sound.windows(2).all(|pair| pair[1] - pair[0] < 43), "{sound:?}");
    if available("decoding a cut recording", TOOLS) {
        assert_eq!(decoded(&recording), 50);
    }
}

#[test]
fn negative_time_step_is_made_good_by_the_next_samples() {
    if available("negative time steps", TOOLS) {
        assert_packets("negstts.mp4", TrackKind::Video);
        assert_packets("negstts.mp4", TrackKind::Audio);
    }
}

#[test]
fn fragments_without_times_continue_behind_the_movie_box() {
    let recording = open("notfdt_hyb.mp4");
    let times = millis(&of(&recording, TrackKind::Video));
    assert_eq!(times, (0..75).map(|n| times[0] + n * 40).collect::<Vec<_>>());
    assert_eq!(of(&recording, TrackKind::Audio).len(), 142);
    if available("fragments without times", TOOLS) {
        assert_packets("notfdt_hyb.mp4", TrackKind::Video);
    }
}

#[test]
fn second_sample_description_changes_the_track() {
    let mut reader = Reader::open(case("twodesc_frag.mp4")).unwrap();
    let first = reader.tracks()[0].clone();
    let (mut changed, mut frames) = (Vec::new(), 0);
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            MediaEvent::Tracks(tracks) => changed.push((frames, tracks[0].clone())),
            MediaEvent::Sample(_) => frames += 1,
            _ => {}
        }
    }
    assert_eq!((frames, changed.len()), (100, 1));
    assert_eq!(changed[0].0, 50);
    assert_ne!(changed[0].1.codec_private, first.codec_private);
    // Decoders that keep the first description find the second one in band.
    if available("decoding two sample descriptions", TOOLS) {
        assert_eq!(decoded(&open("twodesc_frag.mp4")), 100);
    }
}

#[test]
fn compact_sample_sizes_are_read() {
    assert_eq!(of(&open("stz2.mp4"), TrackKind::Video).len(), 75);
    if available("compact sample sizes", TOOLS) {
        assert_packets("stz2.mp4", TrackKind::Video);
        assert_packets("stz2.mp4", TrackKind::Audio);
    }
}

#[test]
fn trailer_behind_the_boxes_is_ignored() {
    let recording = open("junk_text.mp4");
    assert_eq!((of(&recording, TrackKind::Video).len(), of(&recording, TrackKind::Audio).len()), (75, 142));
    assert_eq!(notices(&recording), ["the last 270 bytes, from byte 78994 on, are no box and are ignored"]);
}

#[test]
fn codec_private_data_with_start_codes_is_taken() {
    let recording = open("annexb_cp.mkv");
    assert_eq!(of(&recording, TrackKind::Video).len(), 75);
    assert_eq!(recording.video().unwrap().codec_private[0], 1, "an avcC");
    if available("decoding codec private data with start codes", TOOLS) {
        assert_eq!(decoded(&recording), 75);
    }
}

#[test]
fn laced_sound_is_spaced_by_its_samples() {
    let recording = open("lace_nodd.mkv");
    let sound = of(&recording, TrackKind::Audio);
    let steps: Vec<_> = sound.windows(2).map(|pair| (pair[1].pts - pair[0].pts).as_micros()).collect();
    // The first block is written at 0 instead of -21 ms, so the second one starts with its last frame; as in ffmpeg.
    assert_eq!(steps.iter().filter(|step| **step == 0).count(), 1);
    assert!(steps.iter().all(|step| *step == 0 || (20_000..=22_700).contains(step)), "{steps:?}");
}

/// A Matroska file with one track of A-law, 8 kHz, in blocks of three frames with fixed-size lacing and without a default duration.
fn laced_a_law(longest_id: u8) -> Vec<u8> {
    let element = |id: &[u8], body: &[u8]| {
        let size = 0x4000 | u16::try_from(body.len()).unwrap();
        [id, &size.to_be_bytes(), body].concat()
    };
    let format = [6, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0];
    let audio = [element(&[0xb5], &8000_f32.to_be_bytes()), element(&[0x9f], &[1])].concat();
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_MS/ACM"),
        element(&[0x63, 0xa2], &format),
        element(&[0xe1], &audio),
    ];
    let block = |at: u8| {
        // Track 1, a time of two bytes, a key frame with fixed-size lacing, three frames.
        let frames = [[0xd5; 160], [0x55; 160], [0xd5; 160]].concat();
        element(&[0xa3], &[&[0x81, 0, at, 0x84, 2][..], &frames].concat())
    };
    let cluster = [element(&[0xe7], &[0]), block(0), block(60)].concat();
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &element(&[0x2a, 0xd7, 0xb1], &[0x0f, 0x42, 0x40])),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track.concat())),
        element(&[0x1f, 0x43, 0xb6, 0x75], &cluster),
    ];
    let head = [element(&[0x42, 0xf2], &[longest_id]), element(&[0x42, 0x82], b"matroska")].concat();
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), element(&[0x18, 0x53, 0x80, 0x67], &segment.concat())].concat()
}

#[test]
fn laced_a_law_is_spaced_by_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("laced.mkv");
    std::fs::write(&path, laced_a_law(4)).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!(millis(&of(&recording, TrackKind::Audio)), [0, 20, 40, 60, 80, 100]);
    if available("the packets of laced A-law", TOOLS) {
        let theirs: Vec<_> = packets(&path, "a").iter().map(|packet| (packet.size, packet.seconds)).collect();
        assert_eq!(theirs.len(), 6);
        assert_eq!(theirs[4], (160, Some(0.08)));
    }
}

#[test]
fn document_that_asks_for_more_than_is_supported_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long_ids.mkv");
    std::fs::write(&path, laced_a_law(5)).unwrap();
    let error = Recording::open(&path).unwrap_err().to_string();
    assert!(error.contains("cannot be used") && error.contains("requires 5, at most 4 is supported"), "{error}");
}

#[test]
fn late_and_still_pictures_are_returned_whole() {
    let late = open("latevideo.mp4");
    assert_eq!((of(&late, TrackKind::Video).len(), of(&late, TrackKind::Audio).len()), (75, 142));
    assert!(late.video().is_some() && millis(&of(&late, TrackKind::Video))[0] >= 40_000);
    let screen = open("screen_vfr.mp4");
    assert_eq!((of(&screen, TrackKind::Video).len(), of(&screen, TrackKind::Audio).len()), (40, 251));
}

#[test]
fn blocks_without_payload_are_skipped_and_counted() {
    let recording = open("zerolen.mkv");
    assert!(recording.samples().iter().all(|sample| !sample.data.is_empty()));
    let skipped: Vec<_> = recording.notices().iter().filter(|notice| notice.kind == NoticeKind::Skipped).collect();
    assert_eq!(skipped.len(), 1, "{:?}", recording.notices());
    assert!(skipped[0].to_string().starts_with("3 frames of track 1"), "{}", skipped[0]);
}

#[test]
fn leading_unknown_boxes_are_skipped() {
    let whole = std::fs::read(case("stz2.mp4")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("camera.mp4");
    // The offsets of the frames count from the start of the file, so the box must replace another one of its size.
    let free = whole.windows(4).position(|window| window == b"free").unwrap();
    let mut bytes = whole;
    bytes[free..free + 4].copy_from_slice(b"cAmX");
    bytes[4..8].copy_from_slice(b"info");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(of(&Recording::open(&path).unwrap(), TrackKind::Video).len(), 75);
}

#[test]
fn other_speeds_and_cuts_between_key_frames_are_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let whole = std::fs::read(case("elst_cut.mp4")).unwrap();
    let list = whole.windows(4).position(|window| window == b"elst").unwrap() + 12;
    let patched = |at: usize, value: u32| {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        let path = directory.path().join("patched.mp4");
        std::fs::write(&path, bytes).unwrap();
        Recording::open(&path).unwrap_err().to_string()
    };
    let error = patched(list + 8, 0x8000);
    assert!(error.contains("edit 1 plays at 0.50 times the speed") && !error.contains('\n'), "{error}");
    let error = patched(list + 12 + 4, 20_000);
    assert!(error.contains("edit 2") && error.contains("key frames") && !error.contains('\n'), "{error}");
}

#[test]
fn frame_of_start_codes_alone_is_damage() {
    let mut bytes = std::fs::read(case("stz2.mp4")).unwrap();
    let mdat = bytes.windows(4).position(|window| window == b"mdat").unwrap() + 4;
    bytes[mdat..mdat + 4000].fill(0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zeros.mp4");
    std::fs::write(&path, bytes).unwrap();
    let error = Recording::open(&path).unwrap_err();
    assert!(matches!(error, MediaError::Damaged { .. }), "{error}");
}

#[test]
fn sparse_file_of_10_gb_takes_no_more_memory() {
    use std::io::{Seek, SeekFrom, Write};
    const SIZE: u64 = 10_000_000_000;
    let whole = std::fs::read(case("elst_cut.mp4")).unwrap();
    let (mdat, moov) = (40, whole.windows(4).position(|window| window == b"moov").unwrap() - 4);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sparse.mp4");
    let mut file = std::fs::File::create(&path).unwrap();
    // The head of a large box takes the place of the empty box before the media, so that the offsets stay right.
    file.write_all(&whole[..mdat - 8]).unwrap();
    file.write_all(&[&[0, 0, 0, 1][..], b"mdat", &SIZE.to_be_bytes()].concat()).unwrap();
    file.write_all(&whole[mdat + 8..moov]).unwrap();
    file.seek(SeekFrom::Start(32 + SIZE)).unwrap();
    file.write_all(&whole[moov..]).unwrap();
    drop(file);
    let (mut frames, mut largest) = (0, 0);
    let memory = allocation_counter::measure(|| {
        let mut reader = Reader::open(&path).unwrap_or_else(|error| panic!("{error}"));
        while let Some(sample) = reader.next_sample().unwrap_or_else(|error| panic!("{error}")) {
            frames += 1;
            largest = largest.max(sample.data.len() as u64);
        }
    });
    assert_eq!(frames, open("elst_cut.mp4").samples().len());
    assert!(memory.bytes_max < 300_000 + 3 * largest, "{} bytes", memory.bytes_max);
}

/// A recording that was cut off anywhere gives what is there, says so in one line, and is refused if strict.
#[track_caller]
fn assert_interrupted(path: &Path, whole: &Recording) -> Option<usize> {
    let recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(MediaError::Truncated { .. } | MediaError::NoFrames { .. } | MediaError::Damaged { .. }) => return None,
        Err(error) => panic!("{error}"),
    };
    let prefix = |kind| {
        let (ours, theirs) = (of(&recording, kind), of(whole, kind));
        assert!(ours.len() <= theirs.len(), "{kind:?} of {}", path.display());
        // Without the sound that starts before zero, the times are not moved.
        for (our, their) in ours.iter().zip(&theirs) {
            let times = (our.pts + theirs[0].pts).abs_diff(their.pts + ours[0].pts);
            assert!(our.data == their.data && times.as_nanos() < 2, "{kind:?} of {}: {:?}", path.display(), our.pts);
        }
    };
    prefix(TrackKind::Video);
    prefix(TrackKind::Audio);
    let lines: Vec<_> = recording.notices().iter().filter(|notice| notice.kind == NoticeKind::Interrupted).collect();
    assert!(lines.iter().all(|line| !line.to_string().contains('\n')));
    if let Some(line) = lines.first() {
        assert!(line.to_string().contains("interrupted"), "{line}");
        let error = Reader::open_with(path, &ReaderOptions::new().strict(true)).unwrap_err();
        assert!(matches!(error, MediaError::Truncated { .. }), "{error}");
    } else {
        let end = std::fs::read(path).unwrap();
        assert!(end.last() != Some(&0) || recording.samples().len() == whole.samples().len(), "zeros without a word");
    }
    Some(recording.samples().len())
}

#[test]
fn interrupted_recordings_give_everything_up_to_the_cut() {
    if !available("interrupted recordings", TOOLS) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let input = case("stz2.mp4");
    let copy = |name: &str, more: &str| make(directory.path(), name, &format!("-i {} -c copy {more}", input.display()));
    let sources = [
        copy("whole.mkv", ""),
        copy("live.mkv", "-f matroska -live 1"),
        copy("fragmented.mp4", "-movflags frag_keyframe+empty_moov+default_base_moof"),
        copy("hybrid.mp4", "-movflags frag_keyframe -frag_duration 500000"),
        copy("stream.ts", ""),
    ];
    for source in sources {
        let (bytes, whole) = (std::fs::read(&source).unwrap(), Recording::open(&source).unwrap());
        let path = directory.path().join(format!("cut-{}", source.file_name().unwrap().to_string_lossy()));
        let (mut most, mut told) = (0, 0);
        for step in 1..60 {
            let cut = bytes.len() * step / 60 + step % 7;
            for zeros in [0, 4096] {
                let mut part = bytes[..cut.min(bytes.len())].to_vec();
                part.resize(part.len() + zeros, 0);
                std::fs::write(&path, part).unwrap();
                let Some(frames) = assert_interrupted(&path, &whole) else { continue };
                told += 1;
                // Cuts are in order, so a later one has as many frames; zeros cost none, but for a transport stream.
                let slack = if source.extension().is_some_and(|extension| extension == "ts") { 2 } else { 0 };
                assert!(frames + slack >= most, "{}: {frames} of {most} at {cut}", source.display());
                most = most.max(frames);
            }
        }
        assert!(told > 90, "{}: only {told} of 118 cuts give frames", source.display());
        assert!(most * 10 > whole.samples().len() * 9, "{}: {most}", source.display());
    }
}

/// Byte streams, whose cases are those of the splitters.
fn byte_stream(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases").join(name);
    Recording::open(path).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn byte_streams_have_all_pictures_and_the_first_size() {
    for (name, pictures, width) in [
        ("midgop.h264", 100, 160),
        ("sameidr.h264", 25, 160),
        ("twosps.h264", 110, 160),
        ("reschange.h265", 75, 160),
        ("size_change.h264", 120, 128),
    ] {
        let recording = byte_stream(name);
        assert_eq!(recording.samples().len(), pictures, "{name}");
        assert_eq!(recording.video().and_then(|track| track.video).unwrap().width, width, "{name}");
        let mut times: Vec<_> = recording.samples().iter().map(|sample| sample.pts).collect();
        times.sort();
        times.dedup();
        assert_eq!(times.len(), pictures, "{name}: no two pictures have one time");
    }
}

#[test]
fn adts_goes_on_behind_a_change_of_rate_and_a_cut_frame() {
    let change = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases/ratechange.aac");
    let (mut reader, mut times) = (Reader::open(change).unwrap(), Vec::new());
    while let Some(sample) = reader.next_sample().unwrap() {
        times.push(sample.pts.as_micros());
    }
    let steps: std::collections::BTreeSet<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // 1,024 samples at 48 kHz, then at 44.1 kHz; rounded down.
    assert!(steps.iter().all(|step| [21_333, 21_334, 23_219, 23_220].contains(step)), "{steps:?}");
    let whole = byte_stream("tone.aac").samples().len();
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases/tone.aac")).unwrap();
    let cut = tempfile::Builder::new().suffix(".aac").tempfile().unwrap();
    std::fs::write(cut.path(), &bytes[..bytes.len() - 10]).unwrap();
    let reader = Reader::open(cut.path()).unwrap();
    assert!(reader.notices()[0].to_string().contains("interrupted"), "{}", reader.notices()[0]);
    assert_eq!(Recording::open(cut.path()).unwrap().samples().len(), whole - 1);
    let strict = Reader::open_with(cut.path(), &ReaderOptions::new().strict(true));
    assert!(strict.is_err());
}

/// Byte streams have no times, so ffmpeg gives an MP4 of one with B-frames composition times that are its decoding times. Its edit list
/// starts behind the first two pictures, which players decode and do not show.
#[test]
fn pictures_before_the_start_of_an_edit_are_returned_and_counted() {
    if !available("pictures before an edit", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let video = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=1 -pix_fmt yuv420p";
    let coding = "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=12:bframes=3:open-gop=1";
    let stream = make(folder.path(), "open.265", &format!("{video} {coding}"));
    let path = make(folder.path(), "hev1.mp4", &format!("-i {} -c copy -tag:v hev1", stream.display()));
    let recording = Recording::open(&path).unwrap();
    assert_eq!(recording.samples().len(), packets(&path, "v").len());
    let hidden = packets(&path, "v").len() - frames(&path, "v").len();
    assert_eq!(hidden, 2);
    let expected =
        "the edit list of video track 1 starts between key frames: 2 pictures before its start are returned too";
    assert_eq!(notices(&recording), [expected]);
}

#[test]
fn g711_of_quicktime_is_divided_into_frames() {
    if !available("G.711 in QuickTime", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=2";
    let video = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast";
    let (whole, fast) = ("", "-movflags +faststart");
    for (codec, rate, channels, options) in
        [("alaw", 8000, 1, whole), ("mulaw", 8000, 2, fast), ("alaw", 48_000, 2, fast), ("mulaw", 16_000, 1, whole)]
    {
        let sound = format!("-c:a pcm_{codec} -ar {rate} -ac {channels}");
        let path = make(folder.path(), "sound.mov", &format!("{input} {video} {sound} {options}"));
        let recording = Recording::open(&path).unwrap();
        let track = recording.tracks().iter().find(|track| track.kind == TrackKind::Audio).unwrap();
        let audio = track.audio.as_ref().unwrap();
        assert_eq!((audio.sampling_frequency, audio.channels), (f64::from(rate), channels), "{sound}");
        let frames = of(&recording, TrackKind::Audio);
        let bytes: Vec<u8> = frames.iter().flat_map(|frame| frame.data.iter().flatten().copied()).collect();
        let raw = make(folder.path(), "sound.raw", &format!("-i {} -map 0:a -c copy -f {codec}", path.display()));
        assert_eq!(bytes, std::fs::read(raw).unwrap(), "{sound}");
        let per_second = usize::try_from(rate).unwrap() * usize::try_from(channels).unwrap();
        assert!(frames.iter().all(|frame| frame.data.len() <= per_second / 50), "{sound}: frames of 20 ms at most");
        // Each frame is shown when the samples before it have ended.
        let mut before = 0;
        for frame in &frames {
            let expected = before as f64 / per_second as f64;
            assert!((frame.pts.as_secs_f64() - expected).abs() < 1e-6, "{sound}: {:?} {expected}", frame.pts);
            before += frame.data.len();
        }
        if options == fast {
            let pipe = Reader::from_pipe("pipe", std::fs::File::open(&path).unwrap(), &ReaderOptions::new()).unwrap();
            let mut reader = pipe;
            let mut count = 0;
            while let Some(sample) = reader.next_sample().unwrap() {
                count += usize::from(sample.track == track.number);
            }
            assert_eq!(count, frames.len(), "{sound} through a pipe");
        }
    }
}

#[test]
fn pcm_of_quicktime_is_left_out_by_name_or_refused() {
    if !available("PCM in QuickTime", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=1 -f lavfi -i sine=sample_rate=48000:duration=1";
    let video = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast";
    let path = make(folder.path(), "pcm.mov", &format!("{input} {video} -c:a pcm_s16le -movflags +faststart"));
    let recording = Recording::open(&path).unwrap();
    assert_eq!((recording.tracks().len(), recording.samples().len()), (1, 25));
    let expected = "left out: audio track 1 (PCM ('sowt'), which the service does not take)";
    assert_eq!(notices(&recording), [expected]);
    let pipe = Reader::from_pipe("pipe", std::fs::File::open(&path).unwrap(), &ReaderOptions::new()).unwrap();
    assert_eq!(pipe.notices().iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    let chosen = Reader::open_with(&path, &ReaderOptions::new().audio(TrackChoice::Number(1))).unwrap_err();
    assert!(matches!(&chosen, MediaError::Codec { codec, .. } if codec == "PCM ('sowt')"), "{chosen}");
    let alone = make(folder.path(), "alone.mov", &format!("-i {} -vn -c copy", path.display()));
    let alone = Recording::open(alone).unwrap_err();
    assert!(matches!(&alone, MediaError::Codec { codec, .. } if codec == "PCM ('sowt')"), "{alone}");
}

#[test]
fn aac_in_private_data_of_a_transport_stream_is_taken() {
    if !available("AAC in M2TS", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=2";
    let coding = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -c:a aac";
    let path = make(folder.path(), "camera.m2ts", &format!("{input} {coding}"));
    let recording = Recording::open(&path).unwrap();
    assert_eq!(of(&recording, TrackKind::Audio).len(), packets(&path, "a").len());
    assert!(notices(&recording).is_empty(), "{:?}", notices(&recording));
    let mut pipe = Reader::from_pipe("pipe", std::fs::File::open(&path).unwrap(), &ReaderOptions::new()).unwrap();
    let (audio, mut count) = (pipe.tracks()[1].number, 0);
    while let Some(sample) = pipe.next_sample().unwrap() {
        count += usize::from(sample.track == audio);
    }
    assert_eq!(count, packets(&path, "a").len());
}

#[test]
fn trailer_of_an_adts_file_costs_no_frame() {
    let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases/tone.aac")).unwrap();
    let read = |bytes: &[u8], strict: bool| {
        let bytes = std::io::Cursor::new(bytes.to_vec());
        let mut reader = Reader::from_seekable("tone.aac", bytes, &ReaderOptions::new().strict(strict)).unwrap();
        let mut count = 0;
        while reader.next_sample().unwrap().is_some() {
            count += 1;
        }
        (count, reader.notices().iter().map(|notice| notice.kind).collect::<Vec<_>>())
    };
    let frames = read(&whole, true).0;
    let tag = [&b"TAG"[..], &[b' '; 125]].concat();
    assert_eq!(read(&[&whole[..], &tag].concat(), true), (frames, vec![]));
    let text = b"a trailer of the camera";
    assert_eq!(read(&[&whole[..], text].concat(), true), (frames, vec![NoticeKind::Ignored]));
    // A recorder that reserves its file and loses power leaves zeros behind a part of a frame.
    let cut = [&whole[..whole.len() - 9], &[0; 4000]].concat();
    assert_eq!(read(&cut, false), (frames - 1, vec![NoticeKind::Interrupted]));
}
