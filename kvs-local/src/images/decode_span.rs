//! Planning: from instants to pictures, and from pictures to spans of decoding that have no frame in common.

use std::time::Duration;

use super::cache::FragmentCache;
use super::error::{DecodeError, ExtractError};
use super::limits::LOOK_BACK_FRAGMENTS;
use super::request::{ImageRequest, ImageResult};
use kvs_types::TimestampOrigin;

/// A coded picture: the index of its fragment in the cache, and its index within the fragment in decoding order.
pub(super) type Position = (usize, usize);

/// Pictures to decode in one run. No frame between `start` and the last target is part of another span.
#[derive(Debug)]
pub(super) struct DecodeSpan {
    /// The random access picture that decoding starts from.
    pub(super) start: Position,
    /// In decoding order.
    pub(super) targets: Vec<Target>,
}

/// A picture to render.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) position: Position,
    /// The indices of the instants at which the picture is displayed.
    pub(super) instants: Vec<usize>,
}

/// Finds the picture of every instant. Instants without one get their error in `results`; the others are planned. Once `canceled`
/// returns `true`, nothing is.
pub(super) fn plan(
    cache: &mut FragmentCache<'_>,
    request: &ImageRequest,
    canceled: &dyn Fn() -> bool,
    results: &mut [Option<ImageResult>],
) -> Vec<DecodeSpan> {
    let mut found: Vec<(Position, Position, usize)> = Vec::new();
    for ((index, instant), result) in request.instants.iter().enumerate().zip(results) {
        if canceled() {
            return Vec::new();
        }
        match find(cache, *instant, request) {
            Ok((position, start)) => found.push((position, start, index)),
            Err(error) => *result = Some(Err(error)),
        }
    }
    found.sort_unstable();
    join(found)
}

/// Joins pictures whose decoding needs the same frames. `found` is sorted by position.
fn join(found: Vec<(Position, Position, usize)>) -> Vec<DecodeSpan> {
    let mut spans: Vec<DecodeSpan> = Vec::new();
    for (position, start, instant) in found {
        if let Some(last) = spans.last_mut().and_then(|span| span.targets.last_mut())
            && last.position == position
        {
            last.instants.push(instant);
            continue;
        }
        let mut span = DecodeSpan { start, targets: Vec::new() };
        // A leading picture of an open GOP starts at an earlier key frame and can overlap several spans.
        while let Some(earlier) = spans.pop_if(|earlier| earlier.last().is_some_and(|last| span.start <= last)) {
            span.start = span.start.min(earlier.start);
            span.targets.splice(0..0, earlier.targets);
        }
        span.targets.push(Target { position, instants: vec![instant] });
        spans.push(span);
    }
    spans
}

impl DecodeSpan {
    fn last(&self) -> Option<Position> {
        self.targets.last().map(|target| target.position)
    }
}

/// Returns the picture displayed at an instant and the picture its decoding starts from.
fn find(
    cache: &mut FragmentCache<'_>,
    instant: Duration,
    request: &ImageRequest,
) -> Result<(Position, Position), ExtractError> {
    let fragment = cache.covering(instant, request).ok_or(ExtractError::NoMedia)?;
    let position = displayed_at(cache, fragment, instant, request.origin)?;
    Ok((position, decode_start(cache, position)?))
}

fn displayed_at(
    cache: &mut FragmentCache<'_>,
    fragment: usize,
    instant: Duration,
    origin: TimestampOrigin,
) -> Result<Position, DecodeError> {
    let span_start = cache.span(fragment).ok_or(DecodeError::NoPicture)?.start(origin);
    let cached = cache.get(fragment)?;
    let offset = instant.saturating_sub(span_start);
    let pts = cached.start.saturating_add(offset);
    let picture = cached.index.displayed_at(pts, cached.start).ok_or(DecodeError::NoPicture)?;
    let found = cached.index.pts(picture).unwrap_or_default();
    if cached.index.is_last_displayed(picture) && found < pts {
        let since_start = found.saturating_sub(cached.start);
        if let Some(leading) = leading_at(cache, fragment, offset, since_start) {
            return Ok((fragment + 1, leading));
        }
    }
    Ok((fragment, picture))
}

/// Finds a better picture among the leading pictures of the next fragment: with open GOPs, the last pictures that are
/// displayed before a key frame follow it in decoding order. `offset` is the instant and `after` the presentation time
/// of the best picture so far, both relative to the start of this fragment.
fn leading_at(cache: &mut FragmentCache<'_>, fragment: usize, offset: Duration, after: Duration) -> Option<usize> {
    let (this, next) = (cache.span(fragment)?, cache.span(fragment + 1)?);
    let length = next.producer_timestamp.checked_sub(this.producer_timestamp)?;
    if !cache.is_followed(fragment) {
        return None;
    }
    let cached = cache.get(fragment + 1).ok()?;
    let pts = (cached.start + offset).checked_sub(length)?;
    let leading = cached.index.leading_at(pts, cached.start)?;
    let found = (cached.index.pts(leading)? + length).checked_sub(cached.start)?;
    (found > after).then_some(leading)
}

/// Returns the random access picture before a picture, in its fragment or in a contiguous one before it.
fn decode_start(cache: &mut FragmentCache<'_>, position: Position) -> Result<Position, DecodeError> {
    let (fragment, picture) = position;
    if let Some(start) = cache.get(fragment)?.index.random_access_for(picture) {
        return Ok((fragment, start));
    }
    let earliest = fragment.saturating_sub(LOOK_BACK_FRAGMENTS);
    for earlier in (earliest..fragment).rev() {
        if !cache.is_followed(earlier) {
            break;
        }
        if let Some(start) = cache.get(earlier)?.index.last_random_access() {
            return Ok((earlier, start));
        }
    }
    Err(DecodeError::NoKeyFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_overlapping_spans() {
        let key = |fragment| (fragment, 0);
        let joined = join(vec![
            ((0, 0), key(0), 0),
            ((0, 25), key(0), 1),
            ((1, 0), key(1), 2),
            ((1, 0), key(1), 3),
            ((2, 0), key(2), 4),
            ((2, 2), key(1), 5),
            ((2, 9), key(2), 6),
            ((4, 1), key(4), 7),
        ]);
        let shape: Vec<_> = joined.iter().map(|one| (one.start, one.targets.len())).collect();
        assert_eq!(shape, [((0, 0), 2), ((1, 0), 4), ((4, 0), 1)]);
        assert_eq!(joined[1].targets[0].instants, [2, 3]);
    }
}
