//! Reads the headers of H.264 pictures (ITU-T H.264 §7.3.3) and their output order (§8.2.1).

use super::header::{PictureHeader, RandomAccess};
use crate::images::error::DecodeError;
use crate::images::slice::{OrderCount, ParameterSets, SliceHead};

/// Reads picture headers in decoding order.
#[derive(Debug, Default)]
pub(in crate::images) struct HeaderReader {
    sets: ParameterSets,
    count: OrderCount,
}

impl HeaderReader {
    /// Stores a parameter set. Fails for one whose pictures cannot be decoded.
    pub(in crate::images) fn parameter_set(&mut self, unit: &[u8]) -> Result<(), DecodeError> {
        self.sets.take(unit)
    }

    /// Returns the header of the picture that starts with this slice, or `None` if the slice continues a picture.
    ///
    /// H.264 marks only IDR pictures as random access points. An intra picture in a block that the producer flagged as
    /// key frame is taken as the start of an open GOP.
    pub(in crate::images) fn slice(
        &mut self,
        unit: &[u8],
        keyframe: bool,
    ) -> Option<Result<PictureHeader, DecodeError>> {
        Some(SliceHead::parse(unit, &self.sets)?.map(|head| PictureHeader {
            random_access: match head {
                SliceHead { idr: true, .. } => RandomAccess::Idr,
                SliceHead { intra: true, .. } if keyframe => RandomAccess::OpenGop,
                _ => RandomAccess::None,
            },
            reference: head.reference,
            display: head.display,
            numbering: Some(head.numbering()),
            order: self.count.next(&head),
        }))
    }
}
