//! An MPEG transport stream of one fragment (ISO/IEC 13818-1): H.264 and AAC.

use std::borrow::Cow;

use bytes::Bytes;
use kvs_mkv::Chunks;
use kvs_mkv::codec::aac::AudioSpecificConfig;
use kvs_mkv::codec::h264::{NalType, ParameterSets};
use kvs_mkv::codec::nal::{LengthSize, length_prefixed_chunks};

use super::codec::{Codec, TrackSetup, VideoCodec};
use super::run::{Run, RunSample};
use crate::mpeg_ts::crc32;

/// Returns the transport stream of one fragment; `None` if a track is neither H.264 nor AAC.
///
/// Each fragment begins with its tables and can be played alone. Continuity counters start again, which the first packet of each
/// PID signals.
#[must_use]
pub fn ts_segment(tracks: &[(&TrackSetup, &Run)]) -> Option<Bytes> {
    let mut streams = Vec::new();
    for ((setup, run), pid) in tracks.iter().zip(FIRST_PID..) {
        streams.push(Stream { pid, coding: Coding::of(setup)?, setup, run });
    }
    let mut out = Packets::default();
    out.section(PAT_PID, &association());
    out.section(PMT_PID, &program_map(&streams));
    for unit in in_decoding_order(&streams) {
        out.unit(&unit);
    }
    Some(out.bytes.into())
}

const PACKET: usize = 188;
const PAT_PID: u16 = 0;
const PMT_PID: u16 = 0x1000;
const FIRST_PID: u16 = 0x100;
const PROGRAM: u16 = 1;
/// Ticks per second of PTS and DTS.
const CLOCK: u64 = 90_000;
/// All times are later by this, so that the decoder's clock can be earlier than the first frame: 1 s, our choice.
const LEAD: u64 = CLOCK;
/// How much earlier than its decoding time a frame is sent: 0.1 s, our choice.
const SEND_AHEAD: u64 = CLOCK / 10;
const H264_STREAM: u8 = 0x1b;
const ADTS_STREAM: u8 = 0x0f;

struct Stream<'a> {
    pid: u16,
    coding: Coding,
    setup: &'a TrackSetup,
    run: &'a Run,
}

enum Coding {
    H264 { sets: ParameterSets, length_size: LengthSize },
    Aac(AudioSpecificConfig),
}

impl Coding {
    fn of(setup: &TrackSetup) -> Option<Self> {
        match &setup.codec {
            Codec::Video { codec: VideoCodec::H264, record, .. } => {
                let (sets, length_size) = ParameterSets::from_avcc(record).ok()?;
                Some(Self::H264 { sets, length_size })
            }
            Codec::Aac(config) if adts_profile(config).is_some() => Some(Self::Aac(config.clone())),
            Codec::Video { .. } | Codec::Aac(_) | Codec::G711 { .. } => None,
        }
    }
}

/// One frame on its way into packets.
struct Unit<'a> {
    stream: &'a Stream<'a>,
    is_clock: bool,
    sample: &'a RunSample,
    decoded: u64,
    shown: u64,
}

fn in_decoding_order<'a>(streams: &'a [Stream<'a>]) -> Vec<Unit<'a>> {
    let mut units = Vec::new();
    for (index, stream) in streams.iter().enumerate() {
        let scale = |ticks: i128| {
            let clock = ticks * i128::from(CLOCK) / i128::from(stream.setup.timescale.max(1));
            u64::try_from(clock + i128::from(LEAD)).unwrap_or(0)
        };
        // No frame may be shown before it is decoded: decoding begins that much earlier.
        let early = stream.run.samples.iter().map(|sample| i128::from(sample.offset)).min().unwrap_or(0).min(0);
        let mut at = i128::from(stream.run.start);
        for sample in &stream.run.samples {
            let (decoded, shown) = (scale(at + early), scale(at + i128::from(sample.offset)));
            units.push(Unit { stream, is_clock: index == 0, sample, decoded, shown });
            at += i128::from(sample.duration);
        }
    }
    units.sort_by_key(|unit| unit.decoded);
    units
}

impl Unit<'_> {
    /// Returns the elementary stream: an access unit with start codes, or a frame with its ADTS header.
    fn payload(&self) -> Vec<u8> {
        match &self.stream.coding {
            Coding::H264 { sets, length_size } => annex_b(self.sample, sets, *length_size),
            Coding::Aac(config) => adts(config, &self.sample.data),
        }
    }

    /// Returns the PES packet.
    fn pes(&self) -> Vec<u8> {
        const MARKS: u8 = 0x80;
        let payload = self.payload();
        let is_video = matches!(self.stream.coding, Coding::H264 { .. });
        let has_decoding_time = self.decoded != self.shown;
        let times = if has_decoding_time { 10 } else { 5 };
        let mut out = Vec::with_capacity(payload.len().saturating_add(32));
        out.extend([0, 0, 1, if is_video { 0xe0 } else { 0xc0 }]);
        // The length of video may be left open, and would often not fit.
        let len = if is_video { 0 } else { u16::try_from(payload.len().saturating_add(3 + times)).unwrap_or(0) };
        out.extend(len.to_be_bytes());
        out.extend([MARKS | 0x04, if has_decoding_time { 0xc0 } else { 0x80 }, u8::try_from(times).unwrap_or(5)]);
        out.extend(timestamp(if has_decoding_time { 3 } else { 2 }, self.shown));
        if has_decoding_time {
            out.extend(timestamp(1, self.decoded));
        }
        out.extend(payload);
        out
    }
}

