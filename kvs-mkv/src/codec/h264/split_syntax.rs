//! The NAL units of an H.264 byte stream: which access unit each belongs to.

use super::slice::starts_picture;
use super::{
    NalType, ParameterSets, PictureOrder, PictureOrderType, RandomAccess, SetChange, SliceHeader, SliceReader, Sps, sei,
};
use crate::TrackNumber;
use crate::codec::limits::PARAMETER_SET_BYTES;
use crate::codec::split::{Part, Picture, PictureFormat, Slice, SplitError, Syntax, TrackFormat};

#[derive(Debug, Default)]
pub(in crate::codec) struct SplitSyntax {
    sets: ParameterSets,
    slices: SliceReader,
    order: PictureOrder,
    current: Option<Current>,
    /// A delimiter has come since the last slice.
    is_delimited: bool,
    /// `recovery_frame_cnt` of SEI since the last slice.
    recovery: Option<u32>,
    /// Order of the last random access picture, if pictures that are shown before it may follow.
    open_since: Option<i64>,
    /// Known sets were replaced since the track was returned.
    is_replaced: bool,
    active: Option<PictureFormat>,
    announced: Option<PictureFormat>,
}

/// The slices of the current picture so far.
#[derive(Debug)]
struct Current {
    first: SliceHeader,
    last: SliceHeader,
    /// The second field of the frame has begun.
    is_paired: bool,
    /// Color plane and first macroblock of the slices, where their order is arbitrary.
    seen: Vec<(u8, u32)>,
}

const fn picture_format(sps: &Sps) -> PictureFormat {
    PictureFormat {
        sps_id: sps.id,
        size: (sps.width, sps.height, sps.coded_width, sps.coded_height),
        profile: sps.profile,
        samples: (sps.chroma_format, sps.luma_bits, sps.chroma_bits),
    }
}

impl Syntax for SplitSyntax {
    fn part(&self, head: &[u8]) -> Part {
        match NalType::of(head).unwrap_or(NalType(0)) {
            NalType::SLICE | NalType::PARTITION_A | NalType::IDR => Part::Slice,
            kind if kind.starts_access_unit() => Part::Leading,
            _ => Part::Other,
        }
    }

    fn is_absorbed(&self, head: &[u8]) -> bool {
        let kind = NalType::of(head).unwrap_or(NalType(0));
        kind.is_parameter_set() || matches!(kind, NalType::SPS_EXTENSION | NalType::SEI)
    }

    fn absorb(&mut self, unit: &[u8]) {
        if NalType::of(unit) == Some(NalType::SEI) {
            let start = unit.get(..SEI_BYTES).unwrap_or(unit);
            self.recovery = sei::recovery_point(start).or(self.recovery);
            return;
        }
        // Longer sets are not valid, and fit no avcC. A set that cannot be read is ignored: it must not replace a good one.
        if unit.len() <= PARAMETER_SET_BYTES && self.slices.absorb(unit).is_ok() {
            self.is_replaced |= self.sets.absorb([unit]) == SetChange::Replaced;
        }
    }

    fn note(&mut self, head: &[u8]) {
        self.is_delimited |= NalType::of(head) == Some(NalType::DELIMITER);
    }

    fn slice(&mut self, head: &[u8]) -> Slice {
        let Some((header, sps)) = self.slices.slice(head) else {
            return Slice::Unreadable { is_first: starts_picture(head).unwrap_or(false) };
        };
        let is_delimited = std::mem::take(&mut self.is_delimited);
        if self.current.as_mut().is_some_and(|current| current.takes(&header, sps, is_delimited)) {
            return Slice::Next { is_intra: header.is_intra() };
        }
        let order = self.order.next(&header, sps);
        let random_access = match self.recovery.take() {
            _ if header.idr => RandomAccess::Idr,
            Some(frames) => RandomAccess::RecoveryPoint { frames },
            None => RandomAccess::No,
        };
        let is_leading = self.open_since.is_some_and(|since| order < since);
        match random_access {
            RandomAccess::Idr => self.open_since = None,
            RandomAccess::RecoveryPoint { .. } => self.open_since = Some(order),
            RandomAccess::No => {}
        }
        self.active = Some(picture_format(sps));
        self.current = Some(Current { first: header, last: header, is_paired: false, seen: vec![place(&header)] });
        Slice::First(Picture {
            random_access,
            restarts: header.idr,
            order,
            is_intra: header.is_intra(),
            is_leading,
            breaks_link: false,
        })
    }

    fn changed_track(&mut self, number: TrackNumber, at: u64) -> Result<Option<TrackFormat>, SplitError> {
        let Some(active) = self.active else { return Ok(None) };
        if !self.is_replaced && self.announced.is_some_and(|announced| announced.suits(active)) {
            return Ok(None);
        }
        let wrong = |source| SplitError::H264 { at, source };
        let sets = self.sets.led_by(active.sps_id);
        let track = super::track(number, &sets).map_err(wrong)?;
        let sps = sets.sps().map_err(wrong)?;
        (self.is_replaced, self.announced) = (false, Some(active));
        // Baseline has no B slices (A.2.1).
        let is_in_order = sps.profile == 66 || sps.picture_order == PictureOrderType::DecodingOrder;
        let reorder_depth = if is_in_order { Some(0) } else { sps.reorder_frames };
        Ok(Some(TrackFormat { track, frame_rate: sps.frame_rate, reorder_depth }))
    }

    fn forget_track(&mut self) {
        self.announced = None;
    }
}

impl Current {
    /// Returns whether this slice belongs to the same frame, and takes it then.
    ///
    /// A delimiter before it starts a picture, but that may be the second field of the frame.
    fn takes(&mut self, header: &SliceHeader, sps: &Sps, is_delimited: bool) -> bool {
        if header.begins_picture(&self.last) {
            // A third field never belongs to the frame, even if it has the number of the frame.
            let completes = !self.is_paired && header.completes_frame(&self.first);
            if completes {
                (self.last, self.is_paired, self.seen) = (*header, true, vec![place(header)]);
            }
            return completes;
        }
        if is_delimited || header.redundant {
            return !is_delimited;
        }
        let repeats = if has_any_order(sps) && self.seen.len() < MAX_SEEN {
            self.seen.contains(&place(header))
        } else {
            header.first_macroblock <= self.last.first_macroblock
        };
        if !repeats {
            self.seen.push(place(header));
            self.seen.truncate(MAX_SEEN);
            self.last = *header;
        }
        !repeats
    }
}

/// Returns whether slices need not come in the order of their macroblocks: arbitrary slice order of the profiles Baseline and
/// Extended (A.2.1, A.2.3), and separate color planes, each of which starts at 0.
const fn has_any_order(sps: &Sps) -> bool {
    let is_constrained = sps.constraints & CONSTRAINED_BASELINE != 0;
    sps.separate_planes || sps.profile == 88 || sps.profile == 66 && !is_constrained
}

const fn place(header: &SliceHeader) -> (u8, u32) {
    (header.color_plane, header.first_macroblock)
}

/// `constraint_set1_flag`: a Baseline stream also obeys Main, which has no arbitrary slice order.
const CONSTRAINED_BASELINE: u8 = 0x40;
/// Most slices of a picture whose macroblocks are compared. Levels allow far fewer with arbitrary order (A.3.1).
const MAX_SEEN: usize = 512;
/// Bytes of SEI in which a recovery point is searched. It comes first or after short messages; user data may be long.
const SEI_BYTES: usize = 4096;
