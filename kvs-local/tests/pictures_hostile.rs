//! Whatever the bytes of a fragment are, asking for its pictures ends soon and in a picture or a reason.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hex_literal::hex;
use kvs_local::pictures::{
    Axis, Effort, Footage, FootageSource, FragmentSpan, ImageError, PictureRequest, PictureResult, Rendering,
    Undecodable, limits, pictures,
};
use kvs_mkv::{CodecId, FragmentNumber, Frame, Track, TrackKind, TrackNumber};
use proptest::prelude::*;

/// 48x32, high profile with B-frames, made by x264 from ffmpeg's test picture.
const AVCC: &[u8] = &hex!(
    "01 64 00 0a ff e1" "0017 67 64000aacd94d6c0440000003004000000c83c489658001" "0006" "68ebe0e4b22c" "fdf8f800"
);
/// Its frames in the order of decoding: time in ms, bytes.
const FRAMES: [(u64, &[u8]); 6] = [
    (
        0,
        &hex!(
            "00000138 65888400ffdbe595bb06a5ab9d716f7b43c9471563b2eeef151bf11f73b30feec98a71950183df8d8f27eae65d48ef25540df8831811277a"
            "6170ab97e14eed2209fd906e7f2dfb1c84f68b5ffe4ce4b118eb1a6672e193c7d00b2f9d2f5190befd745ec0540ebfb78e615717d537635390d86fa0"
            "83f175dc6819d5f73c7b4c448db30a717a45bd1e2e2667bf8f7b8aa2d668710334fb17724f7528b55f5b93a43ab68ca323a515ffff8035249a7c6ac0"
            "37ebf91e6e94fc8b60a8d5fb3c56cad0a05db6d7fc1a6e20b5ad6f6e0e84a760ff47c82599d0035ac45530669d7b02ebf78488b15ffec8bd504cd792"
            "fb1750e906946a41633589b383db682832f833e7f1c45cf04c5c3523231f0c05e24e398613aa84a1cbecfe5d4c42b45c8f0d44e7b66724f6381e6da9"
            "89d7e98beb68fb2b720de47d016099fd"
        ),
    ),
    (120, &hex!("00000007 419a236c7f7840")),
    (40, &hex!("00000007 419e4178afc281")),
    (80, &hex!("00000008 019e626a49ffc580")),
    (200, &hex!("00000022 419a6549a84168994c14ffe2c598faf141ad703def1ffcb958b2e3a2ffc195fc4d39")),
    (160, &hex!("0000001a 019e846a49fffeebbd2916fcd72016ae96cf9042a85256b8b9a1")),
];

#[derive(Clone)]
struct One(Footage);

impl FootageSource for One {
    fn footage(&self, _: &FragmentNumber) -> Result<Footage, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

fn take(private: Vec<u8>, frames: Vec<(u64, Vec<u8>)>) -> Vec<PictureResult> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_codec_private(private);
    let frame = |(at, data): (u64, Vec<u8>)| {
        Frame::new(TrackNumber::ONE, Duration::from_millis(at), Bytes::from(data)).with_keyframe(at == 0)
    };
    let footage =
        Footage { tracks: Arc::new([track]), start: Duration::ZERO, frames: frames.into_iter().map(frame).collect() };
    let span = FragmentSpan {
        number: "1".parse().unwrap(),
        producer_timestamp: Duration::ZERO,
        server_timestamp: Duration::ZERO,
        duration: Duration::from_millis(240),
    };
    let instants = (0..6).map(|number| Duration::from_millis(number * 40)).collect();
    let request = PictureRequest { instants, axis: Axis::Producer, rendering: Rendering::default() };
    let effort = Effort { threads: NonZeroUsize::MIN, go_on: &|| true };
    let start = Instant::now();
    let taken = pictures(&One(footage), &[span], &request, effort);
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    taken.results
}

fn real() -> Vec<(u64, Vec<u8>)> {
    FRAMES.iter().map(|(at, data)| (*at, data.to_vec())).collect()
}

