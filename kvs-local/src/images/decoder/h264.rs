//! Reads the headers of H.264 pictures (ITU-T H.264 §7.3.3) and their output order (§8.2.1).

use kvs_mkv::codec::h264::{self, NalType, PictureOrder, SliceReader, Sps};

use super::header::{PictureHeader, RandomAccess, SampleFormat, check_size, parameter_set_error};
use super::picture::DisplayInfo;
use crate::images::error::DecodeError;
use crate::images::limits::{H264_MACROBLOCK_BYTES, HEADER_BYTES};
use crate::images::render::color::Color;

/// Reads picture headers in decoding order.
#[derive(Debug, Default)]
pub(in crate::images) struct HeaderReader {
    slices: SliceReader,
    order: PictureOrder,
    /// For the largest pictures so far.
    pub(super) decoder_bytes: u64,
}

impl HeaderReader {
    /// Stores a parameter set. Fails for one that is damaged or whose pictures are too large.
    pub(in crate::images) fn parameter_set(&mut self, unit: &[u8]) -> Result<(), DecodeError> {
        let head = unit.get(..HEADER_BYTES).unwrap_or(unit);
        if NalType::of(head) != Some(NalType::SPS) {
            return self.slices.absorb(head).map_err(parameter_set_error);
        }
        let sps = Sps::parse(head).map_err(parameter_set_error)?;
        self.decoder_bytes = self.decoder_bytes.max(check(&sps)?);
        self.slices.insert_sps(sps);
        Ok(())
    }

    /// Returns the header of the picture that starts with this slice, or `None` if the slice continues a picture.
    pub(in crate::images) fn slice(
        &mut self,
        unit: &[u8],
        keyframe: bool,
    ) -> Option<Result<PictureHeader, DecodeError>> {
        match h264::starts_picture(unit) {
            Some(true) => Some(self.first_slice(unit, keyframe)),
            Some(false) => None,
            None => Some(Err(DecodeError::ParameterSet)),
        }
    }

    /// H.264 marks only IDR pictures as random access points. An intra picture in a block that the producer flagged as
    /// key frame is taken as the start of an open GOP.
    fn first_slice(&mut self, unit: &[u8], keyframe: bool) -> Result<PictureHeader, DecodeError> {
        let (slice, sps) = self.slices.slice(unit).ok_or(DecodeError::ParameterSet)?;
        let is_interlaced = sps.adaptive_fields || slice.field.is_some();
        Ok(PictureHeader {
            random_access: match slice.idr {
                true => RandomAccess::Idr,
                false if keyframe && slice.is_intra() => RandomAccess::OpenGop,
                false => RandomAccess::None,
            },
            reference: slice.reference,
            display: display(sps),
            size: (sps.width, sps.height),
            beyond_built_in: sample_format(sps).beyond_built_in().or(is_interlaced.then_some(DecodeError::Interlaced)),
            frame_num: Some(slice.frame_num),
            order: self.order.next(&slice, sps),
        })
    }
}

/// Returns the bytes that a decoder needs; fails if pictures of this sequence are too large.
fn check(sps: &Sps) -> Result<u64, DecodeError> {
    let macroblock_bytes = sample_format(sps).scaled(H264_MACROBLOCK_BYTES);
    check_size(sps.coded_width, sps.coded_height, sps.reference_frames, macroblock_bytes)
}

fn sample_format(sps: &Sps) -> SampleFormat {
    SampleFormat { bits: sps.luma_bits.max(sps.chroma_bits), chroma: sps.chroma_format }
}

fn display(sps: &Sps) -> DisplayInfo {
    let color = sps.video_signal.map(|signal| Color::new(signal.matrix_coefficients.into(), signal.full_range));
    DisplayInfo { color: color.unwrap_or_default(), left: sps.crop_left, top: sps.crop_top, ..DisplayInfo::default() }
}
