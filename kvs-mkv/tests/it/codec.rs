//! Properties of the codec modules for any NAL units, bytes and configurations.

use bytes::Bytes;
use kvs_mkv::codec::aac::{AdtsFrames, AudioSpecificConfig, Replication};
use kvs_mkv::codec::nal::{self, Framing, LengthSize};
use kvs_mkv::codec::{g711, h264, h265, mjpeg};
use proptest::collection::vec;
use proptest::prelude::*;

/// A NAL unit as an encoder writes it: without a start code inside and without a zero at its end.
fn nal_unit() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => any::<u8>(), 1 => Just(0u8), 1 => Just(1u8)], 1..60).prop_map(|bytes| {
        let mut unit = vec![0x41];
        for byte in bytes {
            let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
            if zeros >= 2 && byte <= 3 {
                unit.push(3);
            }
            unit.push(byte);
        }
        unit.push(0x80);
        unit
    })
}

/// NAL units after start codes of three bytes, with any number of zeros before these.
fn stuffed(units: &[(Vec<u8>, usize)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (unit, zeros) in units {
        stream.resize(stream.len() + zeros, 0);
        stream.extend([0, 0, 1]);
        stream.extend(unit);
    }
    stream
}

fn length(unit: &[u8]) -> [u8; 4] {
    u32::try_from(unit.len()).expect("units here are short").to_be_bytes()
}

fn length_prefixed(units: &[Vec<u8>]) -> Vec<u8> {
    units.iter().flat_map(|unit| [&length(unit)[..], unit].concat()).collect()
}

proptest! {
    #[test]
    fn nal_units_round_trip_through_both_framings(units in vec((nal_unit(), 0usize..5), 1..12), trailing in 0usize..4) {
        let mut stream = stuffed(&units);
        stream.resize(stream.len() + trailing, 0);
        let units: Vec<Vec<u8>> = units.into_iter().map(|(unit, _)| unit).collect();
        let stream = Bytes::from(stream);
        let walked: Vec<&[u8]> = nal::annex_b(&stream).unwrap().collect();
        prop_assert_eq!(&walked, &units);
        let framed = nal::annex_b_to_length_prefixed(&stream).unwrap();
        for (unit, piece) in walked.iter().zip(framed.iter().skip(1).step_by(2)) {
            prop_assert_eq!(unit.as_ptr(), piece.as_ptr(), "copied");
        }
        prop_assert_eq!(&nal::LengthPrefixer::new().convert(&stream).unwrap(), &framed);
        let framed = framed.into_bytes();
        prop_assert_eq!(&framed[..], &length_prefixed(&units)[..]);
        let back = nal::length_prefixed_to_annex_b(&framed, LengthSize::FOUR).unwrap().into_bytes();
        prop_assert_eq!(nal::annex_b(&back).unwrap().collect::<Vec<_>>(), units);
    }

    #[test]
    fn detects_framing_of_any_access_unit(units in vec(nal_unit(), 1..6)) {
        let framed = length_prefixed(&units);
        prop_assert_eq!(Framing::detect(&framed), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
        let codes = stuffed(&units.iter().map(|unit| (unit.clone(), 1)).collect::<Vec<_>>());
        prop_assert_eq!(Framing::detect(&codes), Some(Framing::AnnexB));
        prop_assert_eq!(nal::units(&framed).unwrap(), nal::units(&codes).unwrap());
    }

    #[test]
    fn parsers_do_not_panic_on_any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let data = Bytes::from(bytes.clone());
        for size in [1, 2, 4].map(|size| LengthSize::new(size).unwrap()) {
            let walked: usize = nal::length_prefixed(&bytes, size).flatten().map(<[u8]>::len).sum();
            prop_assert!(walked <= bytes.len());
        }
        let _ = nal::to_length_prefixed(&data);
        for header in [0x67, 0x27] {
            let _ = h264::Sps::parse(&[&[header][..], &bytes].concat());
        }
        let _ = h265::Sps::parse(&[&[0x42, 1][..], &bytes].concat());
        let _ = h264::ParameterSets::from_avcc(&[&[1][..], &bytes].concat());
        let _ = h265::ParameterSets::from_hvcc(&[&[1][..], &bytes].concat());
        let _ = AudioSpecificConfig::parse(&bytes);
        let _ = g711::WaveFormat::parse(&bytes);
        let _ = mjpeg::size(&[&[0xff, 0xd8][..], &bytes].concat());
        let frames: usize = AdtsFrames::new(data).flatten().map(|frame| frame.data.len()).sum();
        prop_assert!(frames <= bytes.len());
    }

    #[test]
    fn audio_configs_round_trip(
        frequency in 1u32..1 << 24,
        channels in prop_oneof![1u8..=6, Just(8)],
        output in prop_oneof![Just(None), (1u32..1 << 24, any::<bool>()).prop_map(Some)],
    ) {
        let mut config = AudioSpecificConfig::lc(frequency, channels).unwrap();
        if let Some((frequency, stereo)) = output {
            let replication = Replication::new(frequency).with_parametric_stereo(stereo);
            config = config.with_replication(replication).unwrap();
        }
        prop_assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()), Ok(config));
    }

    #[test]
    fn parameter_sets_round_trip_through_avcc(pictures in vec((0u8..255, nal_unit()), 1..20)) {
        let sps = b"\x67\x64\x00\x34\xac\x2b\x40\x1e\x00\x78\xd8\x08\x80\x00\x01\xf4\x00\x00\xea\x60\x47\xa5\x50";
        let pictures: Vec<Vec<u8>> = pictures.into_iter().map(|(id, body)| [&[0x68, id | 1][..], &body].concat()).collect();
        let mut sets = h264::ParameterSets::new();
        sets.absorb([&sps[..]]);
        sets.absorb(pictures.iter().map(|unit| &unit[..]));
        let avcc = sets.to_avcc().unwrap();
        prop_assert_eq!(h264::ParameterSets::from_avcc(&avcc).unwrap(), (sets, LengthSize::FOUR));
    }
}
