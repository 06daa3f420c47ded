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
use kvs_mkv::{Frame, SegmentInfo, Track, TrackKind, TrackNumber, WriteError, Writer, WriterError};
use kvs_types::limits::FRAGMENT_DURATION_MIN;
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;

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

/// Writes the complete output file or none.
pub(crate) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let Summary { recording, clusters } = remux(options).map_err(|error| match error {
        RemuxError::Write { .. } => Failure::of_run(error),
        error => Failure::of_input(error),
    })?;
    let tracks: Vec<(String, usize)> = recording.tracks().iter().map(|track| frames_of(&recording, track)).collect();
    let seconds = recording.duration().as_secs_f64();
    let listed: Vec<String> = tracks.iter().map(|(codec, frames)| format!("{frames} frames of {codec}")).collect();
    let text = format!("{}: {}, {clusters} clusters, {seconds:.3} s", options.output.display(), listed.join(", "));
    let tracks: Vec<_> = tracks.iter().map(|(codec, frames)| json!({"codec": codec, "frames": frames})).collect();
    let object = json!({
        "event": "report", "file": options.output, "tracks": tracks, "clusters": clusters, "seconds": seconds,
    });
    output.result(text, &object);
    Ok(())
}

fn frames_of(recording: &Recording, track: &Track) -> (String, usize) {
    let frames = recording.samples().iter().filter(|sample| sample.track == track.number).count();
    (track.codec.to_string(), frames)
}

/// What was written.
struct Summary {
    recording: Recording,
    clusters: usize,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum RemuxError {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("input and output are the same file {}; give the output another name", path.display())]
    SameFile { path: PathBuf },
    #[error("cannot write the tracks as live Matroska")]
    Track(#[from] WriterError),
    #[error("cannot write a frame as live Matroska")]
    Frame(#[from] WriteError),
    #[error("cannot write {}; check the directory and the free space", path.display())]
    Write { path: PathBuf, source: io::Error },
}

fn remux(options: &Options) -> Result<Summary, RemuxError> {
    let recording = Recording::open(&options.input)?;
    let same =
        fs::canonicalize(&options.output).is_ok_and(|output| fs::canonicalize(&options.input).ok() == Some(output));
    if same {
        return Err(RemuxError::SameFile { path: options.input.clone() });
    }
    let mut file = OutputFile::create(&options.output)?;
    let clusters = write(&recording, &mut file)?;
    file.finish()?;
    Ok(Summary { recording, clusters })
}

/// Writes the whole stream and returns the number of its clusters.
fn write(recording: &Recording, file: &mut OutputFile) -> Result<usize, RemuxError> {
    let info = SegmentInfo::new(uid(recording));
    let mut writer = Writer::new(info, recording.tracks().to_vec())?;
    let mut cutter = Cutter::new(recording);
    file.write(&writer.start_segment())?;
    for sample in recording.samples() {
        let pts = to_milliseconds(sample.pts);
        if cutter.starts_before(sample, pts) {
            file.write(&writer.start_cluster(pts)?)?;
        }
        let frame = Frame::new(sample.track, pts, sample.data.clone()).with_keyframe(sample.keyframe);
        for piece in &writer.block(frame)? {
            file.write(piece)?;
        }
    }
    Ok(cutter.clusters)
}

/// Rounds to the nearest timecode unit: the writer truncates, which would move frames by up to a unit.
fn to_milliseconds(pts: Duration) -> Duration {
    let milliseconds = pts.saturating_add(Duration::from_micros(500)).as_millis();
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// The same number for the same recording, so that the same input gives the same output.
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

/// Decides where clusters start: at video key frames at least a second apart, or every two seconds without video.
struct Cutter {
    video: Option<TrackNumber>,
    /// Time of the open cluster.
    open: Option<Duration>,
    /// Whether the open cluster has a video frame yet: audio may come first.
    has_video: bool,
    clusters: usize,
}

/// Length of clusters without video.
const AUDIO_CLUSTER: Duration = Duration::from_secs(2);
/// A block is at most 32,767 units from its cluster (RFC 9559, 10.1): a longer group of pictures needs a cluster that
/// starts without a key frame.
const MAX_CLUSTER: Duration = Duration::from_millis(32_000);

impl Cutter {
    fn new(recording: &Recording) -> Self {
        let video = recording.tracks().iter().find(|track| track.kind == TrackKind::Video).map(|track| track.number);
        Self { video, open: None, has_video: false, clusters: 0 }
    }

    /// Whether a cluster starts with this frame.
    fn starts_before(&mut self, sample: &Sample, pts: Duration) -> bool {
        let is_video = self.video == Some(sample.track);
        let cut = match self.open {
            None => true,
            Some(open) => {
                let length = pts.saturating_sub(open);
                let due = match self.video {
                    Some(_) => is_video && sample.keyframe && self.has_video && length >= FRAGMENT_DURATION_MIN,
                    None => length >= AUDIO_CLUSTER,
                };
                due || length >= MAX_CLUSTER
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

/// A file that appears under its name only when it is complete.
struct OutputFile {
    file: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
}

impl OutputFile {
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

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Renamed already if the file is finished.
        let _ = fs::remove_file(&self.temporary);
    }
}
