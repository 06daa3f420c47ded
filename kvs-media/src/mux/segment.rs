//! A media segment: `moof` and `mdat` of one track.

use kvs_mkv::Chunks;

use super::boxes::{BoxWriter, media_header_len};
use super::codec::TrackSetup;
use super::movie::track_id;
use super::run::{Run, RunSample};

/// Returns a media segment. The payloads are not copied.
#[must_use]
pub fn media_segment(setup: &TrackSetup, sequence: u32, run: Run) -> Chunks {
    let media = run.bytes();
    let mut out = BoxWriter::default();
    let mut offset_at = 0;
    out.boxed(b"moof", |out| {
        out.full(b"mfhd", 0, 0, |out| out.u32(sequence));
        out.boxed(b"traf", |out| {
            let flags = if setup.is_video() { 0 } else { DEFAULT_FLAGS };
            out.full(b"tfhd", 0, BASE_IS_MOOF | flags, |out| {
                out.u32(track_id(setup));
                if !setup.is_video() {
                    out.u32(SYNC);
                }
            });
            out.full(b"tfdt", 1, 0, |out| out.u64(run.start));
            let columns = DATA_OFFSET | DURATION | SIZE | if setup.is_video() { FLAGS | COMPOSITION } else { 0 };
            out.full(b"trun", 1, columns, |out| {
                out.u32(u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
                offset_at = out.len();
                out.u32(0);
                run.samples.iter().for_each(|sample| row(out, sample, setup.is_video()));
            });
        });
    });
    let header = usize::try_from(media_header_len(media)).unwrap_or_default();
    let offset = u32::try_from(out.len().saturating_add(header)).unwrap_or(u32::MAX);
    out.patch(offset_at, offset);
    out.media_header(media);
    let head = Chunks::from(out.into_bytes());
    let media = run.samples.into_iter().flat_map(|sample| sample.data);
    head.into_iter().chain(media).collect()
}

fn row(out: &mut BoxWriter, sample: &RunSample, is_video: bool) {
    out.u32(sample.duration);
    out.u32(u32::try_from(sample.data.len()).unwrap_or(u32::MAX));
    if is_video {
        out.u32(if sample.sync { SYNC } else { NOT_SYNC });
        out.raw(&sample.offset.to_be_bytes());
    }
}

// ISO/IEC 14496-12 §8.8.7.1, §8.8.8.1 and §8.8.3.1.
const BASE_IS_MOOF: u32 = 0x02_0000;
const DEFAULT_FLAGS: u32 = 0x20;
const DATA_OFFSET: u32 = 0x01;
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const COMPOSITION: u32 = 0x800;
/// Depends on no other sample.
const SYNC: u32 = 0x0200_0000;
/// Depends on others, not a sync sample.
const NOT_SYNC: u32 = 0x0101_0000;
