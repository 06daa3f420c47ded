//! Hostile media: for any bytes, extraction ends quickly with an image or an error for every instant.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hex_literal::hex;
use kvs_local::__internal::images::{
    DecodeError, DecodeOptions, Decoders, ExtractError, FragmentMedia, FragmentSpan, ImageRequest, ImageResult,
    MediaSource, RenderOptions, extract_images, limits,
};
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_types::{FragmentNumber, TimestampOrigin};
use proptest::prelude::*;

/// H.264, 48x32, High profile with B-frames, encoded by x264 from testsrc2 of ffmpeg.
const AVCC: &[u8] = &hex!(
    "01 64 00 0a ff e1" "0017 67 64000aacd94d6c0440000003004000000c83c489658001" "0006" "68ebe0e4b22c" "fdf8f800"
);
/// Its frames in decoding order: presentation time in ms, and bytes.
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

/// H.265, 64x64, Main profile with B-frames, encoded by x265 from testsrc2 of ffmpeg.
const HVCC: &[u8] = &hex!(
    "01 01 60000000 900000000000 1e f000 fc fd f8 f8 0000 0f 03"
    "20 0001 0018" "40010c01ffff01600000030090000003000003001e959409"
    "21 0001 0029" "42010101600000030090000003000003001ea020810596565abcaf016808000003000800000300c840"
    "22 0001 0006" "4401c173d189"
);
const H265_FRAMES: [(u64, &[u8]); 6] = [
    (
        0,
        &hex!(
            "000001792801af04d208c6275180fe70d7dd8daec2f39d902e600bc27d12ad986674b0122d8fb2c7f86e77542937062bd994266684d55aa3fd80ba0e"
            "40f3f1088bcff1f2147b1667f9f0e0dc0b6b2461243ad3978c2ce980885b8edc9ad6ec97197978c4ca8fb08b58c419ca5fd0268de07fb2f4c11a37db"
            "220effac89b7cc4250097f6c97d925abbb7141b55b3c1cba66b7597f9d9df56b6c267018a3bca1be8c5827e3648a548c46ac9267a26e39c14cef928e"
            "449efe453b0f1a095fe8baccbce103aa45829810d59ba11434ef1d4b0226b3a47afb1a87ccc2260755e030952a0878e610a4012d13e21cdcd1464a1f"
            "1fd16a098552c0d99b4b60a302dc329a9fa1f342ba5ad402e4910e123c956de777c4057893de387da263a6e55c7ca26c9c0e91d48e83abbfe77f26be"
            "4566fe5df977a1f40af180ca581c1bebd1b4409a57f9a56ca57bb5b281acfd6eeb02b99e5835538fafe6982d6797a942cd9b5ce1cc6a89b4ea22f0ad"
            "561be52c8af59a3ec6914c63b531ce430fbbef1c40"
        ),
    ),
    (160, &hex!("0000001f0201d02149e11182690842f0f90750d91efb0bd419ab066cf6c5767a8ee704")),
    (80, &hex!("000000120201e044957860a844ac0888060c0a380eb8")),
    (40, &hex!("000000130001e024fd7e8b05922560098805ec0ad80f38")),
    (120, &hex!("000000130001e066b5fd460b044ac0098805ec0ad80f38")),
    (200, &hex!("0000002c0201d0289d57dc44060984240ac0dcb7bf18ce637a4680d91eddb47482e99469815dffcb25079249222af658")),
];

/// A recording in one of the codecs, and the NAL unit headers of that codec.
#[derive(Debug)]
struct Sample {
    codec: CodecId,
    private: &'static [u8],
    frames: [(u64, &'static [u8]); 6],
    heads: &'static [&'static [u8]],
}

static H264: Sample = Sample {
    codec: CodecId::H264,
    private: AVCC,
    frames: FRAMES,
    heads: &[&[0x65], &[0x41], &[0x01], &[0x67], &[0x68], &[0x06]],
};
static H265: Sample = Sample {
    codec: CodecId::H265,
    private: HVCC,
    frames: H265_FRAMES,
    heads: &[
        &[0x28, 1],
        &[0x26, 1],
        &[0x2a, 1],
        &[0x02, 1],
        &[0x00, 1],
        &[0x10, 1],
        &[0x40, 1],
        &[0x42, 1],
        &[0x44, 1],
    ],
};

fn samples() -> impl Strategy<Value = &'static Sample> {
    prop::sample::select(vec![&H264, &H265])
}

