//! How slices are assigned to access units, with slices written by hand: fields, arbitrary slice order, redundant slices, and
//! what is lost. Encoders at hand write none of these.

use crate::{bits::Bits, split};
use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::{AccessUnitSplitter, SkipReason, SplitEvent};
use proptest::collection::vec;
use proptest::prelude::*;

use split::{Codec, Split, case, split};

/// An SPS of 64x64 pixels with picture order count type 2; `frames_only` as stated.
fn sps(profile: u32, frames_only: bool) -> Vec<u8> {
    let head = Bits::default().u(profile, 8).u(0, 8).u(30, 8).ue(0).ue(0).ue(2).ue(1).u(0, 1);
    let size = head.ue(3).ue(if frames_only { 3 } else { 1 }).u(frames_only.into(), 1);
    let size = if frames_only { size } else { size.u(0, 1) };
    size.u(1, 1).u(0, 1).u(0, 1).unit(&[0x67])
}

fn pps(redundant: bool) -> Vec<u8> {
    let head = Bits::default().ue(0).ue(0).u(0, 2).ue(0).ue(0).ue(0).u(0, 3).ue(0).ue(0).ue(0).u(0, 2);
    head.u(redundant.into(), 1).unit(&[0x68])
}

#[derive(Clone, Copy, Default)]
struct Slice {
    idr: bool,
    first: u32,
    number: u32,
    field: Option<u32>,
    redundant: Option<u32>,
    droppable: bool,
}

impl Slice {
    fn unit(self, frames_only: bool) -> Vec<u8> {
        let kind = if self.idr { 5 } else { 1 };
        let reference = if self.droppable { 0 } else { 0x60 };
        let mut bits = Bits::default().ue(self.first).ue(if self.idr { 7 } else { 5 }).ue(0).u(self.number, 4);
        if !frames_only {
            bits = bits.u(self.field.is_some().into(), 1);
            if let Some(bottom) = self.field {
                bits = bits.u(bottom, 1);
            }
        }
        if self.idr {
            bits = bits.ue(0);
        }
        if let Some(count) = self.redundant {
            bits = bits.ue(count);
        }
        bits.u(0x5555, 16).unit(&[reference | kind])
    }
}

const DELIMITER: &[u8] = &[9, 0xf0];
const SEI: &[u8] = &[6, 5, 1, 0x80, 0x80];

fn stream(units: &[Vec<u8>]) -> Split {
    let stream: Vec<u8> = units.iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat()).collect();
    split(Codec::H264, [Bytes::from(stream)])
}

/// Returns the types of the NAL units of all access units.
fn types(split: &Split) -> Vec<Vec<u8>> {
    (0..split.sessions[0].units.len()).map(|unit| split.unit_types(0, unit)).collect()
}

#[test]
fn both_fields_of_a_frame_are_one_access_unit() {
    let field = |number, bottom, idr, droppable| {
        Slice { idr, number, field: Some(bottom), droppable, ..Slice::default() }.unit(false)
    };
    let aud = DELIMITER.to_vec();
    let split = stream(&[
        sps(77, false),
        pps(false),
        aud.clone(),
        field(0, 0, true, false),
        // The second field of an IDR picture may be a P field, and each field may have its delimiter.
        aud.clone(),
        field(0, 1, false, false),
        aud.clone(),
        field(1, 1, false, false),
        aud.clone(),
        field(1, 0, false, false),
        // Two frames that are not references have the same number.
        aud.clone(),
        field(2, 0, false, true),
        aud.clone(),
        field(2, 1, false, true),
        aud.clone(),
        field(2, 0, false, true),
        aud,
        field(2, 1, false, true),
        // The second field is lost. The next frame is a reference and has the same number.
        field(2, 1, false, true),
        field(2, 0, false, false),
        field(2, 1, false, false),
        // A field alone, then a frame.
        field(3, 0, false, false),
        Slice { number: 4, ..Slice::default() }.unit(false),
    ]);
    let expected: [&[u8]; 8] =
        [&[7, 8, 9, 5, 9, 1], &[9, 1, 9, 1], &[9, 1, 9, 1], &[9, 1, 9, 1], &[1], &[1, 1], &[1], &[1]];
    assert_eq!(types(&split), expected);
}

#[test]
fn slices_in_any_order_and_redundant_slices_stay_with_their_picture() {
    let slice = |first, idr, number, redundant| Slice { idr, first, number, redundant, ..Slice::default() }.unit(true);
    let split = stream(&[
        sps(66, true),
        pps(true),
        slice(8, true, 0, Some(0)),
        slice(0, true, 0, Some(0)),
        slice(0, true, 0, Some(1)),
        slice(4, true, 0, Some(0)),
        // The next IDR picture has the same number: a macroblock that repeats begins it.
        slice(4, true, 0, Some(0)),
        slice(0, true, 0, Some(0)),
        slice(0, false, 1, Some(0)),
        slice(0, false, 1, Some(2)),
    ]);
    let expected: [&[u8]; 3] = [&[7, 8, 5, 5, 5, 5], &[5, 5], &[1, 1]];
    assert_eq!(types(&split), expected);
    // Main has no arbitrary order: going back begins a picture.
    let split =
        stream(&[sps(77, true), pps(false), slice(8, true, 0, None), slice(0, true, 0, None), slice(4, true, 0, None)]);
    let expected: [&[u8]; 2] = [&[7, 8, 5], &[5, 5]];
    assert_eq!(types(&split), expected);
}

