//! JPEG files as gray pixels.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::BoxError;

/// The longest side that a detector gets: a face that fills a tenth of the image is still large enough.
const LONGEST_SIDE: usize = 640;
/// The largest image that is decoded: what the service makes at most.
const MAX_SIDES: (usize, usize) = (3840, 2160);

/// Gray pixels in rows.
pub(crate) struct Gray {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
}

/// Decodes a JPEG file and reduces it by a whole factor to at most [`LONGEST_SIDE`].
pub(crate) fn gray(jpeg: &[u8]) -> Result<Gray, BoxError> {
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::Luma)
        .set_max_width(MAX_SIDES.0)
        .set_max_height(MAX_SIDES.1);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    let pixels = decoder.decode()?;
    let (width, height) = decoder.dimensions().ok_or("the image has no size")?;
    let factor = width.max(height).div_ceil(LONGEST_SIDE).max(1);
    let (small_width, small_height) = (width / factor, height / factor);
    if small_width == 0 || small_height == 0 {
        return Err(format!("an image of {width}x{height} is too small to look at").into());
    }
    let mut small = Vec::with_capacity(small_width * small_height);
    for row in 0..small_height {
        for column in 0..small_width {
            let block = (0..factor).flat_map(|y| {
                let start = (row * factor + y) * width + column * factor;
                &pixels[start..start + factor]
            });
            let sum: usize = block.map(|&pixel| usize::from(pixel)).sum();
            // The mean of bytes is a byte.
            small.push(u8::try_from(sum / (factor * factor)).unwrap_or(u8::MAX));
        }
    }
    Ok(Gray { width: u32::try_from(small_width)?, height: u32::try_from(small_height)?, pixels: small })
}
