//! The pictures of one fragment: when each is shown, and what decoding it takes.

use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Track, TrackKind, TrackNumber};

use super::access_unit::{Framing, split};
use super::decoder::codec::Codec;
use super::decoder::h265;
use super::error::Undecodable;
use super::limits::FRAGMENT_FRAMES;
use super::media::Footage;
use super::sequence::Look;
use super::slice::{Numbering, OrderCount, ParameterSets, SliceHead};

/// The pictures of one fragment in the order of decoding.
#[derive(Clone, Debug)]
pub(super) struct PictureIndex {
    pub(super) codec: Codec,
    /// The codec private data of its track.
    pub(super) private: Bytes,
    pub(super) framing: Framing,
    pub(super) pictures: Vec<Coded>,
    /// Places in `pictures` in the order of showing.
    shown: Vec<usize>,
}

/// One coded picture.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    /// Its place among all frames of the fragment.
    pub(super) frame: usize,
    /// When it is shown, on the axis of the frames' times.
    pub(super) at: Duration,
    /// Where decoding may start from here, and how.
    pub(super) entry: Entry,
    /// Whether later pictures may need it.
    pub(super) reference: bool,
    pub(super) look: Look,
    /// Its place among the references of H.264; the decoder of H.265 misses lost ones itself.
    pub(super) numbering: Option<Numbering>,
    /// Why it cannot be decoded, if that is known already.
    pub(super) trouble: Option<Undecodable>,
    order: i64,
}

/// Whether decoding may start at a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It needs pictures before it.
    None,
    /// It stands alone, but pictures that come after it and are shown before it do not (an open GOP).
    Open,
    /// Nothing after it needs anything before it.
    Idr,
}

impl PictureIndex {
    /// Reads the heads of all frames of track 1.
    pub(super) fn of(footage: &Footage) -> Result<Self, Undecodable> {
        let track = video_track(footage)?;
        let codec = Codec::of(track)?;
        let (framing, sets) = codec.parse_private(&track.codec_private).ok_or(Undecodable::CodecPrivate)?;
        let mut scan = Scan { codec, framing, heads: Heads::of(codec), order: 0 };
        for unit in sets.into_iter().filter(|unit| codec.is_parameter_set(unit)) {
            scan.heads.take(unit)?;
        }
        let frames = footage.frames.iter().enumerate().filter(|(_, frame)| frame.track == TrackNumber::ONE);
        let mut pictures = Vec::new();
        for (place, frame) in frames {
            if pictures.len() == FRAGMENT_FRAMES {
                return Err(Undecodable::TooManyFrames { limit: FRAGMENT_FRAMES });
            }
            let data = frame.data.clone().into_bytes();
            pictures.extend(scan.picture(place, frame.pts, frame.keyframe, &data));
        }
        if pictures.is_empty() {
            return Err(Undecodable::NoPicture);
        }
        give_times_of_showing(&mut pictures);
        let mut shown: Vec<usize> = (0..pictures.len()).collect();
        shown.sort_by_key(|place| pictures.get(*place).map(|picture| picture.at));
        Ok(Self { codec, private: track.codec_private.clone(), framing, pictures, shown })
    }

    /// The place of the picture shown at `instant`: the latest one not after it, or else the first one shown from
    /// `start` on.
    pub(super) fn shown_at(&self, instant: Duration, start: Duration) -> Option<usize> {
        let own = || self.shown.iter().copied().filter(|place| self.at(*place) >= Some(start));
        own().take_while(|place| self.at(*place) <= Some(instant)).last().or_else(|| own().next())
    }

    /// The place of the latest picture that is shown not after `instant` although its fragment starts later: one of the
    /// pictures that follow the key frame of an open GOP and are shown before it.
    pub(super) fn leading_at(&self, instant: Duration, start: Duration) -> Option<usize> {
        let before = |place: &usize| self.at(*place) <= Some(instant) && self.at(*place) < Some(start);
        self.shown.iter().copied().take_while(before).last()
    }

    /// Whether no picture of the fragment is shown after this one.
    pub(super) fn is_last_shown(&self, place: usize) -> bool {
        self.shown.last() == Some(&place)
    }

    /// When the picture at this place is shown.
    pub(super) fn at(&self, place: usize) -> Option<Duration> {
        self.pictures.get(place).map(|picture| picture.at)
    }

    /// The last place from which decoding may start.
    pub(super) fn last_entry(&self) -> Option<usize> {
        self.pictures.iter().rposition(|picture| picture.entry != Entry::None)
    }

    /// The place from which decoding must start for the picture at `place`; `None` if that lies in an earlier fragment.
    pub(super) fn entry_for(&self, place: usize) -> Option<usize> {
        let at = self.at(place)?;
        let candidates = self.pictures.get(..=place)?.iter().enumerate().rev();
        let mut entries = candidates.filter(|(_, picture)| match picture.entry {
            Entry::None => false,
            Entry::Idr => true,
            Entry::Open => picture.at <= at,
        });
        entries.next().map(|(entry, _)| entry)
    }
}

