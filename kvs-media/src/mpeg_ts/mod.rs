//! MPEG transport streams (ISO/IEC 13818-1): H.264, H.265 and AAC of one program.
//!
//! A demuxer of our own without I/O: `mpeg2ts-reader` has an unstable interface, `mpeg2ts` pulls from a reader and stops at the
//! first fault, and neither turns PES packets into access units with times that go on over wraps and jumps.
//!
//! The pieces of 184 bytes are gathered, so this is the one container whose payload is copied once.

mod audio;
mod clock;
mod packet;
mod pes;
mod tables;
mod video;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kvs_mkv::TrackKind;

use audio::AdtsStream;
use clock::ProgramClock;
pub(crate) use packet::packet_size;
use packet::{Packet, Packets};
use pes::{Pes, PesAssembly};
use tables::{ElementaryStream, Program, Sections};
use video::VideoStream;

use crate::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::nal_track::{NalCodec, NalTrack};
use crate::notice::{Notice, NoticeKind};
use crate::payload::PayloadFormat;

/// Reads the first program of a transport stream. Tracks are named by their packet identifiers (PIDs).
#[derive(Debug)]
pub(crate) struct MpegTs {
    packets: Packets,
    association: Sections,
    /// The program that is read, once the association table has named it.
    program: Option<Program>,
    /// Programs that are not read.
    other_programs: Vec<u16>,
    map: Sections,
    streams: BTreeMap<u16, Stream>,
    clock: ProgramClock,
    found: VecDeque<Demuxed>,
    is_finished: bool,
    is_reported: bool,
}

/// One elementary stream.
#[derive(Debug)]
struct Stream {
    assembly: PesAssembly,
    media: Media,
}

#[derive(Debug)]
enum Media {
    Video(VideoStream),
    Adts(AdtsStream),
    /// Named, but not read.
    Other {
        frames: u64,
    },
}

impl MpegTs {
    pub(crate) fn new() -> Self {
        Self {
            packets: Packets::default(),
            association: Sections::default(),
            program: None,
            other_programs: Vec::new(),
            map: Sections::default(),
            streams: BTreeMap::new(),
            clock: ProgramClock::default(),
            found: VecDeque::new(),
            is_finished: false,
            is_reported: false,
        }
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), Fault> {
        let map = self.program.as_ref().map(|program| program.map);
        if packet.pid == tables::ASSOCIATION {
            for section in self.association.push(packet) {
                self.programs(&section);
            }
        } else if Some(packet.pid) == map {
            for section in self.map.push(packet) {
                if let Some(streams) = tables::streams(&section) {
                    self.describe(streams);
                }
            }
        } else if let Some(stream) = self.streams.get_mut(&packet.pid) {
            if packet.is_scrambled && !matches!(stream.media, Media::Other { .. }) {
                return Err(Fault::Refused(format!("the packets of PID {} are encrypted", packet.pid)));
            }
            for pes in stream.assembly.push(packet) {
                stream.media.take(packet.pid, pes, &mut self.clock, &mut self.found)?;
            }
        }
        Ok(())
    }

    fn programs(&mut self, section: &[u8]) {
        let Some(programs) = tables::programs(section) else { return };
        let mut programs = programs.into_iter();
        if self.program.is_none() {
            self.program = programs.next();
            self.other_programs = programs.map(|program| program.number).collect();
        }
    }

    /// A program map: streams that are new or have another type.
    fn describe(&mut self, described: Vec<ElementaryStream>) {
        let mut tracks = Vec::new();
        for ElementaryStream { pid, kind, codec, media } in described {
            if self.streams.contains_key(&pid) {
                continue;
            }
            let (media, format) = match media {
                tables::Codec::Video(codec) => (Media::Video(VideoStream::new(codec)), Ok(nal(codec))),
                // Its headers describe it.
                tables::Codec::Adts => (Media::Adts(AdtsStream::default()), Err(Fault::NoFrames)),
                tables::Codec::Other => {
                    let fault = Fault::Codec { kind: crate::selection::kind_name(kind), codec: codec.clone() };
                    (Media::Other { frames: 0 }, Err(fault))
                }
            };
            self.streams.insert(pid, Stream { assembly: PesAssembly::default(), media });
            let (id, enabled, config) = (pid.into(), true, Bytes::new());
            tracks.push(DemuxTrack { id, kind, enabled, codec, config, format });
        }
        if !tracks.is_empty() {
            self.found.push_back(Demuxed::Tracks(tracks));
        }
    }

