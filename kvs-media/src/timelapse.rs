//! JPEG pictures into an MP4 file that any player opens.
//!
//! ```no_run
//! # fn example(pictures: Vec<bytes::Bytes>) -> Result<(), kvs_media::timelapse::Mp4Error> {
//! kvs_media::timelapse::write_mp4("day.mp4".as_ref(), 30.0, pictures)?;
//! # Ok(())
//! # }
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use muxide::api::{Muxer, MuxerBuilder, MuxerError, VideoCodec};
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{EncodeError, Encoder, EncoderConfig};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Largest picture side taken, that of the service's largest image.
const LONGEST_SIDE: usize = 3840;
/// A key picture at least this often, so that players can seek.
const GROUP: u32 = 60;
/// Quantiser of the H.264 pictures: visually close to the JPEGs they come from.
const QUANTISER: u8 = 22;

/// No film could be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Mp4Error {
    /// There was no picture at all.
    #[error("no picture to write")]
    Empty,
    /// The frame rate is no number of frames.
    #[error("frame rate must be above 0 and at most 240, got {0}")]
    FrameRate(f64),
    /// A picture is no JPEG that can be decoded.
    #[error("picture {index} cannot be decoded: {problem}")]
    Picture {
        /// Which one, from 0.
        index: u64,
        /// Why.
        problem: String,
    },
    /// A picture has another size than the first.
    #[error("picture {index} is {}x{}, the first was {}x{}", actual.0, actual.1, first.0, first.1)]
    SizeChanged {
        /// Which one, from 0.
        index: u64,
        /// Its size.
        actual: (usize, usize),
        /// The size of the first.
        first: (usize, usize),
    },
    /// The encoder refuses the picture.
    #[error("picture cannot be encoded: {0}")]
    Encode(EncodeError),
    /// The file cannot be put together.
    #[error("MP4 cannot be written: {0}")]
    Mux(#[from] MuxerError),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes a film of JPEG pictures, `fps` of them a second.
///
/// The file appears only when it is whole: until then it has another name, and is removed if something fails.
///
/// # Errors
/// When there is no picture, one cannot be decoded or has another size, or the file cannot be written.
pub fn write_mp4<I>(path: &Path, fps: f64, pictures: I) -> Result<u64, Mp4Error>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut film = Film::create(path, fps)?;
    for picture in pictures {
        film.push(picture.as_ref())?;
    }
    film.finish()
}

/// A film being written, picture by picture. Memory: the encoded film, a few kB a picture.
pub struct Film {
    fps: f64,
    pictures: u64,
    partial: Partial,
    track: Option<Track>,
}

struct Track {
    size: (usize, usize),
    encoder: Encoder,
    muxer: Muxer<BufWriter<File>>,
}

impl Film {
    /// Starts a film at `path`; its directory must exist.
    ///
    /// # Errors
    /// When the frame rate is none or the file cannot be created.
    pub fn create(path: &Path, fps: f64) -> Result<Self, Mp4Error> {
        if !(fps > 0.0 && fps <= 240.0) {
            return Err(Mp4Error::FrameRate(fps));
        }
        Ok(Self { fps, pictures: 0, partial: Partial::new(path)?, track: None })
    }

    /// Appends a JPEG picture.
    ///
    /// # Errors
    /// When it cannot be decoded or has another size than the first.
    pub fn push(&mut self, jpeg: &[u8]) -> Result<(), Mp4Error> {
        let index = self.pictures;
        let frame = decode(jpeg).map_err(|problem| Mp4Error::Picture { index, problem })?;
        let size = (frame.width, frame.height);
        let track = match &mut self.track {
            Some(track) if track.size == size => track,
            Some(track) => return Err(Mp4Error::SizeChanged { index, actual: size, first: track.size }),
            None => self.track.insert(Track::new(size, self.fps, self.partial.open()?)?),
        };
        let unit = track.encoder.try_encode(&frame).map_err(Mp4Error::Encode)?;
        let key = index.is_multiple_of(u64::from(GROUP));
        track.muxer.write_video(index as f64 / self.fps, &unit, key)?;
        self.pictures += 1;
        Ok(())
    }

