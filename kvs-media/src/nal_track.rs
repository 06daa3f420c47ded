//! Builds an H.264 or H.265 track from a container: codec private data, and payloads with four-byte lengths.

use std::error::Error;

use bytes::{Bytes, BytesMut};
use kvs_mkv::codec::limits::PARAMETER_SET_BYTES;
use kvs_mkv::codec::nal::{self, Framing, LengthPrefixer, LengthSize, NalError};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Track, TrackKind, TrackNumber, VideoSettings};

/// The codec of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NalCodec {
    H264,
    H265,
}

/// Converts the payloads of one track and collects its codec private data.
#[derive(Debug)]
pub(super) struct NalTrack {
    codec: NalCodec,
    sets: Sets,
    /// The avcC or hvcC of the container, if it can be used as it is.
    config: Option<Bytes>,
    length_size: LengthSize,
    /// Size and presentation of the picture according to the container.
    video: VideoSettings,
    prefixer: LengthPrefixer,
}

/// The parameter sets of either codec.
#[derive(Debug)]
enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

/// A payload as a Matroska block has it.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) data: Chunks,
    /// Whether it contains parameter sets that replace those of the track.
    pub(super) is_changed: bool,
}

impl NalTrack {
    /// A track whose container has this avcC or hvcC (or an empty one) and these settings.
    ///
    /// A configuration that cannot be read counts as missing: the parameter sets may be in the payloads.
    pub(super) fn new(codec: NalCodec, config: Bytes, video: VideoSettings) -> Self {
        let (sets, length_size) =
            Sets::of_config(codec, &config).unwrap_or_else(|| (Sets::new(codec), LengthSize::FOUR));
        // Some writers (Android, producers without NAL adaptation) store the parameter sets with start codes.
        let has_codes = Framing::detect(&config) == Some(Framing::AnnexB);
        let fit = sets.is_complete() && length_size == LengthSize::FOUR && !has_codes;
        Self { codec, sets, config: fit.then_some(config), length_size, video, prefixer: LengthPrefixer::new() }
    }

    /// Returns a payload with four-byte lengths; collects parameter sets from it.
    pub(super) fn payload(&mut self, sample: Chunks, keyframe: bool) -> Result<Converted, NalError> {
        // Some writers put start codes in place of lengths.
        let data = match Framing::detect_chunks(&sample) {
            Some(Framing::AnnexB) => self.prefixer.convert_chunks(&sample)?,
            Some(_) if self.length_size == LengthSize::FOUR => sample,
            _ => nal::widen_lengths(&sample.into_bytes(), self.length_size)?,
        };
        // Encoders send parameter sets before key frames; searching other frames would cost a walk over each of them.
        let search = keyframe || !self.sets.is_complete();
        let is_changed = search && self.absorb(&data)?;
        Ok(Converted { data, is_changed })
    }

    /// Takes the parameter sets of a payload, and returns whether they replace others.
    fn absorb(&mut self, data: &Chunks) -> Result<bool, NalError> {
        let mut found = Vec::new();
        for unit in nal::length_prefixed_chunks(data, LengthSize::FOUR) {
            let unit = unit?;
            if self.codec.is_parameter_set(unit.header()) && unit.len() <= PARAMETER_SET_BYTES {
                found.push(unit.bytes());
            }
        }
        let complete = self.sets.is_complete();
        let replaced = self.sets.absorb(found.iter().map(AsRef::as_ref)) == h264::SetChange::Replaced;
        if complete && replaced {
            // What the container states is no longer true.
            self.config = None;
        }
        Ok(complete && replaced)
    }

    /// Whether the parameter sets are complete.
    pub(super) fn is_complete(&self) -> bool {
        self.sets.is_complete()
    }

    /// Returns the payload with the parameter sets of this track in front, so that decoders switch to them.
    pub(super) fn with_sets(&self, data: Chunks) -> Chunks {
        let mut front = BytesMut::new();
        for set in self.sets.units() {
            // A set is smaller than 64 KiB: it came from an avcC, or was compared with a limit.
            front.extend_from_slice(&u32::try_from(set.len()).unwrap_or(0).to_be_bytes());
            front.extend_from_slice(set);
        }
        let mut whole = Chunks::from(front.freeze());
        whole.append(data);
        whole
    }

    /// Returns the track, once its payloads have been seen.
    pub(super) fn track(&self, number: TrackNumber) -> Result<Track, Box<dyn Error>> {
        // The container's configuration is kept if it fits the payloads, even with an SPS that cannot be parsed here.
        let mut track = match (self.sets.track(number), &self.config) {
            (Ok(track), None) => track,
            (Ok(track), Some(config)) => track.with_codec_private(config.clone()),
            (Err(_), Some(config)) => {
                let track = Track::new(number, TrackKind::Video, self.sets.codec());
                track.with_codec_private(config.clone()).with_video(self.video.width, self.video.height)
            }
            (Err(error), None) => return Err(error),
        };
        track.video = track.video.map(|video| without_padding(video, &self.video).completed_by(&self.video));
        Ok(track)
    }
}

