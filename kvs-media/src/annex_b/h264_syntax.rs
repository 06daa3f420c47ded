//! The roles of H.264 NAL units in an access unit.

use std::error::Error;

use bytes::Bytes;
use kvs_mkv::codec::h264::{self, FrameRate, NalType, ParameterSets, PictureOrder, SliceHeader, SliceReader};
use kvs_mkv::{Track, TrackNumber};

use super::{Part, Picture, Syntax};

#[derive(Default)]
pub(super) struct H264 {
    sets: ParameterSets,
    slices: SliceReader,
    order: PictureOrder,
    /// First slice of the previous picture.
    slice: Option<SliceHeader>,
    /// SEI since then: a recovery point says that decoding can start at the next picture.
    sei: Vec<Bytes>,
}

/// Most SEI kept for a picture; an encoder writes a few.
const MAX_SEI: usize = 64;

impl Syntax for H264 {
    fn part(&mut self, unit: Bytes) -> Part {
        match NalType::of(&unit) {
            Some(kind) if kind.is_slice() => self.slice(&unit),
            Some(kind) if kind.starts_access_unit() => {
                self.sets.absorb([&unit[..]]);
                // An unreadable set fails when the track is built, or its slices are skipped.
                let _ = self.slices.absorb(&unit);
                if kind == NalType::SEI && self.sei.len() < MAX_SEI {
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
        self.sets.sps().ok().and_then(|sps| sps.frame_rate)
    }
}

impl H264 {
    fn slice(&mut self, unit: &Bytes) -> Part {
        let Some((header, sps)) = self.slices.slice(unit) else { return Part::Other };
        if self.slice.is_some_and(|first| !header.begins_picture(&first) || header.completes_frame(&first)) {
            return Part::Other;
        }
        self.slice = Some(header);
        let sei: Vec<Bytes> = self.sei.drain(..).collect();
        let keyframe = h264::is_keyframe(sei.iter().chain([unit]).map(|unit| &unit[..]));
        Part::Picture(Picture { keyframe, restarts: header.idr, order: self.order.next(&header, sps) })
    }
}