    /// Completes the file and gives it its name; tells how many pictures it has.
    ///
    /// # Errors
    /// When there was no picture or the file cannot be written.
    pub fn finish(self) -> Result<u64, Mp4Error> {
        let Some(mut track) = self.track else { return Err(Mp4Error::Empty) };
        track.muxer.finish_in_place()?;
        let mut file = track.muxer.into_writer();
        file.flush().map_err(|source| self.partial.failed(source))?;
        drop(file);
        self.partial.keep()?;
        Ok(self.pictures)
    }
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("fps", &self.fps).field("pictures", &self.pictures).finish_non_exhaustive()
    }
}

impl Track {
    fn new(size: (usize, usize), fps: f64, file: File) -> Result<Self, Mp4Error> {
        let (width, height) = size;
        let mut config = EncoderConfig::baseline(width, height);
        config.qp = QUANTISER;
        config.gop_size = GROUP;
        config.framerate = fps as f32;
        config.level_idc = level(width, height, fps);
        let encoder = Encoder::new(config).map_err(Mp4Error::Encode)?;
        let side = |side: usize| u32::try_from(side).expect("a side was compared with the longest one");
        let builder = MuxerBuilder::new(BufWriter::new(file));
        let muxer = builder.video(VideoCodec::H264, side(width), side(height), fps).build()?;
        Ok(Self { size, encoder, muxer })
    }
}

