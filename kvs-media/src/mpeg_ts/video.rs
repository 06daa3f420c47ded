//! H.264 and H.265 in PES packets: access units with their times.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use kvs_mkv::codec::{h264, h265, nal};

use super::clock::{ProgramClock, RATE, StreamClock, Times};
use super::pes::Pes;
use crate::MAX_FRAME_BYTES;
use crate::demux::{DemuxFrame, Demuxed};
use crate::nal_track::NalCodec;
use crate::timeline::nanoseconds;

/// Cuts a stream at its access unit delimiters, or at PES packets if it has none.
#[derive(Debug)]
pub(super) struct VideoStream {
    codec: NalCodec,
    clock: StreamClock,
    /// The access unit that is open, and its times.
    unit: BytesMut,
    times: Option<(u64, Option<u64>)>,
    has_delimiters: bool,
    /// Set at the first key frame with parameter sets.
    has_started: bool,
    is_damaged: bool,
    early: u64,
    damaged: u64,
}

impl VideoStream {
    /// A stream that continues the times of a clock.
    pub(super) fn new(codec: NalCodec, clock: StreamClock) -> Self {
        Self {
            codec,
            clock,
            unit: BytesMut::new(),
            times: None,
            has_delimiters: false,
            has_started: false,
            is_damaged: false,
            early: 0,
            damaged: 0,
        }
    }

    pub(super) fn take(&mut self, track: u16, pes: Pes, clock: &mut ProgramClock, found: &mut VecDeque<Demuxed>) {
        self.is_damaged |= pes.after_loss && !self.unit.is_empty();
        let mut times = pes.pts.map(|pts| (pts, pes.dts));
        let mut at = 0;
        for start in self.starts(&pes.data) {
            self.append(pes.data.get(at..start).unwrap_or_default());
            self.close(track, clock, found);
            // The times are those of the first access unit that starts in the packet (§2.4.3.7).
            self.times = times.take();
            at = start;
        }
        self.append(pes.data.get(at..).unwrap_or_default());
    }

    /// Ends the last access unit, which is complete unless the stream was cut.
    pub(super) fn finish(&mut self, track: u16, is_cut: bool, clock: &mut ProgramClock, found: &mut VecDeque<Demuxed>) {
        if is_cut {
            self.unit.clear();
        }
        self.close(track, clock, found);
    }

    pub(super) const fn codec(&self) -> NalCodec {
        self.codec
    }

    pub(super) fn into_clock(self) -> StreamClock {
        self.clock
    }

    /// Pictures that cannot be decoded because they come before the first key frame.
    pub(super) const fn before_parameter_sets(&self) -> u64 {
        self.early
    }

    /// Access units with missing bytes.
    pub(super) const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Offsets at which access units start.
    fn starts(&mut self, data: &Bytes) -> Vec<usize> {
        let delimiters: Vec<_> = start_codes(data).filter(|(_, header)| self.is_delimiter(*header)).collect();
        self.has_delimiters |= !delimiters.is_empty();
        if self.has_delimiters {
            return delimiters.into_iter().map(|(at, _)| at).collect();
        }
        // Without delimiters each packet that starts with a start code has one access unit.
        start_codes(data).take(1).map(|(at, _)| at).filter(|at| *at == 0).collect()
    }

    const fn is_delimiter(&self, header: u8) -> bool {
        match self.codec {
            NalCodec::H264 => header & 0x1f == 9,
            NalCodec::H265 => header >> 1 & 0x3f == 35,
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.unit.len().saturating_add(bytes.len()) as u64 > MAX_FRAME_BYTES {
            self.is_damaged = true;
            return;
        }
        self.unit.extend_from_slice(bytes);
    }

    /// Ends the open access unit.
    fn close(&mut self, track: u16, clock: &mut ProgramClock, found: &mut VecDeque<Demuxed>) {
        let (unit, times) = (self.unit.split().freeze(), self.times.take());
        if unit.is_empty() {
            return;
        }
        let times = match times {
            Some((pts, dts)) => Some(self.clock.next(clock, pts, dts)),
            None => self.clock.without_time(),
        };
        if std::mem::take(&mut self.is_damaged) {
            self.damaged += 1;
            return;
        }
        let keyframe = self.is_keyframe(&unit);
        self.has_started |= keyframe && self.has_sets(&unit);
        let (true, Some(Times { pts, dts })) = (self.has_started, times) else {
            self.early += 1;
            return;
        };
        let (pts, dts) = (nanoseconds(pts, RATE), Some(nanoseconds(dts, RATE)));
        found.push_back(Demuxed::Frame(DemuxFrame { track: track.into(), pts, dts, keyframe, data: unit.into() }));
    }

    fn is_keyframe(&self, unit: &Bytes) -> bool {
        match self.codec {
            NalCodec::H264 => h264::is_keyframe(nal::annex_b_lossy(unit)),
            NalCodec::H265 => h265::is_keyframe(nal::annex_b_lossy(unit)),
        }
    }

    fn has_sets(&self, unit: &Bytes) -> bool {
        match self.codec {
            NalCodec::H264 => h264::ParameterSets::from_annex_b(unit).is_ok_and(|sets| sets.is_complete()),
            NalCodec::H265 => h265::ParameterSets::from_annex_b(unit).is_ok_and(|sets| sets.is_complete()),
        }
    }
}

/// Start codes with the byte behind them; the offset includes the zero of a four-byte code.
fn start_codes(data: &[u8]) -> impl Iterator<Item = (usize, u8)> + '_ {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        while let Some(&[a, b, c, header]) = data.get(at..)?.first_chunk() {
            let here = at;
            if (a, b, c) == (0, 0, 1) {
                at = here.saturating_add(4);
                let has_zero = here.checked_sub(1).and_then(|before| data.get(before)) == Some(&0);
                return Some((here.saturating_sub(has_zero.into()), header));
            }
            at = here.saturating_add(if c > 1 { 3 } else { 1 });
        }
        None
    })
}
