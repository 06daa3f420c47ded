//! The command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use kvs_media::Format;

use super::source::Times;
use crate::commands::media::TrackOptions;
use crate::values::{parse_bytes, parse_duration, parse_time};

/// Sends a recording, an IP camera, or a live stream from a pipe or a capture program, to a stream.
///
/// A pipe is standard input (-) or a FIFO. MP4, Matroska, MPEG-TS, WAV, ADTS, H.264 and H.265 with start codes are recognized by
/// their content. What is left out (before the first key frame, other tracks, damage) is named on stderr.
///
/// An IP camera is a URL, rtsp://USER:PASSWORD@HOST/PATH, with @ : / ? # % in the password written as %40 %3A %2F %3F %23 %25; or
/// set KVS_CAMERA_USER and KVS_CAMERA_PASSWORD, which other users of the machine cannot see. A camera that is lost is connected
/// again, for as long as it takes: after 1 s, 2 s, up to 60 s, and after 5 min if it rejects the credentials.
///
/// Goes on until every frame is persisted, however often the link breaks; --give-up-after bounds that. Exits 0 only if every
/// frame was persisted, 1 if not, 2 if the input cannot be used. Ctrl-C, SIGTERM and SIGHUP stop after what is buffered was
/// persisted, within 30 s; with --spool within 5 s, and the rest is in the spool. A second signal stops at once. A file that was
/// not sent to its end is exit code 1; a live stream ends so.
///
/// Command lines for cameras (a Raspberry Pi, a USB camera, ffmpeg, GStreamer) are at the end of this help.
///
/// Credentials: --profile, or the variables AWS_IOT_CORE_* of a device certificate (as in AWS's C samples), or AWS_ACCESS_KEY_ID
/// and AWS_SECRET_ACCESS_KEY, or the default profile.
#[derive(Debug, Args)]
#[command(after_long_help = CAMERAS)]
pub(crate) struct Options {
    /// Name of the stream; created with a retention of 24 hours if it does not exist.
    pub(crate) stream: String,

    /// The recording, rtsp://... for a camera, a FIFO, or - for a live stream on standard input.
    #[arg(required_unless_present = "exec", conflicts_with = "exec")]
    pub(crate) input: Option<String>,

    /// Run this command in a shell and send what it writes to its standard output. It is started again whenever it ends, after
    /// 1 s, then 2 s, up to 30 s, until Ctrl-C or --duration. It is an error if it never writes a key frame.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) exec: Option<String>,

    /// What the input is. Default: recognized by its first bytes.
    #[arg(long, value_enum, value_name = "F")]
    pub(crate) format: Option<InputFormat>,

    /// Times of H.264 and H.265 with start codes, and of ADTS: arrival (when the first byte of a frame arrived), fps=N (such as
    /// 30 or 30000/1001), vui (the frame rate that the stream states), or pts-file=FILE (a time in ms per line, as rpicam-vid
    /// --save-pts writes them; may be a FIFO). Default: arrival on pipes; vui, or 25 frames per second, for files.
    #[arg(long, value_name = "T", value_parser = Times::parse)]
    pub(crate) times: Option<Times>,

    /// Whose clock gives the times of a camera's frames.
    #[cfg(feature = "camera")]
    #[arg(long, value_enum, value_name = "C", default_value_t = CameraClock::Local)]
    pub(crate) clock: CameraClock,

    /// How media comes from a camera.
    #[cfg(feature = "camera")]
    #[arg(long, value_enum, value_name = "T", default_value_t = CameraTransport::Tcp)]
    pub(crate) transport: CameraTransport,

    /// What tagged fragments request.
    #[arg(long, value_enum, default_value_t = Event::None)]
    pub(crate) event: Event,

    /// Tag every Nth fragment, starting with the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,

    /// Codec of the audio track to send. Default: the recording's.
    #[arg(long, value_enum)]
    pub(crate) audio: Option<Audio>,

    #[command(flatten)]
    pub(crate) tracks: TrackOptions,

    /// Stop after this many seconds of media.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// Time of the first frame: 2026-11-22T18:00:00Z, seconds since 1970, or an age such as -1h. Default: now, or with
    /// --offline so that the recording ends now. The priming of the sound, up to 200 ms, lies before it.
    #[arg(long, value_name = "T", allow_hyphen_values = true, value_parser = time)]
    pub(crate) start_time: Option<SystemTime>,

    /// Send as fast as the service accepts it, not at the speed of the recording.
    #[arg(long)]
    pub(crate) offline: bool,

    /// Give up when nothing was persisted for this long: 30s, 10m, 2h. Default: never.
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub(crate) give_up_after: Option<Duration>,

    /// Prefix of the S3 object keys of the images.
    #[arg(long, value_name = "P")]
    pub(crate) prefix: Option<String>,

    /// Folder for media that waits for the network: created if needed, for this stream only. What is in it survives a kill and
    /// a power loss, and the next run with the same folder sends it at its recorded time. With it, kvs starts without a
    /// network.
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,

    /// Most bytes in the spool: 1048576 or more, or a number with K, M, G or T. When it is full, the oldest sixteenth is
    /// reported lost; a recording waits instead.
    #[arg(long, value_name = "N", default_value = "1G", value_parser = parse_bytes, requires = "spool")]
    pub(crate) spool_bytes: u64,

