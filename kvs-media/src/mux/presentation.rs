//! Presentation times of video from the times of its blocks.
//!
//! Block times should be presentation times, which are not monotonic with B-frames. Producers that stamp frames as they leave the encoder
//! write increasing times even so. Players would then show the pictures in decoding order.

use std::time::Duration;

use kvs_mkv::Frame;
use kvs_mkv::codec::nal::length_prefixed_chunks;
use kvs_mkv::codec::{h264, h265};

use super::codec::{VideoCodec, VideoTrack};

/// Returns the presentation times of frames in decoding order.
///
/// If the block times increase although the pictures have another output order, the nth picture in output order gets the nth time.
/// Otherwise the times are those of the blocks. So they are if a picture cannot be read.
pub(super) fn presentation_times(track: VideoTrack<'_>, frames: &[&Frame]) -> Vec<Duration> {
    let times: Vec<Duration> = frames.iter().map(|frame| frame.pts).collect();
    if !times.is_sorted() {
        return times;
    }
    match Orders::of(track).places(track, frames) {
        Some(places) => reordered(&times, &places),
        None => times,
    }
}

/// The place of a picture in output order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// No later picture is shown before it: the order starts again.
    restarts: bool,
    order: i64,
}

/// Gives the nth picture of each run in output order the nth time of that run.
fn reordered(times: &[Duration], places: &[Place]) -> Vec<Duration> {
    let mut result = Vec::with_capacity(times.len());
    let mut rest = times;
    for run in places.chunk_by(|_, next| !next.restarts) {
        let (here, after) = rest.split_at(run.len().min(rest.len()));
        let mut by_order: Vec<usize> = (0..run.len()).collect();
        by_order.sort_by_key(|at| run.get(*at).map(|place| place.order));
        let mut own = here.to_vec();
        for (at, time) in by_order.into_iter().zip(here) {
            if let Some(slot) = own.get_mut(at) {
                *slot = *time;
            }
        }
        result.extend(own);
        rest = after;
    }
    result
}

/// Reads the output order of pictures.
enum Orders {
    H264(h264::SliceReader, h264::PictureOrder),
    H265(h265::SliceReader, h265::PictureOrder),
}

impl Orders {
    /// A reader that knows the parameter sets of the track.
    fn of(track: VideoTrack<'_>) -> Self {
        match track.codec {
            VideoCodec::H264 => {
                let mut reader = h264::SliceReader::new();
                if let Ok((sets, _)) = h264::ParameterSets::from_avcc(track.record) {
                    sets.sequence().iter().chain(sets.picture()).for_each(|set| {
                        let _ = reader.absorb(set);
                    });
                }
                Self::H264(reader, h264::PictureOrder::new())
            }
            VideoCodec::H265 => {
                let mut reader = h265::SliceReader::new();
                if let Ok((sets, _)) = h265::ParameterSets::from_hvcc(track.record) {
                    sets.sequence().iter().chain(sets.picture()).for_each(|set| {
                        let _ = reader.absorb(set);
                    });
                }
                Self::H265(reader, h265::PictureOrder::new())
            }
        }
    }

    /// Returns the places of all frames; `None` if one has no picture that can be read.
    fn places(mut self, track: VideoTrack<'_>, frames: &[&Frame]) -> Option<Vec<Place>> {
        frames.iter().map(|frame| self.place(track, frame)).collect()
    }

    fn place(&mut self, track: VideoTrack<'_>, frame: &Frame) -> Option<Place> {
        for unit in length_prefixed_chunks(&frame.data, track.length_size) {
            let bytes = unit.ok()?.bytes();
            let head = bytes.get(..HEADER_BYTES).unwrap_or(&bytes);
            if let Some(place) = self.unit(head) {
                return Some(place);
            }
        }
        None
    }

    /// Returns the place of the picture that a slice begins. Keeps parameter sets; those that cannot be read leave the known ones.
    fn unit(&mut self, unit: &[u8]) -> Option<Place> {
        match self {
            Self::H264(reader, order) => {
                let _ = reader.absorb(unit);
                let (slice, sps) = reader.slice(unit)?;
                Some(Place { restarts: slice.idr, order: order.next(&slice, sps) })
            }
            Self::H265(reader, order) => {
                let _ = reader.absorb(unit);
                let (slice, sps) = reader.slice(unit)?;
                Some(Place { restarts: slice.kind.restarts(), order: order.next(&slice, sps) })
            }
        }
    }
}

/// Bytes of a NAL unit that are read: parameter sets with all their lists are smaller, slice headers much smaller.
const HEADER_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_decoding_order_go_to_the_pictures_in_output_order() {
        let place = |(restarts, order)| Place { restarts, order };
        let ms = |times: &[u64]| -> Vec<Duration> { times.iter().copied().map(Duration::from_millis).collect() };
        let places = [(true, 0), (false, 6), (false, 2), (false, 4), (true, 0), (false, 2)].map(place);
        assert_eq!(reordered(&ms(&[0, 40, 80, 120, 160, 200]), &places), ms(&[0, 120, 40, 80, 160, 200]));
        // Leading pictures of an open GOP are shown before its key frame.
        let open = [(false, 4), (false, 0), (false, 2), (false, 6)].map(place);
        assert_eq!(reordered(&ms(&[0, 40, 80, 120]), &open), ms(&[80, 0, 40, 120]));
    }
}