#[derive(Clone)]
struct One(FragmentMedia);

impl MediaSource for One {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

fn take(sample: &Sample, private: Vec<u8>, frames: Vec<(u64, Vec<u8>)>) -> Vec<ImageResult> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, sample.codec.clone()).with_codec_private(private);
    let frame = |(at, data): (u64, Vec<u8>)| {
        Frame::new(TrackNumber::ONE, Duration::from_millis(at), Bytes::from(data)).with_keyframe(at == 0)
    };
    let media = FragmentMedia {
        tracks: Arc::new([track]),
        start: Duration::ZERO,
        frames: frames.into_iter().map(frame).collect(),
    };
    let span = FragmentSpan {
        number: "1".parse().unwrap(),
        producer_timestamp: Duration::ZERO,
        server_timestamp: Duration::ZERO,
        duration: Duration::from_millis(240),
    };
    let instants = (0..6).map(|number| Duration::from_millis(number * 40)).collect();
    let request = ImageRequest {
        instants,
        origin: TimestampOrigin::Producer,
        earliest_start: Duration::ZERO,
        rendering: RenderOptions::default(),
    };
    let options = DecodeOptions { threads: NonZeroUsize::MIN, decoders: &Decoders::BuiltIn, canceled: &|| false };
    let start = Instant::now();
    let taken = extract_images(&One(media), &[span], &request, options);
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    taken.results
}

fn real(sample: &Sample) -> Vec<(u64, Vec<u8>)> {
    sample.frames.iter().map(|(at, data)| (*at, data.to_vec())).collect()
}

