//! Any bytes as NAL units, contiguous and in pieces: no panic, both walks agree, and the round trip gives the same units.
#![no_main]

use std::borrow::Cow;

use bytes::Bytes;
use kvs_mkv::Chunks;
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
    let (cut, rest) = data.split_first().map_or((0, data), |(&cut, rest)| (usize::from(cut), rest));
    let (front, back) = rest.split_at(cut.min(rest.len()));
    let pieces: Chunks = [front, back].into_iter().map(Bytes::copy_from_slice).collect();
    let whole = Bytes::copy_from_slice(rest);
    assert_eq!(Framing::detect_chunks(&pieces), Framing::detect(rest));
    assert_eq!(LengthPrefixer::new().convert_chunks(&pieces), nal::annex_b_to_length_prefixed(&whole));
    let units: Result<Vec<_>, _> =
        nal::length_prefixed_chunks(&pieces, LengthSize::FOUR).map(|unit| unit.map(|unit| unit.bytes())).collect();
    let contiguous: Result<Vec<&[u8]>, _> = nal::length_prefixed(rest, LengthSize::FOUR).collect();
    assert_eq!(units, contiguous.map(|units| units.into_iter().map(Cow::Borrowed).collect()));
    if let Some(Framing::LengthPrefixed(size)) = Framing::detect(data) {
        assert!(nal::length_prefixed(data, size).all(|unit| unit.is_ok()));
    }
});
