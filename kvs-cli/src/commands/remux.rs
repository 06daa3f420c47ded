//! `kvs remux`: rewrites a recording as the live Matroska that Kinesis Video Streams takes, without changing a coded byte.
//!
//! The output is written under a temporary name beside OUT and renamed at the end, so that OUT is either complete or not
//! there.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kvs_media::{MediaError, Recording, Sample};
use kvs_mkv::{Frame, SegmentInfo, TrackKind, TrackNumber, WriteError, Writer, WriterError};
use kvs_types::limits::FRAGMENT_DURATION_MIN;

use crate::failure::Failure;
use crate::terminal::say;

/// Rewrites a recording as live Matroska, one cluster per fragment, without changing a coded byte.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// An MP4, QuickTime, Matroska, .h264, .h265 or ADTS .aac file.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The Matroska file to write; replaced if it exists.
    #[arg(value_name = "OUT.mkv")]
    output: PathBuf,
}

/// Writes the whole output file or none.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    match remux(options) {
        Ok(summary) => {
            say(format_args!("{}: {summary}", options.output.display()));
            Ok(())
        }
        Err(error @ RemuxError::Write { .. }) => Err(Failure::of_run(error)),
        Err(error) => Err(Failure::of_input(error)),
    }
}

/// Why the program stops.
#[derive(Debug, thiserror::Error)]
enum RemuxError {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("the input and the output are the same file {}; give the output another name", path.display())]
    SameFile { path: PathBuf },
    #[error("the recording cannot be written as live Matroska: {0}")]
    Track(#[from] WriterError),
    #[error("the recording cannot be written as live Matroska: {0}")]
    Frame(#[from] WriteError),
    #[error("{} cannot be written: {source}; check the directory and the space left", path.display())]
    Write { path: PathBuf, source: io::Error },
}

fn remux(options: &Options) -> Result<String, RemuxError> {
    let recording = Recording::open(&options.input)?;
    let same =
        fs::canonicalize(&options.output).is_ok_and(|output| fs::canonicalize(&options.input).ok() == Some(output));
    if same {
        return Err(RemuxError::SameFile { path: options.input.clone() });
    }
    let mut output = Output::create(&options.output)?;
    let clusters = write(&recording, &mut output)?;
    output.finish()?;
    Ok(summary(&recording, clusters))
}

fn summary(recording: &Recording, clusters: usize) -> String {
    let tracks = recording.tracks().iter().map(|track| {
        let frames = recording.samples().iter().filter(|sample| sample.track == track.number).count();
        format!("{frames} frames of {}", track.codec)
    });
    let tracks: Vec<String> = tracks.collect();
    format!("{}, {clusters} clusters, {:.3} s", tracks.join(", "), recording.duration().as_secs_f64())
}

/// Writes the whole stream and returns how many clusters it has.
fn write(recording: &Recording, output: &mut Output) -> Result<usize, RemuxError> {
    let info = SegmentInfo::new(uid(recording));
    let mut writer = Writer::new(info, recording.tracks().to_vec())?;
    let mut cuts = Cuts::new(recording);
    output.write(&writer.start_segment())?;
    for sample in recording.samples() {
        let pts = to_milliseconds(sample.pts);
        if cuts.before(sample, pts) {
            output.write(&writer.start_cluster(pts)?)?;
        }
        let frame = Frame::new(sample.track, pts, sample.data.clone()).with_keyframe(sample.keyframe);
        for piece in &writer.block(frame)? {
            output.write(piece)?;
        }
    }
    Ok(cuts.clusters)
}

/// To the nearest unit of the time code: the writer cuts off, which would move frames by up to a unit.
fn to_milliseconds(pts: Duration) -> Duration {
    let milliseconds = pts.saturating_add(Duration::from_micros(500)).as_millis();
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// A number that is the same for the same recording, so that the same input gives the same output.
fn uid(recording: &Recording) -> [u8; 16] {
    let mut hasher = DefaultHasher::new();
    for sample in recording.samples() {
        sample.pts.hash(&mut hasher);
        sample.data.iter().for_each(|piece| hasher.write(piece));
    }
    let mut uid = [1; 16];
    let (half, _) = uid.split_at_mut(8);
    half.copy_from_slice(&hasher.finish().to_be_bytes());
    uid
}

/// Where clusters begin: at key frames of the video a second apart at least, every two seconds without video.
struct Cuts {
    video: Option<TrackNumber>,
    /// Time of the open cluster.
    open: Option<Duration>,
    /// Whether the open cluster has a frame of the video yet: sound may come first.
    has_video: bool,
    clusters: usize,
}

/// How long clusters without video are.
const AUDIO_CLUSTER: Duration = Duration::from_secs(2);
/// A block lies at most 32,767 units from its cluster; longer groups of pictures need a cut without a key frame.
const FARTHEST: Duration = Duration::from_millis(32_000);

impl Cuts {
    fn new(recording: &Recording) -> Self {
        let video = recording.tracks().iter().find(|track| track.kind == TrackKind::Video).map(|track| track.number);
        Self { video, open: None, has_video: false, clusters: 0 }
    }

    /// Whether a cluster begins with this frame.
    fn before(&mut self, sample: &Sample, pts: Duration) -> bool {
        let is_video = self.video == Some(sample.track);
        let cut = match self.open {
            None => true,
            Some(open) => {
                let length = pts.saturating_sub(open);
                let due = match self.video {
                    Some(_) => is_video && sample.keyframe && self.has_video && length >= FRAGMENT_DURATION_MIN,
                    None => length >= AUDIO_CLUSTER,
                };
                due || length >= FARTHEST
            }
        };
        if cut {
            (self.open, self.has_video) = (Some(pts), false);
            self.clusters += 1;
        }
        self.has_video |= is_video;
        cut
    }
}

/// A file that appears under its name only when it is whole.
struct Output {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
}

impl Output {
    fn create(path: &Path) -> Result<Self, RemuxError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = File::create(&temporary);
        let file = file.map_err(|source| RemuxError::Write { path: path.to_owned(), source })?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned(), temporary })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RemuxError> {
        self.file.write_all(bytes).map_err(|source| RemuxError::Write { path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), RemuxError> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        let renamed = written.and_then(|()| fs::rename(&self.temporary, &self.path));
        renamed.map_err(|source| RemuxError::Write { path: self.path.clone(), source })
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // Gone already if the file was finished.
        let _ = fs::remove_file(&self.temporary);
    }
}
