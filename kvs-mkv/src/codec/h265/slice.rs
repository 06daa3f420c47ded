//! The beginning of a slice header (H.265 7.3.6.1): when its picture is shown.

use super::{NalType, ParameterSets, Sps};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

/// The fields of a slice header up to the picture order count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// NAL unit type.
    pub kind: NalType,
    /// Temporal layer, 0 for the lowest.
    pub temporal_id: u8,
    /// Whether it is the first slice of its picture.
    pub first: bool,
    /// `slice_pic_order_cnt_lsb`, for the first slice of a picture that is no IDR.
    pub order_lsb: Option<u32>,
}

/// Bytes of a slice that hold the fields read here, with room for emulation prevention.
const HEADER_BYTES: usize = 24;

impl SliceHeader {
    /// Reads the header of a slice NAL unit; `None` if it is none, or if it ends early, or if its parameter set is not known.
    #[must_use]
    pub fn parse(unit: &[u8], sps: &Sps, sets: &ParameterSets) -> Option<Self> {
        let kind = NalType::of(unit).filter(|kind| kind.is_slice())?;
        let temporal_id = (unit.get(1)? & 7).saturating_sub(1);
        let body = unit.get(2..)?;
        let bytes = without_emulation_prevention(body.get(..HEADER_BYTES).unwrap_or(body));
        let mut bits = BitReader::new(&bytes);
        let first = bits.flag()?;
        let mut order_lsb = None;
        if first && !matches!(kind, NalType::IDR | NalType::IDR_WITH_LEADING) {
            order_lsb = Some(order(&mut bits, kind, sps, sets)?);
        }
        Some(Self { kind, temporal_id, first, order_lsb })
    }
}

fn order(bits: &mut BitReader<'_>, kind: NalType, sps: &Sps, sets: &ParameterSets) -> Option<u32> {
    if (16..=23).contains(&kind.0) {
        bits.flag()?; // no_output_of_prior_pics_flag
    }
    let picture = bits.ue()?;
    let picture = sets.picture().iter().find_map(|unit| PictureSet::parse(unit).filter(|set| set.id == picture))?;
    bits.skip(picture.extra_bits)?;
    bits.ue()?; // slice_type
    if picture.output_flag {
        bits.flag()?;
    }
    if sps.separate_planes {
        bits.skip(2)?;
    }
    bits.bits(sps.order_bits.into())
}

/// What a picture parameter set says about slice headers (7.3.2.3.1).
struct PictureSet {
    id: u32,
    output_flag: bool,
    extra_bits: usize,
}

impl PictureSet {
    fn parse(unit: &[u8]) -> Option<Self> {
        let body = unit.get(2..)?;
        let bytes = without_emulation_prevention(body.get(..HEADER_BYTES).unwrap_or(body));
        let mut bits = BitReader::new(&bytes);
        let id = bits.ue()?;
        bits.ue()?; // pps_seq_parameter_set_id
        bits.flag()?; // dependent_slice_segments_enabled_flag
        let output_flag = bits.flag()?;
        let extra_bits = usize::try_from(bits.bits(3)?).ok()?;
        Some(Self { id, output_flag, extra_bits })
    }
}

/// Follows the picture order count over a stream (8.3.1), so that pictures in decoding order can be put in order of showing.
#[derive(Clone, Debug, Default)]
pub struct PictureOrder {
    /// Most significant part and lowest bits of the last picture that counts for the next.
    previous: (i64, i64),
}

impl PictureOrder {
    /// At the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The count of the picture that begins with this slice: larger is shown later, as long as no IDR or BLA lies between.
    pub fn next(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let (span, lsb) = (1i64 << sps.order_bits.min(16), i64::from(slice.order_lsb.unwrap_or(0)));
        let (msb, previous) = self.previous;
        let msb = if slice.kind.restarts() {
            0
        } else if lsb < previous && previous - lsb >= span / 2 {
            msb.saturating_add(span)
        } else if lsb > previous && lsb - previous > span / 2 {
            msb.saturating_sub(span)
        } else {
            msb
        };
        if slice.temporal_id == 0 && !is_skipped(slice.kind) {
            self.previous = (msb, lsb);
        }
        msb.saturating_add(lsb)
    }
}

/// Leading pictures and pictures that nothing is predicted from in their layer do not count for the next one.
const fn is_skipped(kind: NalType) -> bool {
    matches!(kind.0, 0 | 2 | 4 | 6..=10 | 12 | 14)
}
