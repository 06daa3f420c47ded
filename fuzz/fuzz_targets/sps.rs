//! Any bytes as parameter sets and slice headers of H.264 and H.265: no panic, and no picture larger than the limit.
#![no_main]

use kvs_mkv::codec::limits::PICTURE_SIDE;
use kvs_mkv::codec::{h264, h265, nal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let allowed = |side: u32| (1..=PICTURE_SIDE).contains(&side);
    let units: Vec<&[u8]> = nal::annex_b(data).map(Iterator::collect).unwrap_or_else(|_| vec![data]);
    let mut sets = h264::ParameterSets::new();
    let (mut slices, mut order) = (h264::SliceReader::new(), h264::PictureOrder::new());
    let mut h265_sets = h265::ParameterSets::new();
    let (mut h265_slices, mut h265_order) = (h265::SliceReader::new(), h265::PictureOrder::new());
    for unit in &units {
        sets.absorb([*unit]);
        h265_sets.absorb([*unit]);
        let _ = (slices.absorb(unit), h265_slices.absorb(unit));
        if let Ok(sps) = sets.sps() {
            assert!(allowed(sps.width) && allowed(sps.height));
            assert!(sps.width <= sps.coded_width && sps.height <= sps.coded_height);
        }
        if let Some((slice, sps)) = slices.slice(unit) {
            assert_eq!(h264::starts_picture(unit), Some(slice.first_macroblock == 0));
            order.next(&slice, sps);
        }
        if let Ok(sps) = h265_sets.sps() {
            assert!(allowed(sps.width) && allowed(sps.height));
            assert!(sps.width <= sps.coded_width && sps.height <= sps.coded_height);
        }
        if let Some((slice, sps)) = h265_slices.slice(unit) {
            assert_eq!(h265::starts_picture(unit), Some(slice.first));
            h265_order.next(&slice, sps);
        }
    }
    let _ = (h264::random_access(units.iter().copied()), h265::is_keyframe(units.iter().copied()));
    if let Ok(avcc) = sets.to_avcc() {
        assert!(h264::ParameterSets::from_avcc(&avcc).is_ok());
    }
    let _ = h264::ParameterSets::from_avcc(data);
});
