//! Decodes one stretch of pictures and renders those that are wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::Frame;

use super::AccessUnitDecoder;
use super::codec::Codec;
use super::picture::Picture;
use crate::images::access_unit::split;
use crate::images::cache::Shelf;
use crate::images::decode_span::{Place, Stretch, Target};
use crate::images::error::Undecodable;
use crate::images::index::{Coded, Entry, PictureIndex};
use crate::images::media::Footage;
use crate::images::sequence::Look;

/// The state of decoding along one stretch.
///
/// ```text
/// Blank ──key frame──> Running ──a frame fails, or is missing──> Broken
///   ^                     ^                                         │
///   └── (start)           └────────────────key frame────────────────┘
/// ```
enum State {
    Blank,
    Running { codec: Codec, decoder: Box<dyn AccessUnitDecoder>, leading: Option<Leading> },
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
pub(in crate::images) type Show<'a> = dyn FnMut(&Target, Result<Picture, Undecodable>, Look) + 'a;

/// A target whose access unit the decoder has and whose picture it has not given yet.
struct Due<'a> {
    target: &'a Target,
    look: Look,
    at: Duration,
}

pub(in crate::images) struct Reel<'a, 's> {
    shelf: &'a Shelf<'s>,
    state: State,
    /// Parameter sets the decoder was given outside frames.
    private: Bytes,
    access_unit: Vec<u8>,
    /// What is still to come out of the decoder, by the mark of its access unit.
    due: BTreeMap<i64, Due<'a>>,
    /// The number of the last reference of H.264.
    last_reference: Option<u32>,
    /// How many access units were decoded; also the mark of the last one.
    decoded: i64,
}

impl<'a, 's> Reel<'a, 's> {
    pub(in crate::images) fn new(shelf: &'a Shelf<'s>) -> Self {
        let (private, access_unit) = (Bytes::new(), Vec::new());
        let due = BTreeMap::new();
        Self { shelf, state: State::Blank, private, access_unit, due, last_reference: None, decoded: 0 }
    }

    /// How many access units were decoded.
    pub(in crate::images) fn decoded(&self) -> usize {
        usize::try_from(self.decoded).unwrap_or_default()
    }

