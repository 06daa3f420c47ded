//! A random encode: codecs, frame rate, B-frames, tracks, container and an edit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fastrand::Rng;
use kvs_tools::program::BoxError;

use crate::judge::Rules;

/// One encode.
#[derive(Debug)]
pub(crate) struct Encode {
    pub(crate) container: Container,
    /// Arguments of the encoder.
    arguments: Vec<String>,
    pub(crate) has_video: bool,
    pub(crate) sounds: usize,
    /// Start of a second run that copies the packets from there on, in seconds.
    pub(crate) from: Option<String>,
    /// Whether its sound is G.711 of which a sample is a single value.
    has_g711_samples: bool,
    /// Bytes of a piece in which a byte stream comes through a pipe.
    pub(crate) piece: usize,
    /// Duration of a picture.
    picture_seconds: f64,
}

/// A container that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    Mp4,
    Mov,
    FragmentedMp4,
    Matroska,
    LiveMatroska,
    MpegTs,
    M2ts,
    H264,
    H265,
    Adts,
    Wav,
}

impl Container {
    const ALL: [Self; 14] = [
        Self::Mp4,
        Self::Mp4,
        Self::Mov,
        Self::FragmentedMp4,
        Self::FragmentedMp4,
        Self::Matroska,
        Self::Matroska,
        Self::LiveMatroska,
        Self::MpegTs,
        Self::M2ts,
        Self::H264,
        Self::H265,
        Self::Adts,
        Self::Wav,
    ];

    const fn extension(self) -> &'static str {
        match self {
            Self::Mp4 | Self::FragmentedMp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska | Self::LiveMatroska => "mkv",
            Self::MpegTs => "ts",
            Self::M2ts => "m2ts",
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Adts => "aac",
            Self::Wav => "wav",
        }
    }

    /// Whether its packets have start codes or ADTS headers, so that their sizes differ from those of the reader.
    const fn has_other_sizes(self) -> bool {
        matches!(self, Self::MpegTs | Self::M2ts | Self::H264 | Self::H265 | Self::Adts | Self::Wav)
    }

    /// Whether ffprobe lists times of frames, not those it makes up.
    const fn has_times(self) -> bool {
        !matches!(self, Self::H264 | Self::H265 | Self::Wav)
    }

    /// Whether the reader takes it from a pipe.
    pub(crate) const fn is_pipe(self) -> bool {
        matches!(
            self,
            Self::FragmentedMp4 | Self::Matroska | Self::LiveMatroska | Self::MpegTs | Self::M2ts | Self::Wav
        )
    }

    /// Whether it has no container, so that a splitter reads it from a pipe.
    pub(crate) const fn is_byte_stream(self) -> bool {
        matches!(self, Self::H264 | Self::H265 | Self::Adts)
    }

    fn options(self, random: &mut Rng) -> Vec<&'static str> {
        match self {
            Self::FragmentedMp4 => match random.u8(0..4) {
                0 => vec!["-movflags", "frag_keyframe+empty_moov"],
                1 => vec!["-movflags", "frag_keyframe+empty_moov+default_base_moof"],
                2 => vec!["-movflags", "frag_keyframe"],
                _ => vec!["-movflags", "empty_moov", "-frag_duration", "400000"],
            },
            Self::Mp4 if random.bool() => vec!["-movflags", "+faststart"],
            Self::LiveMatroska => vec!["-live", "1"],
            _ => Vec::new(),
        }
    }
}

/// Frame rates, and how long a picture lasts.
const RATES: [(&str, f64); 9] = [
    ("24000/1001", 1001.0 / 24_000.0),
    ("25", 0.04),
    ("30000/1001", 1001.0 / 30_000.0),
    ("30", 1.0 / 30.0),
    ("15", 1.0 / 15.0),
    ("10", 0.1),
    ("60", 1.0 / 60.0),
    ("25/2", 0.08),
    ("7", 1.0 / 7.0),
];

