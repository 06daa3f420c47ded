//! The seam between this crate and the decoders.

pub(in crate::images) mod codec;
pub(in crate::images) mod h265;
pub(in crate::images) mod picture;
pub(in crate::images) mod span;

use rusty_h265::Error;

use picture::Picture;

/// Decodes access units one after the other.
///
/// Frames go in as start code, NAL unit, start code, NAL unit, ... in the order of decoding, the first one with its
/// parameter sets in front and one that decoding can start from.
pub(in crate::images) trait AccessUnitDecoder {
    /// Decodes one access unit and gives the pictures that are ready, each with the mark its access unit came with. A
    /// decoder may hold pictures back until those shown before them are there.
    fn decode(&mut self, access_unit: &[u8], mark: i64) -> Result<Vec<(i64, Picture)>, String>;

    /// Gives the pictures held back. Decoding goes on at a picture that nothing behind it reaches back over.
    fn finish(&mut self) -> Vec<(i64, Picture)>;
}

/// H.264 by rusty_h264: baseline to high, 4:2:0, 8 bits, B-frames; written in Rust, so it builds everywhere.
#[derive(Default)]
pub(in crate::images) struct H264(rusty_h264_decoder::Decoder);

impl AccessUnitDecoder for H264 {
    fn decode(&mut self, access_unit: &[u8], mark: i64) -> Result<Vec<(i64, Picture)>, String> {
        let decoded = self.0.decode(access_unit).map_err(|error| error.to_string())?;
        let frame = decoded.ok_or("no picture came of it")?;
        let picture = Picture { width: frame.width, height: frame.height, planes: [frame.y, frame.u, frame.v] };
        if picture.is_whole() { Ok(vec![(mark, picture)]) } else { Err("the picture is not whole".to_owned()) }
    }

    fn finish(&mut self) -> Vec<(i64, Picture)> {
        Vec::new()
    }
}

/// H.265 by rusty_h265: Main profile, of the same hand.
pub(in crate::images) struct H265(rusty_h265::Decoder);

impl Default for H265 {
    fn default() -> Self {
        Self(rusty_h265::Decoder::new())
    }
}

impl H265 {
    fn ready(&mut self) -> Vec<(i64, Picture)> {
        let frames = std::iter::from_fn(|| self.0.next_frame().ok());
        frames.filter_map(|frame| Some((frame.pts?, seen(&frame.picture)?))).collect()
    }
}

impl AccessUnitDecoder for H265 {
    fn decode(&mut self, access_unit: &[u8], mark: i64) -> Result<Vec<(i64, Picture)>, String> {
        let made_up = self.0.stats.generated_refs;
        match self.0.push_annexb(access_unit, Some(mark)) {
            Ok(()) | Err(Error::Again) => {}
            Err(error) => return Err(error.to_string()),
        }
        // It puts grey pictures in the place of references it never saw.
        if self.0.stats.generated_refs > made_up {
            return Err("a picture it refers to is missing".to_owned());
        }
        Ok(self.ready())
    }

    fn finish(&mut self) -> Vec<(i64, Picture)> {
        self.0.flush();
        self.ready()
    }
}

/// What is to be seen of a picture of 8 bits in 4:2:0.
fn seen(picture: &rusty_h265::Picture) -> Option<Picture> {
    let (left, top, width, height) = picture.crop;
    let [luma, cb, cr] = &picture.planes;
    let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
    let planes = [
        narrow(luma, left, top, width, height)?,
        narrow(cb, left / 2, top / 2, chroma_width, chroma_height)?,
        narrow(cr, left / 2, top / 2, chroma_width, chroma_height)?,
    ];
    Some(Picture { width, height, planes }).filter(Picture::is_whole)
}

/// A rectangle of a plane, its samples as bytes.
fn narrow(plane: &rusty_h265::Plane, left: usize, top: usize, width: usize, height: usize) -> Option<Vec<u8>> {
    let mut samples = Vec::with_capacity(width.checked_mul(height)?);
    for row in plane.data.chunks_exact(plane.stride.max(1)).skip(top).take(height) {
        let row = row.get(left..left.checked_add(width)?)?;
        samples.extend(row.iter().map(|sample| u8::try_from(*sample).unwrap_or(u8::MAX)));
    }
    Some(samples)
}