#[test]
fn what_stands_between_slices_of_a_picture_stays_there() {
    let slice = |first, number| Slice { first, number, idr: number == 0, ..Slice::default() }.unit(true);
    let filler = vec![12, 0xff, 0x80];
    let split = stream(&[
        sps(77, true),
        pps(false),
        slice(0, 0),
        SEI.to_vec(),
        filler.clone(),
        slice(8, 0),
        filler,
        DELIMITER.to_vec(),
        SEI.to_vec(),
        slice(0, 1),
        // After a delimiter even a slice that seems to go on begins a picture: the first slice is lost.
        DELIMITER.to_vec(),
        slice(8, 1),
        vec![10],
    ]);
    let expected: [&[u8]; 3] = [&[7, 8, 5, 6, 12, 5, 12], &[9, 6, 1], &[9, 1, 10]];
    assert_eq!(types(&split), expected);
}

#[test]
fn slices_without_parameter_sets_are_left_out_and_counted() {
    let slice = |number| Slice { number, idr: number == 0, ..Slice::default() }.unit(true);
    // The first code of the PPS is its number: 1 instead of 0.
    let other = Bits::default().ue(0).ue(5).ue(1).u(3, 4).u(0x5555, 16).unit(&[0x61]);
    let aud = DELIMITER.to_vec();
    let split = stream(&[
        slice(0),
        slice(1),
        sps(77, true),
        pps(false),
        slice(2),
        slice(0),
        aud.clone(),
        other.clone(),
        aud.clone(),
        slice(1),
    ]);
    let expected: [&[u8]; 2] = [&[5], &[9, 1]];
    assert_eq!(types(&split), expected);
    let skipped: Vec<_> = split.skipped.iter().map(|skipped| (skipped.reason, skipped.pictures)).collect();
    assert_eq!(skipped, [(SkipReason::BeforeKeyFrame, 3), (SkipReason::Unreadable, 1)]);
    let lost = stream(&[slice(0), aud, other]);
    assert_eq!((lost.sessions.len(), lost.skipped[0].pictures), (0, 2));
}

#[test]
fn sets_that_come_back_unchanged_start_no_session() {
    let idr = Slice { idr: true, ..Slice::default() };
    let start = [sps(77, true), pps(false), idr.unit(true)];
    let damaged = [sps(100, true), pps(false), idr.unit(true)];
    // A set that is replaced and restored before the next key frame.
    let restored = [sps(77, true), pps(true), sps(77, true), pps(false), idr.unit(true)];
    let split = stream(&[&start[..], &start, &restored].concat());
    assert_eq!(split.sessions.len(), 1);
    // In High profile more fields come after the number, so this set cannot be read. It replaces nothing.
    let split = stream(&[&start[..], &damaged, &start].concat());
    assert_eq!((split.sessions.len(), split.sessions[0].units.len()), (1, 3));
}

#[test]
fn access_unit_comes_as_soon_as_the_next_one_starts() {
    let idr = Slice { idr: true, ..Slice::default() }.unit(true);
    let mut next = Slice { number: 1, ..Slice::default() }.unit(true);
    next.resize(5000, 0x55);
    let start: Vec<u8> =
        [sps(77, true), pps(false), idr].iter().flat_map(|unit| [&[0, 0, 0, 1], &unit[..]].concat()).collect();
    let mut splitter = AccessUnitSplitter::h264(TrackNumber::ONE);
    splitter.push(Bytes::from(start));
    splitter.push(Bytes::from([&[0, 0, 1], &next[..90]].concat()));
    assert_eq!(splitter.next_event(), Ok(None));
    splitter.push(Bytes::copy_from_slice(&next[90..100]));
    assert!(matches!(splitter.next_event(), Ok(Some(SplitEvent::Track { .. }))));
    assert!(matches!(splitter.next_event(), Ok(Some(SplitEvent::AccessUnit(unit))) if unit.is_keyframe()));
    assert_eq!(splitter.next_event(), Ok(None));
    splitter.push(Bytes::copy_from_slice(&next[100..]));
    assert_eq!(splitter.next_event(), Ok(None));
    assert!(matches!(splitter.finish(), Ok(Some(SplitEvent::AccessUnit(unit))) if unit.data.len() == 4 + next.len()));
}

proptest! {
    #[test]
    fn pieces_do_not_change_the_result(cuts in vec(0..60_000usize, 0..40), which in 0..4usize) {
        let (name, codec) = [
            ("midgop.h264", Codec::H264),
            ("twosps.h264", Codec::H264),
            ("size_change.h264", Codec::H264),
            ("reschange.h265", Codec::H265),
        ][which];
        let stream = Bytes::from(std::fs::read(case(name)).unwrap());
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|ends| stream.slice(ends[0]..ends[1]));
        prop_assert_eq!(split(codec, pieces), split(codec, [stream.clone()]));
    }
}