impl Encode {
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let container = Container::ALL[random.usize(0..Container::ALL.len())];
        let (has_video, sounds) = match container {
            Container::H264 | Container::H265 => (true, 0),
            Container::Adts | Container::Wav => (false, 1),
            _ => match random.u8(0..8) {
                0 => (true, 0),
                1 => (false, 1),
                2 => (true, 2),
                _ => (true, 1),
            },
        };
        let length = 0.6 + random.f64() * 1.8;
        let mut arguments = Vec::new();
        let (mut picture_seconds, mut has_g711_samples) = (0.0, false);
        let mut put = |text: &str| arguments.extend(text.split_whitespace().map(str::to_owned));
        if has_video {
            let (width, height) = (32 + 2 * random.u32(0..80), 32 + 2 * random.u32(0..60));
            let (rate, seconds) = RATES[random.usize(0..RATES.len())];
            picture_seconds = seconds;
            put(&format!("-f lavfi -i testsrc2=size={width}x{height}:rate={rate}:duration={length:.3}"));
        }
        for sound in 0..sounds {
            let rate = [8000, 16_000, 22_050, 32_000, 44_100, 48_000][random.usize(0..6)];
            let length = length * (0.6 + random.f64() * 0.6);
            put(&format!("-f lavfi -i sine=frequency={}:sample_rate={rate}:duration={length:.3}", 300 + 200 * sound));
        }
        (0..usize::from(has_video) + sounds).for_each(|index| put(&format!("-map {index}")));
        if has_video {
            let (group, b_frames) = (random.u32(3..40), random.u32(0..4));
            let is_h265 = match container {
                Container::H264 => false,
                Container::H265 => true,
                _ => random.u8(0..4) == 0,
            };
            let open = u8::from(random.u8(0..4) == 0);
            if is_h265 {
                put("-c:v libx265 -preset ultrafast -pix_fmt yuv420p");
                put(&format!("-x265-params log-level=error:keyint={group}:bframes={b_frames}:open-gop={open}"));
                if matches!(container, Container::Mp4 | Container::Mov | Container::FragmentedMp4) {
                    put("-tag:v hvc1");
                }
            } else {
                let preset = ["ultrafast", "veryfast"][random.usize(0..2)];
                let slices = random.u32(1..4);
                put(&format!("-c:v libx264 -preset {preset} -pix_fmt yuv420p -threads 1"));
                put(&format!("-x264-params keyint={group}:bframes={b_frames}:open-gop={open}:slices={slices}"));
            }
        }
        if sounds > 0 {
            match container {
                Container::Wav => put(["-c:a pcm_s16le", "-c:a pcm_alaw", "-c:a pcm_mulaw -ac 2"][random.usize(0..3)]),
                Container::Matroska if random.u8(0..4) == 0 => put("-c:a pcm_s16le"),
                Container::Mov if random.u8(0..3) == 0 => {
                    has_g711_samples = true;
                    put(["-c:a pcm_alaw", "-c:a pcm_mulaw -ac 2"][random.usize(0..2)]);
                }
                _ => put(&format!("-c:a aac -ac {}", random.u8(1..3))),
            }
        }
        let may_cut = !matches!(container, Container::H264 | Container::H265 | Container::Adts | Container::Wav);
        let from = (may_cut && random.u8(0..3) == 0).then(|| format!("{:.3}", random.f64() * length * 0.6));
        container.options(&mut random).into_iter().for_each(put);
        let piece = [1, 7, 188, 1400, 4096, 65_536][random.usize(0..6)];
        Self { container, arguments, has_video, sounds, from, has_g711_samples, piece, picture_seconds }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            has_other_sizes: self.container.has_other_sizes(),
            has_times: self.container.has_times(),
            is_mp4: matches!(self.container, Container::Mp4 | Container::Mov | Container::FragmentedMp4),
            is_divided_otherwise: self.container == Container::Wav || self.has_g711_samples,
            is_edited: self.from.is_some(),
            is_split_by_ffprobe: false,
            picture_seconds: self.picture_seconds,
        }
    }

    /// Runs ffmpeg and returns the file.
    pub(crate) fn run(&self, folder: &Path) -> Result<PathBuf, BoxError> {
        let file = folder.join(format!("encode.{}", self.container.extension()));
        ffmpeg(self.arguments.iter().map(String::as_str), &file)?;
        let Some(from) = &self.from else { return Ok(file) };
        let cut = folder.join(format!("cut.{}", self.container.extension()));
        let source = file.to_string_lossy();
        let mut arguments = vec!["-ss", from, "-i", &source, "-map", "0", "-c", "copy"];
        let container =
            self.arguments.iter().skip_while(|argument| !matches!(argument.as_str(), "-movflags" | "-live"));
        arguments.extend(container.map(String::as_str));
        ffmpeg(arguments, &cut)?;
        Ok(cut)
    }
}

fn ffmpeg<'a>(arguments: impl IntoIterator<Item = &'a str>, out: &Path) -> Result<(), BoxError> {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1"])
        .args(arguments)
        .arg(out)
        .output()?;
    match run.status.success() {
        true => Ok(()),
        false => Err(format!("ffmpeg: {}", String::from_utf8_lossy(&run.stderr).trim()).into()),
    }
}

impl fmt::Display for Encode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ffmpeg {} OUT.{}", self.arguments.join(" "), self.container.extension())?;
        self.from.as_ref().map_or(Ok(()), |from| write!(f, ", then ffmpeg -ss {from} -map 0 -c copy"))
    }
}
