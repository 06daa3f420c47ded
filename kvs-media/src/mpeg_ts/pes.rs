//! PES packets (§2.4.3.6): joined from transport packets, with their times.

use bytes::{Bytes, BytesMut};

use super::packet::Packet;
use crate::MAX_FRAME_BYTES;

/// A PES packet.
#[derive(Clone, Debug)]
pub(super) struct Pes {
    pub(super) pts: Option<u64>,
    pub(super) dts: Option<u64>,
    pub(super) data: Bytes,
    /// Whether a packet was lost before it, so that what was open is incomplete.
    pub(super) after_loss: bool,
}

/// Joins the packets of one PID.
#[derive(Debug, Default)]
pub(super) struct PesAssembly {
    open: Option<Open>,
    counter: Option<u8>,
    after_loss: bool,
    dropped: u64,
    missing_at_end: usize,
}

#[derive(Debug)]
struct Open {
    bytes: BytesMut,
    /// Whether its last packet was filled up, so that nothing of it follows.
    is_filled: bool,
    /// Bytes of the packet, once its header is there and if it states them: video may leave them open.
    size: Option<usize>,
}

/// Bytes before the optional header: start code, stream id and length.
const START: usize = 6;
/// Payload bytes of a packet with a clock reference (§2.4.3.4); one with fewer is filled up, as the last one of a PES packet is.
const FULL: usize = 176;
const LARGEST: usize = if MAX_FRAME_BYTES > usize::MAX as u64 { usize::MAX } else { MAX_FRAME_BYTES as usize };

impl PesAssembly {
    /// Takes a packet and returns the PES packets that it completes.
    pub(super) fn push(&mut self, packet: &Packet) -> Vec<Pes> {
        let mut done = Vec::new();
        if packet.payload.is_empty() {
            return done;
        }
        if let Some(last) = self.counter {
            let expected = last.wrapping_add(1) & 0x0f;
            if packet.counter == last && !packet.is_discontinuous {
                return done; // Sent twice.
            }
            // Where recordings were joined, the counter jumps, but nothing is missing.
            let is_join = packet.starts_unit && self.open.as_ref().is_some_and(|open| open.is_filled);
            if packet.counter != expected && !packet.is_discontinuous && !is_join {
                self.lose();
            }
        }
        self.counter = Some(packet.counter);
        if packet.starts_unit {
            done.extend(self.close());
            self.open = Some(Open { bytes: BytesMut::new(), is_filled: false, size: None });
        }
        let Some(open) = &mut self.open else { return done };
        if open.bytes.len().saturating_add(packet.payload.len()) > LARGEST {
            self.lose();
            return done;
        }
        open.bytes.extend_from_slice(&packet.payload);
        open.is_filled = packet.payload.len() < FULL;
        if let (None, Some(&[_, _, _, _, high, low])) = (open.size, open.bytes.first_chunk::<START>()) {
            let size = usize::from(u16::from_be_bytes([high, low]));
            open.size = (size > 0).then_some(START + size);
        }
        if open.size.is_some_and(|size| open.bytes.len() >= size) {
            done.extend(self.close());
        }
        done
    }

    /// Returns the PES packet that is open at the end of the stream, and whether it may be complete. If the stream was cut, one
    /// without a stated size is not.
    pub(super) fn finish(&mut self, is_cut: bool) -> Option<(Pes, bool)> {
        let open = self.open.take()?;
        self.missing_at_end = open.missing();
        let is_complete = self.missing_at_end == 0 && !(is_cut && open.size.is_none());
        Some((open.read(self.after_loss)?, is_complete))
    }

    /// Bytes that the last PES packet of the stream lacks.
    pub(super) const fn missing_at_end(&self) -> usize {
        self.missing_at_end
    }

