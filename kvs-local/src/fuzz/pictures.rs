//! Media of any shape through decoder, scaler and encoder.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::{h264, h265, nal};
use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
use kvs_types::{FragmentNumber, TimestampOrigin};

use crate::images::{
    DecodeOptions, Decoders, FragmentMedia, FragmentSpan, ImageEncoding, ImageRequest, ImageSize, MediaSource,
    RenderOptions, contained_panics, extract_images,
};

/// A byte that selects codec and size of the images, then NAL units with start codes. Every instant gets an image or an error. Returns how
/// many panics of a decoder were contained: that is no fault here.
pub fn pictures(data: &[u8]) -> u64 {
    let Some((&kind, clip)) = data.split_first() else { return 0 };
    let is_h264 = kind & 1 == 0;
    let (private, frames) = access_units(clip, is_h264);
    let at = |number: usize| Duration::from_millis(40 * number as u64);
    let frame = |(number, data): (usize, &Bytes)| {
        Frame::new(TrackNumber::ONE, at(number), data.clone()).with_keyframe(number == 0)
    };
    let codec = if is_h264 { CodecId::H264 } else { CodecId::H265 };
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, codec).with_codec_private(private);
    let media = FragmentMedia {
        tracks: Arc::new([track]),
        start: Duration::ZERO,
        frames: frames.iter().enumerate().map(frame).collect(),
    };
    let span = FragmentSpan {
        number: "1".parse().expect("a digit is a fragment number"),
        producer_timestamp: Duration::ZERO,
        server_timestamp: Duration::ZERO,
        duration: at(frames.len()),
    };
    let size = if kind & 2 == 0 { None } else { ImageSize::new(33, 17) };
    let rendering = RenderOptions { format: ImageEncoding::default(), size };
    let instants: Vec<Duration> = (0..frames.len()).map(at).collect();
    let request =
        ImageRequest { instants, origin: TimestampOrigin::Producer, earliest_start: Duration::ZERO, rendering };
    let options = DecodeOptions { threads: NonZeroUsize::MIN, decoders: &Decoders::BuiltIn, canceled: &|| false };
    let before = contained_panics();
    let results = extract_images(&One(media), &[span], &request, options).results;
    assert_eq!(results.len(), frames.len(), "each instant has an image or an error");
    contained_panics().saturating_sub(before)
}

/// Most access units that are decoded: time is not what is tested.
const ACCESS_UNITS: usize = 16;

/// Returns the parameter sets before the first picture, and the access units.
fn access_units(clip: &[u8], is_h264: bool) -> (Bytes, Vec<Bytes>) {
    let (mut private, mut frames, mut frame, mut has_slice) = (Vec::new(), Vec::new(), Vec::new(), false);
    for unit in nal::annex_b_lossy(clip) {
        let kind = if is_h264 {
            h264::NalType::of(unit).map(|kind| (kind.is_slice(), kind.is_parameter_set(), h264::starts_picture(unit)))
        } else {
            h265::NalType::of(unit).map(|kind| (kind.is_slice(), kind.is_parameter_set(), h265::starts_picture(unit)))
        };
        let Some((is_slice, is_set, starts)) = kind else { continue };
        if has_slice && (!is_slice || starts == Some(true)) {
            frames.push(Bytes::from(std::mem::take(&mut frame)));
            has_slice = false;
            if frames.len() == ACCESS_UNITS {
                return (private.into(), frames);
            }
        }
        if is_set && frames.is_empty() {
            private.extend_from_slice(&[0, 0, 0, 1]);
            private.extend_from_slice(unit);
        }
        has_slice |= is_slice;
        frame.extend_from_slice(&[0, 0, 0, 1]);
        frame.extend_from_slice(unit);
    }
    if !frame.is_empty() {
        frames.push(Bytes::from(frame));
    }
    (private.into(), frames)
}

/// A source with one fragment.
struct One(FragmentMedia);

impl MediaSource for One {
    fn media(&self, _: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/pictures")
    }

    fn corpus() -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(folder()).unwrap().map(Result::unwrap);
        let read =
            |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        entries.map(read).collect()
    }

    #[test]
    fn the_committed_clips_have_pictures() {
        let mut clips = 0;
        for (name, data) in corpus() {
            let panics = pictures(&data);
            // Which inputs panic depends on the version of the decoder and on overflow checks.
            if !name.starts_with("panic") {
                assert_eq!(panics, 0, "{name}");
                assert!(access_units(&data[1..], data[0] & 1 == 0).1.len() >= 4, "{name}");
                clips += 1;
            }
        }
        assert!(clips >= 4, "{clips}");
    }

    /// Changes the committed clips and writes those at which a decoder panics to the corpus:
    /// `KVS_DECODER_RUNS=100000 cargo test -p kvs-local --lib finds_inputs -- --ignored`.
    #[test]
    #[ignore = "a search that takes minutes"]
    fn finds_inputs_at_which_a_decoder_panics() {
        let runs = std::env::var("KVS_DECODER_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
        let clips: Vec<_> = corpus().into_iter().filter(|(name, _)| !name.starts_with("panic")).collect();
        let mut random = fastrand::Rng::new();
        let mut found = 0;
        for _ in 0..runs {
            let mut data = clips[random.usize(..clips.len())].1.clone();
            // Small images: their encoder takes most of the time.
            data[0] |= 2;
            for _ in 0..random.usize(1..8) {
                let at = random.usize(1..data.len());
                data[at] = if random.bool() { random.u8(..) } else { data[at] ^ (1 << random.u8(..8)) };
            }
            if pictures(&data) > 0 {
                found += 1;
                std::fs::write(folder().join(format!("panic-{:08x}", crc32fast::hash(&data))), &data).unwrap();
            }
        }
        println!("{found} of {runs} inputs made a decoder panic");
    }
}
