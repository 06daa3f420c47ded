//! From a decoded picture to a JPEG or PNG file of the requested size.

use bytes::Bytes;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use kvs_types::ImageFormat;
use kvs_types::limits::{IMAGE_HEIGHT_PIXELS, IMAGE_WIDTH_PIXELS, JPEG_QUALITY_DEFAULT};

use super::color::{Color, JfifCoefficients};
use crate::images::decoder::picture::Picture;
use crate::images::error::DecodeError;

/// The file format of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the service has these two")]
pub enum ImageEncoding {
    /// JPEG with this quality, 4:2:0 like the video.
    Jpeg(JpegQuality),
    /// PNG, RGB, 8 bits per sample.
    Png,
}

impl ImageEncoding {
    /// Returns the encoding for a format and a JPEG quality. A quality outside 1 to 100 counts as absent.
    #[must_use]
    pub fn new(format: ImageFormat, quality: Option<u8>) -> Self {
        match format {
            ImageFormat::Png => Self::Png,
            _ => Self::Jpeg(quality.and_then(JpegQuality::new).unwrap_or_default()),
        }
    }

    /// Returns the media type: `image/jpeg` or `image/png`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg(_) => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

impl Default for ImageEncoding {
    fn default() -> Self {
        Self::Jpeg(JpegQuality::default())
    }
}

/// A JPEG quality: 1 to 100, default 80.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JpegQuality(u8);

impl JpegQuality {
    /// Returns a quality, or `None` if it is not in 1 to 100.
    #[must_use]
    pub const fn new(quality: u8) -> Option<Self> {
        if 1 <= quality && quality <= 100 { Some(Self(quality)) } else { None }
    }

    /// Returns the quality as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for JpegQuality {
    fn default() -> Self {
        Self(JPEG_QUALITY_DEFAULT)
    }
}

/// The size of an image in pixels: 1x1 to 3840x2160.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSize {
    width: u16,
    height: u16,
}

impl ImageSize {
    /// Returns a size, or `None` if it is outside the limits of the service.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let within = IMAGE_WIDTH_PIXELS.contains(&width) && IMAGE_HEIGHT_PIXELS.contains(&height);
        let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
        within.then_some(Self { width, height })
    }

    /// Returns the width in pixels.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Returns the height in pixels.
    #[must_use]
    pub const fn height(self) -> u16 {
        self.height
    }
}

/// The format and size of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "an image has a format and a size")]
pub struct RenderOptions {
    /// The file format.
    pub format: ImageEncoding,
    /// The size to scale to. Default: the size of the video.
    pub size: Option<ImageSize>,
}

impl RenderOptions {
    /// Scales a picture, converts its colors and encodes it.
    pub(in crate::images) fn render(&self, picture: Picture, color: Color) -> Result<Bytes, DecodeError> {
        let picture = match self.size {
            Some(size) => scale(picture, size)?,
            None => picture,
        };
        match self.format {
            ImageEncoding::Jpeg(quality) => encode_jpeg(&picture, color, quality),
            ImageEncoding::Png => encode_png(&picture, color),
        }
    }
}

/// Scales each plane before the colors are converted: 4:2:0 has half as many samples as RGB.
pub(super) fn scale(picture: Picture, size: ImageSize) -> Result<Picture, DecodeError> {
    let (width, height) = (usize::from(size.width), usize::from(size.height));
    if (picture.width, picture.height) == (width, height) {
        return Ok(picture);
    }
    let from_chroma = picture.chroma_size();
    let mut scaled = Picture { width, height, planes: Default::default() };
    let to_chroma = scaled.chroma_size();
    let mut resizer = Resizer::new();
    let [luma, cb, cr] = &picture.planes;
    scaled.planes = [
        scale_plane(&mut resizer, luma, (picture.width, picture.height), (width, height))?,
        scale_plane(&mut resizer, cb, from_chroma, to_chroma)?,
        scale_plane(&mut resizer, cr, from_chroma, to_chroma)?,
    ];
    Ok(scaled)
}

