//! `kvs remux`: rewrites a recording as the live Matroska that Kinesis Video Streams takes, without changing a coded byte.
//!
//! The output is written under a temporary name beside OUT and renamed at the end, so that OUT is either complete or not
//! there.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kvs_media::{MediaError, MediaEvent, Reader, Sample};
use kvs_mkv::{Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, WriteError, Writer, WriterError};
use kvs_types::limits::FRAGMENT_DURATION_MIN;
use serde_json::json;

use super::media::{TrackOptions, check_change, print_notices};
use crate::failure::Failure;
use crate::output::Output;

/// Rewrites a recording as live Matroska, one cluster per fragment, without changing a coded byte.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// An MP4, QuickTime, Matroska, MPEG-TS, WAV, .h264, .h265 or ADTS .aac file.
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The Matroska file to write; replaced if it exists.
    #[arg(value_name = "OUT.mkv")]
    output: PathBuf,
    #[command(flatten)]
    tracks: TrackOptions,
}

/// Writes the complete output file or none.
pub(crate) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let Summary { tracks, clusters, duration } = remux(options, output).map_err(|error| match error {
        RemuxError::Write { .. } => Failure::of_run(error),
        RemuxError::Changes(failure) => failure,
        error => Failure::of_input(error),
    })?;
    let seconds = duration.as_secs_f64();
    let listed: Vec<String> = tracks.iter().map(|(codec, frames)| format!("{frames} frames of {codec}")).collect();
    let text = format!("{}: {}, {clusters} clusters, {seconds:.3} s", options.output.display(), listed.join(", "));
    let tracks: Vec<_> = tracks.iter().map(|(codec, frames)| json!({"codec": codec, "frames": frames})).collect();
    let object = json!({
        "event": "report", "file": options.output, "tracks": tracks, "clusters": clusters, "seconds": seconds,
    });
    output.result(text, &object);
    Ok(())
}

/// What was written.
struct Summary {
    /// Codecs and numbers of frames.
    tracks: Vec<(String, u64)>,
    clusters: usize,
    duration: Duration,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum RemuxError {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("{0}")]
    Changes(Failure),
    #[error("input and output are the same file {}; give the output another name", path.display())]
    SameFile { path: PathBuf },
    #[error("cannot write the tracks as live Matroska")]
    Track(#[from] WriterError),
    #[error("cannot write a frame as live Matroska")]
    Frame(#[from] WriteError),
    #[error("cannot write {}; check the directory and the free space", path.display())]
    Write { path: PathBuf, source: io::Error },
}

fn remux(options: &Options, output: Output) -> Result<Summary, RemuxError> {
    let mut input = Input::open(options)?;
    print_notices(&input.reader, 0, &options.input.display().to_string(), output);
    let same =
        fs::canonicalize(&options.output).is_ok_and(|output| fs::canonicalize(&options.input).ok() == Some(output));
    if same {
        return Err(RemuxError::SameFile { path: options.input.clone() });
    }
    let mut file = OutputFile::create(&options.output)?;
    let tracks = input.tracks.clone();
    let (clusters, frames) = write(&mut input, &tracks, &mut file)?;
    file.finish()?;
    let tracks = tracks.iter().zip(frames).map(|(track, frames)| (track.codec.to_string(), frames)).collect();
    Ok(Summary { tracks, clusters, duration: input.reader.duration().unwrap_or_default() })
}

/// The recording, whose first frames were read to name the segment.
struct Input {
    reader: Reader,
    name: String,
    /// The tracks at its start.
    tracks: Vec<Track>,
    first: VecDeque<MediaEvent>,
}

/// Frames from which the name of the segment is made.
const NAMED_BY: usize = 100;

impl Input {
    fn open(options: &Options) -> Result<Self, RemuxError> {
        let mut reader = Reader::open_with(&options.input, &options.tracks.reader_options(true))?;
        let (tracks, mut first) = (reader.tracks().to_vec(), VecDeque::new());
        while first.len() < NAMED_BY {
            let Some(event) = reader.next_event()? else { break };
            first.push_back(event);
        }
        Ok(Self { reader, name: options.input.display().to_string(), tracks, first })
    }

    fn next(&mut self) -> Result<Option<MediaEvent>, RemuxError> {
        match self.first.pop_front() {
            Some(event) => Ok(Some(event)),
            None => Ok(self.reader.next_event()?),
        }
    }

    /// The same number for the same recording, so that the same input gives the same output.
    fn uid(&self) -> [u8; 16] {
        let mut hasher = DefaultHasher::new();
        self.reader.duration().hash(&mut hasher);
        for event in &self.first {
            if let MediaEvent::Sample(sample) = event {
                sample.pts.hash(&mut hasher);
                sample.data.iter().for_each(|piece| hasher.write(piece));
            }
        }
        let mut uid = [1; 16];
        let (half, _) = uid.split_at_mut(8);
        half.copy_from_slice(&hasher.finish().to_be_bytes());
        uid
    }
}

/// Writes the whole stream and returns the numbers of its clusters and of the frames of each track.
fn write(input: &mut Input, tracks: &[Track], file: &mut OutputFile) -> Result<(usize, Vec<u64>), RemuxError> {
    let mut writer = Writer::new(SegmentInfo::new(input.uid()), tracks.to_vec())?;
    let (mut cutter, mut tags) = (Cutter::new(tracks), Vec::<Tag>::new());
    let (mut frames, mut current) = (vec![0; tracks.len()], tracks.to_vec());
    file.write(&writer.start_segment())?;
    while let Some(event) = input.next()? {
        let sample = match event {
            MediaEvent::Sample(sample) => sample,
            // They belong to the cluster that is open, and end it.
            MediaEvent::Tags(more) => {
                tags.extend(more);
                continue;
            }
            MediaEvent::Tracks(changed) => {
                check_change(&current, &changed, &input.name).map_err(RemuxError::Changes)?;
                current = changed;
                continue;
            }
            _ => continue,
        };
        let pts = to_milliseconds(sample.pts);
        if cutter.starts_before(&sample, pts) {
            write_tags(&mut writer, &mut tags, file)?;
            file.write(&writer.start_cluster(pts)?)?;
        }
        if let Some(count) =
            tracks.iter().position(|track| track.number == sample.track).and_then(|at| frames.get_mut(at))
        {
            *count += 1;
        }
        let frame = Frame::new(sample.track, pts, sample.data).with_keyframe(sample.keyframe);
        for piece in &writer.block(frame)? {
            file.write(piece)?;
        }
    }
    write_tags(&mut writer, &mut tags, file)?;
    Ok((cutter.clusters, frames))
}

fn write_tags(writer: &mut Writer, tags: &mut Vec<Tag>, file: &mut OutputFile) -> Result<(), RemuxError> {
    match tags.is_empty() {
        true => Ok(()),
        false => file.write(&writer.tags(&std::mem::take(tags))?),
    }
}

/// Rounds to the nearest timecode unit: the writer truncates, which would move frames by up to a unit.
fn to_milliseconds(pts: Duration) -> Duration {
    let milliseconds = pts.saturating_add(Duration::from_micros(500)).as_millis();
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
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
    fn new(tracks: &[Track]) -> Self {
        let video = tracks.iter().find(|track| track.kind == TrackKind::Video).map(|track| track.number);
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
