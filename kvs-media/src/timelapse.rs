//! Writes JPEG images as an MP4 video that any player opens (feature `timelapse`).
//!
//! ```no_run
//! # fn example(images: Vec<bytes::Bytes>) -> Result<(), kvs_media::timelapse::TimelapseError> {
//! kvs_media::timelapse::write_mp4("day.mp4".as_ref(), 30.0, images)?;
//! # Ok(())
//! # }
//! ```

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::h264::{self, ParameterSets};
use kvs_mkv::codec::nal;
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{EncodeError, Encoder, EncoderConfig};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::mux::{Run, RunSample, TrackSetup, WholeFile};

/// Longest side of an image: GetImages returns none larger.
const LONGEST_SIDE: usize = 3840;
/// Frames from one key frame to the next, so that players can seek.
const KEY_FRAME_INTERVAL: u32 = 60;
/// H.264 quantiser: visually close to the JPEG images.
const QUANTISER: u8 = 22;

/// The video was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimelapseError {
    /// There was no image.
    #[error("no image to write")]
    Empty,
    /// The frame rate is out of range.
    #[error("frame rate must be above 0 and at most 240 frames per second, got {0}")]
    FrameRate(f64),
    /// An image is not a JPEG that can be decoded.
    #[error("cannot decode image {index}: {problem}")]
    Image {
        /// Index of the image, from 0.
        index: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// An image has another size than the first.
    #[error("image {index} is {}x{} but the first was {}x{}; all images of a video need one size", actual.0, actual.1, first.0, first.1)]
    SizeChanged {
        /// Index of the image, from 0.
        index: u64,
        /// Its width and height.
        actual: (usize, usize),
        /// Width and height of the first.
        first: (usize, usize),
    },
    /// The H.264 encoder rejected an image.
    #[error("cannot encode an image as H.264")]
    Encode(#[source] BoxError),
    /// The encoder's video does not fit into an MP4 file.
    #[error("cannot write the MP4 structure")]
    Mux(#[source] BoxError),
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: std::io::Error,
    },
}

/// Writes a video of JPEG images, `fps` of them per second, and returns their number.
///
/// The file appears under its name only when it is complete.
///
/// # Errors
/// When there is no image, one cannot be decoded or has another size, or the file cannot be written.
pub fn write_mp4<I>(path: &Path, fps: f64, images: I) -> Result<u64, TimelapseError>
where
    I: IntoIterator,
    I::Item: AsRef<[u8]>,
{
    let mut video = TimelapseWriter::create(path, fps)?;
    for image in images {
        video.push(image.as_ref())?;
    }
    video.finish()
}

/// Writes a video image by image. Memory: the encoded video, a few kB per image.
pub struct TimelapseWriter {
    fps: f64,
    images: u64,
    partial: Partial,
    track: Option<Track>,
}

struct Track {
    size: (usize, usize),
    encoder: Encoder,
    /// Known from the first encoded picture.
    setup: Option<TrackSetup>,
    samples: Vec<RunSample>,
}

/// Ticks per second of the video: a multiple of all usual frame rates.
const TIMESCALE: u32 = 90_000;

impl TimelapseWriter {
    /// Starts a video of `fps` frames per second at `path`, whose directory must exist.
    ///
    /// # Errors
    /// When the frame rate is out of range or the file cannot be created.
    pub fn create(path: &Path, fps: f64) -> Result<Self, TimelapseError> {
        if !(fps > 0.0 && fps <= 240.0) {
            return Err(TimelapseError::FrameRate(fps));
        }
        Ok(Self { fps, images: 0, partial: Partial::new(path)?, track: None })
    }

    /// Appends a JPEG image.
    ///
    /// # Errors
    /// When it cannot be decoded or has another size than the first.
    pub fn push(&mut self, jpeg: &[u8]) -> Result<(), TimelapseError> {
        let index = self.images;
        let frame = decode(jpeg).map_err(|problem| TimelapseError::Image { index, problem })?;
        let size = (frame.width, frame.height);
        let track = match &mut self.track {
            Some(track) if track.size == size => track,
            Some(track) => return Err(TimelapseError::SizeChanged { index, actual: size, first: track.size }),
            None => self.track.insert(Track::new(size, self.fps)?),
        };
        let unit = Bytes::from(track.encoder.try_encode(&frame).map_err(encode_error)?);
        let at = |index: u64| (index as f64 * f64::from(TIMESCALE) / self.fps).round() as u64;
        let duration = u32::try_from(at(index + 1) - at(index)).unwrap_or(u32::MAX);
        track.push(&unit, duration, index.is_multiple_of(u64::from(KEY_FRAME_INTERVAL)))?;
        self.images += 1;
        Ok(())
    }

    /// Completes the file, gives it its name and returns the number of images.
    ///
    /// # Errors
    /// When there was no image or the file cannot be written.
    pub fn finish(self) -> Result<u64, TimelapseError> {
        let Some(Track { setup: Some(setup), samples, .. }) = self.track else { return Err(TimelapseError::Empty) };
        let run = Run { start: 0, samples };
        let mut video = WholeFile::new([setup]);
        video.push(0, &run);
        let mut file = BufWriter::new(self.partial.open()?);
        let payloads = run.samples.iter().flat_map(|sample| &sample.data);
        let written = std::iter::once(&video.head()).chain(payloads).try_for_each(|piece| file.write_all(piece));
        written.and_then(|()| file.flush()).map_err(|source| self.partial.failed(source))?;
        drop(file);
        self.partial.keep()?;
        Ok(self.images)
    }
}

impl std::fmt::Debug for TimelapseWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimelapseWriter").field("fps", &self.fps).field("images", &self.images).finish_non_exhaustive()
    }
}

