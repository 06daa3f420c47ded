//! Decodes one stretch of pictures and renders those that are wanted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::Frame;

use super::access_unit::{IDR_SLICE, PICTURE, SEQUENCE, SLICE, kind, parse_codec_private, split};
use super::decoder::{AccessUnitDecoder, Picture};
use super::footage::Footage;
use super::index::{Coded, Entry, PictureIndex, video_track};
use super::plan::{Place, Stretch, Target};
use super::shelf::Shelf;
use super::undecodable::Undecodable;

/// The state of decoding along one stretch.
///
/// ```text
/// Blank ──key frame──> Running ──a frame fails──> Broken
///   ^                     ^                          │
///   └── (start)           └────────key frame─────────┘
/// ```
enum State {
    Blank,
    Running { decoder: Box<dyn AccessUnitDecoder>, leading: Option<Leading> },
    Broken(Undecodable),
}

/// Pictures to pass over after a start in an open GOP: those of this fragment shown before its key frame refer to what
/// was not decoded.
#[derive(Clone, Copy)]
struct Leading {
    fragment: usize,
    before: Duration,
}

/// Takes the picture of a target, or why there is none.
pub(super) type Show<'a> = dyn FnMut(&Target, Result<Picture, Undecodable>, &Coded) + 'a;

pub(super) struct Reel<'a, 's> {
    shelf: &'a Shelf<'s>,
    make: &'a dyn Fn() -> Box<dyn AccessUnitDecoder>,
    state: State,
    /// Parameter sets the decoder was given outside frames.
    private: Bytes,
    access_unit: Vec<u8>,
    /// How many access units were decoded.
    pub(super) decoded: usize,
}

impl<'a, 's> Reel<'a, 's> {
    pub(super) fn new(shelf: &'a Shelf<'s>, make: &'a dyn Fn() -> Box<dyn AccessUnitDecoder>) -> Self {
        Self { shelf, make, state: State::Blank, private: Bytes::new(), access_unit: Vec::new(), decoded: 0 }
    }

    /// Decodes from the entry to the last target, giving every target's picture to `show`; `go_on` is asked before
    /// every frame.
    pub(super) fn run(
        &mut self,
        stretch: &Stretch,
        go_on: &dyn Fn() -> bool,
        show: &mut Show<'_>,
    ) -> Result<(), Undecodable> {
        let mut targets = stretch.targets.iter().peekable();
        let Some(last) = stretch.targets.last() else { return Ok(()) };
        for fragment in stretch.entry.0..=last.place.0 {
            let index = Arc::clone(&self.shelf.known(fragment)?.index);
            let footage = self.shelf.footage(fragment)?;
            for (place, coded) in pictures_between(&index, fragment, stretch.entry, last.place) {
                if !go_on() {
                    return Err(Undecodable::GivenUp);
                }
                let target = targets.next_if(|target| target.place == place);
                if target.is_none() && !self.is_needed(coded, fragment) {
                    continue;
                }
                let picture = self.step(coded, fragment, &index, &footage);
                if let Some(target) = target {
                    show(target, picture, coded);
                }
            }
        }
        Ok(())
    }

    /// Whether later pictures may need this one, which is no target itself.
    fn is_needed(&self, coded: &Coded, fragment: usize) -> bool {
        let State::Running { leading, .. } = &self.state else { return coded.entry != Entry::None };
        let leads = leading.is_some_and(|leading| leading.fragment == fragment && coded.at < leading.before);
        coded.reference && !leads
    }

    fn step(
        &mut self,
        coded: &Coded,
        fragment: usize,
        index: &PictureIndex,
        footage: &Footage,
    ) -> Result<Picture, Undecodable> {
        self.start_if_possible(coded, fragment);
        let State::Running { .. } = &self.state else { return Err(self.why_not()) };
        let picture = self.decode(coded, index, footage);
        if let Err(reason) = &picture {
            self.state = State::Broken(reason.clone());
        }
        picture
    }

    fn start_if_possible(&mut self, coded: &Coded, fragment: usize) {
        match (&mut self.state, coded.entry) {
            (_, Entry::None) | (State::Running { .. }, Entry::Open) => {}
            (State::Running { leading, .. }, Entry::Idr) => *leading = None,
            (State::Blank | State::Broken(_), entry) => {
                let leading = (entry == Entry::Open).then_some(Leading { fragment, before: coded.at });
                self.private = Bytes::new();
                self.state = State::Running { decoder: (self.make)(), leading };
            }
        }
    }

    fn why_not(&self) -> Undecodable {
        match &self.state {
            State::Broken(reason) => reason.clone(),
            State::Blank | State::Running { .. } => Undecodable::NoKeyFrame,
        }
    }

    fn decode(&mut self, coded: &Coded, index: &PictureIndex, footage: &Footage) -> Result<Picture, Undecodable> {
        if let Some(trouble) = &coded.trouble {
            return Err(trouble.clone());
        }
        let damaged = || Undecodable::Damaged { pts_millis: coded.at.as_millis() };
        let frame = footage.frames.get(coded.frame).ok_or_else(damaged)?;
        self.fill_access_unit(frame, index, footage).ok_or_else(damaged)?;
        let State::Running { decoder, .. } = &mut self.state else { return Err(Undecodable::NoKeyFrame) };
        self.decoded += 1;
        let picture = decoder
            .decode(&self.access_unit)
            .map_err(|reason| Undecodable::Decoder { pts_millis: coded.at.as_millis(), reason })?;
        picture.and_then(|picture| picture.cropped(coded.look)).ok_or_else(damaged)
    }

    /// Start codes and the NAL units that make a picture; parameter sets only in front of the first slice, where they
    /// have been looked at.
    fn fill_access_unit(&mut self, frame: &Frame, index: &PictureIndex, footage: &Footage) -> Option<()> {
        self.access_unit.clear();
        let track = video_track(footage).ok()?;
        if self.private != track.codec_private {
            let (_, sets) = parse_codec_private(&track.codec_private)?;
            sets.iter().filter(|set| is_parameter_set(set)).for_each(|set| self.push(set));
            self.private = track.codec_private.clone();
        }
        let data = frame.data.clone().into_bytes();
        let mut in_slices = false;
        for unit in split(&data, index.framing)? {
            in_slices |= matches!(kind(unit), SLICE | IDR_SLICE);
            if matches!(kind(unit), SLICE | IDR_SLICE) || (is_parameter_set(unit) && !in_slices) {
                self.push(unit);
            }
        }
        Some(())
    }

    fn push(&mut self, unit: &[u8]) {
        self.access_unit.extend_from_slice(&[0, 0, 0, 1]);
        self.access_unit.extend_from_slice(unit);
    }
}

fn is_parameter_set(unit: &[u8]) -> bool {
    matches!(kind(unit), SEQUENCE | PICTURE)
}

/// The pictures of one fragment from `entry` to `last`, both included.
fn pictures_between(
    index: &PictureIndex,
    fragment: usize,
    entry: Place,
    last: Place,
) -> impl Iterator<Item = (Place, &Coded)> {
    let pictures = index.pictures.iter().enumerate().map(move |(picture, coded)| ((fragment, picture), coded));
    pictures.skip_while(move |(place, _)| *place < entry).take_while(move |(place, _)| *place <= last)
}
