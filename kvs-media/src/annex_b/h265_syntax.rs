//! The roles of H.265 NAL units in an access unit.

use std::error::Error;

use bytes::Bytes;
use kvs_mkv::codec::h265::{self, FrameRate, NalType, ParameterSets, PictureOrder, SliceReader};
use kvs_mkv::{Track, TrackNumber};

use super::{Part, Picture, Syntax};

#[derive(Default)]
pub(super) struct H265 {
    sets: ParameterSets,
    slices: SliceReader,
    order: PictureOrder,
}

impl Syntax for H265 {
    fn part(&mut self, unit: Bytes) -> Part {
        match NalType::of(&unit) {
            Some(kind) if kind.is_slice() => self.slice(&unit),
            Some(kind) if kind.starts_access_unit() => {
                self.sets.absorb([&unit[..]]);
                // An unreadable set fails when the track is built, or its slices are skipped.
                let _ = self.slices.absorb(&unit);
                Part::Leading
            }
            _ => Part::Other,
        }
    }

    fn track(&self) -> Result<Track, Box<dyn Error>> {
        Ok(h265::track(TrackNumber::ONE, &self.sets)?)
    }

    fn frame_rate(&self) -> Option<FrameRate> {
        self.sets.sps().ok().and_then(|sps| sps.frame_rate)
    }
}

impl H265 {
    fn slice(&mut self, unit: &Bytes) -> Part {
        let Some((header, sps)) = self.slices.slice(unit).filter(|(header, _)| header.first) else {
            return Part::Other;
        };
        let keyframe = header.kind.is_random_access();
        Part::Picture(Picture { keyframe, restarts: header.kind.restarts(), order: self.order.next(&header, sps) })
    }
}
