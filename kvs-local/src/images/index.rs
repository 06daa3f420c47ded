//! The pictures of one fragment: their presentation times, and what decoding each of them requires.

use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::h264::FrameNum;
use kvs_mkv::codec::nal::Framing;
use kvs_mkv::{Track, TrackKind, TrackNumber};

use super::access_unit::split;
use super::decoder::codec::Codec;
use super::decoder::header::{HeaderReader, PictureHeader, RandomAccess};
use super::decoder::picture::DisplayInfo;
use super::error::DecodeError;
use super::limits::FRAGMENT_FRAMES;
use super::render::shape::Shape;
use super::source::FragmentMedia;

/// The pictures of one fragment in decoding order.
#[derive(Clone, Debug)]
pub(super) struct PictureIndex {
    pub(super) codec: Codec,
    /// The codec private data of the track.
    pub(super) private: Bytes,
    pub(super) framing: Framing,
    pub(super) pictures: Vec<CodedPicture>,
    /// Bytes that a decoder needs for these pictures.
    pub(super) decoder_bytes: u64,
    /// Indices into `pictures` in display order.
    display_order: Vec<usize>,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub(super) struct CodedPicture {
    /// Index of its frame among all frames of the fragment.
    pub(super) frame: usize,
    /// Presentation time, in the timecodes of the fragment.
    pub(super) pts: Duration,
    pub(super) random_access: RandomAccess,
    /// Whether later pictures may refer to it.
    pub(super) reference: bool,
    pub(super) display: DisplayInfo,
    /// Width and height of the visible area.
    pub(super) size: (u32, u32),
    /// Why the built-in decoders cannot decode it, although it is well-formed.
    pub(super) beyond_built_in: Option<DecodeError>,
    pub(super) frame_num: Option<FrameNum>,
    /// Why the picture cannot be decoded, if the header already shows it.
    pub(super) error: Option<DecodeError>,
    /// Picture order count: the place in output order within a coded video sequence.
    pub(super) order: i64,
}

impl PictureIndex {
    /// Reads the picture headers in all frames of track 1. Images are shaped as the container states if it is followed.
    pub(super) fn new(media: &FragmentMedia, follows_container: bool) -> Result<Self, DecodeError> {
        let track = video_track(media)?;
        let codec = Codec::of(track)?;
        let (framing, sets) = codec.parse_private(&track.codec_private).ok_or(DecodeError::CodecPrivate)?;
        let mut scanner = Scanner { codec, framing, headers: HeaderReader::new(codec), order: 0 };
        for unit in sets.into_iter().filter(|unit| codec.is_parameter_set(unit)) {
            scanner.headers.parameter_set(unit)?;
        }
        let frames = media.frames.iter().enumerate().filter(|(_, frame)| frame.track == TrackNumber::ONE);
        let mut pictures = Vec::new();
        for (index, frame) in frames {
            if pictures.len() == FRAGMENT_FRAMES {
                return Err(DecodeError::TooManyFrames { limit: FRAGMENT_FRAMES });
            }
            let data = frame.data.clone().into_bytes();
            pictures.extend(scanner.picture(index, frame.pts, frame.keyframe, &data));
        }
        if pictures.is_empty() {
            return Err(DecodeError::NoPicture);
        }
        assign_presentation_times(&mut pictures);
        let shape = Shape::of(track.video, follows_container);
        pictures.iter_mut().for_each(|picture| picture.display.shape = shape);
        let mut display_order: Vec<usize> = (0..pictures.len()).collect();
        display_order.sort_by_key(|picture| pictures.get(*picture).map(|picture| picture.pts));
        let (private, decoder_bytes) = (track.codec_private.clone(), scanner.headers.decoder_bytes());
        Ok(Self { codec, private, framing, pictures, decoder_bytes, display_order })
    }

    /// Returns the picture displayed at `instant`: the last one that is not after it, or the first one that is not
    /// before `start`.
    pub(super) fn displayed_at(&self, instant: Duration, start: Duration) -> Option<usize> {
        let own = || self.display_order.iter().copied().filter(|picture| self.pts(*picture) >= Some(start));
        own().take_while(|picture| self.pts(*picture) <= Some(instant)).last().or_else(|| own().next())
    }

    /// Returns the last leading picture that is displayed not after `instant`. Leading pictures follow the key frame of
    /// an open GOP and are displayed before it, which is before the `start` of their fragment.
    pub(super) fn leading_at(&self, instant: Duration, start: Duration) -> Option<usize> {
        let before = |picture: &usize| self.pts(*picture) <= Some(instant) && self.pts(*picture) < Some(start);
        self.display_order.iter().copied().take_while(before).last()
    }

