//! AAC with ADTS headers in PES packets: a packet has several frames, and a frame may continue in the next packet.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::aac::{self, AdtsError, AdtsHeader};

use super::clock::{ProgramClock, RATE, StreamClock};
use super::described;
use super::pes::Pes;
use crate::demux::{DemuxFrame, Demuxed};
use crate::error::Fault;
use crate::payload::PayloadFormat;
use crate::timeline::sum_in_nanoseconds;

/// Whether a packet consists of ADTS frames: each is followed by another one, or by the end of the packet.
pub(super) fn is_adts(data: &[u8]) -> bool {
    let Ok(header) = AdtsHeader::parse(data) else { return false };
    match data.get(header.frame_len..) {
        Some([]) => true,
        Some(next) => AdtsHeader::parse(next).is_ok(),
        None => false,
    }
}

/// Samples per frame.
const FRAME_SAMPLES: i64 = 1024;

#[derive(Debug)]
pub(super) struct AdtsStream {
    clock: StreamClock,
    buffer: BytesMut,
    /// Time in ticks of the last packet that stated one, and samples since then.
    anchor: Option<(i64, i64)>,
    config: Bytes,
}

impl AdtsStream {
    /// A stream that continues the times of a clock.
    pub(super) fn new(clock: StreamClock) -> Self {
        Self { clock, buffer: BytesMut::new(), anchor: None, config: Bytes::new() }
    }

    pub(super) fn into_clock(self) -> StreamClock {
        self.clock
    }

    pub(super) fn take(
        &mut self,
        track: u16,
        pes: Pes,
        clock: &mut ProgramClock,
        found: &mut VecDeque<Demuxed>,
    ) -> Result<(), Fault> {
        if pes.after_loss {
            self.buffer.clear();
        }
        // The time is that of the first frame that starts in the packet.
        let mut carried = self.buffer.len();
        let mut time = pes.pts.map(|pts| self.clock.next(clock, pts, pes.dts).pts);
        self.buffer.extend_from_slice(&pes.data);
        while let Some(header) = self.header()? {
            if let Some(time) = time.take_if(|_| carried == 0) {
                self.anchor = Some((time, 0));
            }
            if header.frame_len > self.buffer.len() {
                break;
            }
            let mut frame = self.buffer.split_to(header.frame_len).freeze();
            carried = carried.saturating_sub(header.frame_len);
            frame.advance(header.header_len.min(frame.len()));
            self.frame(track, &header, frame, found)?;
        }
        Ok(())
    }

    /// Returns the next header, after bytes that are not one.
    fn header(&mut self) -> Result<Option<AdtsHeader>, Fault> {
        loop {
            match AdtsHeader::parse(&self.buffer) {
                Ok(header) => return Ok(Some(header)),
                Err(AdtsError::NoSync { .. }) if self.buffer.is_empty() => return Ok(None),
                Err(AdtsError::NoSync { .. } | AdtsError::Header { .. }) => {
                    let next = self.buffer.iter().skip(1).position(|byte| *byte == 0xff);
                    self.buffer.advance(next.map_or(self.buffer.len(), |next| next.saturating_add(1)));
                }
                Err(AdtsError::Truncated { .. }) => return Ok(None),
                Err(error) => return Err(Fault::damaged(error)),
            }
        }
    }

    fn frame(
        &mut self,
        track: u16,
        header: &AdtsHeader,
        data: Bytes,
        found: &mut VecDeque<Demuxed>,
    ) -> Result<(), Fault> {
        let config = header.config().map_err(Fault::damaged)?;
        if config.to_bytes() != self.config {
            self.config = config.to_bytes();
            let format = PayloadFormat::Plain(aac::track(TrackNumber::ONE, &config));
            found.push_back(described(track, "AAC", self.config.clone(), format));
        }
        // Without any time so far there is nothing to count from.
        let Some((ticks, samples)) = &mut self.anchor else { return Ok(()) };
        let pts = sum_in_nanoseconds((*ticks, RATE), (*samples, header.sampling_frequency));
        *samples = samples.saturating_add(FRAME_SAMPLES);
        if !data.is_empty() {
            let (track, dts) = (track.into(), Some(pts));
            found.push_back(Demuxed::Frame(DemuxFrame { track, pts, dts, keyframe: true, data: data.into() }));
        }
        Ok(())
    }
}
