//! One order for the frames of all tracks, with a bounded wait for the slow ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::{Frame, Tag, TrackNumber};

use crate::media::timeline::millis;
use crate::tags::FragmentEvent;

/// Reorders frames of several tracks by time; a single track passes through untouched.
///
/// Frames of one track keep their order. A frame is released once every other track has shown that nothing earlier comes, or
/// when it has waited long enough: then the tracks that gave nothing count as silent until they do.
///
/// A key frame of the leading track waits for the frame after it, because pictures shown before it may follow it (open
/// groups, B-frames): the boundary then lies before the earliest of them, so that no sound between them and the key frame ends
/// up in the fragment before.
#[derive(Debug)]
pub(crate) struct Interleaver {
    lanes: Vec<Lane>,
    wait: Duration,
    span: u64,
    bytes: usize,
    /// A fragment may soon be cut without a key frame: any picture shown after all before it may begin the next one.
    cut_is_near: bool,
}

#[derive(Debug)]
struct Lane {
    track: TrackNumber,
    lead: bool,
    queue: VecDeque<Held>,
    /// The latest order given: frames shown out of order go out where they were decoded.
    newest: u64,
    /// The latest time of a frame.
    latest: u64,
    /// Pictures come that are shown before one that came earlier.
    reorders: bool,
    silent: bool,
}

/// A frame that waits, with what was put right after it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) frame: Frame,
    pub(crate) extras: Vec<Extra>,
    /// Where it stands among all tracks, in ms.
    order: u64,
    /// A key frame whose leading pictures may still come.
    boundary: Boundary,
    arrived: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    None,
    Unsure,
    Sure,
}

/// What belongs to the fragment of the frame it follows.
#[derive(Debug)]
pub(crate) enum Extra {
    Tag(Tag),
    Event(FragmentEvent),
    End,
}

/// What the interleaver gives out.
#[derive(Debug)]
pub(crate) enum Out {
    Frame(Held),
    Silent(TrackNumber),
}

impl Interleaver {
    pub(crate) fn new(tracks: &[TrackNumber], lead: TrackNumber, wait: Duration, span: Duration) -> Self {
        let lane = |&track: &TrackNumber| Lane {
            track,
            lead: track == lead,
            queue: VecDeque::new(),
            newest: 0,
            latest: 0,
            reorders: false,
            silent: false,
        };
        Self { lanes: tracks.iter().map(lane).collect(), wait, span: millis(span), bytes: 0, cut_is_near: false }
    }

    /// Whether frames need not be queued at all.
    pub(crate) fn is_single(&self) -> bool {
        self.lanes.len() == 1
    }

