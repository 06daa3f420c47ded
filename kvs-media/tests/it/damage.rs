//! Recordings that are damaged in the middle, or go on in another way than they began.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::judge::{make, packets};
use kvs_media::{MediaError, MediaEvent, NoticeKind, Reader, ReaderOptions, Recording, Sample, TrackChoice};
use kvs_mkv::{CodecId, Track, TrackKind};
use test_judges::available;

const TOOLS: &[&str] = &["ffmpeg", "ffprobe"];

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// What a reader returns to its end.
struct Read {
    samples: Vec<Sample>,
    changes: Vec<Vec<Track>>,
    notices: Vec<(NoticeKind, String)>,
}

impl Read {
    fn all(mut reader: Reader) -> Result<Self, MediaError> {
        let (mut samples, mut changes) = (Vec::new(), Vec::new());
        while let Some(event) = reader.next_event()? {
            match event {
                MediaEvent::Sample(sample) => samples.push(sample),
                MediaEvent::Tracks(tracks) => changes.push(tracks),
                _ => {}
            }
        }
        let notices = reader.notices().iter().map(|notice| (notice.kind, notice.to_string())).collect();
        Ok(Self { samples, changes, notices })
    }

    /// The frames of the track with this number.
    fn of(&self, track: u64) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.track.get() == track).collect()
    }

    fn kinds(&self) -> Vec<NoticeKind> {
        self.notices.iter().map(|(kind, _)| *kind).collect()
    }
}

/// The same bytes as a file and through a pipe.
fn both(bytes: &[u8], options: &ReaderOptions) -> [Result<Read, MediaError>; 2] {
    let file = Reader::from_seekable("file", Cursor::new(bytes.to_vec()), options);
    let pipe = Reader::from_pipe("pipe", Cursor::new(bytes.to_vec()), options);
    [file.and_then(Read::all), pipe.and_then(Read::all)]
}

fn positions(bytes: &[u8], name: &[u8; 4]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, window)| window == name).map(|(at, _)| at).collect()
}

fn fragmented(folder: &Path) -> Vec<u8> {
    let options = "-movflags frag_keyframe+empty_moov+default_base_moof";
    let input = case("stz2.mp4");
    std::fs::read(make(folder, "whole.mp4", &format!("-i {} -c copy {options}", input.display()))).unwrap()
}