impl Track {
    fn new(size: (usize, usize), fps: f64) -> Result<Self, TimelapseError> {
        let (width, height) = size;
        let mut config = EncoderConfig::baseline(width, height);
        config.qp = QUANTISER;
        config.gop_size = KEY_FRAME_INTERVAL;
        config.framerate = fps as f32;
        config.level_idc = level(width, height, fps);
        let encoder = Encoder::new(config).map_err(encode_error)?;
        Ok(Self { size, encoder, setup: None, samples: Vec::new() })
    }

    /// Appends an encoded picture with start codes.
    fn push(&mut self, unit: &Bytes, duration: u32, sync: bool) -> Result<(), TimelapseError> {
        if self.setup.is_none() {
            let sets = ParameterSets::from_annex_b(unit).map_err(mux_error)?;
            let track = h264::track(TrackNumber::ONE, &sets).map_err(mux_error)?;
            let setup = TrackSetup::of(&track).map_err(mux_error)?;
            self.setup = Some(TrackSetup { timescale: TIMESCALE, ..setup });
        }
        let data = nal::annex_b_to_length_prefixed(unit).map_err(mux_error)?;
        self.samples.push(RunSample { data, duration, offset: 0, sync });
        Ok(())
    }
}

/// The encoder may be replaced, so its error types stay out of the API.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn encode_error(error: EncodeError) -> TimelapseError {
    TimelapseError::Encode(error.into())
}

fn mux_error(error: impl std::error::Error + Send + Sync + 'static) -> TimelapseError {
    TimelapseError::Mux(error.into())
}

/// The lowest level that allows this picture size and macroblock rate (H.264, table A-1).
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

/// Decodes to the planes of 4:2:0 video, without an odd last column or row.
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

/// Converts interleaved full-range YCbCr to planes of the limited range that video players expect; averages chroma.
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

/// Maps 0..=255 to 16..=235.
fn luma(full: u8) -> u8 {
    let narrowed = 16 + (u16::from(full) * 219 + 127) / 255;
    u8::try_from(narrowed).unwrap_or(u8::MAX)
}

/// Maps 0..=255 to 16..=240.
fn chroma(full: u16) -> u8 {
    let narrowed = 16 + (full * 224 + 127) / 255;
    u8::try_from(narrowed).unwrap_or(u8::MAX)
}

/// A file that has another name until it is complete.
struct Partial {
    path: PathBuf,
    partial: PathBuf,
    kept: bool,
}

impl Partial {
    fn new(path: &Path) -> Result<Self, TimelapseError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Self { path: path.to_owned(), partial: partial.into(), kept: false };
        // A file that cannot be written is an error before any image is fetched.
        partial.open()?;
        Ok(partial)
    }

    fn open(&self) -> Result<File, TimelapseError> {
        File::create(&self.partial).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> TimelapseError {
        TimelapseError::Write { path: self.path.clone(), source }
    }

    fn keep(mut self) -> Result<(), TimelapseError> {
        std::fs::rename(&self.partial, &self.path).map_err(|source| self.failed(source))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // A file that cannot be removed keeps the name that says it is not complete.
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("video.mp4");
        let error = write_mp4(&path, 25.0, [b"no jpeg"]).unwrap_err();
        assert!(matches!(error, TimelapseError::Image { index: 0, .. }), "{error}");
        assert!(matches!(write_mp4(&path, 25.0, [[0_u8; 0]; 0]), Err(TimelapseError::Empty)));
        assert!(matches!(write_mp4(&path, f64::NAN, [[0_u8; 0]; 0]), Err(TimelapseError::FrameRate(_))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    fn jpeg(width: u16, height: u16, color: [u8; 3]) -> Vec<u8> {
        let pixels: Vec<u8> = color.repeat(usize::from(width) * usize::from(height));
        let mut out = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut out, 90);
        encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        out
    }

    #[test]
    fn writes_every_image_at_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("video.mp4");
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
    fn rejects_image_of_another_size() {
        let dir = tempfile::tempdir().unwrap();
        let error = write_mp4(&dir.path().join("video.mp4"), 25.0, [jpeg(64, 48, [0; 3]), jpeg(64, 64, [0; 3])]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "image 1 is 64x64 but the first was 64x48; all images of a video need one size"
        );
    }

    #[test]
    fn maps_black_and_white_to_limited_range() {
        assert_eq!((luma(0), luma(255)), (16, 235));
        assert_eq!((chroma(0), chroma(128), chroma(255)), (16, 128, 240));
    }
}