/// Track 1, if it is video.
fn video_track(footage: &Footage) -> Result<&Track, Undecodable> {
    let track = footage.tracks.iter().find(|track| track.number == TrackNumber::ONE);
    track.filter(|track| track.kind == TrackKind::Video).ok_or(Undecodable::NoVideoTrack)
}

/// What the head of a picture says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) entry: Entry,
    pub(super) reference: bool,
    pub(super) look: Look,
    pub(super) numbering: Option<Numbering>,
    /// Its place in the order of showing; places of one coded sequence compare.
    pub(super) order: i64,
}

/// Reads heads, with what must be known of those before.
enum Heads {
    H264 { sets: ParameterSets, count: OrderCount },
    H265(h265::Heads),
}

impl Heads {
    fn of(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::H264 { sets: ParameterSets::default(), count: OrderCount::default() },
            Codec::H265 => Self::H265(h265::Heads::default()),
        }
    }

    /// Takes a parameter set, and refuses those whose pictures cannot be decoded.
    fn take(&mut self, unit: &[u8]) -> Result<(), Undecodable> {
        match self {
            Self::H264 { sets, .. } => sets.take(unit),
            Self::H265(heads) => heads.take(unit),
        }
    }

    /// The head of the picture that a slice begins; `None` for slices that go on with one.
    fn slice(&mut self, unit: &[u8], keyframe: bool) -> Option<Result<Head, Undecodable>> {
        match self {
            Self::H264 { sets, count } => Some(SliceHead::parse(unit, sets)?.map(|head| Head {
                entry: match head {
                    SliceHead { idr: true, .. } => Entry::Idr,
                    SliceHead { intra: true, .. } if keyframe => Entry::Open,
                    _ => Entry::None,
                },
                reference: head.reference,
                look: head.look,
                numbering: Some(head.numbering()),
                order: count.next(&head),
            })),
            Self::H265(heads) => heads.slice(unit),
        }
    }
}

struct Scan {
    codec: Codec,
    framing: Framing,
    heads: Heads,
    order: i64,
}

impl Scan {
    /// The picture in one frame; `None` for a frame without any slice.
    fn picture(&mut self, frame: usize, at: Duration, keyframe: bool, data: &[u8]) -> Option<Coded> {
        let mut coded = Coded {
            frame,
            at,
            entry: Entry::None,
            reference: true,
            look: Look::default(),
            numbering: None,
            trouble: None,
            order: 0,
        };
        match self.head(data, keyframe) {
            Ok(None) => return None,
            Ok(Some(head)) => {
                self.order = head.order;
                (coded.entry, coded.reference, coded.look) = (head.entry, head.reference, head.look);
                coded.numbering = head.numbering;
            }
            Err(None) => coded.trouble = Some(Undecodable::Damaged { pts_millis: at.as_millis() }),
            Err(trouble) => coded.trouble = trouble,
        }
        // A frame that cannot be read stays beside the one before it.
        coded.order = self.order;
        Some(coded)
    }

    /// The head of the frame's first slice; `Err(None)` for a frame that is no sequence of NAL units.
    fn head(&mut self, data: &[u8], keyframe: bool) -> Result<Option<Head>, Option<Undecodable>> {
        for unit in split(data, self.framing).ok_or(None)? {
            if self.codec.is_slice(unit) {
                if let Some(head) = self.heads.slice(unit, keyframe) {
                    return head.map(Some).map_err(Some);
                }
            } else if self.codec.is_parameter_set(unit) {
                self.heads.take(unit).map_err(Some)?;
            }
        }
        Ok(None)
    }
}

/// Corrects times that were given in the order of decoding.
///
/// Block times are the times of showing, and with B-frames they jump back. A producer that stamps frames as they leave
/// the encoder writes rising times although the pictures are shown in another order: then the i-th picture shown of a
/// coded sequence gets its i-th time.
fn give_times_of_showing(pictures: &mut [Coded]) {
    let mut rest = pictures;
    while !rest.is_empty() {
        let next = rest.iter().skip(1).position(|picture| picture.entry == Entry::Idr).map_or(rest.len(), |at| at + 1);
        let (sequence, after) = rest.split_at_mut(next);
        if sequence.is_sorted_by_key(|picture| picture.at) && !sequence.is_sorted_by_key(|picture| picture.order) {
            let times: Vec<Duration> = sequence.iter().map(|picture| picture.at).collect();
            let mut by_order: Vec<&mut Coded> = sequence.iter_mut().collect();
            by_order.sort_by_key(|picture| picture.order);
            for (picture, time) in by_order.into_iter().zip(times) {
                picture.at = time;
            }
        }
        rest = after;
    }
}
