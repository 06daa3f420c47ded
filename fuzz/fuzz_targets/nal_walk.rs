//! Any bytes as NAL units: no panic, every unit a slice of the input, and one way and back gives the same units.
#![no_main]

use bytes::Bytes;
use kvs_mkv::codec::nal::{self, Framing, LengthPrefixer, LengthSize, NalError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    match nal::annex_b(data) {
        Ok(walk) => {
            let units: Vec<&[u8]> = walk.collect();
            let framed = nal::annex_b_to_length_prefixed(&bytes).expect("what walks converts");
            assert_eq!(LengthPrefixer::new().convert(&bytes).expect("what walks converts"), framed);
            let framed = framed.into_bytes();
            let again: Result<Vec<&[u8]>, NalError> = nal::length_prefixed(&framed, LengthSize::FOUR).collect();
            assert_eq!(again.expect("our own lengths"), units);
            assert!(units.iter().all(|unit| unit.last().is_some_and(|&byte| byte != 0)));
        }
        Err(NalError::BeforeStartCode { at, start_code, .. }) => assert!(at < start_code && start_code < data.len()),
        Err(NalError::NoStartCode { len }) => assert_eq!(len, data.len()),
        Err(other) => panic!("{other}"),
    }
    for size in [1, 2, 4].into_iter().filter_map(LengthSize::new) {
        let walked: usize = nal::length_prefixed(data, size).flatten().map(<[u8]>::len).sum();
        assert!(walked <= data.len());
        if let Ok(wide) = nal::widen_lengths(&bytes, size) {
            assert!(
                size == LengthSize::FOUR
                    || nal::length_prefixed(&wide.into_bytes(), LengthSize::FOUR).all(|unit| unit.is_ok())
            );
        }
    }
    if let Some(Framing::LengthPrefixed(size)) = Framing::detect(data) {
        assert!(nal::length_prefixed(data, size).all(|unit| unit.is_ok()));
    }
});
