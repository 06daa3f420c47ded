//! Program tables (§2.4.4): which streams belong to a program, and their types.

use kvs_mkv::TrackKind;

use super::packet::Packet;
use crate::nal_track::NalCodec;

/// PID of the program association table.
pub(super) const ASSOCIATION: u16 = 0;
/// Largest section of the tables that are read (§2.4.4.8).
const SECTION_BYTES: usize = 1024;
/// Most streams and programs that are looked at.
const MOST: usize = 256;

/// A program: its number, and the PID of its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) number: u16,
    pub(super) map: u16,
}

/// A stream of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ElementaryStream {
    pub(super) pid: u16,
    pub(super) kind: TrackKind,
    pub(super) codec: String,
    pub(super) media: Codec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Video(NalCodec),
    Adts,
    /// Private data that no descriptor names: its first packet shows whether it is AAC. ffmpeg writes AAC so into M2TS.
    Private,
    Other,
}

/// Joins the sections of one PID.
#[derive(Debug, Default)]
pub(super) struct Sections {
    buffer: Vec<u8>,
    is_open: bool,
}

impl Sections {
    /// Returns the sections that end in this packet and have a correct checksum.
    pub(super) fn push(&mut self, packet: &Packet) -> Vec<Vec<u8>> {
        let mut done = Vec::new();
        let mut payload = &*packet.payload;
        if packet.starts_unit {
            let Some((&pointer, rest)) = payload.split_first() else { return done };
            let (before, from) = rest.split_at(rest.len().min(pointer.into()));
            self.append(before, &mut done);
            self.buffer.clear();
            (self.is_open, payload) = (true, from);
        }
        self.append(payload, &mut done);
        done
    }

    fn append(&mut self, bytes: &[u8], done: &mut Vec<Vec<u8>>) {
        if !self.is_open {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while let Some(&[table, high, low]) = self.buffer.first_chunk() {
            let len = 3 + (usize::from(high & 0x0f) << 8 | usize::from(low));
            // Stuffing, or a section that no table of ours can be.
            if table == 0xff || len > SECTION_BYTES {
                (self.is_open, self.buffer) = (false, Vec::new());
                return;
            }
            if self.buffer.len() < len {
                return;
            }
            let section: Vec<u8> = self.buffer.drain(..len).collect();
            if checksum(&section) == 0 {
                done.push(section);
            }
        }
    }
}

/// CRC-32 of ISO/IEC 13818-1 annex A; 0 over a section with its checksum.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
        }
        crc
    })
}

/// The body of a section of this table that applies now: what follows its last_section_number, without the checksum.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let is_current = section.get(5)? & 1 != 0;
    (*section.first()? == table && is_current).then(|| section.get(8..section.len().checked_sub(4)?)).flatten()
}

/// The number of a section: that of its program in a map.
pub(super) fn extension(section: &[u8]) -> Option<u16> {
    section.get(3..5)?.first_chunk().map(|number| u16::from_be_bytes(*number))
}

/// The programs of a section of an association table, with its number and that of the last section.
pub(super) fn programs(section: &[u8]) -> Option<(u8, u8, Vec<Program>)> {
    let entries = body(section, 0)?.as_chunks::<4>().0.iter().take(MOST);
    let programs = entries.map(|[n1, n2, p1, p2]| Program {
        number: u16::from_be_bytes([*n1, *n2]),
        map: u16::from_be_bytes([p1 & 0x1f, *p2]),
    });
    // Program 0 is the network information.
    Some((*section.get(6)?, *section.get(7)?, programs.filter(|program| program.number != 0).collect()))
}

/// The streams of a program map.
pub(super) fn streams(section: &[u8]) -> Option<Vec<ElementaryStream>> {
    let body = body(section, 2)?;
    let &[_, _, high, low] = body.first_chunk()?;
    let mut rest = body.get(4 + length(high, low)..)?;
    let mut streams = Vec::new();
    while let Some((&[kind, p1, p2, high, low], behind)) = rest.split_first_chunk() {
        let descriptors = behind.get(..length(high, low))?;
        rest = behind.get(descriptors.len()..)?;
        let pid = u16::from_be_bytes([p1 & 0x1f, p2]);
        let (kind, codec, media) = stream_type(kind, descriptors);
        streams.push(ElementaryStream { pid, kind, codec, media });
        if streams.len() >= MOST {
            break;
        }
    }
    Some(streams)
}

fn length(high: u8, low: u8) -> usize {
    usize::from(high & 0x0f) << 8 | usize::from(low)
}