    /// Payload bytes that wait.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many frames wait.
    pub(crate) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.queue.len()).sum()
    }

    /// Whether a cut without a key frame is near.
    pub(crate) const fn set_cut_is_near(&mut self, near: bool) {
        self.cut_is_near = near;
    }

    /// Times begin anew: what comes has nothing to do with what came.
    pub(crate) fn restart(&mut self) {
        for lane in &mut self.lanes {
            (lane.newest, lane.latest) = (0, 0);
        }
    }

    /// Takes a frame whose time is on the common axis; says whether its track had been silent.
    pub(crate) fn push(&mut self, frame: Frame, now: Instant) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track == frame.track) else { return false };
        self.bytes += frame.data.len();
        lane.push(frame, self.cut_is_near, now);
        std::mem::take(&mut lane.silent)
    }

    /// Attaches something to the last frame of the leading track that waits; hands it back when none does.
    pub(crate) fn attach(&mut self, extra: Extra) -> Result<(), Extra> {
        match self.lanes.iter_mut().find(|lane| lane.lead).and_then(|lane| lane.queue.back_mut()) {
            Some(held) => {
                held.extras.push(extra);
                Ok(())
            }
            None => Err(extra),
        }
    }

    /// The extras that wait behind the last key frame, and whether such a key frame waits.
    pub(crate) fn waiting_extras(&self) -> (bool, impl Iterator<Item = &Extra>) {
        let lead = self.lanes.iter().find(|lane| lane.lead);
        let queue = lead.map(|lane| &lane.queue);
        let from = queue.and_then(|queue| queue.iter().rposition(|held| held.frame.keyframe));
        let extras = queue.into_iter().flat_map(move |queue| queue.iter().skip(from.unwrap_or(0)));
        (from.is_some(), extras.flat_map(|held| &held.extras))
    }

    /// The next frame in order, if it may go.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Out> {
        let empty = self.lanes.iter().position(|lane| lane.queue.is_empty() && !lane.silent);
        if let Some(empty) = empty {
            if !self.waited(now) {
                return None;
            }
            let lane = self.lanes.get_mut(empty)?;
            lane.silent = true;
            return Some(Out::Silent(lane.track));
        }
        if self.is_unsure() && !self.waited(now) {
            return None;
        }
        self.release().map(Out::Frame)
    }

    /// Whether the next frame in order might still change: pictures shown before it may follow, and with them the boundary moves
    /// to before the sound that is next.
    fn is_unsure(&self) -> bool {
        let unsure = |held: &Held| held.boundary == Boundary::Unsure;
        let moves = |lane: &Lane| lane.reorders && lane.queue.front().is_some_and(unsure);
        self.first().is_some_and(unsure) || self.lanes.iter().any(moves)
    }

    /// The next frame in order, whether it should wait or not.
    pub(crate) fn flush(&mut self) -> Option<Held> {
        self.release()
    }

    /// When a frame has waited long enough.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        let oldest = self.lanes.iter().filter_map(|lane| lane.queue.front()).map(|held| held.arrived).min()?;
        oldest.checked_add(self.wait)
    }

    fn waited(&self, now: Instant) -> bool {
        self.timeout().is_some_and(|at| at <= now) || self.lanes.iter().any(|lane| lane.span() > self.span)
    }

    fn first(&self) -> Option<&Held> {
        self.first_lane().and_then(|at| self.lanes.get(at)?.queue.front())
    }

    /// The lane with the earliest frame; at one time the leading track goes first, so that its key frame opens the fragment.
    fn first_lane(&self) -> Option<usize> {
        let heads = self.lanes.iter().enumerate();
        let heads = heads.filter_map(|(at, lane)| lane.queue.front().map(|held| (held.order, !lane.lead, at)));
        heads.min().map(|(_, _, at)| at)
    }

    fn release(&mut self) -> Option<Held> {
        let at = self.first_lane()?;
        let held = self.lanes.get_mut(at)?.queue.pop_front()?;
        self.bytes -= held.frame.data.len();
        Some(held)
    }
}

impl Lane {
    fn push(&mut self, frame: Frame, cut_is_near: bool, now: Instant) {
        let at = millis(frame.pts);
        self.reorders |= self.lead && at < self.latest;
        let may_begin = frame.keyframe || cut_is_near && self.reorders && at > self.latest;
        self.latest = self.latest.max(at);
        let (order, boundary) = if self.lead && may_begin {
            (at, Boundary::Unsure)
        } else if let Some(key) = self.unsure_key() {
            if at < millis(key.frame.pts) {
                key.order = key.order.min(at);
                (key.order, Boundary::None)
            } else {
                key.boundary = Boundary::Sure;
                (at, Boundary::None)
            }
        } else {
            (at.max(self.newest), Boundary::None)
        };
        // The key frame before is as sure as it gets once another follows.
        if let Some(key) = self.unsure_key().filter(|_| boundary == Boundary::Unsure) {
            key.boundary = Boundary::Sure;
        }
        self.newest = self.newest.max(order);
        self.queue.push_back(Held { frame, extras: Vec::new(), order, boundary, arrived: now });
    }

    fn unsure_key(&mut self) -> Option<&mut Held> {
        self.queue
            .iter_mut()
            .rev()
            .find(|held| held.boundary != Boundary::None)
            .filter(|held| held.boundary == Boundary::Unsure)
    }

