//! Recordings that others made: what the reader returns of each, beside ffprobe and ffmpeg.

use std::fmt;
use std::path::Path;
use std::process::Command;

use kvs_media::MediaError;
use kvs_mkv::{CodecId, TrackKind};
use kvs_tools::program::BoxError;

use crate::judge::{self, Packet, Rules};
use crate::ours::{self, Ours};

/// What came of one recording.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// All packets and decoded frames are the same.
    Same {
        packets: u64,
        notices: Vec<String>,
    },
    /// The reader refuses it, with its message, and the codecs that ffprobe finds.
    Refused {
        message: String,
        theirs: String,
    },
    Differs(String),
}

/// A stream as ffprobe lists it.
struct Stream {
    index: usize,
    codec: String,
}

/// Reads a recording and compares it.
pub(crate) fn judge(file: &Path, folder: &Path) -> Result<Verdict, BoxError> {
    let streams = streams(file)?;
    let ours = match ours::of_first_tracks(file) {
        Ok(ours) => ours,
        Err(error) => {
            let theirs = streams.iter().map(|stream| stream.codec.as_str()).collect::<Vec<_>>().join(" ");
            return Ok(Verdict::Refused { message: error.to_string(), theirs });
        }
    };
    match compare(&ours, &streams, file, folder) {
        Ok(packets) => Ok(Verdict::Same { packets, notices: ours.notices }),
        Err(error) => Ok(Verdict::Differs(format!("{error} {:?}", ours.notices))),
    }
}

fn compare(ours: &Ours, streams: &[Stream], file: &Path, folder: &Path) -> Result<u64, BoxError> {
    let rules = rules(file)?;
    let written = folder.join("ours.mkv");
    ours.write(&written)?;
    let (mut shifts, mut compared) = (Vec::new(), 0);
    for (index, track) in ours.tracks.iter().enumerate() {
        // Samples of MP4 are single values, which ffprobe and the reader join in other numbers.
        let is_divided_otherwise = rules.is_divided_otherwise || rules.is_mp4 && track.codec == CodecId::ACM;
        let rules = Rules { is_divided_otherwise, ..rules };
        let names = names(track.codec.as_str());
        let mut differences = Vec::new();
        let mut found = false;
        for stream in streams.iter().filter(|stream| names.contains(&stream.codec.as_str())) {
            let theirs = judge::packets(file, stream.index)?;
            match one(&rules, ours, index, &theirs, (&written, file, stream.index)) {
                Ok(apart) => {
                    shifts.extend(apart);
                    compared += theirs.len() as u64;
                    found = true;
                    break;
                }
                Err(error) => differences.push(format!("stream {} ({}): {error}", stream.index, stream.codec)),
            }
        }
        if !found {
            return Err(format!("track {} {}: {}", track.number, track.codec, differences.join("; ")).into());
        }
    }
    check_kinds(ours, streams, file)?;
    judge::check_shifts(&rules, &shifts)?;
    match ours::of_first_tracks_of_pipe(file) {
        Ok(pipe) => judge::compare_pipe(ours, &pipe)?,
        // Its index is behind the media, or it is a byte stream.
        Err(MediaError::Refused { .. }) => {}
        Err(error) => return Err(format!("through a pipe: {error}").into()),
    }
    Ok(compared)
}

fn one(
    rules: &Rules,
    ours: &Ours,
    track: usize,
    theirs: &[Packet],
    (written, file, stream): (&Path, &Path, usize),
) -> Result<Vec<f64>, BoxError> {
    let apart = judge::compare_packets(rules, ours, track, theirs)?;
    judge::compare_decoded(
        rules,
        ours.tracks.get(track).is_some_and(|track| track.kind == TrackKind::Audio),
        (written, track),
        (file, stream),
    )?;
    Ok(apart)
}

/// No kind of media is missing that ffprobe has in a codec that the reader knows.
fn check_kinds(ours: &Ours, streams: &[Stream], file: &Path) -> Result<(), BoxError> {
    for (kind, codecs) in [(TrackKind::Video, &["h264", "hevc"][..]), (TrackKind::Audio, &["aac"][..])] {
        let is_there = ours.tracks.iter().any(|track| track.kind == kind);
        for stream in streams.iter().filter(|stream| !is_there && codecs.contains(&stream.codec.as_str())) {
            if !judge::packets(file, stream.index)?.is_empty() {
                return Err(format!("stream {} ({}) is missing", stream.index, stream.codec).into());
            }
        }
    }
    Ok(())
}

/// The names that ffprobe has for a codec.
fn names(codec: &str) -> &'static [&'static str] {
    match codec {
        "V_MPEG4/ISO/AVC" => &["h264"],
        "V_MPEGH/ISO/HEVC" => &["hevc"],
        "V_MJPEG" => &["mjpeg"],
        "A_AAC" => &["aac"],
        "A_MS/ACM" => &["pcm_alaw", "pcm_mulaw"],
        "A_PCM/INT/LIT" => &["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le"],
        "A_PCM/INT/BIG" => &["pcm_s16be", "pcm_s24be", "pcm_s32be"],
        _ => &[],
    }
}

fn rules(file: &Path) -> Result<Rules, BoxError> {
    let format = probe(file, "format=format_name")?;
    let is = |name: &str| format.contains(name);
    Ok(Rules {
        has_other_sizes: ["mpegts", "h264", "hevc", "aac", "wav"].iter().any(|name| is(name)) && !is("mov"),
        has_times: !["h264", "hevc", "wav", "aac"].iter().any(|name| is(name)),
        is_divided_otherwise: is("wav"),
        is_mp4: is("mov"),
        is_edited: !is("h264") && !is("hevc"),
        is_split_by_ffprobe: is("h264"),
        picture_seconds: 0.042,
    })
}

/// The streams with packets, but for pictures that belong to the file as a whole.
fn streams(file: &Path) -> Result<Vec<Stream>, BoxError> {
    let text = probe(file, "stream=index,codec_name:stream_disposition=attached_pic")?;
    let stream = |line: &str| {
        let mut fields = line.split(',');
        let (index, codec) = (fields.next()?.parse().ok()?, fields.next()?.to_owned());
        (fields.next() != Some("1")).then_some(Stream { index, codec })
    };
    let mut streams: Vec<_> = text.lines().filter_map(stream).collect();
    // Those of a program are listed twice.
    streams.sort_by_key(|stream| stream.index);
    streams.dedup_by_key(|stream| stream.index);
    Ok(streams)
}

fn probe(file: &Path, entries: &str) -> Result<String, BoxError> {
    let run =
        Command::new("ffprobe").args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0"]).arg(file).output()?;
    Ok(String::from_utf8(run.stdout)?)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same { packets, notices } if notices.is_empty() => write!(f, "same, {packets} packets"),
            Self::Same { packets, notices } => write!(f, "same, {packets} packets; {}", notices.join("; ")),
            Self::Refused { message, theirs } => write!(f, "refused: {message} (ffprobe: {theirs})"),
            Self::Differs(how) => write!(f, "differs: {how}"),
        }
    }
}