    /// The input has ended: returns the frames that were open, and what was missing.
    fn end(&mut self) -> Result<(), Fault> {
        let (mut lost, mut early) = (0u64, 0u64);
        let mut incomplete = 0usize;
        let (rest, zeros, skipped) = self.packets.finish();
        let is_cut = rest > 0 || zeros > 0;
        for (pid, stream) in &mut self.streams {
            if let Some(pes) = stream.assembly.finish(is_cut) {
                stream.media.take(*pid, pes, &mut self.clock, &mut self.found)?;
            }
            incomplete += stream.assembly.missing_at_end();
            lost += stream.assembly.dropped();
            if let Media::Video(video) = &mut stream.media {
                video.finish(*pid, is_cut, &mut self.clock, &mut self.found);
                lost += video.damaged();
                early += video.before_parameter_sets();
            }
        }
        let mut notice = |kind, text: String| self.found.push_back(Demuxed::Notice(Notice::new(kind, text)));
        if early > 0 {
            notice(
                NoticeKind::Skipped,
                format!(
                    "{early} pictures before the first key frame with parameter sets cannot be decoded and are skipped"
                ),
            );
        }
        if lost > 0 {
            notice(NoticeKind::Skipped, format!("packets are missing: {lost} incomplete frames are skipped"));
        }
        if skipped > 0 {
            notice(NoticeKind::Skipped, format!("{skipped} bytes between packets are no packets and are skipped"));
        }
        if is_cut || incomplete > 0 {
            let what = match (rest, zeros) {
                (0, 0) => format!("{incomplete} bytes of its last frames are missing"),
                (0, zeros) => format!("its last {zeros} bytes are zeros, and its last picture is incomplete"),
                (rest, _) => format!("its last packet has {rest} of 188 bytes, and its last picture is incomplete"),
            };
            notice(NoticeKind::Interrupted, format!("the recording was interrupted: {what}"));
        }
        if self.clock.jumps() > 0 {
            let jumps = self.clock.jumps();
            notice(
                NoticeKind::Ignored,
                format!("timestamps jump back {jumps} times: the following frames continue behind the ones before"),
            );
        }
        if !self.other_programs.is_empty() {
            let numbers: Vec<_> = self.other_programs.iter().map(ToString::to_string).collect();
            notice(NoticeKind::LeftOut, format!("left out: program {}", numbers.join(", program ")));
        }
        Ok(())
    }
}

impl Demuxer for MpegTs {
    fn push(&mut self, bytes: Bytes) {
        self.packets.push(&bytes);
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn next(&mut self) -> Result<Option<Demuxed>, Fault> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            match self.packets.next(self.is_finished) {
                Some(packet) => self.packet(&packet)?,
                None if self.is_finished && !self.is_reported => {
                    self.is_reported = true;
                    self.end()?;
                }
                None => return Ok(None),
            }
        }
    }

    fn has_absolute_times(&self) -> bool {
        true
    }
}

impl Media {
    fn take(
        &mut self,
        pid: u16,
        pes: Pes,
        clock: &mut ProgramClock,
        found: &mut VecDeque<Demuxed>,
    ) -> Result<(), Fault> {
        match self {
            Self::Video(video) => video.take(pid, pes, clock, found),
            Self::Adts(adts) => adts.take(pid, pes, clock, found)?,
            // One frame is enough to know that there are some.
            Self::Other { frames } => {
                *frames += 1;
                if *frames == 1 {
                    let (track, data) = (pid.into(), pes.data.into());
                    found.push_back(Demuxed::Frame(DemuxFrame { track, pts: 0, dts: None, keyframe: false, data }));
                }
            }
        }
        Ok(())
    }
}

fn nal(codec: NalCodec) -> PayloadFormat {
    PayloadFormat::Nal(Box::new(NalTrack::new(codec, Bytes::new(), kvs_mkv::VideoSettings::new(0, 0))))
}

/// Describes a track whose configuration is known or has changed.
fn described(pid: u16, codec: &str, config: Bytes, format: PayloadFormat) -> Demuxed {
    let (id, kind, enabled, codec) = (pid.into(), TrackKind::Audio, true, codec.to_owned());
    Demuxed::Tracks(vec![DemuxTrack { id, kind, enabled, codec, config, format: Ok(format) }])
}