    /// PES packets that were dropped because some of their bytes are missing.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn lose(&mut self) {
        self.after_loss = true;
        if self.open.take().is_some() {
            self.dropped += 1;
        }
    }

    fn close(&mut self) -> Option<Pes> {
        let open = self.open.take()?;
        if open.missing() > 0 {
            self.lose();
            self.dropped += 1;
            return None;
        }
        let pes = open.read(self.after_loss);
        if pes.is_some() {
            self.after_loss = false;
        }
        pes
    }
}

impl Open {
    fn missing(&self) -> usize {
        self.size.map_or(0, |size| size.saturating_sub(self.bytes.len()))
    }

    fn read(mut self, after_loss: bool) -> Option<Pes> {
        if let Some(size) = self.size {
            self.bytes.truncate(size);
        }
        let bytes = self.bytes.freeze();
        if bytes.first_chunk() != Some(&[0, 0, 1]) {
            return None;
        }
        let (flags, header) = (*bytes.get(7)?, usize::from(*bytes.get(8)?));
        let pts = if flags & 0x80 == 0 { None } else { timestamp(bytes.get(9..14)?) };
        let dts = if flags & 0x40 == 0 { None } else { bytes.get(14..19).and_then(timestamp) };
        let data = bytes.slice(9usize.checked_add(header).filter(|start| *start <= bytes.len())?..);
        Some(Pes { pts, dts, data, after_loss })
    }
}

/// 33 bits with marker bits between them.
fn timestamp(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = bytes.first_chunk::<5>()?.map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(counter: u8, starts_unit: bool, payload: &[u8]) -> Packet {
        Packet {
            pid: 256,
            starts_unit,
            is_scrambled: false,
            is_discontinuous: false,
            counter,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    /// A header with a presentation time of 90,000 and this PES_packet_length.
    fn start(length: u8, data: &[u8]) -> Vec<u8> {
        [&[0, 0, 1, 0xe0, 0, length, 0x80, 0x80, 5, 0x21, 0x00, 0x05, 0xbf, 0x21], data].concat()
    }

    #[test]
    fn pes_packets_end_at_their_size_or_where_the_next_starts() {
        let mut assembly = PesAssembly::default();
        assert!(assembly.push(&packet(0, true, &start(0, b"abc"))).is_empty());
        assert!(assembly.push(&packet(1, false, b"def")).is_empty());
        let done = assembly.push(&packet(2, true, &start(12, b"ghij")));
        assert_eq!(done.iter().map(|pes| &*pes.data).collect::<Vec<_>>(), [&b"abcdef"[..], b"ghij"]);
        assert_eq!((done[0].pts, done[0].dts), (Some(90_000), None));
        assert!(assembly.finish(false).is_none());
    }

    #[test]
    fn lost_packets_cost_the_open_pes_packet() {
        let mut assembly = PesAssembly::default();
        assembly.push(&packet(0, true, &start(0, b"abc")));
        assert!(assembly.push(&packet(2, false, b"def")).is_empty());
        assert!(assembly.push(&packet(3, true, &start(0, b"ghi"))).is_empty());
        let (pes, _) = assembly.finish(false).unwrap();
        assert_eq!((&*pes.data, pes.after_loss, assembly.dropped()), (&b"ghi"[..], true, 1));
        // Sent twice: nothing is lost.
        let mut assembly = PesAssembly::default();
        assembly.push(&packet(0, true, &start(0, b"abc")));
        assembly.push(&packet(0, true, &start(0, b"abc")));
        assert_eq!(&*assembly.finish(false).unwrap().0.data, b"abc");
    }

    #[test]
    fn open_packet_of_a_cut_stream_is_complete_only_by_its_size() {
        for (length, is_cut, expected) in [(0, false, true), (0, true, false), (14, true, false), (14, false, false)] {
            let mut assembly = PesAssembly::default();
            assembly.push(&packet(0, true, &start(length, b"abc")));
            let (pes, is_complete) = assembly.finish(is_cut).unwrap();
            assert_eq!((&*pes.data, is_complete), (&b"abc"[..], expected), "{length} {is_cut}");
        }
    }
}
