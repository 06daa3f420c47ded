//! The fragments that are not settled yet, bounded in bytes and in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::Frame;
use kvs_types::{AckError, FragmentNumber};

use super::budget::BudgetShare;
use super::fragment::{DiskCopy, Fragment, FragmentEnd, Requeued};
use super::spill::{Lane, LiveState, Spill};
use crate::io::session_id::SessionId;
use crate::limits::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD, UNCONFIRMED};
use crate::report::outcome::{LossReason, Persisted};
use crate::report::sink::ReportSink;
use crate::report::span::FragmentId;
use crate::time::millis;

/// Fragments in the order of submission, found by their number without a search.
///
/// The cost of an operation does not depend on how much is buffered: fragments leave at the front, and marks remember where
/// to continue.
#[derive(Debug)]
pub(crate) struct FragmentBuffer {
    pub(super) fragments: VecDeque<Fragment>,
    /// What is on disk, if there is a spool.
    pub(super) spill: Option<Spill>,
    /// The number of the front fragment, or of the next one if there is none.
    first: u64,
    /// No fragment before this one waits to be sent.
    unsent: u64,
    /// No fragment before this one holds a payload: those only wait for an acknowledgement.
    holding: u64,
    bytes: usize,
    peak: usize,
    /// Number of fragments whose payload was freed before their acknowledgement.
    released: usize,
    limit: usize,
    time: Duration,
    share: Option<BudgetShare>,
}

impl FragmentBuffer {
    pub(crate) const fn new(limit: usize, time: Duration, share: Option<BudgetShare>) -> Self {
        Self {
            fragments: VecDeque::new(),
            spill: None,
            first: 1,
            unsent: 1,
            holding: 1,
            bytes: 0,
            peak: 0,
            released: 0,
            limit,
            time,
            share,
        }
    }

    /// Uses a spool for what does not fit.
    #[cfg(feature = "spool")]
    pub(crate) fn with_spill(mut self, spill: Option<Spill>) -> Self {
        self.spill = spill;
        self
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

    /// Whether nothing is left to send, in memory and on disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.spill.as_ref().is_none_or(Spill::is_settled)
    }

    /// Whether the next fragment is being read from the disk.
    pub(crate) fn awaits_disk(&self) -> bool {
        self.spill.as_ref().is_some_and(Spill::awaits_disk)
    }

    pub(super) const fn time_limit(&self) -> Duration {
        self.time
    }

    /// The limit in bytes, or the stream's part of a shared budget.
    pub(super) fn fair_limit(&self) -> usize {
        self.share.as_ref().map_or(self.limit, |share| share.fair_part().min(self.limit))
    }

    pub(super) const fn released(&self) -> usize {
        self.released
    }

    /// While the producer is paused, its pre-roll stays in memory.
    pub(crate) const fn hold(&mut self, is_held: bool) {
        if let Some(spill) = &mut self.spill {
            spill.hold(is_held);
        }
    }

    /// Time from the oldest to the newest held frame. Fragments that only wait for a late acknowledgement do not count.
    #[inline]
    pub(crate) fn duration(&self) -> Duration {
        let oldest = self.index(FragmentId(self.holding.max(self.first))).and_then(|at| self.fragments.get(at));
        match (oldest, self.fragments.back()) {
            (Some(first), Some(last)) => Duration::from_millis(last.latest.saturating_sub(first.start)),
            _ => Duration::ZERO,
        }
    }

    /// The number of the next fragment.
    #[inline]
    pub(crate) fn next_id(&self) -> FragmentId {
        FragmentId(self.first + self.fragments.len() as u64)
    }

    /// A fragment in memory, whether it was read back or never left.
    #[inline]
    pub(crate) fn get(&self, id: FragmentId) -> Option<&Fragment> {
        let loaded = self.spill.as_ref().and_then(|spill| spill.loaded(id));
        loaded.or_else(|| self.live(id))
    }

    fn get_mut(&mut self, id: FragmentId) -> Option<&mut Fragment> {
        let at = self.index(id);
        let loaded = self.spill.as_mut().and_then(|spill| spill.loaded_mut(id));
        loaded.or_else(|| self.fragments.get_mut(at?))
    }

    /// A fragment that never left memory.
    #[inline]
    pub(super) fn live(&self, id: FragmentId) -> Option<&Fragment> {
        self.fragments.get(self.index(id)?)
    }

    pub(super) fn live_mut(&mut self, id: FragmentId) -> Option<&mut Fragment> {
        let at = self.index(id)?;
        self.fragments.get_mut(at)
    }