/// The least level whose picture size and macroblock rate suffice (H.264 table A-1).
fn level(width: usize, height: usize, fps: f64) -> u8 {
    const LEVELS: [(u8, usize, f64); 7] = [
        (30, 1_620, 40_500.0),
        (31, 3_600, 108_000.0),
        (32, 5_120, 216_000.0),
        (40, 8_192, 245_760.0),
        (42, 8_704, 522_240.0),
        (51, 36_864, 983_040.0),
        (52, 36_864, 2_073_600.0),
    ];
    let blocks = width.div_ceil(16) * height.div_ceil(16);
    let fits = |(_, most, rate): &&(u8, usize, f64)| blocks <= *most && blocks as f64 * fps <= *rate;
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

/// Decodes to planes of 4:2:0 video, an odd last column or row left out.
fn decode(jpeg: &[u8]) -> Result<YuvFrame, String> {
    let say = |error: DecodeErrors| error.to_string();
    let options = DecoderOptions::default().set_max_width(LONGEST_SIDE).set_max_height(LONGEST_SIDE);
    let options = options.jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let mut pixels = decoder.decode().map_err(say)?;
    let info = decoder.info().ok_or("it has no size")?;
    let row = usize::from(info.width);
    if decoder.output_colorspace() == Some(ColorSpace::Luma) {
        pixels = pixels.into_iter().flat_map(|luma| [luma, 128, 128]).collect();
    }
    let (width, height) = (row & !1, usize::from(info.height) & !1);
    if width == 0 || height == 0 {
        return Err(format!("{row}x{} is too small for video", info.height));
    }
    Ok(planes(&pixels, row, width, height))
}

/// Interleaved full-range YCbCr to planes of the narrower range that video players expect; chroma is averaged.
fn planes(pixels: &[u8], row: usize, width: usize, height: usize) -> YuvFrame {
    let mut frame = YuvFrame { width, height, y: Vec::new(), u: Vec::new(), v: Vec::new() };
    frame.y.reserve_exact(width * height);
    frame.u.reserve_exact(width * height / 4);
    frame.v.reserve_exact(width * height / 4);
    let mut rows = pixels.chunks_exact(row * 3).take(height);
    while let (Some(upper), Some(lower)) = (rows.next(), rows.next()) {
        for line in [upper, lower] {
            frame.y.extend(line.chunks_exact(3).take(width).map(|pixel| luma(pixel[0])));
        }
        let squares = upper.chunks_exact(6).zip(lower.chunks_exact(6)).take(width / 2);
        for (up, low) in squares {
            let mean = |at: usize| {
                (u16::from(up[at]) + u16::from(up[at + 3]) + u16::from(low[at]) + u16::from(low[at + 3]) + 2) / 4
            };
            frame.u.push(chroma(mean(1)));
            frame.v.push(chroma(mean(2)));
        }
    }
    frame
}

/// 0..=255 to 16..=235.
fn luma(full: u8) -> u8 {
    let narrowed = 16 + (u16::from(full) * 219 + 127) / 255;
    u8::try_from(narrowed).unwrap_or(u8::MAX)
}

/// 0..=255 to 16..=240.
fn chroma(full: u16) -> u8 {
    let narrowed = 16 + (full * 224 + 127) / 255;
    u8::try_from(narrowed).unwrap_or(u8::MAX)
}

/// A file under another name until it is whole.
struct Partial {
    path: PathBuf,
    partial: PathBuf,
    kept: bool,
}

impl Partial {
    fn new(path: &Path) -> Result<Self, Mp4Error> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Self { path: path.to_owned(), partial: partial.into(), kept: false };
        // Whether it can be written is worth knowing before pictures are fetched.
        partial.open()?;
        Ok(partial)
    }

    fn open(&self) -> Result<File, Mp4Error> {
        File::create(&self.partial).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> Mp4Error {
        Mp4Error::Write { path: self.path.clone(), source }
    }

    fn keep(mut self) -> Result<(), Mp4Error> {
        std::fs::rename(&self.partial, &self.path).map_err(|source| self.failed(source))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing can be done about a file that will not go; its name says that it is not whole.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_that_fails_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        let error = write_mp4(&path, 25.0, [b"no jpeg"]).unwrap_err();
        assert!(matches!(error, Mp4Error::Picture { index: 0, .. }), "{error}");
        assert!(matches!(write_mp4(&path, 25.0, [[0_u8; 0]; 0]), Err(Mp4Error::Empty)));
        assert!(matches!(write_mp4(&path, f64::NAN, [[0_u8; 0]; 0]), Err(Mp4Error::FrameRate(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    fn jpeg(width: u16, height: u16, colour: [u8; 3]) -> Vec<u8> {
        let pixels: Vec<u8> = colour.repeat(usize::from(width) * usize::from(height));
        let mut out = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
        encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        out
    }

    #[test]
    fn a_film_has_every_picture_at_its_rate() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        let pictures = (0..70_u8).map(|i| jpeg(101, 76, [i * 3, 255 - i * 3, 40]));
        assert_eq!(write_mp4(&path, 25.0, pictures).unwrap(), 70);
        let film = re_mp4::Mp4::read_bytes(&std::fs::read(&path).unwrap()).unwrap();
        let track = film.tracks().values().next().unwrap();
        assert_eq!((track.width, track.height, track.samples.len()), (100, 76, 70));
        let seconds = track.duration as f64 / track.timescale as f64;
        assert!((seconds - 2.8).abs() < 0.05, "{seconds}");
        let keys: Vec<_> =
            track.samples.iter().enumerate().filter(|(_, sample)| sample.is_sync).map(|(i, _)| i).collect();
        assert_eq!(keys, [0, 60]);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn ffmpeg_sees_the_colours_of_the_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film.mp4");
        write_mp4(&path, 10.0, (0..12).map(|_| jpeg(64, 48, [200, 80, 30]))).unwrap();
        let raw = dir.path().join("raw");
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-i"]).arg(&path).args(["-f", "rawvideo", "-pix_fmt", "rgb24"]).arg(&raw);
        match ffmpeg.status() {
            Ok(status) => assert!(status.success()),
            Err(error) => {
                assert!(std::env::var_os("KVS_REQUIRE_JUDGES").is_none(), "ffmpeg is missing: {error}");
                // Past the capture of the test harness: who lacks a judge should see it.
                let _ = Write::write_fmt(
                    &mut std::io::stderr(),
                    format_args!("skipped: ffmpeg is missing, the film's colours were not judged\n"),
                );
                return;
            }
        }
        let pixels = std::fs::read(&raw).unwrap();
        assert_eq!(pixels.len(), 12 * 64 * 48 * 3);
        for pixel in pixels.chunks_exact(3) {
            for (got, wanted) in pixel.iter().zip([200_u8, 80, 30]) {
                assert!(got.abs_diff(wanted) <= 6, "{pixel:?}");
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_mp4(&dir.path().join("film.mp4"), 25.0, [jpeg(64, 48, [0; 3]), jpeg(64, 64, [0; 3])]);
        assert_eq!(error.unwrap_err().to_string(), "picture 1 is 64x64, the first was 64x48");
    }

    #[test]
    fn black_and_white_reach_the_ends_of_the_video_range() {
        assert_eq!((luma(0), luma(255)), (16, 235));
        assert_eq!((chroma(0), chroma(128), chroma(255)), (16, 128, 240));
    }
}