    /// Decodes from the entry to the last target, giving every target's picture to `show`; `go_on` is asked before
    /// every frame.
    pub(in crate::images) fn run(
        &mut self,
        stretch: &'a Stretch,
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
                if self.lacks_reference(coded) {
                    self.break_off(Undecodable::MissingReference { pts_millis: coded.at.as_millis() }, show);
                }
                let target = targets.next_if(|target| target.place == place);
                if target.is_none() && !self.is_needed(coded, fragment) {
                    continue;
                }
                self.start_if_possible(coded, fragment, &index, show);
                if let Err(reason) = self.step(coded, &index, &footage, target, show) {
                    if let Some(target) = target {
                        show(target, Err(reason.clone()), coded.look);
                    }
                    self.break_off(reason, show);
                }
            }
        }
        self.end(None, show);
        Ok(())
    }

    /// Whether a picture that this one may refer to never came.
    fn lacks_reference(&mut self, coded: &Coded) -> bool {
        let Some(numbering) = coded.numbering else { return false };
        let skips = self.last_reference.is_some_and(|last| numbering.skips(last));
        if coded.reference {
            self.last_reference = Some(numbering.number);
        }
        skips && coded.entry != Entry::Idr && matches!(self.state, State::Running { .. })
    }

    /// Up to the next key frame there is nothing to be had.
    fn break_off(&mut self, reason: Undecodable, show: &mut Show<'_>) {
        self.end(Some(&reason), show);
        self.state = State::Broken(reason);
    }

    /// Whether later pictures may need this one, which is no target itself.
    fn is_needed(&self, coded: &Coded, fragment: usize) -> bool {
        let State::Running { leading, .. } = &self.state else { return coded.entry != Entry::None };
        let leads = leading.is_some_and(|leading| leading.fragment == fragment && coded.at < leading.before);
        coded.reference && !leads
    }

    fn start_if_possible(&mut self, coded: &Coded, fragment: usize, index: &PictureIndex, show: &mut Show<'_>) {
        if coded.entry != Entry::None && self.is_of_another_session(index) {
            self.end(None, show);
            self.state = State::Blank;
        }
        match (&mut self.state, coded.entry) {
            (_, Entry::None) | (State::Running { .. }, Entry::Open) => {}
            (State::Running { leading, .. }, Entry::Idr) => {
                *leading = None;
                // Where a stream begins anew it may ask to forget what was not shown yet.
                self.end(None, show);
            }
            (State::Blank | State::Broken(_), entry) => {
                let leading = (entry == Entry::Open).then_some(Leading { fragment, before: coded.at });
                self.private = Bytes::new();
                self.state = State::Running { codec: index.codec, decoder: index.codec.decoder(), leading };
            }
        }
    }

    /// Whether what is being decoded has nothing to do with this fragment.
    fn is_of_another_session(&self, index: &PictureIndex) -> bool {
        matches!(&self.state, State::Running { codec, .. } if *codec != index.codec || self.private != index.private)
    }

    /// Decodes one picture and hands out those that are ready.
    fn step(
        &mut self,
        coded: &Coded,
        index: &PictureIndex,
        footage: &Footage,
        target: Option<&'a Target>,
        show: &mut Show<'_>,
    ) -> Result<(), Undecodable> {
        if let State::Broken(reason) = &self.state {
            return Err(reason.clone());
        }
        if let Some(trouble) = &coded.trouble {
            return Err(trouble.clone());
        }
        let damaged = || Undecodable::Damaged { pts_millis: coded.at.as_millis() };
        let frame = footage.frames.get(coded.frame).ok_or_else(damaged)?;
        self.fill_access_unit(frame, index).ok_or_else(damaged)?;
        let State::Running { decoder, .. } = &mut self.state else { return Err(Undecodable::NoKeyFrame) };
        self.decoded += 1;
        let ready = decoder
            .decode(&self.access_unit, self.decoded)
            .map_err(|reason| Undecodable::Decoder { pts_millis: coded.at.as_millis(), reason })?;
        self.due.extend(target.map(|target| (self.decoded, Due { target, look: coded.look, at: coded.at })));
        self.hand_out(ready, show);
        Ok(())
    }

    fn hand_out(&mut self, ready: Vec<(i64, Picture)>, show: &mut Show<'_>) {
        for (mark, picture) in ready {
            let Some(Due { target, look, at }) = self.due.remove(&mark) else { continue };
            let damaged = Undecodable::Damaged { pts_millis: at.as_millis() };
            show(target, picture.cropped(look).ok_or(damaged), look);
        }
    }

    /// Hands out what the decoder still holds; what it never gives fails, for this reason if there is one.
    fn end(&mut self, reason: Option<&Undecodable>, show: &mut Show<'_>) {
        if self.due.is_empty() {
            return;
        }
        if let State::Running { decoder, .. } = &mut self.state {
            let ready = decoder.finish();
            self.hand_out(ready, show);
        }
        for Due { target, look, at } in std::mem::take(&mut self.due).into_values() {
            let reason = reason.cloned().unwrap_or(Undecodable::Damaged { pts_millis: at.as_millis() });
            show(target, Err(reason), look);
        }
    }

    /// Start codes and the NAL units that make a picture; parameter sets only in front of the first slice, where they
    /// have been looked at.
    fn fill_access_unit(&mut self, frame: &Frame, index: &PictureIndex) -> Option<()> {
        self.access_unit.clear();
        if self.private != index.private {
            let (_, sets) = index.codec.parse_private(&index.private)?;
            sets.iter().filter(|set| index.codec.is_parameter_set(set)).for_each(|set| self.push(set));
            self.private = index.private.clone();
        }
        let data = frame.data.clone().into_bytes();
        let mut in_slices = false;
        for unit in split(&data, index.framing)? {
            let is_slice = index.codec.is_slice(unit);
            in_slices |= is_slice;
            if is_slice || (index.codec.is_parameter_set(unit) && !in_slices) {
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