/// Types of ISO/IEC 13818-1 table 2-34, and those of ATSC and Blu-ray that recordings have.
fn stream_type(kind: u8, descriptors: &[u8]) -> (TrackKind, String, Codec) {
    let (video, audio, data) = (TrackKind::Video, TrackKind::Audio, TrackKind::Other(0));
    let other = |kind, codec: &str| (kind, codec.to_owned(), Codec::Other);
    match kind {
        0x1b => (video, NalCodec::H264.name().to_owned(), Codec::Video(NalCodec::H264)),
        0x24 => (video, NalCodec::H265.name().to_owned(), Codec::Video(NalCodec::H265)),
        0x0f => (audio, "AAC".to_owned(), Codec::Adts),
        0x11 => other(audio, "AAC in LATM"),
        0x01 | 0x02 => other(video, "MPEG-2 video"),
        0x10 => other(video, "MPEG-4 Visual"),
        0x33 => other(video, "H.266"),
        0x03 | 0x04 => other(audio, "MPEG audio"),
        0x80 | 0x83 => other(audio, "LPCM"),
        0x81 => other(audio, "AC-3"),
        0x82 | 0x85 | 0x86 if has(descriptors, 0x05, b"CUEI") => other(data, "SCTE 35"),
        0x82 | 0x85 => other(audio, "DTS"),
        0x84 | 0x87 => other(audio, "E-AC-3"),
        0x06 if has(descriptors, 0x05, b"HEVC") => (video, "H.265".to_owned(), Codec::Video(NalCodec::H265)),
        0x06 if has(descriptors, 0x05, b"Opus") => other(audio, "Opus"),
        0x06 if has(descriptors, 0x6a, b"") || has(descriptors, 0x05, b"AC-3") => other(audio, "AC-3"),
        0x06 if has(descriptors, 0x7a, b"") => other(audio, "E-AC-3"),
        0x06 if has(descriptors, 0x59, b"") => other(TrackKind::Subtitle, "DVB subtitles"),
        0x06 if has(descriptors, 0x56, b"") => other(TrackKind::Subtitle, "teletext"),
        0x06 if !has(descriptors, 0x05, b"") => (audio, "private data".to_owned(), Codec::Private),
        kind => other(data, &format!("stream type {kind:#04x}")),
    }
}

/// Whether there is a descriptor with this tag whose content starts so.
fn has(mut descriptors: &[u8], tag: u8, starts: &[u8]) -> bool {
    while let Some((&[found, length], behind)) = descriptors.split_first_chunk() {
        let (content, rest) = behind.split_at(behind.len().min(length.into()));
        if found == tag && content.starts_with(starts) {
            return true;
        }
        descriptors = rest;
    }
    false
}

/// A section with its head and checksum around what follows its length.
#[cfg(test)]
pub(super) fn section(table: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    let mut section = [&[table, 0xb0 | high, low], body].concat();
    section.extend(checksum(&section).to_be_bytes());
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn association_and_map_of_ffmpeg_are_read() {
        // As ffmpeg writes them: one program with H.264 and AAC.
        let association = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        assert_eq!(checksum(&association), 0);
        assert_eq!(programs(&association), Some((0, 0, vec![Program { number: 1, map: 0x1000 }])));
        let mut map = vec![2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0];
        map.extend([0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1, 0xf0, 0]);
        map.extend(checksum(&map).to_be_bytes());
        let streams = streams(&map).unwrap();
        let found: Vec<_> = streams.iter().map(|stream| (stream.pid, stream.media)).collect();
        assert_eq!(found, [(0x100, Codec::Video(NalCodec::H264)), (0x101, Codec::Adts)]);
    }

    #[test]
    fn sections_are_joined_over_packets_and_checked() {
        let association = [0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2];
        let packet = |starts_unit, payload: &[u8]| Packet {
            pid: 0,
            starts_unit,
            is_scrambled: false,
            is_discontinuous: false,
            counter: 0,
            payload: bytes::Bytes::copy_from_slice(payload),
        };
        let mut sections = Sections::default();
        assert!(sections.push(&packet(true, &[&[0][..], &association[..7]].concat())).is_empty());
        assert_eq!(
            sections.push(&packet(false, &[&association[7..], &[0xff; 9][..]].concat())),
            [association.to_vec()]
        );
        let mut wrong = association;
        wrong[9] = 2;
        assert!(sections.push(&packet(true, &[&[0][..], &wrong].concat())).is_empty());
    }
}
