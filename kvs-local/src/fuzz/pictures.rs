//! Media of any shape through decoder, scaler and encoder.

use kvs_mkv::CodecId;

use super::clip::Clip;
use crate::images::{ImageEncoding, ImageSize, RenderOptions, contained_panics};

/// A byte that selects codec and size of the images, then NAL units with start codes. Every instant gets an image or an error. Returns how
/// many panics of a decoder were contained: that is no fault here.
pub fn pictures(data: &[u8]) -> u64 {
    let Some((clip, rendering)) = read(data) else { return 0 };
    let before = contained_panics();
    assert_eq!(clip.images(rendering).len(), clip.frames.len(), "each instant has an image or an error");
    contained_panics().saturating_sub(before)
}

fn read(data: &[u8]) -> Option<(Clip, RenderOptions)> {
    let (&kind, clip) = data.split_first()?;
    let codec = if kind & 1 == 0 { CodecId::H264 } else { CodecId::H265 };
    let size = if kind & 2 == 0 { None } else { ImageSize::new(33, 17) };
    Some((Clip::parse(clip, codec, ACCESS_UNITS), RenderOptions { format: ImageEncoding::default(), size }))
}

/// Most access units that are decoded: time is not what is tested.
const ACCESS_UNITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::damage;

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
            let (clip, rendering) = read(&data).unwrap();
            assert!(clip.frames.len() >= 4, "{name}");
            let images = clip.images(rendering);
            assert_eq!(images.len(), clip.frames.len(), "{name}");
            // Which inputs panic depends on the version of the decoder and on overflow checks.
            if !name.starts_with("panic") {
                assert!(images.iter().all(Result::is_ok), "{name}: {images:?}");
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
                damage(&mut data[1..], &mut random);
            }
            if pictures(&data) > 0 {
                found += 1;
                std::fs::write(folder().join(format!("panic-{:08x}", crc32fast::hash(&data))), &data).unwrap();
            }
        }
        println!("{found} of {runs} inputs made a decoder panic");
    }
}
