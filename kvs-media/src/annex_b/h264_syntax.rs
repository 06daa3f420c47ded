//! What the NAL units of H.264 are to an access unit.

use std::error::Error;

use bytes::Bytes;
use kvs_mkv::codec::h264::{self, FrameRate, NalType, ParameterSets, PictureOrder, SetChange, SliceHeader, Sps};
use kvs_mkv::{Track, TrackNumber};

use super::{Part, Picture, Syntax};

#[derive(Default)]
pub(super) struct H264 {
    sets: ParameterSets,
    sps: Option<Sps>,
    order: PictureOrder,
    /// First slice of the picture before.
    slice: Option<SliceHeader>,
    /// SEI since then: it tells whether decoding can start at the next picture.
    sei: Vec<Bytes>,
}

/// SEI that are kept for a picture; an encoder writes a few.
const MAX_SEI: usize = 64;

impl Syntax for H264 {
    fn part(&mut self, unit: Bytes) -> Part {
        match NalType::of(&unit) {
            Some(kind) if kind.is_slice() => self.slice(&unit),
            Some(NalType(kind @ (6..=9 | 14..=18))) => {
                if self.sets.absorb([&unit[..]]) != SetChange::None {
                    self.sps = self.sets.sps().ok();
                }
                if kind == NalType::SEI.0 && self.sei.len() < MAX_SEI {
                    self.sei.push(unit);
                }
                Part::Leading
            }
            _ => Part::Other,
        }
    }

    fn track(&self) -> Result<Track, Box<dyn Error>> {
        Ok(h264::track(TrackNumber::ONE, &self.sets)?)
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.sps.and_then(|sps| sps.frame_rate)
    }
}

impl H264 {
    fn slice(&mut self, unit: &Bytes) -> Part {
        let Some(sps) = &self.sps else { return Part::Other };
        let Some(header) = SliceHeader::parse(unit, sps) else { return Part::Other };
        if self.slice.is_some_and(|first| !header.begins_picture(&first) || header.completes_frame(&first)) {
            return Part::Other;
        }
        self.slice = Some(header);
        let sei: Vec<Bytes> = self.sei.drain(..).collect();
        let keyframe = h264::is_keyframe(sei.iter().chain([unit]).map(|unit| &unit[..]));
        Part::Picture(Picture { keyframe, restarts: header.idr, order: self.order.next(&header, sps) })
    }
}