    fn index(&self, id: FragmentId) -> Option<usize> {
        id.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok())
    }

    /// The fragment that is filling.
    #[inline]
    pub(crate) fn open_mut(&mut self) -> Option<&mut Fragment> {
        self.fragments.back_mut().filter(|fragment| fragment.is_open())
    }

    #[inline]
    pub(crate) fn open(&self) -> Option<&Fragment> {
        self.fragments.back().filter(|fragment| fragment.is_open())
    }

    /// Whether a fragment is complete and not settled: sooner or later it makes room.
    pub(crate) fn has_complete(&self) -> bool {
        self.fragments.iter().any(|fragment| !fragment.is_open() && !fragment.is_settled())
    }

    /// Adds a fragment; its number must be [`next_id`](Self::next_id).
    pub(crate) fn begin(&mut self, fragment: Fragment) {
        debug_assert_eq!(fragment.id, self.next_id());
        self.bytes += fragment.cost();
        self.fragments.push_back(fragment);
    }

    /// Adds a frame to the open fragment, and takes its payload.
    #[inline]
    pub(crate) fn append(&mut self, frame: &mut Frame, at: u64) {
        if let Some(open) = self.open_mut() {
            let cost = open.push(frame, at);
            self.bytes += cost;
            self.peak = self.peak.max(self.bytes);
        }
    }

    /// Accounts for a change of the cost of a fragment.
    pub(crate) fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes.saturating_add(after).saturating_sub(before);
        self.peak = self.peak.max(self.bytes);
        if let Some(spill) = self.spill.as_mut().filter(|_| after < before) {
            spill.on_room();
        }
    }

    /// The first fragment that waits to be sent; with a spool, the first in the order of the configuration.
    #[inline]
    pub(crate) fn next_unsent(&mut self) -> Option<&Fragment> {
        let live = self.next_live();
        if self.spill.is_none() {
            return self.live(live?);
        }
        let state = self.live_state(live);
        match self.spill.as_mut()?.lane(live, state) {
            Lane::Live => self.live(live?),
            Lane::Backlog(id) => self.get(id),
            Lane::Reading => None,
        }
    }

    /// The first fragment that never left memory and waits to be sent.
    fn next_live(&mut self) -> Option<FragmentId> {
        self.unsent = self.unsent.max(self.first);
        loop {
            let at = self.index(FragmentId(self.unsent))?;
            if self.fragments.get(at)?.is_queued() {
                return Some(FragmentId(self.unsent));
            }
            self.unsent += 1;
        }
    }

    fn live_state(&self, next: Option<FragmentId>) -> LiveState {
        let (Some(next), Some(last)) = (next.and_then(|next| self.live(next)), self.fragments.back()) else {
            return LiveState::CaughtUp;
        };
        let waiting = Duration::from_millis(last.latest.saturating_sub(next.start));
        if waiting >= LIVE_DELAY.min(self.time / 4) || self.bytes > self.fair_limit() / 2 {
            LiveState::Urgent
        } else if waiting < CAUGHT_UP {
            LiveState::CaughtUp
        } else {
            LiveState::Behind
        }
    }

    /// Size of the largest frame that fits into the empty buffer.
    pub(crate) const fn largest_frame(&self) -> usize {
        self.limit.saturating_sub(FRAME_OVERHEAD + FRAGMENT_OVERHEAD)
    }

    /// Makes room for a frame of this many bytes, evicting old fragments if `evict` allows it. Returns whether it fits.
    pub(crate) fn make_room(
        &mut self,
        bytes: usize,
        held_elsewhere: usize,
        evict: Evict,
        sink: &mut ReportSink,
    ) -> bool {
        let more = bytes.saturating_add(FRAME_OVERHEAD + FRAGMENT_OVERHEAD).saturating_add(held_elsewhere);
        while !self.has_room_for(more) {
            let has_evicted =
                evict == Evict::Oldest && (self.evict_stored(sink) || self.evict_oldest(&LossReason::BufferFull, sink));
            if !has_evicted {
                return false;
            }
        }
        // What is being written leaves memory in order: the time limit waits for that.
        while self.duration() > self.time && !self.spill.as_ref().is_some_and(Spill::is_writing) {
            if evict == Evict::Nothing {
                return false;
            }
            if !self.evict_oldest(&LossReason::TooOld, sink) {
                break;
            }
        }
        true
    }

    /// Whether `more` bytes fit within the stream's own limit and within the shared budget.
    pub(super) fn has_room_for(&mut self, more: usize) -> bool {
        let all = self.bytes.saturating_add(more);
        all <= self.limit && self.share.as_mut().is_none_or(|share| share.resize(all))
    }

    /// Frees the memory of a fragment that is on disk too: the oldest one, or else what was read last. Returns whether there was
    /// one.
    fn evict_stored(&mut self, sink: &mut ReportSink) -> bool {
        let Some(spill) = &self.spill else { return false };
        if let Some(id) = self.first_evictable(|disk| matches!(disk, DiskCopy::Stored(_))) {
            self.leave_memory(id, sink);
        } else if let Some(id) = spill.last_queued() {
            self.return_to_disk(id, sink);
        } else {
            return false;
        }
        true
    }

    /// Frees the oldest complete fragment that is not being sent. Returns whether there was one.
    fn evict_oldest(&mut self, reason: &LossReason, sink: &mut ReportSink) -> bool {
        let evictable = |fragment: &&Fragment| fragment.is_evictable() && fragment.disk != DiskCopy::Writing;
        let oldest = self.fragments.iter().skip(self.first_holding()).find(evictable);
        let Some((id, is_sent, disk)) = oldest.map(|fragment| (fragment.id, fragment.is_sent(), fragment.disk)) else {
            return false;
        };
        if matches!(disk, DiskCopy::Stored(_)) {
            self.leave_memory(id, sink);
        } else if is_sent && self.released < UNCONFIRMED {
            // The service probably has it: only its payload goes, and the acknowledgement is still awaited.
            self.release(id);
        } else if is_sent {
            self.lose(id, LossReason::Unconfirmed, sink);
        } else {
            self.lose(id, reason.clone(), sink);
        }
        true
    }

    /// Index of the first fragment that holds a payload.
    pub(super) fn first_holding(&self) -> usize {
        self.index(FragmentId(self.holding.max(self.first))).unwrap_or(0)
    }

    /// Frees the payload of a sent fragment, whose acknowledgement is still awaited.
    pub(super) fn release(&mut self, id: FragmentId) {
        self.change(id, Fragment::release);
    }

    /// Changes the state of a fragment and accounts for what that frees.
    fn change(&mut self, id: FragmentId, change: impl FnOnce(&mut Fragment)) {
        let Some(fragment) = self.get_mut(id) else { return };
        let (cost, was_released) = (fragment.cost(), fragment.is_released());
        change(fragment);
        let (new_cost, is_released) = (fragment.cost(), fragment.is_released());
        self.recount(cost, new_cost);
        self.released = self.released + usize::from(is_released) - usize::from(was_released);
        self.skip_without_payload();
    }

    /// Moves the mark to the first fragment that holds a payload. Over the buffer's life it passes each fragment once.
    fn skip_without_payload(&mut self) {
        self.holding = self.holding.max(self.first);
        while self
            .live(FragmentId(self.holding))
            .is_some_and(|fragment| fragment.is_settled() || fragment.is_released())
        {
            self.holding += 1;
        }
    }

    pub(super) fn settle(&mut self, id: FragmentId) {
        self.change(id, Fragment::settle);
        if let Some(spill) = &mut self.spill {
            spill.forget(id);
        }
        let bytes = self.bytes;
        if let Some(share) = &mut self.share {
            share.resize(bytes);
        }
        while self.fragments.front().is_some_and(Fragment::is_settled) {
            self.fragments.pop_front();
            self.first += 1;
        }
    }

    /// Settles a fragment that the service stored. Returns whether it waited for that.
    pub(crate) fn persist(
        &mut self,
        id: FragmentId,
        number: Option<FragmentNumber>,
        now: Instant,
        sink: &mut ReportSink,
    ) -> bool {
        let Some(fragment) = self.get(id) else { return false };
        let Some(sent) = fragment.sent_at() else { return false };
        let latency = now.saturating_duration_since(sent);
        let span = fragment.span();
        self.settle_on_disk(id);
        self.settle(id);
        sink.persisted(Persisted { fragment: id, number, span, latency });
        true
    }

    /// A restart does not send the fragment again.
    fn settle_on_disk(&mut self, id: FragmentId) {
        if let Some(DiskCopy::Stored(key)) = self.get(id).map(|fragment| fragment.disk)
            && let Some(spill) = &mut self.spill
        {
            spill.settle(key);
        }
    }

    /// Settles a fragment that the service stored in an earlier session, unless it is being sent again right now: stopping
    /// that would cost the session. Returns whether it did.
    pub(crate) fn persist_late(
        &mut self,
        id: FragmentId,
        number: Option<FragmentNumber>,
        now: Instant,
        sink: &mut ReportSink,
    ) -> bool {
        let Some(fragment) = self.get(id).filter(|fragment| fragment.was_sent_and_waits()) else { return false };
        let latency = fragment.sent_at().map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        let span = fragment.span();
        self.settle_on_disk(id);
        self.settle(id);
        sink.persisted(Persisted { fragment: id, number, span, latency });
        true
    }

    /// Settles a complete fragment that will not be delivered.
    pub(crate) fn lose(&mut self, id: FragmentId, reason: LossReason, sink: &mut ReportSink) {
        if self.get(id).is_some_and(|fragment| !fragment.is_settled()) {
            self.settle_lost(id, reason, sink);
        }
    }

    fn settle_lost(&mut self, id: FragmentId, reason: LossReason, sink: &mut ReportSink) {
        let Some(span) = self.get(id).map(Fragment::span) else { return };
        self.settle_on_disk(id);
        self.settle(id);
        sink.lost(Some(id), span, reason);
    }

    /// Counts an error acknowledgement for a fragment and returns in how many sessions that happened.
    pub(crate) fn count_rejection(&mut self, id: FragmentId, session: SessionId) -> u32 {
        self.get_mut(id).map_or(0, |fragment| fragment.count_rejection(session))
    }

    /// Loses a fragment that the service rejected; one that is still filling, as soon as it is complete.
    pub(crate) fn reject(&mut self, id: FragmentId, error: AckError, sink: &mut ReportSink) {
        let Some(fragment) = self.get(id) else { return };
        if fragment.is_open() {
            self.change(id, |fragment| fragment.condemn(LossReason::Rejected(error)));
        } else {
            self.lose(id, LossReason::Rejected(error), sink);
        }
    }

    /// Completes the open fragment.
    pub(crate) fn seal(&mut self, end: FragmentEnd, sink: &mut ReportSink) {
        let Some(open) = self.open_mut() else { return };
        let id = open.id;
        if let Some(reason) = open.complete(end) {
            self.settle_lost(id, reason, sink);
        }
    }

    pub(crate) fn start_sending(&mut self, id: FragmentId, session: SessionId) {
        self.change(id, |fragment| fragment.start_sending(session));
    }

    pub(crate) fn finish_sending(&mut self, id: FragmentId, session: SessionId, now: Instant) {
        self.change(id, |fragment| fragment.finish_sending(session, now));
    }

    /// Handles the end of a session: what it had sent and what is not settled waits again.
    pub(crate) fn requeue(&mut self, session: SessionId, sink: &mut ReportSink) {
        let mut unconfirmed = Vec::new();
        let mut earliest = self.unsent;
        for fragment in &mut self.fragments {
            match fragment.requeue(session) {
                Requeued::Queued => earliest = earliest.min(fragment.id.0),
                Requeued::PayloadFreed => unconfirmed.push((fragment.id, fragment.disk)),
                Requeued::Unaffected => {}
            }
        }
        self.unsent = earliest;
        for fragment in self.spill.iter_mut().flat_map(Spill::all_loaded_mut) {
            fragment.requeue(session);
        }
        for (id, disk) in unconfirmed {
            match disk {
                DiskCopy::Stored(_) => self.return_to_disk(id, sink),
                DiskCopy::None | DiskCopy::Writing | DiskCopy::Unfit => self.lose(id, LossReason::Unconfirmed, sink),
            }
        }
    }

    /// Drops what is older than the newest `keep`, from fragment `hold` on: the pre-roll while the producer is paused.
    pub(crate) fn trim_from(&mut self, hold: FragmentId, keep: Duration, sink: &mut ReportSink) {
        let newest = self.fragments.back().map_or(0, |fragment| fragment.latest);
        let floor = newest.saturating_sub(millis(keep));
        let mut id = FragmentId(hold.0.max(self.first));
        // A fragment that only starts before the pre-roll is kept whole, because it contains the key frame.
        while let Some(fragment) = self.live(id).filter(|fragment| !fragment.is_open() && fragment.latest < floor) {
            let next = FragmentId(fragment.id.0 + 1);
            self.lose(id, LossReason::Paused, sink);
            id = next;
        }
    }

    /// Loses everything that is left and not in the spool, at the end of a stop.
    pub(crate) fn lose_all(&mut self, reason: &LossReason, sink: &mut ReportSink) {
        self.leave_in_spool(sink);
        while let Some(front) = self.fragments.front_mut() {
            let (id, was_settled) = (front.id, front.is_settled());
            front.complete(FragmentEnd::NextCluster);
            if was_settled {
                self.settle(id);
            } else {
                self.settle_lost(id, reason.clone(), sink);
            }
        }
    }
}

/// Whether older media may be dropped to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evict {
    Oldest,
    Nothing,
}

/// With a spool that sends live media first: how much of it waits before the backlog makes way.
const LIVE_DELAY: Duration = Duration::from_secs(10);
/// Less waiting live media than this is the beginning of a fragment.
const CAUGHT_UP: Duration = Duration::from_secs(1);
