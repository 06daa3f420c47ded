//! ffmpeg as judge: it makes recordings and decodes their frames.
#![allow(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kvs_local::__internal::images::{FragmentMedia, FragmentSpan, MediaSource};
use kvs_mkv::{Frame, Track, TrackKind, TrackNumber};
use kvs_types::FragmentNumber;
use matroska_demuxer::{MatroskaFile, TrackType};

/// A recording in its own temporary folder.
pub(crate) struct Recording {
    _dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Recording {
    /// Makes a recording with ffmpeg from the lavfi source `input` and the encoder options `options`.
    pub(crate) fn make(input: &str, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recording.mkv");
        ffmpeg(&[&["-f", "lavfi", "-i", input], options, &[path.to_str().unwrap()]].concat(), &[]);
        Self { _dir: dir, path }
    }

    /// Returns all frames as decoded by ffmpeg, in display order, with 8 bits per sample: `rgb24` or `gray`.
    pub(crate) fn frames(&self, format: &str, filters: &[&str], size: (usize, usize)) -> Vec<Vec<u8>> {
        let path = self.path.to_str().unwrap();
        let args = [
            &["-flags", "unaligned", "-i", path, "-fps_mode", "passthrough", "-pix_fmt", format],
            filters,
            &["-f", "rawvideo", "-"],
        ];
        let samples = size.0 * size.1 * if format == "gray" { 1 } else { 3 };
        ffmpeg(&args.concat(), &[]).chunks_exact(samples).map(<[u8]>::to_vec).collect()
    }
}

/// Runs ffmpeg, asserts success and returns its standard output.
pub(crate) fn ffmpeg(args: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(args);
    if !input.is_empty() {
        command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(args);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    assert!(output.status.success(), "ffmpeg {args:?}");
    output.stdout
}

/// A recording as a stream of fragments.
pub(crate) struct Fragments {
    pub(crate) spans: Vec<FragmentSpan>,
    pub(crate) media: Vec<FragmentMedia>,
}

/// The start of the recordings, in 2024.
pub(crate) const EPOCH: Duration = Duration::from_millis(1_710_000_000_123);

impl Fragments {
    /// Cuts a recording at its key frames, as a producer does.
    pub(crate) fn cut(path: &Path) -> Self {
        let (track, frames) = demux(path);
        let tracks: Arc<[Track]> = Arc::new([track]);
        let mut media: Vec<FragmentMedia> = Vec::new();
        for frame in frames {
            if frame.keyframe || media.is_empty() {
                media.push(FragmentMedia { tracks: Arc::clone(&tracks), start: frame.pts, frames: Vec::new() });
            }
            media.last_mut().unwrap().frames.push(frame);
        }
        Self::of(media)
    }

    /// Returns contiguous fragments. The last one ends 40 ms after its last frame.
    pub(crate) fn of(media: Vec<FragmentMedia>) -> Self {
        let ends = media.iter().skip(1).map(|next| next.start).chain([media
            .iter()
            .flat_map(|last| &last.frames)
            .map(|frame| frame.pts)
            .max()
            .unwrap()
            + Duration::from_millis(40)]);
        let spans = media.iter().zip(ends).enumerate();
        let spans = spans.map(|(number, (media, end))| FragmentSpan {
            number: (number + 1).to_string().parse().unwrap(),
            producer_timestamp: media.start,
            server_timestamp: media.start + Duration::from_secs(100),
            // A fragment covers its last instant too.
            duration: end - media.start - Duration::from_millis(1),
        });
        Self { spans: spans.collect(), media }
    }

    /// Returns the presentation times of all frames, in display order.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let mut times: Vec<_> = self.media.iter().flat_map(|media| &media.frames).map(|frame| frame.pts).collect();
        times.sort();
        times
    }
}

impl MediaSource for Fragments {
    fn media(&self, number: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        let number: usize = number.as_str().parse()?;
        self.media.get(number - 1).cloned().ok_or_else(|| "no such fragment".into())
    }
}

/// Returns the video track and its frames in file order, with times relative to [`EPOCH`].
pub(crate) fn demux(path: &Path) -> (Track, Vec<Frame>) {
    let mut file = MatroskaFile::open(File::open(path).unwrap()).unwrap();
    let entry = file.tracks().iter().find(|track| track.track_type() == TrackType::Video).unwrap();
    let wanted = entry.track_number().get();
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, entry.codec_id().to_owned())
        .with_codec_private(entry.codec_private().unwrap_or_default().to_vec());
    let mut frames = Vec::new();
    let mut frame = matroska_demuxer::Frame::default();
    while file.next_frame(&mut frame).unwrap() {
        if frame.track == wanted {
            let at = EPOCH + Duration::from_millis(frame.timestamp);
            let keyframe = frame.is_keyframe.unwrap_or_default();
            frames.push(Frame::new(TrackNumber::ONE, at, std::mem::take(&mut frame.data)).with_keyframe(keyframe));
        }
    }
    (track, frames)
}

/// Returns the structural similarity of two gray pictures over windows of 8x8 in steps of 4; 1 for equal pictures
/// (Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, 2004, equation 13).
pub(crate) fn ssim(a: &[u8], b: &[u8], width: usize) -> f64 {
    assert_eq!(a.len(), b.len());
    let height = a.len() / width;
    let (mut sum, mut windows) = (0.0, 0.0);
    for top in (0..height.saturating_sub(7)).step_by(4) {
        for left in (0..width.saturating_sub(7)).step_by(4) {
            sum += window(a, b, width, left, top);
            windows += 1.0;
        }
    }
    sum / windows
}

fn window(a: &[u8], b: &[u8], width: usize, left: usize, top: usize) -> f64 {
    let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for y in top..top + 8 {
        for x in left..left + 8 {
            let (pa, pb) = (f64::from(a[y * width + x]), f64::from(b[y * width + x]));
            sa += pa;
            sb += pb;
            saa += pa * pa;
            sbb += pb * pb;
            sab += pa * pb;
        }
    }
    let (ma, mb) = (sa / 64.0, sb / 64.0);
    let (va, vb, cov) = (saa / 64.0 - ma * ma, sbb / 64.0 - mb * mb, sab / 64.0 - ma * mb);
    let (c1, c2) = (6.5025, 58.5225);
    (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
}

/// Converts RGB to gray.
pub(crate) fn gray(rgb: &[u8]) -> Vec<u8> {
    let weigh = |p: &[u8]| (u32::from(p[0]) * 77 + u32::from(p[1]) * 150 + u32::from(p[2]) * 29) >> 8;
    rgb.chunks_exact(3).map(|pixel| u8::try_from(weigh(pixel)).unwrap()).collect()
}

/// Returns the largest and the mean difference of the samples.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let mean = sum / a.len() as f64;
    (differences.max().unwrap_or_default(), mean)
}
