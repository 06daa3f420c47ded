//! The fragments that are not settled yet, bounded in bytes and in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::Frame;
use kvs_types::FragmentNumber;

use crate::ack::AckError;
use crate::buffer::budget::Share;
use crate::buffer::fragment::{Delivery, Filling, Fragment};
use crate::io::control::SessionId;
use crate::limits::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD, UNCONFIRMED};
use crate::report::event::{FragmentId, LossReason, Persisted};
use crate::report::sink::Reports;

/// Fragments in the order of submission, found by their number without a search.
///
/// Every step costs the same whatever is buffered: fragments leave at the front, and the next one to send is a number.
#[derive(Debug)]
pub(crate) struct Buffer {
    fragments: VecDeque<Fragment>,
    /// The number of the front fragment, or of the next one where there is none.
    first: u64,
    /// No fragment before this one waits to be sent.
    unsent: u64,
    /// No fragment before this one holds a payload: those wait for an ack only.
    holding: u64,
    bytes: usize,
    peak: usize,
    given_up: usize,
    limit: usize,
    time: Duration,
    share: Option<Share>,
}

impl Buffer {
    pub(crate) const fn new(limit: usize, time: Duration, share: Option<Share>) -> Self {
        Self {
            fragments: VecDeque::new(),
            first: 1,
            unsent: 1,
            holding: 1,
            bytes: 0,
            peak: 0,
            given_up: 0,
            limit,
            time,
            share,
        }
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn len(&self) -> usize {
        self.fragments.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty()
    }

    /// From the oldest frame held to the newest. Fragments that only wait for a late ack do not count.
    #[inline]
    pub(crate) fn span(&self) -> Duration {
        let oldest = self.at(FragmentId(self.holding.max(self.first))).and_then(|at| self.fragments.get(at));
        match (oldest, self.fragments.back()) {
            (Some(first), Some(last)) => Duration::from_millis(last.latest.saturating_sub(first.start)),
            _ => Duration::ZERO,
        }
    }

    /// The number the next fragment gets.
    #[inline]
    pub(crate) fn next_id(&self) -> FragmentId {
        FragmentId(self.first + self.fragments.len() as u64)
    }

    #[inline]
    pub(crate) fn get(&self, id: FragmentId) -> Option<&Fragment> {
        self.fragments.get(self.at(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: FragmentId) -> Option<&mut Fragment> {
        let at = self.at(id)?;
        self.fragments.get_mut(at)
    }

    fn at(&self, id: FragmentId) -> Option<usize> {
        id.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok())
    }

    /// The fragment that is being filled.
    #[inline]
    pub(crate) fn open_mut(&mut self) -> Option<&mut Fragment> {
        self.fragments.back_mut().filter(|fragment| fragment.is_open())
    }

    #[inline]
    pub(crate) fn open(&self) -> Option<&Fragment> {
        self.fragments.back().filter(|fragment| fragment.is_open())
    }

    /// Begins a fragment; its number must be [`next_id`](Self::next_id).
    pub(crate) fn begin(&mut self, fragment: Fragment) {
        debug_assert_eq!(fragment.id, self.next_id());
        self.bytes += fragment.cost();
        self.fragments.push_back(fragment);
    }

    /// Adds a frame to the open fragment.
    #[inline]
    pub(crate) fn append(&mut self, frame: Frame, at: u64) {
        if let Some(open) = self.open_mut() {
            let cost = if open.delivery == Delivery::Condemned { 0 } else { frame.data.len() + FRAME_OVERHEAD };
            open.push(frame, at);
            self.bytes += cost;
            self.peak = self.peak.max(self.bytes);
        }
    }

    /// Accounts for what a change of the open fragment's tags cost.
    pub(crate) fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
        self.peak = self.peak.max(self.bytes);
    }

    /// The first fragment that waits to be sent.
    #[inline]
    pub(crate) fn next_unsent(&mut self) -> Option<&Fragment> {
        self.unsent = self.unsent.max(self.first);
        loop {
            let at = self.at(FragmentId(self.unsent))?;
            match self.fragments.get(at)?.delivery {
                Delivery::Waiting => return self.fragments.get(at),
                _ => self.unsent += 1,
            }
        }
    }

    /// Bytes of the largest frame that could ever fit.
    pub(crate) const fn largest_frame(&self) -> usize {
        self.limit.saturating_sub(FRAME_OVERHEAD + FRAGMENT_OVERHEAD)
    }

    /// Whether a frame of this many bytes fits now, or does once older fragments are gone.
    pub(crate) fn make_room(
        &mut self,
        bytes: usize,
        held_elsewhere: usize,
        drop_oldest: Evict,
        reports: &mut Reports,
    ) -> bool {
        let more = bytes.saturating_add(FRAME_OVERHEAD + FRAGMENT_OVERHEAD).saturating_add(held_elsewhere);
        while !self.holds(more) {
            if drop_oldest == Evict::Nothing || !self.evict_oldest(&LossReason::BufferFull, reports) {
                return false;
            }
        }
        while self.span() > self.time {
            if drop_oldest == Evict::Nothing {
                return false;
            }
            if !self.evict_oldest(&LossReason::TooOld, reports) {
                break;
            }
        }
        true
    }

    /// Whether so much more is within the stream's own limit and within what it shares.
    fn holds(&mut self, more: usize) -> bool {
        let all = self.bytes.saturating_add(more);
        all <= self.limit && self.share.as_mut().is_none_or(|share| share.hold(all))
    }

    /// Lets the oldest sealed fragment go that is not on the wire; says whether there was one.
    fn evict_oldest(&mut self, reason: &LossReason, reports: &mut Reports) -> bool {
        let from = self.at(FragmentId(self.holding.max(self.first))).unwrap_or(0);
        let may_go = |fragment: &Fragment| {
            !fragment.is_open() && matches!(fragment.delivery, Delivery::Waiting | Delivery::Sent { .. })
        };
        let Some(at) = self.fragments.iter().skip(from).position(may_go).map(|at| at + from) else { return false };
        let id = FragmentId(self.first + at as u64);
        match self.fragments.get(at).map(|fragment| fragment.delivery) {
            Some(Delivery::Sent { session, at }) if self.given_up < UNCONFIRMED => self.give_up(id, session, at),
            Some(Delivery::Sent { .. }) => self.lose(id, LossReason::Unconfirmed, reports),
            _ => self.lose(id, reason.clone(), reports),
        }
        true
    }

    /// Frees a sent fragment's payload; its ack may still come.
    fn give_up(&mut self, id: FragmentId, session: SessionId, at: Instant) {
        self.given_up += 1;
        self.set(id, Delivery::GivenUp { session, at });
    }

    fn set(&mut self, id: FragmentId, delivery: Delivery) {
        let Some(fragment) = self.get_mut(id) else { return };
        let before = fragment.cost();
        let was_given_up = matches!(fragment.delivery, Delivery::GivenUp { .. });
        fragment.delivery = delivery;
        if matches!(delivery, Delivery::Done | Delivery::Condemned | Delivery::GivenUp { .. }) {
            fragment.frames = Vec::new();
        }
        let after = fragment.cost();
        self.recount(before, after);
        if was_given_up {
            self.given_up -= 1;
        }
        self.skip_settled();
    }

    /// Keeps the mark on the first fragment that holds a payload; over a buffer's life each is passed once.
    fn skip_settled(&mut self) {
        self.holding = self.holding.max(self.first);
        while let Some(fragment) = self.get(FragmentId(self.holding)) {
            if !matches!(fragment.delivery, Delivery::Done | Delivery::GivenUp { .. }) {
                break;
            }
            self.holding += 1;
        }
    }

    fn settle(&mut self, id: FragmentId) {
        self.set(id, Delivery::Done);
        let bytes = self.bytes;
        if let Some(share) = &mut self.share {
            share.hold(bytes);
        }
        while self.fragments.front().is_some_and(|fragment| fragment.delivery == Delivery::Done && !fragment.is_open())
        {
            self.fragments.pop_front();
            self.first += 1;
        }
    }

    /// The service stored a fragment; says whether that settled one.
    pub(crate) fn persist(
        &mut self,
        id: FragmentId,
        number: Option<FragmentNumber>,
        now: Instant,
        reports: &mut Reports,
    ) -> bool {
        let Some(fragment) = self.get(id) else { return false };
        let (Delivery::Sent { at: sent, .. } | Delivery::GivenUp { at: sent, .. }) = fragment.delivery else {
            return false;
        };
        let latency = now.saturating_duration_since(sent);
        let span = fragment.span();
        self.settle(id);
        reports.persisted(Persisted { fragment: id, number, span, latency });
        true
    }

    /// A fragment will not be delivered.
    pub(crate) fn lose(&mut self, id: FragmentId, reason: LossReason, reports: &mut Reports) {
        let Some(fragment) = self.get(id) else { return };
        if fragment.delivery == Delivery::Done {
            return;
        }
        let span = fragment.span();
        self.settle(id);
        reports.lost(Some(id), span, reason);
    }

    /// An error ack spoke of a fragment; says in how many sessions that has happened. An ack that comes twice counts once.
    pub(crate) fn refuse(&mut self, id: FragmentId, session: SessionId) -> u32 {
        self.get_mut(id).map_or(0, |fragment| {
            if fragment.refused_in.replace(session) != Some(session) {
                fragment.refusals += 1;
            }
            fragment.refusals
        })
    }

    /// A fragment is lost because the service refused it; one that is still being filled, once it is complete.
    pub(crate) fn reject(&mut self, id: FragmentId, error: AckError, reports: &mut Reports) {
        let Some(fragment) = self.get_mut(id) else { return };
        if fragment.is_open() {
            fragment.condemned = Some(LossReason::Rejected(error));
            self.set(id, Delivery::Condemned);
        } else {
            self.lose(id, LossReason::Rejected(error), reports);
        }
    }

    /// No frame comes any more for the open fragment.
    pub(crate) fn seal(&mut self, filling: Filling, reports: &mut Reports) {
        let Some(open) = self.open_mut() else { return };
        open.filling = filling;
        let id = open.id;
        if let Some(reason) = open.condemned.take() {
            self.lose(id, reason, reports);
        }
    }

    pub(crate) fn sending(&mut self, id: FragmentId, session: SessionId) {
        self.set(id, Delivery::Sending { session });
    }

    pub(crate) fn sent(&mut self, id: FragmentId, session: SessionId, now: Instant) {
        self.set(id, Delivery::Sent { session, at: now });
    }

    /// A session is over: what it carried and what is not settled waits again.
    pub(crate) fn requeue(&mut self, session: SessionId, reports: &mut Reports) {
        let mut given_up = Vec::new();
        let mut earliest = self.unsent;
        for fragment in &mut self.fragments {
            match fragment.delivery {
                Delivery::Sending { session: by } | Delivery::Sent { session: by, .. } if by == session => {
                    fragment.sent_before |= matches!(fragment.delivery, Delivery::Sent { .. });
                    fragment.delivery = Delivery::Waiting;
                    earliest = earliest.min(fragment.id.0);
                }
                Delivery::GivenUp { session: by, .. } if by == session => given_up.push(fragment.id),
                _ => {}
            }
        }
        self.unsent = earliest;
        for id in given_up {
            self.lose(id, LossReason::Unconfirmed, reports);
        }
    }

    /// While paused only the newest `keep` of what was put since stays.
    pub(crate) fn trim_from(&mut self, hold: FragmentId, keep: Duration, reports: &mut Reports) {
        let newest = self.fragments.back().map_or(0, |fragment| fragment.latest);
        let floor = newest.saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        let mut id = FragmentId(hold.0.max(self.first));
        // A fragment that only begins before the pre-roll is kept whole: it holds the key frame.
        while let Some(fragment) = self.get(id).filter(|fragment| !fragment.is_open() && fragment.latest < floor) {
            let next = FragmentId(fragment.id.0 + 1);
            self.lose(id, LossReason::Paused, reports);
            id = next;
        }
    }

    /// Gives everything up, for the end of a stop.
    pub(crate) fn lose_all(&mut self, reason: &LossReason, reports: &mut Reports) {
        while let Some(front) = self.fragments.front_mut() {
            front.filling = Filling::Sealed;
            let id = front.id;
            if front.delivery == Delivery::Done {
                self.settle(id);
            } else {
                self.lose(id, reason.clone(), reports);
            }
        }
    }
}

/// Whether older media may go to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evict {
    Oldest,
    Nothing,
}