/// Writes a time of 33 bits with its marker bits (§2.4.3.6).
fn timestamp(prefix: u8, time: u64) -> [u8; 5] {
    let part = |shift: u32, bits: u64| u8::try_from((time >> shift) & bits).unwrap_or(0);
    [prefix << 4 | part(30, 7) << 1 | 1, part(22, 0xff), part(15, 0x7f) << 1 | 1, part(7, 0xff), part(0, 0x7f) << 1 | 1]
}

/// Writes an access unit with a delimiter, and with the parameter sets if decoding can start here.
fn annex_b(sample: &RunSample, sets: &ParameterSets, length_size: LengthSize) -> Vec<u8> {
    const START: [u8; 4] = [0, 0, 0, 1];
    /// Any picture type (H.264 table 7-5).
    const DELIMITER: [u8; 2] = [0x09, 0xf0];
    let mut out = Vec::with_capacity(sample.data.len().saturating_add(256));
    let mut unit = |bytes: &[u8]| {
        out.extend(START);
        out.extend(bytes);
    };
    unit(&DELIMITER);
    if sample.sync {
        sets.sequence().iter().chain(sets.extension()).chain(sets.picture()).for_each(|set| unit(set));
    }
    for nal in length_prefixed_chunks(&sample.data, length_size).map_while(Result::ok) {
        if NalType(nal.header() & 0x1f) != NalType::DELIMITER {
            let bytes: Cow<'_, [u8]> = nal.bytes();
            unit(&bytes);
        }
    }
    out
}

/// Returns `profile_ObjectType` of ADTS, which has the object types 1 to 4 only.
fn adts_profile(config: &AudioSpecificConfig) -> Option<u8> {
    config
        .object_type()
        .checked_sub(1)
        .filter(|profile| *profile < 4)
        .and(frequency_index(config))
        .and_then(|_| config.object_type().checked_sub(1))
}

fn frequency_index(config: &AudioSpecificConfig) -> Option<u8> {
    const FREQUENCIES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350];
    let index = FREQUENCIES.iter().position(|frequency| *frequency == config.sampling_frequency())?;
    u8::try_from(index).ok()
}

fn adts(config: &AudioSpecificConfig, data: &Chunks) -> Vec<u8> {
    const HEADER: usize = 7;
    let (profile, frequency) = (adts_profile(config).unwrap_or(1), frequency_index(config).unwrap_or(3));
    let channels = match config.channels() {
        8 => 7,
        channels => channels & 7,
    };
    let len = data.len().saturating_add(HEADER);
    let bits = |shift: usize, mask: usize| u8::try_from((len >> shift) & mask).unwrap_or(0);
    let mut out = Vec::with_capacity(len);
    out.extend([0xff, 0xf1, profile << 6 | frequency << 2 | channels >> 2]);
    out.extend([(channels & 3) << 6 | bits(11, 3), bits(3, 0xff), bits(0, 7) << 5 | 0x1f, 0xfc]);
    data.iter().for_each(|piece| out.extend_from_slice(piece));
    out
}

fn association() -> Vec<u8> {
    let mut section = vec![0, 0xb0, 13, 0, 1, 0xc1, 0, 0];
    section.extend(PROGRAM.to_be_bytes());
    section.extend((0xe000 | PMT_PID).to_be_bytes());
    section
}

