//! From instants to pictures, and from pictures to stretches of decoding that share no frame.

use std::time::Duration;

use super::cache::Shelf;
use super::error::Undecodable;
use super::limits::LOOK_BACK_FRAGMENTS;
use super::media::Axis;
use super::{ImageError, PictureResult};

/// A coded picture: the fragment's place on the shelf, and the picture's in the fragment.
pub(super) type Place = (usize, usize);

/// Pictures to decode in one go: from `entry` to the last target nothing is decoded twice, and no other stretch touches
/// any of it.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) entry: Place,
    /// In the order of decoding.
    pub(super) targets: Vec<Target>,
}

/// One picture that is wanted.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: Place,
    /// The instants, by number, at which it is shown.
    pub(super) instants: Vec<usize>,
}

/// Finds the picture of every instant. What is known to fail at once is written to `results`, the rest is planned.
pub(super) fn plan(
    shelf: &mut Shelf<'_>,
    instants: &[Duration],
    axis: Axis,
    results: &mut [Option<PictureResult>],
) -> Vec<Stretch> {
    let mut found: Vec<(Place, Place, usize)> = Vec::new();
    for ((number, instant), result) in instants.iter().enumerate().zip(results) {
        match find(shelf, *instant, axis) {
            Ok((place, entry)) => found.push((place, entry, number)),
            Err(error) => *result = Some(Err(error)),
        }
    }
    found.sort_unstable();
    stretches(found)
}

/// Joins pictures whose decoding would touch the same frames. `found` is sorted by place.
fn stretches(found: Vec<(Place, Place, usize)>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (place, entry, instant) in found {
        if let Some(last) = stretches.last_mut().and_then(|stretch| stretch.targets.last_mut())
            && last.place == place
        {
            last.instants.push(instant);
            continue;
        }
        let mut stretch = Stretch { entry, targets: Vec::new() };
        // A picture of an open GOP may reach back behind several stretches.
        while let Some(earlier) = stretches.pop_if(|earlier| earlier.last().is_some_and(|last| stretch.entry <= last)) {
            stretch.entry = stretch.entry.min(earlier.entry);
            stretch.targets.splice(0..0, earlier.targets);
        }
        stretch.targets.push(Target { place, instants: vec![instant] });
        stretches.push(stretch);
    }
    stretches
}

impl Stretch {
    fn last(&self) -> Option<Place> {
        self.targets.last().map(|target| target.place)
    }
}

/// The picture shown at an instant and the one its decoding starts from.
fn find(shelf: &mut Shelf<'_>, instant: Duration, axis: Axis) -> Result<(Place, Place), ImageError> {
    let fragment = shelf.covering(instant, axis).ok_or(ImageError::NoMedia)?;
    let place = shown_at(shelf, fragment, instant, axis)?;
    Ok((place, entry_for(shelf, place)?))
}

fn shown_at(shelf: &mut Shelf<'_>, fragment: usize, instant: Duration, axis: Axis) -> Result<Place, Undecodable> {
    let start_of_span = shelf.span(fragment).ok_or(Undecodable::NoPicture)?.start(axis);
    let shelved = shelf.shelved(fragment)?;
    let offset = instant.saturating_sub(start_of_span);
    let at = shelved.start.saturating_add(offset);
    let place = shelved.index.shown_at(at, shelved.start).ok_or(Undecodable::NoPicture)?;
    let shown = shelved.index.at(place).unwrap_or_default();
    if shelved.index.is_last_shown(place) && shown < at {
        let since_start = shown.saturating_sub(shelved.start);
        if let Some(leading) = leading_at(shelf, fragment, offset, since_start) {
            return Ok((fragment + 1, leading));
        }
    }
    Ok((fragment, place))
}

/// With open GOPs the last pictures shown of a fragment lie in the next one, behind its key frame. `offset` is the
/// instant and `after` the time of the best picture so far, both counted from the start of this fragment.
fn leading_at(shelf: &mut Shelf<'_>, fragment: usize, offset: Duration, after: Duration) -> Option<usize> {
    let (this, next) = (shelf.span(fragment)?, shelf.span(fragment + 1)?);
    let length = next.producer_timestamp.checked_sub(this.producer_timestamp)?;
    if !shelf.is_followed(fragment) {
        return None;
    }
    let shelved = shelf.shelved(fragment + 1).ok()?;
    let at = (shelved.start + offset).checked_sub(length)?;
    let leading = shelved.index.leading_at(at, shelved.start)?;
    let shown = (shelved.index.at(leading)? + length).checked_sub(shelved.start)?;
    (shown > after).then_some(leading)
}

/// Goes back to a picture that stands alone, through contiguous fragments if need be.
fn entry_for(shelf: &mut Shelf<'_>, place: Place) -> Result<Place, Undecodable> {
    let (fragment, picture) = place;
    if let Some(entry) = shelf.shelved(fragment)?.index.entry_for(picture) {
        return Ok((fragment, entry));
    }
    let earliest = fragment.saturating_sub(LOOK_BACK_FRAGMENTS);
    for earlier in (earliest..fragment).rev() {
        if !shelf.is_followed(earlier) {
            break;
        }
        if let Some(entry) = shelf.shelved(earlier)?.index.last_entry() {
            return Ok((earlier, entry));
        }
    }
    Err(Undecodable::NoKeyFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_decoding_becomes_one_stretch() {
        let key = |fragment| (fragment, 0);
        let joined = stretches(vec![
            ((0, 0), key(0), 0),
            ((0, 25), key(0), 1),
            ((1, 0), key(1), 2),
            ((1, 0), key(1), 3),
            ((2, 0), key(2), 4),
            ((2, 2), key(1), 5),
            ((2, 9), key(2), 6),
            ((4, 1), key(4), 7),
        ]);
        let shape: Vec<_> = joined.iter().map(|one| (one.entry, one.targets.len())).collect();
        assert_eq!(shape, [((0, 0), 2), ((1, 0), 4), ((4, 0), 1)]);
        assert_eq!(joined[1].targets[0].instants, [2, 3]);
    }
}