    /// Returns whether this picture is the last one of the fragment in display order.
    pub(super) fn is_last_displayed(&self, picture: usize) -> bool {
        self.display_order.last() == Some(&picture)
    }

    /// Returns the presentation time of a picture.
    pub(super) fn pts(&self, picture: usize) -> Option<Duration> {
        self.pictures.get(picture).map(|picture| picture.pts)
    }

    /// Returns the last random access picture of the fragment.
    pub(super) fn last_random_access(&self) -> Option<usize> {
        self.pictures.iter().rposition(|picture| picture.random_access != RandomAccess::None)
    }

    /// Returns the picture from which decoding must start to get this one, or `None` if it is in an earlier fragment.
    pub(super) fn random_access_for(&self, picture: usize) -> Option<usize> {
        let pts = self.pts(picture)?;
        let candidates = self.pictures.get(..=picture)?.iter().enumerate().rev();
        let mut starts = candidates.filter(|(_, candidate)| match candidate.random_access {
            RandomAccess::None => false,
            RandomAccess::Idr => true,
            RandomAccess::OpenGop => candidate.pts <= pts,
        });
        starts.next().map(|(start, _)| start)
    }
}

/// Returns track 1, if it is video..
fn video_track(media: &FragmentMedia) -> Result<&Track, DecodeError> {
    let track = media.tracks.iter().find(|track| track.number == TrackNumber::ONE);
    track.filter(|track| track.kind == TrackKind::Video).ok_or(DecodeError::NoVideoTrack)
}

/// Reads the picture headers of one fragment, frame by frame.
struct Scanner {
    codec: Codec,
    framing: Framing,
    headers: HeaderReader,
    /// Picture order count of the last picture.
    order: i64,
}

impl Scanner {
    /// Returns the picture in one frame, or `None` for a frame without a slice.
    fn picture(&mut self, frame: usize, pts: Duration, keyframe: bool, data: &[u8]) -> Option<CodedPicture> {
        let mut coded = CodedPicture {
            frame,
            pts,
            random_access: RandomAccess::None,
            reference: true,
            display: DisplayInfo::default(),
            size: (0, 0),
            beyond_built_in: None,
            frame_num: None,
            error: None,
            order: 0,
        };
        match self.header(data, keyframe) {
            Ok(None) => return None,
            Ok(Some(header)) => {
                self.order = header.order;
                (coded.random_access, coded.reference) = (header.random_access, header.reference);
                (coded.display, coded.size, coded.frame_num) = (header.display, header.size, header.frame_num);
                coded.beyond_built_in = header.beyond_built_in;
            }
            Err(None) => coded.error = Some(DecodeError::Damaged { pts_millis: pts.as_millis() }),
            Err(error) => coded.error = error,
        }
        // A frame that cannot be read keeps its position after the frame before it.
        coded.order = self.order;
        Some(coded)
    }

    /// Returns the header of the first slice in a frame, or `Err(None)` if the frame is not a sequence of NAL units.
    fn header(&mut self, data: &[u8], keyframe: bool) -> Result<Option<PictureHeader>, Option<DecodeError>> {
        for unit in split(data, self.framing).ok_or(None)? {
            if self.codec.is_slice(unit) {
                if let Some(header) = self.headers.slice(unit, keyframe) {
                    return header.map(Some).map_err(Some);
                }
            } else if self.codec.is_parameter_set(unit) {
                self.headers.parameter_set(unit).map_err(Some)?;
            }
        }
        Ok(None)
    }
}

/// Corrects block times that are in decoding order.
///
/// Block times are presentation times, which are not monotonic in streams with B-frames. A producer
/// that stamps frames as they leave the encoder writes increasing times even so. In that case the i-th picture of a
/// coded video sequence in display order gets the i-th time of the sequence.
fn assign_presentation_times(pictures: &mut [CodedPicture]) {
    let mut rest = pictures;
    while !rest.is_empty() {
        let is_idr = |picture: &CodedPicture| picture.random_access == RandomAccess::Idr;
        let next = rest.iter().skip(1).position(is_idr).map_or(rest.len(), |at| at + 1);
        let (sequence, after) = rest.split_at_mut(next);
        if sequence.is_sorted_by_key(|picture| picture.pts) && !sequence.is_sorted_by_key(|picture| picture.order) {
            let times: Vec<Duration> = sequence.iter().map(|picture| picture.pts).collect();
            let mut by_order: Vec<&mut CodedPicture> = sequence.iter_mut().collect();
            by_order.sort_by_key(|picture| picture.order);
            for (picture, time) in by_order.into_iter().zip(times) {
                picture.pts = time;
            }
        }
        rest = after;
    }
}
