//! `kvs get`: the media of a stream as one Matroska file that plays.

mod clip;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bytes::Buf;
use clap::Args;
use kvs_aws::{InvalidField, MediaTail, StartSelector, StreamId, TailEvent};
use kvs_mkv::fragment::{Fragment, FragmentError, FragmentReader, Joined, Merger, Times};
use serde_json::json;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::output::Output;
use crate::values::{parse_duration, parse_time};

/// Saves the media of a stream as one Matroska file that plays.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    stream: StreamId,
    /// Where to start: earliest, now, a time (2026-11-22T18:00:00Z, -15m), or after=FRAGMENT-NUMBER.
    #[arg(long, value_name = "START", default_value = "earliest", allow_hyphen_values = true)]
    from: String,
    /// The Matroska file to write; replaced if it exists.
    #[arg(long, value_name = "FILE.mkv", required_unless_present = "clip")]
    out: Option<PathBuf>,
    /// Save an MP4 file by GetClip instead: at most 200 fragments or 100 MB, from the time of --from. Replaced if it exists.
    #[arg(long, value_name = "FILE.mp4", conflicts_with_all = ["out", "follow"])]
    clip: Option<PathBuf>,
    /// Stop when this much media is saved. Default: stop when no newer media exists.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    length: Option<Duration>,
    /// Keep saving new media until interrupted with Ctrl-C.
    #[arg(long, conflicts_with = "length")]
    follow: bool,
}

/// Saves the media until the end that the options name.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    if let Some(path) = &options.clip {
        return clip::save(path, &options, global).await;
    }
    let start = start(&options.from)?;
    let client = global.connection.client().await?;
    let mut media = MediaTail::new(client, options.stream.clone(), start);
    let mut saved = Saved::new(&options, global.output());
    let mut reader = FragmentReader::new(kvs_mkv::Limits::default());
    let mut before = 0;
    loop {
        match media.next().await? {
            TailEvent::Opened => {
                reader = FragmentReader::new(kvs_mkv::Limits::default());
                before = saved.fragments;
            }
            TailEvent::Data(bytes) => {
                reader.push(bytes);
                while let Some(fragment) = reader.next_fragment().map_err(Failure::of_run)? {
                    saved.append(fragment, &mut media)?;
                }
            }
            TailEvent::Ended(why) => {
                match reader.finish() {
                    Ok(Some(fragment)) => saved.append(fragment, &mut media)?,
                    // A fragment that was cut off is sent again, complete, in the next response.
                    Ok(None) | Err(FragmentError::Unfinished { .. }) => {}
                    Err(error) => return Err(Failure::of_run(error)),
                }
                // The service ends a response when no new media has come for some seconds: the live edge is reached.
                if why.is_none() && !options.follow && saved.fragments == before {
                    return saved.finish();
                }
            }
            _ => {}
        }
        if options.length.is_some_and(|length| saved.length >= length) {
            return saved.finish();
        }
    }
}

fn start(text: &str) -> Result<StartSelector, Failure> {
    match text {
        "earliest" => Ok(StartSelector::Earliest),
        "now" => Ok(StartSelector::Now),
        text => match text.strip_prefix("after=") {
            Some(number) => {
                let invalid = |error: InvalidField| InvalidField::new("AfterFragmentNumber", error.problem);
                let number = number.parse().map_err(|error| Failure::input(invalid(error)).about("--from"))?;
                Ok(StartSelector::AfterFragment(number))
            }
            None => {
                let time =
                    parse_time(text, SystemTime::now()).map_err(|error| Failure::input(error).about("--from"))?;
                Ok(StartSelector::ProducerTimestamp(time))
            }
        },
    }
}

/// The file and what is in it.
struct Saved {
    output: Output,
    path: PathBuf,
    file: Option<BufWriter<File>>,
    merger: Merger,
    fragments: u64,
    length: Duration,
}

impl Saved {
    fn new(options: &Options, output: Output) -> Self {
        let merger = Merger::new(Times::FromZero);
        Self {
            output,
            path: options.out.clone().unwrap_or_default(),
            file: None,
            merger,
            fragments: 0,
            length: Duration::ZERO,
        }
    }

    /// Appends a fragment and marks it as complete.
    fn append(&mut self, fragment: Fragment, media: &mut MediaTail) -> Result<(), Failure> {
        if let Some(fault) = &fragment.metadata.fault {
            return Err(Failure::run(fault));
        }
        if fragment.frames.is_empty() {
            return Ok(());
        }
        let (number, length) = (fragment.metadata.number.clone(), span(&fragment));
        let merged = self.merger.fragment(fragment).map_err(Failure::of_run)?;
        if merged.joined == Joined::OtherTracks {
            // A file has one set of tracks: media with other tracks goes into the next file.
            self.next_file()?;
        }
        self.write(merged.bytes)?;
        if let Some(number) = number {
            media.fragment_complete(number);
        }
        self.fragments += 1;
        self.length += length;
        Ok(())
    }

    fn next_file(&mut self) -> Result<(), Failure> {
        if let Some(mut file) = self.file.take() {
            file.flush().map_err(|error| Failure::run(error).about(self.path.display()))?;
            self.output.result(
                format_args!("{}: complete; media with other tracks follows", self.path.display()),
                &json!({"event": "file", "file": self.path}),
            );
        }
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.path.set_file_name(format!("{stem}-next.mkv"));
        Ok(())
    }

    fn write(&mut self, bytes: impl Buf) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::run(error).about(self.path.display());
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BufWriter::new(File::create(&self.path).map_err(failed)?)),
        };
        std::io::copy(&mut bytes.reader(), file).map_err(failed)?;
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        let Some(file) = &mut self.file else {
            return Err(Failure::run("no media from there on; check --from with kvs doctor STREAM"));
        };
        file.flush().map_err(|error| Failure::run(error).about(self.path.display()))?;
        let seconds = self.length.as_secs_f64();
        let text = format!("{}: {} fragments, {seconds:.1} s", self.path.display(), self.fragments);
        let object = json!({"event": "report", "file": self.path, "fragments": self.fragments, "seconds": seconds});
        self.output.result(text, &object);
        Ok(())
    }
}

/// Time from the first frame to the last, whose own duration is unknown.
fn span(fragment: &Fragment) -> Duration {
    let times = fragment.frames.iter().map(|frame| frame.pts);
    let last = times.clone().max().unwrap_or_default();
    last.saturating_sub(times.min().unwrap_or_default())
}
