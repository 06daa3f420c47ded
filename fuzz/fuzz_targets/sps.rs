//! Any bytes as parameter sets and slice headers of H.264 and H.265: no panic, and no picture beyond belief.
#![no_main]

use kvs_mkv::codec::h264::{self, PictureOrder, SliceHeader};
use kvs_mkv::codec::limits::PICTURE_SIDE;
use kvs_mkv::codec::{h265, nal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A field of 32 lines and more doubles the height.
    let believable = |side: u32| (1..=PICTURE_SIDE * 2 + 64).contains(&side);
    let units: Vec<&[u8]> = nal::annex_b(data).map(Iterator::collect).unwrap_or_else(|_| vec![data]);
    let mut sets = h264::ParameterSets::new();
    let mut order = PictureOrder::new();
    let mut newer = h265::ParameterSets::new();
    let mut newer_order = h265::PictureOrder::new();
    for unit in &units {
        sets.absorb([*unit]);
        newer.absorb([*unit]);
        if let Ok(sps) = sets.sps() {
            assert!(believable(sps.width) && believable(sps.height));
            if let Some(slice) = SliceHeader::parse(unit, &sps) {
                order.next(&slice, &sps);
            }
        }
        if let Ok(sps) = newer.sps() {
            assert!(believable(sps.width) && believable(sps.height));
            if let Some(slice) = h265::SliceHeader::parse(unit, &sps, &newer) {
                newer_order.next(&slice, &sps);
            }
        }
    }
    let _ = (h264::random_access(units.iter().copied()), h265::is_keyframe(units.iter().copied()));
    if let Ok(avcc) = sets.to_avcc() {
        assert!(h264::ParameterSets::from_avcc(&avcc).is_ok());
    }
    let _ = h264::ParameterSets::from_avcc(data);
});
