//! MPEG transport streams (ISO/IEC 13818-1): H.264, H.265 and AAC of one program.
//!
//! A demuxer of our own without I/O: `mpeg2ts-reader` has an unstable interface, `mpeg2ts` pulls from a reader and stops at the
//! first fault, and neither turns PES packets into access units with times that go on over wraps and jumps.
//!
//! The pieces of 184 bytes are gathered, so this is the one container whose payload is copied once.

mod association;
mod audio;
mod clock;
mod packet;
mod pes;
mod tables;
mod video;

pub(crate) use self::tables::checksum as crc32;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kvs_mkv::TrackKind;

use association::Association;
use audio::AdtsStream;
use clock::{ProgramClock, StreamClock};
pub(crate) use packet::packet_size;
use packet::{Packet, Packets};
use pes::{Pes, PesAssembly};
use tables::{ElementaryStream, Sections};
use video::VideoStream;

use crate::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::nal_track::{NalCodec, NalTrack};
use crate::notice::{Notice, NoticeKind};
use crate::payload::PayloadFormat;

/// Reads the first program of a transport stream. Tracks are named by their packet identifiers (PIDs).
///
/// An encoder that starts again may use other PIDs, another map or another program: a stream that takes the place of one of its
/// kind continues its track.
#[derive(Debug)]
pub(crate) struct MpegTs {
    packets: Packets,
    association: Association,
    map: Sections,
    streams: BTreeMap<u16, Stream>,
    /// Packets before the first map.
    early: Vec<Packet>,
    ended: Ended,
    clock: ProgramClock,
    found: VecDeque<Demuxed>,
    is_reported: bool,
}

/// Most packets that are kept until the tables come: 2 MB. They are sent at least every half second (ETSI TR 101 290).
const MOST_EARLY: usize = 10_000;

/// One elementary stream.
#[derive(Debug)]
struct Stream {
    /// The track that it belongs to: the PID of its first stream.
    track: u16,
    kind: TrackKind,
    assembly: PesAssembly,
    media: Media,
}

/// What streams that have ended lack.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    lost: u64,
    early: u64,
    incomplete: usize,
}

impl Ended {
    /// Returns the last frames of a stream.
    fn take(
        &mut self,
        stream: &mut Stream,
        is_cut: bool,
        clock: &mut ProgramClock,
        found: &mut VecDeque<Demuxed>,
    ) -> Result<(), Fault> {
        let mut is_cut = is_cut;
        match (stream.assembly.finish(is_cut), &mut stream.media) {
            (Some((pes, true)), media) => media.take(stream.track, pes, clock, found)?,
            // The start of an incomplete picture ends the one before.
            (Some((pes, false)), Media::Video(video)) => {
                video.take(stream.track, pes, clock, found);
                is_cut = true;
            }
            _ => {}
        }
        self.incomplete += stream.assembly.missing_at_end();
        self.lost += stream.assembly.dropped();
        if let Media::Video(video) = &mut stream.media {
            video.finish(stream.track, is_cut, clock, found);
            self.lost += video.damaged();
            self.early += video.before_parameter_sets();
        }
        Ok(())
    }
}

#[derive(Debug)]
enum Media {
    Video(VideoStream),
    Adts(AdtsStream),
    /// Private data, from its first packet on as what that is.
    Private(Option<Box<Self>>, StreamClock),
    /// Named, but not read.
    Other {
        frames: u64,
    },
}

impl MpegTs {
    pub(crate) fn new() -> Self {
        Self {
            packets: Packets::default(),
            association: Association::default(),
            map: Sections::default(),
            streams: BTreeMap::new(),
            early: Vec::new(),
            ended: Ended::default(),
            clock: ProgramClock::default(),
            found: VecDeque::new(),
            is_reported: false,
        }
    }

    fn packet(&mut self, packet: &Packet) -> Result<(), Fault> {
        if packet.pid == tables::ASSOCIATION {
            if self.association.push(packet) {
                self.map = Sections::default();
            }
        } else if Some(packet.pid) == self.association.map() {
            for section in self.map.push(packet) {
                if let Some(streams) = tables::streams(&section).filter(|_| self.association.is_read(&section)) {
                    self.describe(streams)?;
                }
            }
            // A recording that was cut out of a longer one may have its tables in the middle.
            if !self.streams.is_empty() {
                for packet in std::mem::take(&mut self.early) {
                    self.packet(&packet)?;
                }
            }
        } else if let Some(stream) = self.streams.get_mut(&packet.pid) {
            if packet.is_scrambled && !matches!(stream.media, Media::Other { .. }) {
                return Err(Fault::Refused(format!("the packets of PID {} are encrypted", packet.pid)));
            }
            for pes in stream.assembly.push(packet) {
                stream.media.take(stream.track, pes, &mut self.clock, &mut self.found)?;
            }
        } else if self.streams.is_empty() && self.early.len() < MOST_EARLY {
            self.early.push(packet.clone());
        }
        Ok(())
    }

