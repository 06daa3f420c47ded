//! The NAL units of an H.265 byte stream: which access unit each belongs to.

use super::slice::starts_picture;
use super::{NalType, ParameterSets, PictureOrder, SetChange, SliceReader, Sps};
use crate::TrackNumber;
use crate::codec::h264::RandomAccess;
use crate::codec::limits::PARAMETER_SET_BYTES;
use crate::codec::split::{Part, Picture, PictureFormat, Slice, SplitError, Syntax, TrackFormat};

#[derive(Debug, Default)]
pub(in crate::codec) struct SplitSyntax {
    sets: ParameterSets,
    slices: SliceReader,
    order: PictureOrder,
    /// A slice of the current picture has come.
    has_picture: bool,
    /// The sequence ended, so the next random access picture starts a new one (8.1.3).
    is_ended: bool,
    is_replaced: bool,
    active: Option<PictureFormat>,
    announced: Option<PictureFormat>,
}

const fn picture_format(sps: &Sps) -> PictureFormat {
    PictureFormat {
        sps_id: sps.id,
        size: (sps.width, sps.height, sps.coded_width, sps.coded_height),
        profile: sps.profile_tier_level.profile,
        samples: (sps.chroma_format, sps.luma_bits, sps.chroma_bits),
    }
}

impl Syntax for SplitSyntax {
    fn part(&self, head: &[u8]) -> Part {
        let Some(kind) = NalType::of(head) else { return Part::Other };
        if layer(head) != 0 {
            // Depth, a second view or a better quality: it belongs to the picture of layer 0, and is not read here.
            return if kind.starts_access_unit() { Part::Leading } else { Part::Other };
        }
        match kind {
            kind if kind.is_slice() => Part::Slice,
            kind if kind.starts_access_unit() => Part::Leading,
            _ => Part::Other,
        }
    }

    fn is_absorbed(&self, head: &[u8]) -> bool {
        layer(head) == 0 && NalType::of(head).is_some_and(NalType::is_parameter_set)
    }

    fn absorb(&mut self, unit: &[u8]) {
        // Longer sets are not valid, and fit no hvcC. A set that cannot be read is ignored: it must not replace a good one.
        if unit.len() <= PARAMETER_SET_BYTES && self.slices.absorb(unit).is_ok() {
            self.is_replaced |= self.sets.absorb([unit]) == SetChange::Replaced;
        }
    }

    fn note(&mut self, head: &[u8]) {
        self.is_ended |= matches!(NalType::of(head), Some(NalType::END_OF_SEQUENCE | NalType::END_OF_BITSTREAM));
    }

    fn slice(&mut self, head: &[u8]) -> Slice {
        let Some((header, sps)) = self.slices.slice(head) else {
            return Slice::Unreadable { is_first: starts_picture(head).unwrap_or(false) };
        };
        if !header.first {
            // Without the first slice of its picture nothing says which picture it is.
            return if self.has_picture {
                Slice::Next { is_intra: false }
            } else {
                Slice::Unreadable { is_first: false }
            };
        }
        self.has_picture = true;
        let is_random_access = header.kind.is_random_access();
        let begins_sequence = is_random_access && std::mem::take(&mut self.is_ended);
        if begins_sequence {
            self.order = PictureOrder::new();
        }
        self.active = Some(picture_format(sps));
        Slice::First(Picture {
            random_access: match header.kind {
                kind if kind.is_idr() => RandomAccess::Idr,
                _ if is_random_access => RandomAccess::RecoveryPoint { frames: 0 },
                _ => RandomAccess::No,
            },
            restarts: header.kind.restarts() || begins_sequence,
            order: self.order.next(&header, sps),
            is_intra: false,
            is_leading: header.kind.is_skipped_leading(),
            breaks_link: header.kind.restarts() || begins_sequence,
        })
    }

    fn changed_track(&mut self, number: TrackNumber, at: u64) -> Result<Option<TrackFormat>, SplitError> {
        let Some(active) = self.active else { return Ok(None) };
        if !self.is_replaced && self.announced.is_some_and(|announced| announced.suits(active)) {
            return Ok(None);
        }
        let wrong = |source| SplitError::H265 { at, source };
        let sets = self.sets.led_by(active.sps_id);
        let track = super::track(number, &sets).map_err(wrong)?;
        let sps = sets.sps().map_err(wrong)?;
        (self.is_replaced, self.announced) = (false, Some(active));
        Ok(Some(TrackFormat { track, frame_rate: sps.frame_rate, reorder_depth: sps.reordered_pictures }))
    }

    fn forget_track(&mut self) {
        self.announced = None;
    }
}

/// `nuh_layer_id` (7.3.1.2).
fn layer(head: &[u8]) -> u8 {
    head.first_chunk::<2>().map_or(0, |[first, second]| (first & 1) << 5 | second >> 3)
}