#[test]
fn intact_recording_gives_all_images() {
    for sample in [&H264, &H265] {
        let taken = take(sample, sample.private.to_vec(), real(sample));
        assert!(taken.iter().all(Result::is_ok), "{taken:?}");
        assert_eq!(taken.len(), 6);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_frames_give_a_result(
        frames in prop::collection::vec((0..240_u64, prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        valid_private in any::<bool>(),
        sample in samples(),
    ) {
        let private = if valid_private { sample.private.to_vec() } else { frames.first().map(|(_, data)| data.clone()).unwrap_or_default() };
        prop_assert_eq!(take(sample, private, frames).len(), 6);
    }

    #[test]
    fn arbitrary_nal_units_give_a_result(
        units in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..120)), 1..12),
        sample in samples(),
    ) {
        let framed = |(head, rest): (prop::sample::Index, Vec<u8>)| {
            let head = head.get(sample.heads);
            let length = u32::try_from(head.len() + rest.len()).unwrap().to_be_bytes();
            [&length[..], head, &rest].concat()
        };
        let frames = units.into_iter().enumerate().map(|(at, unit)| (at as u64 * 20, framed(unit))).collect();
        prop_assert_eq!(take(sample, sample.private.to_vec(), frames).len(), 6);
    }

    #[test]
    fn changed_bytes_of_a_recording_give_a_result(
        changes in prop::collection::vec((0..7_usize, any::<prop::sample::Index>(), any::<u8>()), 1..12),
        sample in samples(),
    ) {
        let (mut private, mut frames) = (sample.private.to_vec(), real(sample));
        for (part, place, byte) in changes {
            let bytes = frames.get_mut(part).map_or(&mut private, |(_, data)| data);
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        prop_assert_eq!(take(sample, private, frames).len(), 6);
    }
}

fn exp_golomb(value: u32) -> String {
    let code = format!("{:b}", value + 1);
    "0".repeat(code.len() - 1) + &code
}

fn bytes_of(bits: &str) -> Vec<u8> {
    let byte = |chunk: &[u8]| chunk.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0')) << (8 - chunk.len());
    bits.as_bytes().chunks(8).map(byte).collect()
}

/// Returns an hvcC record with a sequence parameter set for Main profile, this size and this many buffered pictures.
fn h265_parameter_sets(width: u32, height: u32, kept: u32) -> Vec<u8> {
    let codes = |values: &[u32]| values.iter().copied().map(exp_golomb).collect::<String>();
    // sps_seq_parameter_set_id, chroma_format_idc, the size; no window; depths, order bits; buffering, reordering, latency;
    // block sizes and depths; no lists, asymmetric partitions, offsets, PCM; no sets; nothing else, stop
    let (size, rest) = (codes(&[0, 1, width, height]), codes(&[kept, 0, 0, 0, 1, 0, 2, 0, 0]));
    let bits = format!("{size}0{}1{rest}0000{}0000001", codes(&[0, 0, 0]), codes(&[0]));
    let profile = hex!("01 01 60000000 900000000000 1e");
    let sps = [&[0x42, 1][..], &profile, &bytes_of(&bits)].concat();
    let length = u16::try_from(sps.len()).unwrap().to_be_bytes();
    let picture = hex!("22 0001 0006 4401c173d189");
    [&HVCC[..22], &[2, 0x21, 0, 1], &length, &sps, &picture].concat()
}

/// Returns an avcC record with a Baseline sequence parameter set for this many macroblocks and reference frames.
fn parameter_sets(columns: u32, rows: u32, references: u32) -> Vec<u8> {
    // seq_parameter_set_id, log2_max_frame_num_minus4, pic_order_cnt_type, max_num_ref_frames; no gaps; the size;
    // frame_mbs_only, direct_8x8_inference, no cropping, no VUI, stop
    let codes = |values: &[u32]| values.iter().copied().map(exp_golomb).collect::<String>();
    let bits = format!("{}0{}11001", codes(&[0, 0, 2, references]), codes(&[columns - 1, rows - 1]));
    let sps = [&[0x67, 66, 0, 30][..], &bytes_of(&bits)].concat();
    let length = u16::try_from(sps.len()).unwrap().to_be_bytes();
    [&[1, 66, 0, 30, 0xff, 0xe1][..], &length, &sps, &[1, 0, 4, 0x68, 0xce, 0x38, 0x80]].concat()
}

#[test]
fn rejects_pictures_and_references_beyond_limits_before_allocating() {
    let why = |sample, private| match &take(sample, private, real(sample))[0] {
        Err(ExtractError::Decode(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    };
    let reason = |columns, rows, references| why(&H264, parameter_sets(columns, rows, references));
    let h265 = |width, height, kept| why(&H265, h265_parameter_sets(width, height, kept));
    let limit = limits::PICTURE_MACROBLOCKS;
    assert_eq!(reason(193, 192, 1), DecodeError::TooLarge { macroblocks: 37_056, limit });
    assert_eq!(reason(65_536, 65_536, 1), DecodeError::TooLarge { macroblocks: u32::MAX, limit });
    assert_eq!(h265(193 * 16, 192 * 16, 1), DecodeError::TooLarge { macroblocks: 37_056, limit });
    let limit = limits::REFERENCE_MACROBLOCKS;
    assert_eq!(h265(192 * 16, 192 * 16, 11), DecodeError::TooManyReferences { macroblocks: 405_504, limit });
    assert!(matches!(h265(192 * 16, 192 * 16, 10), DecodeError::Decoder { .. } | DecodeError::Damaged { .. }));
    assert_eq!(reason(192, 192, 11), DecodeError::TooManyReferences { macroblocks: 405_504, limit });
    assert!(matches!(reason(1, 1, 17), DecodeError::TooManyReferences { .. }));
    // Within the limits, decoding fails because the frames do not match the parameter sets.
    assert!(matches!(reason(192, 192, 10), DecodeError::Decoder { .. } | DecodeError::Damaged { .. }));
}

#[test]
fn rejects_fragment_with_too_many_frames() {
    let frames = |count: usize| (0..count).map(|_| (0, FRAMES[0].1.to_vec())).collect();
    let reason = take(&H264, AVCC.to_vec(), frames(limits::FRAGMENT_FRAMES + 1))[0].clone();
    assert_eq!(reason, Err(DecodeError::TooManyFrames { limit: limits::FRAGMENT_FRAMES }.into()));
}