    /// A program map: streams that are new or have another type.
    fn describe(&mut self, described: Vec<ElementaryStream>) -> Result<(), Fault> {
        let mut tracks = Vec::new();
        // Streams of earlier maps, which later ones of their kind replace.
        let mut gone: Vec<u16> = self.streams.keys().copied().collect();
        gone.retain(|pid| !described.iter().any(|stream| stream.pid == *pid));
        for ElementaryStream { pid, kind, codec, media } in described {
            let before = match self.streams.get(&pid) {
                Some(known) if known.media.is(media) => continue,
                Some(_) => Some(pid),
                None => gone
                    .iter()
                    .position(|gone| self.streams.get(gone).is_some_and(|gone| gone.kind == kind))
                    .map(|at| gone.remove(at)),
            };
            let (track, clock) = match before {
                Some(before) => self.close(before)?,
                None => (pid, StreamClock::default()),
            };
            let (media, format) = match media {
                tables::Codec::Video(codec) => (Media::Video(VideoStream::new(codec, clock)), Ok(nal(codec))),
                // Its headers describe it.
                tables::Codec::Adts => (Media::Adts(AdtsStream::new(clock)), Err(Fault::NoFrames)),
                tables::Codec::Private => (Media::Private(None, clock), Err(Fault::NoFrames)),
                tables::Codec::Other => {
                    let fault = Fault::Codec { kind: crate::selection::kind_name(kind), codec: codec.clone() };
                    (Media::Other { frames: 0 }, Err(fault))
                }
            };
            self.streams.insert(pid, Stream { track, kind, assembly: PesAssembly::default(), media });
            let (id, enabled, config) = (track.into(), true, Bytes::copy_from_slice(codec.as_bytes()));
            tracks.push(DemuxTrack { id, kind, enabled, codec, config, format });
        }
        if !tracks.is_empty() {
            self.found.push_back(Demuxed::Tracks(tracks));
        }
        Ok(())
    }

    /// Ends a stream that another one replaces; returns its track and the clock that the other one continues.
    fn close(&mut self, pid: u16) -> Result<(u16, StreamClock), Fault> {
        let Some(mut stream) = self.streams.remove(&pid) else { return Ok((pid, StreamClock::default())) };
        self.ended.take(&mut stream, false, &mut self.clock, &mut self.found)?;
        Ok((stream.track, stream.media.into_clock()))
    }

    /// The input has ended: returns the frames that were open, and what was missing.
    fn end(&mut self) -> Result<(), Fault> {
        let (rest, zeros, skipped) = self.packets.finish();
        let is_cut = rest > 0 || zeros > 0;
        for stream in self.streams.values_mut() {
            self.ended.take(stream, is_cut, &mut self.clock, &mut self.found)?;
        }
        let Ended { lost, early, incomplete } = self.ended;
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
        if let Some(left_out) = self.association.left_out() {
            notice(NoticeKind::LeftOut, left_out);
        }
        Ok(())
    }
}

impl Demuxer for MpegTs {
    fn push(&mut self, bytes: Bytes) {
        self.packets.push(&bytes);
    }

    fn next(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            match self.packets.next(is_end) {
                Some(packet) => self.packet(&packet)?,
                None if is_end && !self.is_reported => {
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
    /// Whether it reads this codec.
    fn is(&self, codec: tables::Codec) -> bool {
        match (self, codec) {
            (Self::Video(video), tables::Codec::Video(codec)) => video.codec() == codec,
            (Self::Adts(_), tables::Codec::Adts)
            | (Self::Private(..), tables::Codec::Private)
            | (Self::Other { .. }, tables::Codec::Other) => true,
            _ => false,
        }
    }

    fn into_clock(self) -> StreamClock {
        match self {
            Self::Video(video) => video.into_clock(),
            Self::Adts(adts) => adts.into_clock(),
            Self::Private(media, clock) => media.map_or(clock, |media| media.into_clock()),
            Self::Other { .. } => StreamClock::default(),
        }
    }

    fn take(
        &mut self,
        track: u16,
        pes: Pes,
        clock: &mut ProgramClock,
        found: &mut VecDeque<Demuxed>,
    ) -> Result<(), Fault> {
        match self {
            Self::Video(video) => video.take(track, pes, clock, found),
            Self::Adts(adts) => adts.take(track, pes, clock, found)?,
            Self::Private(media, start) => {
                let media =
                    media.get_or_insert_with(|| Box::new(recognized(track, &pes, std::mem::take(start), found)));
                media.take(track, pes, clock, found)?;
            }
            // One frame is enough to know that there are some.
            Self::Other { frames } => {
                *frames += 1;
                if *frames == 1 {
                    let (track, data) = (track.into(), pes.data.into());
                    found.push_back(Demuxed::Frame(DemuxFrame { track, pts: 0, dts: None, keyframe: false, data }));
                }
            }
        }
        Ok(())
    }
}

/// What private data is by its first packet. Data that is not AAC is named.
fn recognized(track: u16, pes: &Pes, clock: StreamClock, found: &mut VecDeque<Demuxed>) -> Media {
    if audio::is_adts(&pes.data) {
        return Media::Adts(AdtsStream::new(clock));
    }
    let (id, kind, codec) = (track.into(), TrackKind::Other(0), "private data".to_owned());
    let format = Err(Fault::Codec { kind: crate::selection::kind_name(kind), codec: codec.clone() });
    found.push_back(Demuxed::Tracks(vec![DemuxTrack { id, kind, enabled: true, config: Bytes::new(), codec, format }]));
    Media::Other { frames: 0 }
}

fn nal(codec: NalCodec) -> PayloadFormat {
    PayloadFormat::Nal(Box::new(NalTrack::new(codec, Bytes::new(), kvs_mkv::VideoSettings::new(0, 0))))
}

/// Describes a track whose configuration is known or has changed.
fn described(track: u16, codec: &str, config: Bytes, format: PayloadFormat) -> Demuxed {
    let (id, kind, enabled, codec) = (track.into(), TrackKind::Audio, true, codec.to_owned());
    Demuxed::Tracks(vec![DemuxTrack { id, kind, enabled, codec, config, format: Ok(format) }])
}