    /// What is sent first while there is a backlog.
    #[arg(long, value_enum, default_value_t = SpoolOrder::OldestFirst, requires = "spool")]
    pub(crate) spool_order: SpoolOrder,

    /// How much media waits in memory before it is written: 10s, 500ms, or 0 to write every fragment at once.
    #[arg(long, value_name = "T", default_value = "10s", value_parser = parse_duration, requires = "spool")]
    pub(crate) spool_after: Duration,

    /// Tag for every fragment; may be repeated.
    #[arg(long = "tag", value_name = "K=V", value_parser = pair)]
    pub(crate) tags: Vec<(String, String)>,
}

impl Options {
    /// The URL, if the input is one.
    pub(crate) fn camera(&self) -> Option<&str> {
        self.input.as_deref().filter(|input| is_url(input))
    }

    /// The first option that was given and does not fit a camera.
    #[cfg(feature = "camera")]
    pub(crate) fn unfit_for_camera(&self) -> Option<&'static str> {
        let given = [
            (self.times.is_some(), "--times"),
            (self.format.is_some(), "--format"),
            (self.start_time.is_some(), "--start-time"),
            (self.offline, "--offline"),
        ];
        given.into_iter().find_map(|(is_given, name)| is_given.then_some(name))
    }
}

/// Whether a name is a URL. A URL with a wrong scheme is one too: it may have a password, which no message may repeat.
pub(crate) fn is_url(name: &str) -> bool {
    let scheme = name.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

/// Whose clock gives the times of a camera's frames.
#[cfg(feature = "camera")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CameraClock {
    /// This machine's.
    Local,
    /// The camera's, if it is within 5 s of this machine's.
    Camera,
}

#[cfg(feature = "camera")]
impl From<CameraClock> for kvs_rtsp::ClockSource {
    fn from(clock: CameraClock) -> Self {
        match clock {
            CameraClock::Local => Self::Local,
            CameraClock::Camera => Self::Camera,
        }
    }
}

/// How media comes from a camera.
#[cfg(feature = "camera")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CameraTransport {
    /// Over the connection.
    Tcp,
    /// By UDP, in local networks.
    Udp,
}

#[cfg(feature = "camera")]
impl From<CameraTransport> for kvs_rtsp::Transport {
    fn from(transport: CameraTransport) -> Self {
        match transport {
            CameraTransport::Tcp => Self::Tcp,
            CameraTransport::Udp => Self::Udp,
        }
    }
}

/// What is sent first while there is a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpoolOrder {
    /// The oldest media.
    OldestFirst,
    /// Live media, then the newest of the backlog.
    NewestFirst,
}

/// What tagged fragments request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// Nothing.
    None,
    /// Images to S3.
    Image,
    /// A notification through SNS.
    Notification,
    /// Both.
    Both,
}

/// The audio track to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Audio {
    /// AAC; an error if the recording has none.
    Aac,
    /// G.711 A-law; an error if the recording has none.
    Alaw,
    /// No audio.
    None,
}

/// What an input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// MP4 or QuickTime; on a pipe it must be fragmented.
    Mp4,
    /// Matroska or WebM.
    Mkv,
    /// MPEG transport stream.
    Ts,
    /// H.264 with start codes (Annex B).
    H264,
    /// H.265 with start codes (Annex B).
    H265,
    /// AAC with ADTS headers.
    Aac,
    /// WAV with PCM or G.711.
    Wav,
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Mp4 => Self::Mp4,
            InputFormat::Mkv => Self::Matroska,
            InputFormat::Ts => Self::MpegTs,
            InputFormat::H264 => Self::H264,
            InputFormat::H265 => Self::H265,
            InputFormat::Aac => Self::Adts,
            InputFormat::Wav => Self::Wav,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn patience(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

fn time(text: &str) -> Result<SystemTime, String> {
    parse_time(text, SystemTime::now())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form NAME=VALUE")),
    }
}

/// Tested with a test source in place of the camera.
const CAMERAS: &str = "\
Cameras:
  IP camera:
    kvs put STREAM rtsp://USER:PASSWORD@HOST/PATH
  Raspberry Pi 0 to 4:
    rpicam-vid -t 0 -n --codec h264 --inline --intra 60 --flush -o - | kvs put STREAM -
  The same with the times of the camera (mkfifo pts first), started again if it ends:
    kvs put STREAM --times pts-file=pts --exec 'rpicam-vid -t 0 -n --codec h264 --inline --intra 60 --flush --save-pts pts -o -'
  Raspberry Pi 5 (its encoder is software; -o - needs the container):
    rpicam-vid -t 0 -n --codec libav --libav-format matroska -o - | kvs put STREAM -
  USB camera:
    ffmpeg -f v4l2 -framerate 30 -i /dev/video0 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -bf 0 -f matroska - \
      | kvs put STREAM -
  USB camera with an H.264 encoder of its own:
    ffmpeg -f v4l2 -input_format h264 -i /dev/video0 -c copy -f matroska - | kvs put STREAM -
  GStreamer (-q, or its messages get into the pipe):
    gst-launch-1.0 -q v4l2src ! videoconvert ! x264enc tune=zerolatency bframes=0 key-int-max=60 ! h264parse \
      ! matroskamux streamable=true ! fdsink | kvs put STREAM -
  Whatever ffmpeg reads (SRT, RTMP, OBS):
    ffmpeg -i 'srt://:9000?mode=listener' -c copy -f matroska - | kvs put STREAM -
";
