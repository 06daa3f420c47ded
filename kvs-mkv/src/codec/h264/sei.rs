//! The one SEI message that matters for cutting a stream: the recovery point (H.264 D.1.8).

use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

const RECOVERY_POINT: u32 = 6;

/// `recovery_frame_cnt` of a recovery point message in this SEI NAL unit.
pub(super) fn recovery_point(unit: &[u8]) -> Option<u32> {
    let bytes = without_emulation_prevention(unit.get(1..)?);
    let mut rest = bytes.as_slice();
    while rest.len() > 2 {
        let (kind, after) = extended_number(rest)?;
        let (size, after) = extended_number(after)?;
        let (payload, after) = after.split_at_checked(usize::try_from(size).ok()?)?;
        if kind == RECOVERY_POINT {
            return BitReader::new(payload).ue();
        }
        rest = after;
    }
    None
}

/// A number written as bytes of 255 and a last one below (H.264 7.3.2.3.1).
fn extended_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0u32;
    for (index, &byte) in bytes.iter().enumerate() {
        number = number.checked_add(byte.into())?;
        if byte != 0xff {
            return Some((number, bytes.get(index.checked_add(1)?..)?));
        }
    }
    None
}