    fn span(&self) -> u64 {
        match (self.queue.front(), self.queue.back()) {
            (Some(first), Some(last)) => last.order.saturating_sub(first.order),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: TrackNumber = TrackNumber::ONE;
    const A: TrackNumber = TrackNumber::TWO;

    fn av() -> Interleaver {
        Interleaver::new(&[V, A], V, Duration::from_secs(2), Duration::from_secs(5))
    }

    fn frame(track: TrackNumber, ms: u64, keyframe: bool) -> Frame {
        Frame::new(track, Duration::from_millis(ms), vec![0; 10]).with_keyframe(keyframe)
    }

    fn order(lanes: &mut Interleaver, now: Instant) -> Vec<(u64, u64)> {
        let mut order = Vec::new();
        while let Some(Out::Frame(held)) = lanes.pop(now) {
            order.push((held.frame.track.get(), millis(held.frame.pts)));
        }
        order
    }

    #[test]
    fn at_one_time_the_key_frame_goes_before_the_sound() {
        let (mut lanes, now) = (av(), Instant::now());
        lanes.push(frame(A, 1000, false), now);
        lanes.push(frame(V, 1000, true), now);
        lanes.push(frame(V, 1040, false), now);
        lanes.push(frame(A, 1020, false), now);
        lanes.push(frame(A, 1041, false), now);
        assert_eq!(order(&mut lanes, now), [(1, 1000), (2, 1000), (2, 1020), (1, 1040)]);
        assert_eq!(lanes.bytes(), 10);
    }

    #[test]
    fn sound_between_leading_pictures_and_their_key_frame_follows_the_key_frame() {
        let (mut lanes, now) = (av(), Instant::now());
        for ms in [900, 930, 970, 1010, 1050, 1090] {
            lanes.push(frame(A, ms, false), now);
        }
        lanes.push(frame(V, 1000, true), now);
        assert_eq!(order(&mut lanes, now), [(2, 900), (2, 930), (2, 970)]);
        let (mut lanes, now) = (av(), Instant::now());
        for ms in [900, 930, 970, 1010, 1050, 1090] {
            lanes.push(frame(A, ms, false), now);
        }
        for (ms, key) in [(1000, true), (920, false), (960, false), (1080, false)] {
            lanes.push(frame(V, ms, key), now);
        }
        let expected = [(2, 900), (1, 1000), (1, 920), (1, 960), (2, 930), (2, 970), (2, 1010), (2, 1050), (1, 1080)];
        assert_eq!(order(&mut lanes, now), expected);
    }

    /// As a camera gives them: the sound is there before the pictures it belongs to.
    #[test]
    fn sound_waits_for_leading_pictures_where_there_were_some_before() {
        let (mut lanes, now) = (av(), Instant::now());
        for (ms, key) in [(0, true), (80, false), (40, false), (120, false)] {
            lanes.push(frame(V, ms, key), now);
        }
        for ms in [10, 60, 130, 170, 210, 250, 290] {
            lanes.push(frame(A, ms, false), now);
        }
        order(&mut lanes, now);
        lanes.push(frame(V, 200, true), now);
        assert_eq!(order(&mut lanes, now), [], "the key frame's leading pictures may be shown before 130");
        lanes.push(frame(V, 160, false), now);
        lanes.push(frame(V, 240, false), now);
        assert_eq!(order(&mut lanes, now), [(2, 130), (1, 200), (1, 160), (2, 170), (2, 210), (1, 240)]);
    }

    #[test]
    fn near_a_cut_any_picture_after_all_before_it_may_be_the_boundary() {
        let (mut lanes, now) = (av(), Instant::now());
        for (ms, key) in [(0, true), (80, false), (40, false)] {
            lanes.push(frame(V, ms, key), now);
        }
        lanes.set_cut_is_near(true);
        lanes.push(frame(V, 160, false), now);
        for ms in [10, 60, 90, 130, 170] {
            lanes.push(frame(A, ms, false), now);
        }
        lanes.push(frame(V, 120, false), now);
        lanes.push(frame(V, 240, false), now);
        let expected = [(1, 0), (2, 10), (2, 60), (1, 80), (1, 40), (2, 90), (1, 160), (1, 120)];
        assert_eq!(order(&mut lanes, now), expected, "and the next one may be it as well");
    }

    #[test]
    fn a_stalled_track_holds_the_others_no_longer_than_the_wait() {
        let (mut lanes, now) = (av(), Instant::now());
        lanes.push(frame(V, 0, true), now);
        lanes.push(frame(V, 40, false), now);
        assert!(lanes.pop(now).is_none());
        assert_eq!(lanes.timeout(), Some(now + Duration::from_secs(2)));
        let later = now + Duration::from_secs(2);
        assert!(matches!(lanes.pop(later), Some(Out::Silent(A))));
        assert_eq!(order(&mut lanes, later), [(1, 0), (1, 40)]);
        assert!(lanes.push(frame(A, 60, false), later), "the track is back");
        assert!(!lanes.push(frame(A, 80, false), later));
    }

    #[test]
    fn a_source_faster_than_real_time_is_bounded_by_its_own_time() {
        let (mut lanes, now) = (av(), Instant::now());
        for n in 0..=125 {
            lanes.push(frame(V, n * 40, n == 0), now);
        }
        assert!(lanes.pop(now).is_none());
        lanes.push(frame(V, 5040, false), now);
        assert!(matches!(lanes.pop(now), Some(Out::Silent(A))));
    }
}
