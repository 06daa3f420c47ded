//! Transport packets: 188 bytes, in Blu-ray and AVCHD with 4 bytes before them, in broadcasting with 16 behind them.

use bytes::{Buf, Bytes, BytesMut};

const SYNC: u8 = 0x47;
const PACKET: usize = 188;
/// Distances between packets.
const STRIDES: [usize; 3] = [PACKET, 192, 204];
/// Packets in a row that must have their sync byte.
const CERTAIN: usize = 4;

/// Bytes that have so many packets, wherever the first one starts.
const ENOUGH: usize = (CERTAIN + 1) * 204;

/// One transport packet (§2.4.3.2).
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) pid: u16,
    /// Whether a section or PES packet starts in it.
    pub(super) starts_unit: bool,
    pub(super) is_scrambled: bool,
    /// Whether the continuity counter may jump here.
    pub(super) is_discontinuous: bool,
    pub(super) counter: u8,
    pub(super) payload: Bytes,
}

/// Returns the offset of the first packet and the distance between packets.
pub(crate) fn packet_size(data: &[u8]) -> Option<(usize, usize)> {
    STRIDES.into_iter().find_map(|stride| {
        let is_start = |first: &usize| {
            let rest = data.get(*first..).unwrap_or_default();
            let packets = rest.len().div_ceil(stride).min(CERTAIN);
            // A few packets prove little, so they must be where a file has them.
            let is_certain = packets == CERTAIN || packets >= 2 && (*first == 0 || *first == stride - PACKET);
            is_certain && rest.iter().step_by(stride).take(packets).all(|&byte| byte == SYNC)
        };
        (0..stride).find(is_start).map(|first| (first, stride))
    })
}

/// Cuts a stream into packets, and finds the next packet where one is damaged.
#[derive(Debug, Default)]
pub(super) struct Packets {
    buffer: BytesMut,
    stride: Option<usize>,
    /// Bytes behind a packet that belong to none.
    gap: usize,
    /// Bytes that were skipped to find a packet.
    skipped: u64,
    /// How many of them at the end are zeros.
    zeros: u64,
}

impl Packets {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next packet, or `None` if more bytes are needed.
    pub(super) fn next(&mut self, is_end: bool) -> Option<Packet> {
        loop {
            let gap = self.gap.min(self.buffer.len());
            self.buffer.advance(gap);
            self.gap -= gap;
            let stride = self.stride(is_end)?;
            if self.buffer.len() < PACKET {
                return None;
            }
            if self.buffer.first() != Some(&SYNC) && !self.find(stride, is_end) {
                return None;
            }
            if self.buffer.len() < PACKET {
                return None;
            }
            self.zeros = 0;
            let bytes = self.buffer.split_to(PACKET).freeze();
            self.gap = stride - PACKET;
            if let Some(packet) = Packet::read(&bytes) {
                return Some(packet);
            }
        }
    }

    /// The distance between packets, once enough bytes are there to tell.
    fn stride(&mut self, is_end: bool) -> Option<usize> {
        let is_enough = is_end || self.buffer.len() >= ENOUGH;
        if self.stride.is_none() && is_enough {
            let (first, stride) = packet_size(&self.buffer).unwrap_or((0, PACKET));
            self.buffer.advance(first.min(self.buffer.len()));
            self.stride = Some(stride);
        }
        self.stride
    }

    /// Skips to the next packet; returns false if more bytes are needed to find it.
    fn find(&mut self, stride: usize, is_end: bool) -> bool {
        let candidates = 0..self.buffer.len().saturating_sub(if is_end { 0 } else { stride });
        let is_sync = |at: usize| {
            let next = self.buffer.get(at.saturating_add(stride));
            self.buffer.get(at) == Some(&SYNC) && next.is_none_or(|byte| *byte == SYNC)
        };
        let found = candidates.clone().find(|at| is_sync(*at));
        let skipped = found.unwrap_or(candidates.end);
        self.skipped = self.skipped.saturating_add(skipped as u64);
        let zeros = self.buffer.get(..skipped).unwrap_or_default().iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == skipped { self.zeros.saturating_add(zeros as u64) } else { zeros as u64 };
        self.buffer.advance(skipped);
        found.is_some()
    }

    /// Bytes of the last, incomplete packet; zeros behind the last packet; other bytes that were skipped.
    pub(super) fn finish(&self) -> (usize, u64, u64) {
        let rest_is_zero = self.buffer.iter().all(|byte| *byte == 0);
        let rest = if rest_is_zero { 0 } else { self.buffer.len() };
        let zeros = if rest_is_zero { self.zeros.saturating_add(self.buffer.len() as u64) } else { 0 };
        (rest, zeros, self.skipped.saturating_sub(self.zeros))
    }
}

impl Packet {
    fn read(bytes: &Bytes) -> Option<Self> {
        let &[_, high, low, flags] = bytes.first_chunk()?;
        let mut start = 4;
        let mut is_discontinuous = false;
        if flags & 0x20 != 0 {
            let length = usize::from(*bytes.get(4)?);
            is_discontinuous = length > 0 && bytes.get(5)? & 0x80 != 0;
            start += 1 + length;
        }
        let has_payload = flags & 0x10 != 0 && start < bytes.len();
        // A packet with transport_error_indicator has wrong bytes.
        if high & 0x80 != 0 {
            return None;
        }
        Some(Self {
            pid: u16::from(high & 0x1f) << 8 | u16::from(low),
            starts_unit: high & 0x40 != 0,
            is_scrambled: flags & 0xc0 != 0,
            is_discontinuous,
            counter: flags & 0x0f,
            payload: if has_payload { bytes.slice(start..) } else { Bytes::new() },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(before: usize, behind: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..6u8 {
            bytes.extend(vec![9; before]);
            bytes.extend([SYNC, 0x41, number, 0x10 | number]);
            bytes.extend([number; PACKET - 4]);
            bytes.extend(vec![9; behind]);
        }
        bytes
    }

    fn pids(packets: &mut Packets) -> Vec<u16> {
        std::iter::from_fn(|| packets.next(true)).map(|packet| packet.pid).collect()
    }

    #[test]
    fn packets_of_all_sizes_are_found() {
        for (before, behind, size) in [(0, 0, (0, 188)), (4, 0, (4, 192)), (0, 16, (0, 204))] {
            let bytes = stream(before, behind);
            assert_eq!(packet_size(&bytes), Some(size));
            let mut packets = Packets::default();
            packets.push(&bytes);
            assert_eq!(pids(&mut packets), [0x100, 0x101, 0x102, 0x103, 0x104, 0x105]);
        }
    }

    #[test]
    fn distance_is_not_decided_before_there_are_bytes() {
        let mut packets = Packets::default();
        assert!(packets.next(false).is_none());
        packets.push(&stream(4, 0));
        assert_eq!(pids(&mut packets), [0x100, 0x101, 0x102, 0x103, 0x104, 0x105]);
    }

    #[test]
    fn damaged_bytes_are_skipped_and_zeros_at_the_end_are_counted() {
        let mut bytes = stream(0, 0);
        bytes.splice(400..403, []);
        bytes.extend([0; 1000]);
        let mut packets = Packets::default();
        packets.push(&bytes);
        assert_eq!(pids(&mut packets), [0x100, 0x101, 0x102, 0x104, 0x105]);
        let (rest, zeros, skipped) = packets.finish();
        assert_eq!((rest, zeros), (0, 1000));
        assert_eq!(skipped, 185);
    }
}