fn program_map(streams: &[Stream<'_>]) -> Vec<u8> {
    let clock = streams.first().map_or(FIRST_PID, |stream| stream.pid);
    let len = u16::try_from(streams.len().saturating_mul(5).saturating_add(13)).unwrap_or(13);
    let mut section = vec![2];
    section.extend((0xb000 | len).to_be_bytes());
    section.extend(PROGRAM.to_be_bytes());
    section.extend([0xc1, 0, 0]);
    section.extend((0xe000 | clock).to_be_bytes());
    section.extend([0xf0, 0]);
    for stream in streams {
        section.push(match stream.coding {
            Coding::H264 { .. } => H264_STREAM,
            Coding::Aac(_) => ADTS_STREAM,
        });
        section.extend((0xe000 | stream.pid).to_be_bytes());
        section.extend([0xf0, 0]);
    }
    section
}

/// The packets so far, and the continuity counter of each PID.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    counters: Vec<(u16, u8)>,
}

impl Packets {
    /// Writes a table that fits one packet.
    fn section(&mut self, pid: u16, section: &[u8]) {
        let mut whole = vec![0];
        whole.extend_from_slice(section);
        whole.extend(crc32(section).to_be_bytes());
        whole.resize(PACKET - 4, 0xff);
        self.packet(pid, true, None, &whole);
    }

    fn unit(&mut self, unit: &Unit<'_>) {
        let pes = unit.pes();
        let mut rest = pes.as_slice();
        let mut is_first = true;
        while !rest.is_empty() {
            let is_restart = !self.counters.iter().any(|(pid, _)| *pid == unit.stream.pid);
            let adaptation = (is_first && (unit.is_clock || is_restart)).then(|| {
                let flags = if is_restart { 0x80 } else { 0 } | if unit.sample.sync { 0x40 } else { 0 };
                let mut field = vec![flags | if unit.is_clock { 0x10 } else { 0 }];
                if unit.is_clock {
                    field.extend(clock_reference(unit.decoded.saturating_sub(SEND_AHEAD)));
                }
                field
            });
            let room = PACKET - 4 - adaptation.as_ref().map_or(0, |field| field.len() + 1);
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.packet(unit.stream.pid, is_first, adaptation, now);
            (rest, is_first) = (later, false);
        }
    }

    /// Writes a packet; a payload that does not fill it is preceded by stuffing.
    fn packet(&mut self, pid: u16, starts: bool, adaptation: Option<Vec<u8>>, payload: &[u8]) {
        let room = PACKET - 4;
        let mut field = adaptation;
        let used = field.as_ref().map_or(0, |field| field.len() + 1) + payload.len();
        if used < room {
            let missing = room - used;
            let stuffed = match (&mut field, missing) {
                (Some(field), missing) => {
                    field.resize(field.len() + missing, 0xff);
                    None
                }
                // A field of one byte is only its length.
                (None, 1) => Some(Vec::new()),
                (None, missing) => {
                    let mut stuffing = vec![0xff; missing - 1];
                    stuffing.iter_mut().take(1).for_each(|flags| *flags = 0);
                    Some(stuffing)
                }
            };
            field = stuffed.or(field);
        }
        let counter = self.count(pid);
        let control = if field.is_some() { 0x30 } else { 0x10 };
        let [high, low] = (pid | if starts { 0x4000 } else { 0 }).to_be_bytes();
        self.bytes.extend([0x47, high, low, control | counter]);
        if let Some(field) = field {
            self.bytes.push(u8::try_from(field.len()).unwrap_or(0));
            self.bytes.extend(field);
        }
        self.bytes.extend_from_slice(payload);
        debug_assert_eq!(self.bytes.len() % PACKET, 0, "packets have {PACKET} bytes");
    }

    fn count(&mut self, pid: u16) -> u8 {
        match self.counters.iter_mut().find(|(known, _)| *known == pid) {
            Some((_, next)) => {
                let counter = *next;
                *next = (counter + 1) & 0x0f;
                counter
            }
            None => {
                self.counters.push((pid, 1));
                0
            }
        }
    }
}

/// Writes a PCR of 33 bits without extension (§2.4.3.5).
fn clock_reference(time: u64) -> [u8; 6] {
    let [_, _, _, a, b, c, d, e] = (time << 7).to_be_bytes();
    // 33 bits, six reserved ones, nine bits of extension.
    [a, b, c, d, e | 0x7e, 0]
}
