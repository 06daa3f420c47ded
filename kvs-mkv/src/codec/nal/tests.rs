//! Conversions of contiguous access units and of access units in pieces.

use bytes::Bytes;
use hex_literal::hex;

use super::*;
use crate::Chunks;

fn converted(data: &[u8]) -> Result<Vec<u8>, NalError> {
    annex_b_to_length_prefixed(&Bytes::copy_from_slice(data)).map(|chunks| chunks.into_bytes().to_vec())
}

#[test]
fn replaces_start_codes_of_three_and_four_bytes() {
    assert_eq!(converted(&hex!("000001 650102")).unwrap(), hex!("00000003 650102"));
    let two = hex!("00000001 650102 000001 4103");
    assert_eq!(converted(&two).unwrap(), hex!("00000003 650102 00000002 4103"));
    let emulation = hex!("00000001 6501 00000301");
    assert_eq!(converted(&emulation).unwrap(), hex!("00000006 6501 00000301"));
}

#[test]
fn drops_zero_stuffing_and_empty_units() {
    assert_eq!(converted(&hex!("00000001 6501 00000001")).unwrap(), hex!("00000002 6501"));
    assert_eq!(converted(&hex!("00000001 6501 0000")).unwrap(), hex!("00000002 6501"));
    assert_eq!(converted(&hex!("00000001 6501 00 00000001 4103")).unwrap(), hex!("00000002 6501 00000002 4103"));
    assert_eq!(converted(&hex!("0000000001 65")).unwrap(), hex!("00000001 65"));
    assert_eq!(converted(&hex!("000001 000001 65 000001 000001")).unwrap(), hex!("00000001 65"));
    assert_eq!(converted(&hex!("000001")).unwrap(), b"");
}

#[test]
fn rejects_bytes_before_first_start_code_with_their_offset() {
    let error = converted(&hex!("00 08 00000001 6501")).unwrap_err();
    assert_eq!(error, NalError::BeforeStartCode { at: 1, byte: 8, start_code: 3 });
    assert_eq!(converted(b"\xff\xd8\xff\xe0 jpeg").unwrap_err(), NalError::NoStartCode { len: 9 });
    assert_eq!(converted(b"").unwrap_err(), NalError::NoStartCode { len: 0 });
}

#[test]
fn does_not_copy_payload_and_shares_one_buffer_for_lengths() {
    let data = Bytes::from(hex!("00000001 650102 000001 4103").to_vec());
    let chunks = annex_b_to_length_prefixed(&data).unwrap();
    let [first, payload, second, last] = chunks.pieces() else { panic!("four pieces, not {chunks:?}") };
    assert_eq!((payload.as_ptr(), last.as_ptr()), (data[4..].as_ptr(), data[10..].as_ptr()));
    assert_eq!(first.as_ptr().wrapping_add(4), second.as_ptr());
}

#[test]
fn one_prefixer_serves_a_whole_stream_without_copying() {
    let mut prefixer = LengthPrefixer::new();
    let mut kept = Vec::new();
    for nth in 0..3000u32 {
        let unit = Bytes::from([&[0, 0, 0, 1, 0x41][..], &nth.to_le_bytes(), &[0x80]].concat());
        let chunks = prefixer.convert(&unit).unwrap();
        assert_eq!(chunks.pieces()[1].as_ptr(), unit[4..].as_ptr());
        kept.push(chunks);
    }
    assert!(kept.iter().all(|chunks| chunks.pieces()[0] == [0, 0, 0, 6][..]));
}

#[test]
fn converts_lengths_to_start_codes_and_widens_them() {
    let data = Bytes::from_static(&hex!("0003 650102 0000 0002 4103"));
    let size = LengthSize::new(2).unwrap();
    let codes = length_prefixed_to_annex_b(&data, size).unwrap().into_bytes();
    assert_eq!(codes, hex!("00000001 650102 00000001 4103")[..]);
    let wide = widen_lengths(&data, size).unwrap().into_bytes();
    assert_eq!(wide, hex!("00000003 650102 00000002 4103")[..]);
    assert_eq!(widen_lengths(&wide, LengthSize::FOUR).unwrap().into_bytes().as_ptr(), wide.as_ptr());
}

const STREAM: &[u8] = b"\0\0\0\x01\x67\x42\0\0\x03\0\0\x01\x68\xce\0\0\0\0\x01\x65\x88\0\x84\0\0";

fn cut_at(data: &'static [u8], cuts: [usize; 2]) -> Chunks {
    let [a, b] = cuts;
    [&data[..a], &data[a..b], &data[b..]].into_iter().map(Bytes::from_static).collect()
}

fn all_cuts(data: &'static [u8]) -> impl Iterator<Item = Chunks> {
    (0..=data.len()).flat_map(move |a| (a..=data.len()).map(move |b| cut_at(data, [a, b])))
}

fn convert_chunks(pieces: &Chunks) -> Result<Chunks, NalError> {
    LengthPrefixer::new().convert_chunks(pieces)
}

#[test]
fn finds_start_codes_wherever_pieces_are_cut() {
    let whole = annex_b_to_length_prefixed(&Bytes::from_static(STREAM)).unwrap();
    for pieces in all_cuts(STREAM) {
        assert_eq!(Framing::detect_chunks(&pieces), Some(Framing::AnnexB), "{:?}", pieces.pieces());
        assert_eq!(convert_chunks(&pieces), Ok(whole.clone()), "{:?}", pieces.pieces());
    }
    let bytes: Chunks = STREAM.iter().map(|&byte| Bytes::from(vec![byte])).collect();
    assert_eq!(convert_chunks(&bytes), Ok(whole));
}

#[test]
fn does_not_copy_payload_of_pieces() {
    let pieces = cut_at(STREAM, [6, 22]);
    let out = convert_chunks(&pieces).unwrap();
    let stream = STREAM.as_ptr_range();
    let payload = out.iter().filter(|piece| stream.contains(&piece.as_ptr()));
    assert_eq!(payload.map(Bytes::len).sum::<usize>(), out.len() - 3 * 4, "only the three lengths are new bytes");
}

#[test]
fn contiguous_and_cut_data_give_the_same_errors() {
    for data in [&b"\0\x09\0\0\x01\x65\x88"[..], b"\0\0\0", b"\xff\xd8\xff\xe0", b"\0\0\x02\0\0\x01\x65"] {
        let expected = annex_b_to_length_prefixed(&Bytes::from_static(data)).unwrap_err();
        for pieces in all_cuts(data) {
            assert_eq!(convert_chunks(&pieces), Err(expected), "{:?}", pieces.pieces());
            assert_eq!(Framing::detect_chunks(&pieces), None);
        }
    }
}

#[test]
fn walks_lengths_wherever_pieces_are_cut() {
    const LENGTHS: &[u8] = b"\0\0\0\x02\x67\x42\0\0\0\0\0\0\0\x03\x65\x88\x84";
    for pieces in all_cuts(LENGTHS) {
        assert_eq!(Framing::detect_chunks(&pieces), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
        let units = length_prefixed_chunks(&pieces, LengthSize::FOUR);
        let found: Vec<_> = units.map(|unit| unit.unwrap().bytes().into_owned()).collect();
        assert_eq!(found, [&b"\x67\x42"[..], b"\x65\x88\x84"]);
    }
    let truncated = Chunks::from(&b"\0\0\0\x09\x65"[..]);
    assert!(length_prefixed_chunks(&truncated, LengthSize::FOUR).any(|unit| unit.is_err()));
}
