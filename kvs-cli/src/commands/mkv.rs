//! `kvs mkv`: what is in a Matroska file. The file is read in pieces, so it may be larger than the memory.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use clap::Args;
use kvs_mkv::fragment::{Fragment, FragmentError, FragmentReader};
use kvs_mkv::{Chunks, Cropping, Event, Frame, Limits, ParseError, Parser, SegmentInfo, Tag, Track, VideoSettings};
use kvs_types::__internal::PrintableJson;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::Output;

/// Shows what is in a Matroska file: segments, tracks, clusters, frames, tags and the service's fragments, one per line.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The file to read.
    file: PathBuf,
}

/// Prints the file's events until its end or its first error.
pub(crate) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    match dump(options, output.is_json()) {
        Ok(()) => Ok(()),
        Err(DumpError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.is_of_the_input() => Err(Failure::of_input(error).about(options.file.display())),
        Err(error) => Err(Failure::of_run(error).about(options.file.display())),
    }
}

/// Why the dump ends early.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error("cannot open")]
    Open(#[source] io::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Parse(#[from] ParseError),
    #[error(transparent)]
    Fragment(#[from] FragmentError),
    #[error("EBML at byte 0: the file is empty, so it is not Matroska")]
    Empty,
}

impl DumpError {
    /// Whether the file, and not this machine, is at fault.
    fn is_of_the_input(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::IsADirectory,
            _ => true,
        }
    }
}

fn dump(options: &Options, json: bool) -> Result<(), DumpError> {
    let mut file = File::open(&options.file).map_err(DumpError::Open)?;
    let mut dump = Dump {
        parser: Parser::new(Limits::default()),
        fragments: FragmentReader::new(limits()),
        lines: Lines { out: BufWriter::new(io::stdout().lock()), json },
    };
    let result = dump.run(&mut file);
    // Print what was found before the error.
    dump.lines.out.flush()?;
    result
}

/// A file that was not written for the service may have larger clusters than the service accepts.
fn limits() -> Limits {
    Limits::default().with_fragment_bytes(1 << 30).with_fragment_frames(1 << 22).with_fragment_tags(100_000)
}

struct Dump<W: Write> {
    parser: Parser,
    fragments: FragmentReader,
    lines: Lines<W>,
}

impl<W: Write> Dump<W> {
    fn run(&mut self, file: &mut impl Read) -> Result<(), DumpError> {
        let mut empty = true;
        loop {
            let mut piece = BytesMut::zeroed(PIECE_BYTES);
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            empty = false;
            piece.truncate(read);
            let piece = piece.freeze();
            self.parser.push(piece.clone());
            self.fragments.push(piece);
            self.events()?;
        }
        if empty {
            return Err(DumpError::Empty);
        }
        while let Some(fragment) = self.fragments.finish()? {
            self.lines.fragment(&fragment)?;
        }
        Ok(std::mem::replace(&mut self.parser, Parser::new(Limits::default())).finish()?)
    }

    fn events(&mut self) -> Result<(), DumpError> {
        while let Some((event, position)) = self.parser.next_event_with_position()? {
            let at = position.span.start;
            match event {
                Event::Segment(info) => self.lines.segment(at, &info)?,
                Event::Tracks(tracks) => tracks.iter().try_for_each(|track| self.lines.track(at, track))?,
                Event::Tags(tags) => self.lines.tags(at, &tags)?,
                Event::Cluster { at: time } => self.lines.cluster(at, time)?,
                Event::Frame(frame) => self.lines.frame(position.payload.unwrap_or(at), &frame)?,
                Event::ClusterEnd => self.lines.line("cluster_end", json!({ "offset": at }))?,
                _ => {}
            }
        }
        while let Some(fragment) = self.fragments.next_fragment()? {
            self.lines.fragment(&fragment)?;
        }
        Ok(())
    }
}

/// Writes events as lines.
struct Lines<W: Write> {
    out: W,
    json: bool,
}

impl<W: Write> Lines<W> {
    fn segment(&mut self, offset: u64, info: &SegmentInfo) -> io::Result<()> {
        let uid: String = info.uid.iter().map(|byte| format!("{byte:02x}")).collect();
        let unit = nanos(info.timecode_scale);
        let fields = json!({
            "offset": offset, "uid": uid, "time_unit_ns": unit, "title": info.title, "app": info.app,
        });
        self.line("segment", fields)
    }

