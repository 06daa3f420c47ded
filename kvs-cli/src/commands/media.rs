//! What the commands that read recordings have in common: the choice of tracks, notices, and what may change on the way.

use clap::Args;
use kvs_media::{Notice, Reader, ReaderOptions, TrackChoice};
use kvs_mkv::{CodecId, Track};
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Output, print_json};

/// Which tracks of the input to use.
#[derive(Debug, Args)]
pub(crate) struct TrackOptions {
    /// Number of the video track to use; the first is 1. Default: the first enabled one that has frames.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    video_track: Option<u32>,

    /// Number of the audio track to use, or all, for services that take two (Amazon Connect). Default: the first enabled one
    /// that has frames.
    #[arg(long, value_name = "N|all", value_parser = audio_track)]
    audio_track: Option<TrackChoice>,

    /// Refuse a recording that was interrupted. Default: use it up to where it ends, and say what is missing.
    #[arg(long)]
    strict: bool,
}

impl TrackOptions {
    /// What the reader is told; without audio if that is not wanted.
    pub(crate) fn reader_options(&self, with_audio: bool) -> ReaderOptions {
        let audio = self.audio_track.unwrap_or_default();
        ReaderOptions::new()
            .video(self.video_track.map_or(TrackChoice::First, TrackChoice::Number))
            .audio(if with_audio { audio } else { TrackChoice::None })
            .strict(self.strict)
    }
}

fn audio_track(text: &str) -> Result<TrackChoice, String> {
    match (text, text.parse()) {
        ("all", _) => Ok(TrackChoice::All),
        (_, Ok(number)) if number > 0 => Ok(TrackChoice::Number(number)),
        _ => Err(format!("{text:?} is neither a track number from 1 on nor all")),
    }
}

/// Prints the notices of a reader from this one on; returns how many there are.
pub(crate) fn print_notices(reader: &Reader, printed: usize, input: &str, output: Output) -> usize {
    let notices = reader.notices();
    for notice in notices.iter().skip(printed) {
        print_notice(notice, input, output);
    }
    notices.len()
}

fn print_notice(notice: &Notice, input: &str, output: Output) {
    print_notice_of(&format!("{:?}", notice.kind), &notice.to_string(), input, output);
}

/// Prints what was left out or happened on the way, and its kind.
pub(crate) fn print_notice_of(kind: &str, text: &str, input: &str, output: Output) {
    if output.is_json() {
        print_json(json!({ "event": "notice", "file": input, "kind": kind, "text": text }));
    } else {
        output.note(format_args!("{input}: {text}"));
    }
}

/// Checks tracks that change on the way. H.264 and H.265 bring their new parameter sets in the frames; anything else would be
/// decoded with the wrong settings.
pub(crate) fn check_change(old: &[Track], new: &[Track], input: &str) -> Result<(), Failure> {
    for (old, new) in old.iter().zip(new) {
        let in_band = [CodecId::H264, CodecId::H265].contains(&new.codec);
        if old.codec != new.codec || old.codec_private != new.codec_private && !in_band {
            return Err(Failure::input(format!(
                "{input}: track {} changes from {} to {} on the way, which one stream cannot carry; split the recording there, or convert it: \
                 ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4",
                new.number,
                described(old),
                described(new)
            )));
        }
    }
    Ok(())
}

/// `A_AAC (48000 Hz, 2 channels)`.
fn described(track: &Track) -> String {
    let size = track.video.map(|video| format!(" ({}x{})", video.width, video.height));
    let format = track.audio.as_ref();
    let format = format.map(|audio| format!(" ({} Hz, {} channels)", audio.sampling_frequency, audio.channels));
    format!("{}{}", track.codec, size.or(format).unwrap_or_default())
}