#[test]
fn the_unharmed_recording_gives_all_its_pictures() {
    let taken = take(AVCC.to_vec(), real());
    assert!(taken.iter().all(Result::is_ok), "{taken:?}");
    assert_eq!(taken.len(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_as_frames_end_in_an_answer(
        frames in prop::collection::vec((0..240_u64, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        honest in any::<bool>(),
    ) {
        let private = if honest { AVCC.to_vec() } else { frames.first().map(|(_, data)| data.clone()).unwrap_or_default() };
        prop_assert_eq!(take(private, frames).len(), 6);
    }

    #[test]
    fn nal_units_of_any_bytes_end_in_an_answer(
        units in prop::collection::vec((prop::sample::select(vec![0x65_u8, 0x41, 0x01, 0x67, 0x68, 0x06]), prop::collection::vec(any::<u8>(), 0..120)), 1..12),
    ) {
        let framed = |(header, rest): (u8, Vec<u8>)| {
            let length = u32::try_from(rest.len() + 1).unwrap().to_be_bytes();
            [&length[..], &[header], &rest].concat()
        };
        let frames = units.into_iter().enumerate().map(|(at, unit)| (at as u64 * 20, framed(unit))).collect();
        prop_assert_eq!(take(AVCC.to_vec(), frames).len(), 6);
    }

    #[test]
    fn changed_bytes_of_a_real_recording_end_in_an_answer(
        changes in prop::collection::vec((0..7_usize, any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let (mut private, mut frames) = (AVCC.to_vec(), real());
        for (part, place, byte) in changes {
            let bytes = frames.get_mut(part).map_or(&mut private, |(_, data)| data);
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        prop_assert_eq!(take(private, frames).len(), 6);
    }
}

fn exp_golomb(value: u32) -> String {
    let code = format!("{:b}", value + 1);
    "0".repeat(code.len() - 1) + &code
}

/// A sequence parameter set, baseline, of this many macroblocks and reference frames.
fn parameter_sets(columns: u32, rows: u32, references: u32) -> Vec<u8> {
    // seq_parameter_set_id, log2_max_frame_num_minus4, pic_order_cnt_type, max_num_ref_frames; no gaps; the size;
    // frame_mbs_only, direct_8x8_inference, no cropping, no VUI, stop
    let codes = |values: &[u32]| values.iter().copied().map(exp_golomb).collect::<String>();
    let bits = format!("{}0{}11001", codes(&[0, 0, 2, references]), codes(&[columns - 1, rows - 1]));
    let bytes: Vec<u8> = bits
        .as_bytes()
        .chunks(8)
        .map(|chunk| chunk.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0')) << (8 - chunk.len()))
        .collect();
    let sps = [&[0x67, 66, 0, 30][..], &bytes].concat();
    let length = u16::try_from(sps.len()).unwrap().to_be_bytes();
    [&[1, 66, 0, 30, 0xff, 0xe1][..], &length, &sps, &[1, 0, 4, 0x68, 0xce, 0x38, 0x80]].concat()
}

#[test]
fn pictures_and_references_beyond_the_limits_are_refused_before_any_memory_is_taken() {
    let reason = |columns, rows, references| match &take(parameter_sets(columns, rows, references), real())[0] {
        Err(ImageError::Media(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    };
    let limit = limits::PICTURE_MACROBLOCKS;
    assert_eq!(reason(193, 192, 1), Undecodable::TooLarge { macroblocks: 37_056, limit });
    assert_eq!(reason(65_536, 65_536, 1), Undecodable::TooLarge { macroblocks: u32::MAX, limit });
    let limit = limits::REFERENCE_MACROBLOCKS;
    assert_eq!(reason(192, 192, 11), Undecodable::TooManyReferences { macroblocks: 405_504, limit });
    assert!(matches!(reason(1, 1, 17), Undecodable::TooManyReferences { .. }));
    // At the limits it is the frames that are wrong.
    assert!(matches!(reason(192, 192, 10), Undecodable::Decoder { .. } | Undecodable::Damaged { .. }));
}

#[test]
fn a_fragment_of_too_many_frames_is_refused() {
    let frames = |count: usize| (0..count).map(|_| (0, FRAMES[0].1.to_vec())).collect();
    let reason = take(AVCC.to_vec(), frames(limits::FRAGMENT_FRAMES + 1))[0].clone();
    assert_eq!(reason, Err(Undecodable::TooManyFrames { limit: limits::FRAGMENT_FRAMES }.into()));
}