/// Scales one plane with a bicubic filter, which is the default of ffmpeg's scaler.
fn scale_plane(
    resizer: &mut Resizer,
    plane: &[u8],
    from: (usize, usize),
    to: (usize, usize),
) -> Result<Vec<u8>, DecodeError> {
    let side = |samples: usize| u32::try_from(samples).map_err(failed);
    let source = TypedImageRef::<U8>::from_buffer(side(from.0)?, side(from.1)?, plane).map_err(failed)?;
    let mut samples = vec![0; to.0 * to.1];
    let mut target = TypedImage::<U8>::from_buffer(side(to.0)?, side(to.1)?, &mut samples).map_err(failed)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    // `resize` would compile every pixel type for every instruction set; `resize_typed` compiles one.
    resizer.resize_typed(&source, &mut target, &options).map_err(failed)?;
    Ok(samples)
}

fn encode_jpeg(picture: &Picture, color: Color, quality: JpegQuality) -> Result<Bytes, DecodeError> {
    let (width, height) =
        (u16::try_from(picture.width).map_err(failed)?, u16::try_from(picture.height).map_err(failed)?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality.get());
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let rows = JfifRows { picture, coefficients: color.to_jfif(), width, height };
    encoder.encode_image(rows).map_err(failed)?;
    Ok(file.into())
}

/// Passes rows to the JPEG encoder as full-range BT.601. The encoder takes 4:4:4 rows and averages 2x2 chroma samples, so
/// each chroma sample is passed four times and comes out unchanged.
struct JfifRows<'a> {
    picture: &'a Picture,
    coefficients: JfifCoefficients,
    width: u16,
    height: u16,
}

impl ImageBuffer for JfifRows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let [luma, cb, cr, _] = buffers;
        let mut out = [luma, cb, cr].map(|buffer| {
            let filled = buffer.len();
            buffer.resize(filled + usize::from(self.width), 0);
            buffer.get_mut(filled..).unwrap_or_default()
        });
        let [luma, cb, cr] = &mut out;
        self.coefficients.convert_row(self.picture.row(usize::from(y)), [luma, cb, cr]);
    }
}

fn encode_png(picture: &Picture, color: Color) -> Result<Bytes, DecodeError> {
    let coefficients = color.to_rgb();
    let mut pixels = vec![0; picture.width * picture.height * 3];
    for (y, row) in pixels.chunks_exact_mut(picture.width * 3).enumerate() {
        coefficients.convert_row(picture.row(y), row);
    }
    let mut file = Vec::new();
    let side = |samples: usize| u32::try_from(samples).map_err(failed);
    let mut encoder = png::Encoder::new(&mut file, side(picture.width)?, side(picture.height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file.into())
}

fn failed(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Encoder { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: usize, height: usize) -> Picture {
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        Picture { width, height, planes: [vec![126; width * height], vec![128; chroma], vec![128; chroma]] }
    }

    #[test]
    fn encodes_odd_sizes_and_single_pixels() {
        for (width, height) in [(1, 1), (3, 5), (16, 1), (639, 361)] {
            for format in [ImageEncoding::default(), ImageEncoding::Png] {
                for size in [None, ImageSize::new(1, 1), ImageSize::new(7, 3)] {
                    let file = RenderOptions { format, size }.render(gray(width, height), Color::default()).unwrap();
                    let magic: &[u8] = if format == ImageEncoding::Png { b"\x89PNG" } else { b"\xff\xd8\xff" };
                    assert!(file.starts_with(magic));
                }
            }
        }
    }

    #[test]
    fn sizes_and_qualities_respect_their_limits() {
        assert!(ImageSize::new(3840, 2160).is_some() && ImageSize::new(1, 1).is_some());
        assert!(ImageSize::new(3841, 2160).is_none() && ImageSize::new(3840, 2161).is_none());
        assert!(ImageSize::new(0, 1).is_none() && ImageSize::new(1, 0).is_none());
        assert!(JpegQuality::new(0).is_none() && JpegQuality::new(101).is_none());
        assert_eq!(JpegQuality::new(100).map(JpegQuality::get), Some(100));
    }

    #[test]
    fn png_has_the_color_of_the_video() {
        let file =
            RenderOptions { format: ImageEncoding::Png, size: None }.render(gray(3, 2), Color::default()).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [128; 18]);
    }
}