    fn track(&mut self, offset: u64, track: &Track) -> io::Result<()> {
        let mut fields = json!({
            "offset": offset, "track": track.number.get(), "uid": track.uid,
            "kind": format!("{:?}", track.kind).to_lowercase(), "codec": track.codec.as_str(),
            "codec_private_size": track.codec_private.len(),
        });
        set(&mut fields, "name", track.name.as_deref());
        set(&mut fields, "width", track.video.map(|video| video.width));
        set(&mut fields, "height", track.video.map(|video| video.height));
        set(&mut fields, "display", track.video.and_then(display));
        set(&mut fields, "cropping", track.video.and_then(cropping));
        set(&mut fields, "pose", track.video.and_then(pose));
        set(&mut fields, "sampling_frequency", track.audio.map(|audio| audio.sampling_frequency));
        set(&mut fields, "channels", track.audio.map(|audio| audio.channels));
        set(&mut fields, "bit_depth", track.audio.and_then(|audio| audio.bit_depth));
        set(&mut fields, "default_duration_ns", track.default_duration.map(nanos));
        self.line("track", fields)
    }

    fn tags(&mut self, offset: u64, tags: &[Tag]) -> io::Result<()> {
        self.line("tags", json!({ "offset": offset, "tags": list(tags) }))
    }

    fn cluster(&mut self, offset: u64, time: Duration) -> io::Result<()> {
        self.line("cluster", json!({ "offset": offset, "time_ns": nanos(time) }))
    }

    fn frame(&mut self, offset: u64, frame: &Frame) -> io::Result<()> {
        let fields = json!({
            "offset": offset, "track": frame.track.get(), "time_ns": nanos(frame.pts), "key": frame.keyframe,
            "size": frame.data.len(), "crc32": format!("{:08x}", crc32(&frame.data)),
        });
        self.line("frame", fields)
    }

    fn fragment(&mut self, fragment: &Fragment) -> io::Result<()> {
        let metadata = &fragment.metadata;
        let mut fields = json!({
            "time_ns": nanos(fragment.at), "frames": fragment.frames.len(), "size": fragment.payload_bytes(),
            "tags": list(&fragment.tags),
        });
        set(&mut fields, "number", metadata.number.as_ref().map(AsRef::<str>::as_ref));
        set(&mut fields, "server_timestamp", metadata.server_timestamp.and_then(epoch_seconds));
        set(&mut fields, "producer_timestamp", metadata.producer_timestamp.and_then(epoch_seconds));
        set(&mut fields, "millis_behind_now", metadata.behind_now.map(|behind| nanos(behind) / 1_000_000));
        set(&mut fields, "continuation_token", metadata.continuation_token.as_deref());
        set(&mut fields, "error", metadata.fault.as_ref().map(ToString::to_string));
        self.line("fragment", fields)
    }

    fn line(&mut self, event: &str, fields: Value) -> io::Result<()> {
        let Value::Object(fields) = fields else { return Ok(()) };
        if self.json {
            let mut line = Map::from_iter([("event".to_owned(), event.into())]);
            line.extend(fields);
            return writeln!(self.out, "{}", PrintableJson(Value::Object(line)));
        }
        write!(self.out, "{event}")?;
        for (name, value) in fields {
            write!(self.out, " {name}={}", PrintableJson(value))?;
        }
        writeln!(self.out)
    }
}

fn set(fields: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Value::Object(fields), Some(value)) = (fields, value) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Width, height and unit (0 pixels, 1 centimeters, 2 inches, 3 ratio).
fn display(video: VideoSettings) -> Option<Value> {
    let display = video.display?;
    Some(json!({ "width": display.width, "height": display.height, "unit": display.unit.number() }))
}

/// Pixels on the left, on the right, at the top and at the bottom.
fn cropping(video: VideoSettings) -> Option<Value> {
    let Cropping { left, right, top, bottom } = video.cropping;
    (video.cropping != Cropping::NONE).then(|| json!([left, right, top, bottom]))
}

/// Angles in degrees.
fn pose(video: VideoSettings) -> Option<Value> {
    let pose = video.pose;
    (!pose.is_upright()).then(|| json!({ "yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll }))
}

fn list(tags: &[Tag]) -> Value {
    tags.iter().map(|tag| json!({ "name": tag.name, "value": tag.value })).collect()
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn epoch_seconds(time: SystemTime) -> Option<f64> {
    Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
}

fn crc32(data: &Chunks) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    data.iter().for_each(|piece| hasher.update(piece));
    hasher.finalize()
}

/// Bytes read at a time.
const PIECE_BYTES: usize = 64 << 10;
