//! The groups of pictures of a camera: their length, and where decoding can start.

use std::time::Duration;

use kvs_mkv::codec::h264::RandomAccess;
use kvs_mkv::codec::{h264, h265, nal};
use kvs_mkv::{CodecId, Frame};

use super::findings::Findings;

/// What the frames of a video track show.
#[derive(Debug, Default)]
pub(super) struct Gop {
    frames: u64,
    bytes: u64,
    media: Duration,
    last: Option<Duration>,
    last_key: Option<Duration>,
    longest: Duration,
    /// The longest whole distance between two key frames was seen.
    distances: u64,
    clean_keys: u64,
    open_keys: u64,
    reordered: u64,
}

/// Fragments start at key frames. The service takes 20 s; viewers and images wait for the whole of it.
const LONG: Duration = Duration::from_secs(10);

impl Gop {
    /// A new session: its first frame continues none.
    pub(super) fn restart(&mut self) {
        (self.last, self.last_key) = (None, None);
    }

    pub(super) fn handle(&mut self, frame: &Frame, codec: &CodecId) {
        self.frames += 1;
        self.bytes += u64::try_from(frame.data.len()).unwrap_or(0);
        if let Some(last) = self.last {
            self.reordered += u64::from(frame.pts < last);
            self.media += frame.pts.saturating_sub(last);
        }
        self.last = self.last.max(Some(frame.pts));
        if let Some(key) = self.last_key {
            self.longest = self.longest.max(frame.pts.saturating_sub(key));
        }
        if frame.keyframe {
            self.distances += u64::from(self.last_key.is_some());
            self.last_key = Some(frame.pts);
            if is_clean(frame, codec) { self.clean_keys += 1 } else { self.open_keys += 1 }
        }
    }

    /// Frames per second.
    fn rate(&self) -> f64 {
        if self.media.is_zero() { 0.0 } else { self.frames as f64 / self.media.as_secs_f64() }
    }

    pub(super) fn tell(&self, findings: &mut Findings) {
        if self.frames == 0 {
            return;
        }
        let (rate, seconds) = (self.rate(), self.media.as_secs_f64().max(0.001));
        let megabits = self.bytes as f64 * 8.0 / seconds / 1e6;
        findings.good("rate", format_args!("{rate:.1} frames per second, {megabits:.2} Mbit/s"));
        self.tell_distance(rate, findings);
        if self.clean_keys == 0 {
            findings.note(
                "key frames",
                "none is an IDR picture (open GOP): pictures just before each are lost where playing starts",
                "set the GOP to closed, or the codec to H.264 Main without smart codec",
            );
        }
        if self.reordered > 0 {
            findings.note(
                "B-frames",
                "pictures come out of order; the service takes them, but they delay live video",
                "set B-frames to 0, or the profile to Baseline",
            );
        }
    }

    fn tell_distance(&self, rate: f64, findings: &mut Findings) {
        const LINK: &str = "key frames";
        let longest = self.longest.as_secs_f64();
        let interval = (rate * 2.0).round().max(1.0);
        if self.longest > LONG {
            let more = if self.distances == 0 { "more than " } else { "" };
            findings.bad(
                LINK,
                format_args!("{more}{longest:.1} s apart: fragments are as long, live video and images wait for them, and after 20 s they are cut"),
                &format!("set the I-frame interval (GOP) to {interval} frames or less, and switch H.264+, H.265+ or smart codec off"),
            );
        } else if self.distances == 0 {
            let fix = "watch longer with --for 60s";
            findings.note(LINK, format_args!("one only, in {longest:.1} s"), fix);
        } else {
            findings.good(LINK, format_args!("at most {longest:.1} s apart"));
        }
    }
}

/// Whether an IDR picture, after which nothing refers to what came before it.
fn is_clean(frame: &Frame, codec: &CodecId) -> bool {
    let data = frame.data.clone().into_bytes();
    let mut units = nal::length_prefixed(&data, nal::LengthSize::FOUR).map_while(Result::ok);
    if *codec == CodecId::H265 {
        units
            .find_map(|unit| h265::NalType::of(unit).filter(|kind| kind.is_slice()))
            .is_some_and(h265::NalType::restarts)
    } else {
        h264::random_access(units) == RandomAccess::Idr
    }
}