/// Some encoders (GoPro) do not state in the codec that the last macroblocks are padding: the container has the size of the picture.
fn without_padding(mut codec: VideoSettings, container: &VideoSettings) -> VideoSettings {
    let is_padded = |codec: u64, container: u64| container > 0 && codec == container.next_multiple_of(MACROBLOCK);
    if is_padded(codec.width, container.width) && is_padded(codec.height, container.height) {
        let aspect = codec.pixel_aspect();
        (codec.width, codec.height) = (container.width, container.height);
        if let Some(aspect) = aspect {
            codec = codec.with_pixel_aspect(aspect);
        }
    }
    codec
}

/// Pixels of a macroblock in each direction.
const MACROBLOCK: u64 = 16;

impl NalCodec {
    fn is_parameter_set(self, header: u8) -> bool {
        match self {
            Self::H264 => {
                let kinds = [h264::NalType::SPS, h264::NalType::PPS, h264::NalType::SPS_EXTENSION];
                h264::NalType::of(&[header]).is_some_and(|kind| kinds.contains(&kind))
            }
            Self::H265 => {
                let kinds = [h265::NalType::VPS, h265::NalType::SPS, h265::NalType::PPS];
                h265::NalType::of(&[header, 1]).is_some_and(|kind| kinds.contains(&kind))
            }
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        }
    }
}

impl Sets {
    fn new(codec: NalCodec) -> Self {
        match codec {
            NalCodec::H264 => Self::H264(h264::ParameterSets::default()),
            NalCodec::H265 => Self::H265(h265::ParameterSets::default()),
        }
    }

    /// The parameter sets of an avcC or hvcC, or of a list with start codes.
    fn of_config(codec: NalCodec, config: &Bytes) -> Option<(Self, LengthSize)> {
        if Framing::detect(config) == Some(Framing::AnnexB) {
            let sets = match codec {
                NalCodec::H264 => Self::H264(h264::ParameterSets::from_annex_b(config).ok()?),
                NalCodec::H265 => Self::H265(h265::ParameterSets::from_annex_b(config).ok()?),
            };
            return Some((sets, LengthSize::FOUR));
        }
        Some(match codec {
            NalCodec::H264 => {
                let (sets, length_size) = h264::ParameterSets::from_avcc(config).ok()?;
                (Self::H264(sets), length_size)
            }
            NalCodec::H265 => {
                let (sets, length_size) = h265::ParameterSets::from_hvcc(config).ok()?;
                (Self::H265(sets), length_size)
            }
        })
    }

    fn is_complete(&self) -> bool {
        match self {
            Self::H264(sets) => sets.is_complete(),
            Self::H265(sets) => sets.is_complete(),
        }
    }

    fn absorb<'a>(&mut self, units: impl Iterator<Item = &'a [u8]>) -> h264::SetChange {
        match self {
            Self::H264(sets) => sets.absorb(units),
            Self::H265(sets) => sets.absorb(units),
        }
    }

    /// The sets in the order in which decoders need them.
    fn units(&self) -> Vec<&Bytes> {
        match self {
            Self::H264(sets) => sets.sequence().iter().chain(sets.extension()).chain(sets.picture()).collect(),
            Self::H265(sets) => sets.video().iter().chain(sets.sequence()).chain(sets.picture()).collect(),
        }
    }

    fn track(&self, number: TrackNumber) -> Result<Track, Box<dyn Error>> {
        match self {
            Self::H264(sets) => Ok(h264::track(number, sets)?),
            Self::H265(sets) => Ok(h265::track(number, sets)?),
        }
    }

    fn codec(&self) -> CodecId {
        match self {
            Self::H264(_) => CodecId::H264,
            Self::H265(_) => CodecId::H265,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_states_the_size_without_padding() {
        let size = |codec: (u64, u64), container: (u64, u64)| {
            let [codec, container] = [codec, container].map(|(width, height)| VideoSettings::new(width, height));
            let video = without_padding(codec, &container).completed_by(&container);
            (video.width, video.height)
        };
        // A GoPro.
        assert_eq!(size((864, 480), (854, 480)), (854, 480));
        assert_eq!(size((1920, 1088), (1920, 1080)), (1920, 1080));
        assert_eq!(size((1280, 720), (640, 360)), (1280, 720), "another size is not that of the codec");
        assert_eq!(size((864, 480), (0, 0)), (864, 480));
        assert_eq!(size((854, 480), (864, 480)), (854, 480));
    }
}
