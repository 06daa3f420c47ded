//! The recovery point SEI message (H.264 D.1.8): it marks where decoding can start without an IDR picture.

use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

/// `payloadType` of the recovery point (D.1.1).
const RECOVERY_POINT: u32 = 6;

/// Returns `recovery_frame_cnt` of the first recovery point message in this SEI NAL unit.
pub(super) fn recovery_point(unit: &[u8]) -> Option<u32> {
    let bytes = without_emulation_prevention(unit.get(1..)?);
    let mut rest = bytes.as_slice();
    // A message has at least two bytes before its payload; the last byte is rbsp_trailing_bits (7.3.2.3).
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

/// Reads a number that is written as any number of bytes of 255 and a last byte below (7.3.2.3.1).
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
