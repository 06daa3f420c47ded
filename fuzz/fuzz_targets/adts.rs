//! Any bytes as ADTS, AudioSpecificConfig, WAVEFORMATEX and JPEG header: no panic, and every frame is a slice of the input.
#![no_main]

use bytes::Bytes;
use kvs_mkv::codec::aac::{AdtsFrames, AudioSpecificConfig};
use kvs_mkv::codec::{g711, mjpeg};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut payload = 0;
    let mut ended = false;
    for frame in AdtsFrames::new(Bytes::copy_from_slice(data)) {
        assert!(!ended, "a frame after an error");
        match frame {
            Ok(frame) => {
                payload += frame.data.len();
                if frame.header.blocks == 1 {
                    assert_eq!(frame.data.len() + frame.header.header_len, frame.header.frame_len);
                }
                if let Ok(config) = frame.header.config() {
                    assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()).as_ref(), Ok(&config));
                }
            }
            Err(_) => ended = true,
        }
    }
    assert!(payload <= data.len());
    if let Ok(config) = AudioSpecificConfig::parse(data) {
        assert_eq!(config.to_bytes(), data);
        assert!(config.channels() > 0 && config.sampling_frequency() > 0);
    }
    let _ = (g711::WaveFormat::parse(data), mjpeg::size(data));
});