#[test]
fn damage_between_fragments_is_named_and_refused_if_strict() {
    if !available("damaged fragments", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = fragmented(folder.path());
    let strict = ReaderOptions::new().strict(true);
    let all = both(&whole, &strict).map(|read| read.unwrap().samples.len());
    assert_eq!(all, [217; 2]);
    let second = positions(&whole, b"moof")[1] - 4;
    // Frames before the second fragment.
    let before = both(&whole[..second], &ReaderOptions::new()).map(|read| read.unwrap().samples.len())[0];
    for (what, damage) in [
        ("too small", &[0, 0, 0, 3][..]),
        ("zeros", &[0; 8]),
        ("no end", &[0x7f, 0, 0, 0]),
        ("another name and no end", b"\x7f\0\0\0abcd"),
        ("no box", b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x02"),
    ] {
        let mut bytes = whole.clone();
        bytes[second..second + damage.len()].copy_from_slice(damage);
        for read in both(&bytes, &ReaderOptions::new()) {
            let read = read.unwrap();
            assert_eq!((read.samples.len(), read.kinds()), (before, vec![NoticeKind::Interrupted]), "{what}");
            let (_, text) = &read.notices[0];
            assert!(text.contains("interrupted") && text.contains(&second.to_string()), "{what}: {text}");
        }
        for refused in both(&bytes, &strict) {
            assert!(matches!(refused, Err(MediaError::Truncated { .. })), "{what}");
        }
    }
}

#[test]
fn segment_without_its_index_is_refused_as_such() {
    if !available("segments", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = fragmented(folder.path());
    let first = positions(&whole, b"moof")[0] - 4;
    for refused in both(&whole[first..], &ReaderOptions::new()) {
        let Err(error) = refused else { panic!("a segment alone") };
        assert!(matches!(error, MediaError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("put its initialization segment in front"), "{error}");
    }
}

#[test]
fn trailer_of_a_fragmented_recording_is_counted_and_ignored() {
    if !available("trailers", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = fragmented(folder.path());
    for (trailer, what) in [
        (&[0; 1000][..], "the last 1000 bytes, from byte {} on, are zeros and are ignored"),
        (b"\0\0\0\x02 what a camera appends", "the last 26 bytes, from byte {} on, are no box and are ignored"),
        (b"text that ends the file", "the last 23 bytes, from byte {} on, are no box and are ignored"),
    ] {
        let bytes = [&whole, trailer].concat();
        for read in both(&bytes, &ReaderOptions::new().strict(true)) {
            let read = read.unwrap();
            let expected = (NoticeKind::Ignored, what.replace("{}", &whole.len().to_string()));
            assert_eq!((read.samples.len(), read.notices), (217, vec![expected]));
        }
    }
}

/// A transport stream of H.264 or H.265 and AAC in this program, map and first stream.
fn transport_stream(folder: &Path, name: &str, codec: &str, (program, map, first): (u16, u16, u16)) -> PathBuf {
    let input = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=2";
    let pids = format!("-mpegts_service_id {program} -mpegts_pmt_start_pid {map} -mpegts_start_pid {first}");
    make(folder, name, &format!("{input} -pix_fmt yuv420p {codec} -g 25 -bf 0 -c:a aac {pids}"))
}

/// An AAC frame at 48 kHz.
const FRAME: Duration = Duration::from_nanos(21_333_333);

const H264: &str = "-c:v libx264 -preset ultrafast";
const H265: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=error";

#[test]
fn transport_stream_goes_on_in_another_program() {
    if !available("joined transport streams", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let one = transport_stream(folder.path(), "one.ts", H264, (1, 0x1000, 0x100));
    // Another map of the same program, another program with other streams, and both.
    for (nth, pids) in [(1, 0x1f0, 0x100), (7, 0x1000, 0x300), (1, 0x1000, 0x300), (7, 0x200, 0x400)].iter().enumerate()
    {
        let two = transport_stream(folder.path(), &format!("two{nth}.ts"), H264, *pids);
        let joined = [&one, &two].map(|path| std::fs::read(path).unwrap()).concat();
        let count = |stream| packets(&one, stream).len() + packets(&two, stream).len();
        for read in both(&joined, &ReaderOptions::new()) {
            let read = read.unwrap();
            assert_eq!((read.of(1).len(), read.of(2).len()), (count("v"), count("a")), "{pids:?}: {:?}", read.notices);
            for track in [1, 2] {
                let of: Vec<_> = read.of(track).iter().map(|sample| sample.pts).collect();
                // The sound of the first recording may be longer than its picture by less than a frame.
                let back: Vec<_> = of.windows(2).filter(|pair| pair[1] + FRAME < pair[0]).collect();
                assert!(back.is_empty(), "{pids:?}: times of track {track}: {back:?}");
            }
            let end = read.of(1).last().unwrap().pts.as_millis();
            assert!((3900..4100).contains(&end), "{pids:?}: {end}");
            assert!(!read.kinds().contains(&NoticeKind::LeftOut), "{pids:?}: {:?}", read.notices);
        }
    }
}

/// Only the picture that the cut is in is missing.
#[test]
fn cut_transport_stream_is_read_up_to_its_last_whole_picture() {
    if !available("cut transport streams", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (codec, name) in [(H264, "h264.ts"), (H265, "h265.ts")] {
        let whole = std::fs::read(transport_stream(folder.path(), name, codec, (1, 0x1000, 0x100))).unwrap();
        let path = folder.path().join("cut.ts");
        for part in 3..7 {
            // Within a packet.
            let cut = whole.get(..whole.len() * part / 8 / 188 * 188 + 60).unwrap();
            std::fs::write(&path, cut).unwrap();
            // ffprobe lists the incomplete picture too.
            let theirs = packets(&path, "v").len() - 1;
            for read in both(cut, &ReaderOptions::new()) {
                let read = read.unwrap();
                assert_eq!(read.of(1).len(), theirs, "{name}, {part} of 8: {:?}", read.notices);
            }
        }
    }
}

#[test]
fn transport_stream_changes_its_codec() {
    if !available("transport streams with two codecs", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let one = transport_stream(folder.path(), "one.ts", H264, (1, 0x1000, 0x100));
    for (nth, first) in [0x100, 0x300].into_iter().enumerate() {
        let two = transport_stream(folder.path(), &format!("two{nth}.ts"), H265, (1, 0x1000, first));
        let joined = [&one, &two].map(|path| std::fs::read(path).unwrap()).concat();
        for read in both(&joined, &ReaderOptions::new()) {
            let read = read.unwrap();
            let codecs: Vec<_> = read.changes.iter().map(|tracks| tracks[0].codec.clone()).collect();
            assert_eq!((read.of(1).len(), codecs), (100, vec![CodecId::H265]), "{:?}", read.notices);
        }
        let path = folder.path().join("joined.ts");
        std::fs::write(&path, joined).unwrap();
        let error = Recording::open(&path).unwrap_err().to_string();
        assert!(error.contains("from V_MPEG4/ISO/AVC to V_MPEGH/ISO/HEVC"), "{error}");
    }
}

#[test]
fn frames_before_the_tables_are_read() {
    if !available("tables in the middle", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = transport_stream(folder.path(), "one.ts", H264, (1, 0x1000, 0x100));
    let whole = std::fs::read(&path).unwrap();
    // Without the tables of the first second.
    let is_table = |packet: &[u8]| matches!((packet[1] & 0x1f, packet[2]), (0, 0 | 17) | (0x10, 0));
    let half = whole.len() / 2 / 188 * 188;
    let early = whole[..half].chunks(188).filter(|packet| !is_table(packet));
    let bytes: Vec<u8> = early.chain(whole[half..].chunks(188)).flatten().copied().collect();
    for read in both(&bytes, &ReaderOptions::new()) {
        let read = read.unwrap();
        assert_eq!((read.of(1).len(), read.of(2).len()), (50, packets(&path, "a").len()), "{:?}", read.notices);
    }
}

#[test]
fn track_that_begins_late_in_a_pipe_is_named() {
    if !available("late tracks", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let video = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=2";
    let encoding = format!("-pix_fmt yuv420p {H264} -g 25 -bf 0");
    let one = make(folder.path(), "one.ts", &format!("{video} {encoding}"));
    let two = transport_stream(folder.path(), "two.ts", H264, (1, 0x1000, 0x100));
    let joined = [&one, &two].map(|path| std::fs::read(path).unwrap()).concat();
    let [file, pipe] = both(&joined, &ReaderOptions::new()).map(Result::unwrap);
    assert_eq!(file.of(2).len(), packets(&two, "a").len());
    assert_eq!((file.of(1).len(), pipe.of(1).len(), pipe.of(2).len()), (100, 100, 0));
    let late: Vec<_> = pipe.notices.iter().filter(|(kind, _)| *kind == NoticeKind::LeftOut).collect();
    assert_eq!(late.len(), 1, "{:?}", pipe.notices);
    assert!(late[0].1.contains("audio track (AAC), which begins after"), "{}", late[0].1);
}

#[test]
fn recording_in_memory_refuses_a_change_of_its_sound() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases/ratechange.aac");
    let error = Recording::open(&path).unwrap_err();
    assert!(matches!(error, MediaError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("from A_AAC (48000 Hz, 1 channels) to A_AAC (44100 Hz, 1 channels)"), "{text}");
    assert!(!text.contains('\n'), "{text}");
    // New parameter sets are in band: the pictures of such a recording can be decoded.
    let sizes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-mkv/tests/cases/size_change.h264");
    assert_eq!(Recording::open(sizes).unwrap().samples().len(), 120);
    // Without the sound there is nothing to refuse.
    let silent = ReaderOptions::new().audio(TrackChoice::None);
    assert!(
        matches!(Reader::open_with(&path, &silent), Ok(reader) if reader.tracks().iter().all(|track| track.kind != TrackKind::Video))
    );
}

#[test]
fn joined_recordings_continue_or_are_refused_or_named() {
    if !available("joined recordings", TOOLS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = "-f lavfi -i testsrc2=size=160x96:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=2";
    let coding = format!("{input} -pix_fmt yuv420p {H264} -g 25 -bf 2 -c:a aac");
    let twice = |name: &str, options: &str| {
        let one = std::fs::read(make(folder.path(), name, &format!("{coding} {options}"))).unwrap();
        (one.len(), [one.clone(), one].concat())
    };
    // A capture program that starts again writes into the same file or pipe.
    let (_, bytes) = twice("one.mkv", "");
    for read in both(&bytes, &ReaderOptions::new()) {
        let read = read.unwrap();
        let sound = packets(&folder.path().join("one.mkv"), "a").len();
        assert_eq!((read.of(1).len(), read.of(2).len()), (100, 2 * sound), "{:?}", read.notices);
        let mut times: Vec<_> = read.of(1).iter().map(|sample| sample.pts.as_millis()).collect();
        times.sort_unstable();
        let steps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.iter().all(|step| (30..=110).contains(step)), "{steps:?}");
        assert_eq!(read.kinds(), [NoticeKind::Ignored], "{:?}", read.notices);
    }
    let (len, bytes) = twice("fragmented.mp4", "-movflags frag_keyframe+empty_moov+default_base_moof");
    for refused in both(&bytes, &ReaderOptions::new()) {
        let error = refused.map(|read| read.samples.len()).unwrap_err();
        assert!(matches!(error, MediaError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("recordings were joined there"), "{error}");
    }
    // The initialization segment may come again.
    let first = positions(&bytes, b"moof")[0] - 4;
    let second = positions(&bytes[..len], b"moof")[1] - 4;
    let again = [&bytes[..second], &bytes[..first], &bytes[second..len]].concat();
    let frames = both(&bytes[..len], &ReaderOptions::new()).map(|read| read.unwrap().samples.len());
    assert_eq!(both(&again, &ReaderOptions::new()).map(|read| read.unwrap().samples.len()), frames);
    let (_, bytes) = twice("whole.mp4", "-movflags +faststart");
    let [file, _] = both(&bytes, &ReaderOptions::new());
    let file = file.unwrap();
    assert_eq!(file.of(1).len(), 50, "as ffmpeg, which skips the second index");
    assert!(file.notices[0].1.contains("the second index, at byte"), "{:?}", file.notices);
}
