//! Decoding: the seam between this crate and the decoder libraries, and the code that drives a decoder.

pub(in crate::images) mod codec;
pub(in crate::images) mod contained;
mod ffmpeg;
pub(in crate::images) mod h264;
pub(in crate::images) mod h265;
pub(in crate::images) mod header;
pub(in crate::images) mod picture;
mod process;
pub(in crate::images) mod span;

use rusty_h265::Error;

use picture::{DisplayInfo, Picture};

pub use ffmpeg::Ffmpeg;

/// Which decoders make pictures.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Decoders {
    /// The built-in ones.
    #[default]
    BuiltIn,
    /// The built-in ones, and ffmpeg for pictures that they cannot decode: more than 8 bits, not 4:2:0, interlaced.
    BuiltInFirst(Ffmpeg),
    /// ffmpeg.
    Ffmpeg(Ffmpeg),
}

/// A coded picture.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::images) struct AccessUnit<'a> {
    /// Start code, NAL unit, start code, NAL unit, ...
    pub(in crate::images) data: &'a [u8],
    /// Names the picture in the decoder's output.
    pub(in crate::images) tag: i64,
    /// Whether the picture is to be returned.
    pub(in crate::images) wanted: bool,
    /// Whether it is the first picture of a fragment.
    pub(in crate::images) starts_fragment: bool,
    /// Whether decoding can start at it.
    pub(in crate::images) random_access: bool,
    /// Whether a coded video sequence starts: no later picture refers to an earlier one.
    pub(in crate::images) restarts: bool,
    /// The place in output order within the coded video sequence and the fragment.
    pub(in crate::images) order: i64,
    /// Width and height of the visible area.
    pub(in crate::images) size: (u32, u32),
}

/// A decoder for one elementary stream.
///
/// Access units come in decoding order. The first one, and each one that restarts, contains its parameter sets and is a random access
/// point.
pub(in crate::images) trait AccessUnitDecoder {
    /// Decodes one access unit. Returns the pictures that are ready, each with the tag of its access unit. A decoder
    /// may hold pictures back until all pictures that are displayed before them are ready.
    fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String>;

    /// Returns pictures that were held back, some of them at a time; none when all were returned. The next access unit is an IDR
    /// picture, if there is one.
    fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String>;

    /// Returns how the pictures that come out are displayed, by how the stream says it.
    fn displayed(&self, display: DisplayInfo) -> DisplayInfo {
        display
    }
}

/// H.264 with `rusty_h264_decoder`: Baseline to High profile, 4:2:0, 8 bits. Pure Rust, so it builds on every target.
#[derive(Default)]
pub(in crate::images) struct H264(rusty_h264_decoder::Decoder);

impl AccessUnitDecoder for H264 {
    fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String> {
        let decoded = self.0.decode(unit.data).map_err(|error| error.to_string())?;
        let frame = decoded.ok_or("the access unit contains no picture")?;
        let picture = Picture { width: frame.width, height: frame.height, planes: [frame.y, frame.u, frame.v] };
        if picture.is_whole() { Ok(vec![(unit.tag, picture)]) } else { Err("the picture is incomplete".to_owned()) }
    }

    fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String> {
        Ok(Vec::new())
    }
}

/// H.265 with `rusty_h265`, by the same author: Main profile.
pub(in crate::images) struct H265(rusty_h265::Decoder);

impl Default for H265 {
    fn default() -> Self {
        Self(rusty_h265::Decoder::new())
    }
}

impl H265 {
    fn ready(&mut self) -> Vec<(i64, Picture)> {
        let frames = std::iter::from_fn(|| self.0.next_frame().ok());
        frames.filter_map(|frame| Some((frame.pts?, visible_area(&frame.picture)?))).collect()
    }
}

impl AccessUnitDecoder for H265 {
    fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String> {
        let generated = self.0.stats.generated_refs;
        match self.0.push_annexb(unit.data, Some(unit.tag)) {
            Ok(()) | Err(Error::Again) => {}
            Err(error) => return Err(error.to_string()),
        }
        // The decoder generates gray pictures for unavailable references (H.265 §8.3.3). Images must not show them.
        if self.0.stats.generated_refs > generated {
            return Err("a reference picture is missing".to_owned());
        }
        Ok(self.ready())
    }

    fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String> {
        self.0.flush();
        Ok(self.ready())
    }
}

/// Returns the visible area of a decoded picture (the conformance window, H.265 §7.4.3.2.1).
fn visible_area(picture: &rusty_h265::Picture) -> Option<Picture> {
    let (left, top, width, height) = picture.crop;
    let [luma, cb, cr] = &picture.planes;
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let planes = [
        crop_plane(luma, left, top, width, height)?,
        crop_plane(cb, left / 2, top / 2, chroma_width, chroma_height)?,
        crop_plane(cr, left / 2, top / 2, chroma_width, chroma_height)?,
    ];
    Some(Picture { width, height, planes }).filter(Picture::is_whole)
}

/// Copies a rectangle of a plane. The decoder stores samples in 16 bits; the streams that reach it have 8.
fn crop_plane(plane: &rusty_h265::Plane, left: usize, top: usize, width: usize, height: usize) -> Option<Vec<u8>> {
    let mut samples = Vec::with_capacity(width.checked_mul(height)?);
    for row in plane.data.chunks_exact(plane.stride.max(1)).skip(top).take(height) {
        let row = row.get(left..left.checked_add(width)?)?;
        samples.extend(row.iter().map(|sample| u8::try_from(*sample).unwrap_or(u8::MAX)));
    }
    Some(samples)
}
