//! One PutMedia session: its position in the buffer, and what it waits for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_mkv::{BlockPosition, Chunks, SegmentInfo, WriteError, Writer};

use super::flight::Flight;
use super::intent::EndPolicy;
use super::send_window::{Next, SendWindow};
use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::Fragment;
use crate::buffer::fragment_buffer::FragmentBuffer;
use crate::context::Context;
use crate::io::ack_parser::AckParser;
use crate::io::session_id::SessionId;
use crate::limits::{SEND_WINDOW, TRANSPORT_IS_FULL};
use crate::report::span::FragmentId;

/// What one session has sent and what it waits for. It carries fragments of one epoch, in rising time.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    epoch: Arc<Epoch>,
    writer: Writer,
    cursor: Cursor,
    /// Fragments that were started in this session and are not settled, by their timecode on the wire.
    unsettled: BTreeMap<u64, Flight>,
    /// The latest timecode that was settled.
    settled: Option<u64>,
    /// Fragments of this session that are persisted.
    pub(super) persisted: u64,
    /// Body bytes that the transport has accepted.
    pub(super) accepted: u64,
    pub(super) acks: AckParser,
    /// Bytes that the transport has not accepted yet.
    in_flight: usize,
    /// A number of bytes that the transport had not accepted at some time, and that time.
    mark: Option<(usize, Instant)>,
    /// When the peer last showed activity.
    last_activity: Instant,
    /// When to end the session at the next boundary.
    pub(super) rotate_at: Instant,
    /// The latest frame time that was sent: the next fragment must be later.
    latest: u64,
    last_started: Option<FragmentId>,
    /// The fragment that an end mark follows although it has none itself, because the window was full behind it.
    marked: Option<FragmentId>,
}

/// Where the next byte comes from.
///
/// ```text
/// Start --header--> Boundary --cluster--> Inside --last block--> Trailer --tags, end mark--> Boundary
///                    |    ^
///                    |    `--the window is full: end mark, wait
///                    `--nothing follows--> Ended
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Start,
    Boundary,
    Inside { fragment: FragmentId, next: BlockPosition },
    Trailer { fragment: FragmentId },
    Ended,
}

/// What a session does next.
#[derive(Debug)]
pub(super) enum Step {
    /// Send what was appended.
    Send,
    /// The body is complete.
    End,
    /// The fragment being sent is lost, or no longer fits the header of the session.
    Superseded,
    /// There is nothing to send and nothing was sent: the connection is useless.
    Useless,
}

/// What follows within a fragment.
enum NextBlocks {
    /// They were appended.
    Some { resent: bool },
    /// The fragment is filling, and all of its blocks are sent.
    Awaited,
    /// The fragment ends, is gone, or is not begun.
    Other,
}

/// What follows at a fragment boundary.
enum AtBoundary {
    Cluster,
    Wait,
    /// The window is full: this mark ends the last fragment.
    Mark(Bytes),
    End,
}

impl Session {
    pub(super) fn new(
        id: SessionId,
        uid: [u8; 16],
        writing_app: &str,
        first: &Fragment,
        rotate_at: Instant,
        now: Instant,
    ) -> Option<Self> {
        let writer = Writer::new(SegmentInfo::new(uid).with_app(writing_app), first.epoch.tracks.clone()).ok()?;
        Some(Self {
            id,
            epoch: Arc::clone(&first.epoch),
            writer,
            cursor: Cursor::Start,
            unsettled: BTreeMap::new(),
            settled: None,
            persisted: 0,
            accepted: 0,
            acks: AckParser::new(),
            in_flight: 0,
            mark: None,
            last_activity: now,
            rotate_at,
            latest: 0,
            last_started: None,
            marked: None,
        })
    }

    /// Returns the next step, or `None` if there is nothing to do or the transport is full. What is to be sent is appended to `out`,
    /// which is empty: moving it through the results of the poll took a tenth of the time of a frame.
    #[inline]
    pub(super) fn poll(
        &mut self,
        end_policy: EndPolicy,
        hold: Option<FragmentId>,
        window: &mut SendWindow,
        out: &mut Chunks,
        cx: &mut Context,
    ) -> Option<Step> {
        if self.in_flight >= SEND_WINDOW {
            return None;
        }
        match self.next_blocks(out, cx) {
            NextBlocks::Some { resent } => Some(self.send(out, resent, cx)),
            NextBlocks::Awaited => None,
            NextBlocks::Other => self.poll_border(end_policy, hold, window, out, cx),
        }
    }

    /// Whether all blocks of the fragment that is being sent are sent, and more follow later.
    #[inline]
    pub(super) fn awaits_frame(&self, buffer: &FragmentBuffer) -> bool {
        let Cursor::Inside { fragment, next } = &self.cursor else { return false };
        let Some(current) = buffer.get(*fragment) else { return false };
        current.is_filling() && current.blocks.is_end(next) && !current.is_superseded(&self.epoch)
    }

    /// Appends the next blocks of the fragment that is being sent. Most polls end here.
    #[inline]
    fn next_blocks(&mut self, out: &mut Chunks, cx: &Context) -> NextBlocks {
        let Cursor::Inside { fragment, next } = &mut self.cursor else { return NextBlocks::Other };
        let current = cx.buffer.get(*fragment).filter(|current| !current.is_superseded(&self.epoch));
        let Some(current) = current else { return NextBlocks::Other };
        let before = out.len();
        self.writer.buffered_blocks(&current.blocks, next, ENOUGH, out).expect("a cluster is open");
        if out.len() > before {
            NextBlocks::Some { resent: current.sent_before }
        } else if current.is_open() {
            NextBlocks::Awaited
        } else {
            NextBlocks::Other
        }
    }

    /// Crosses the border of a fragment.
    fn poll_border(
        &mut self,
        end_policy: EndPolicy,
        hold: Option<FragmentId>,
        window: &mut SendWindow,
        out: &mut Chunks,
        cx: &mut Context,
    ) -> Option<Step> {
        loop {
            match self.cursor {
                Cursor::Ended => return None,
                Cursor::Start | Cursor::Boundary => match self.at_boundary(end_policy, hold, window, out, cx) {
                    AtBoundary::Cluster => {}
                    AtBoundary::Wait => return None,
                    AtBoundary::Mark(mark) => {
                        out.push(mark);
                        return Some(self.send(out, false, cx));
                    }
                    AtBoundary::End => return Some(self.end(out)),
                },
                Cursor::Inside { fragment, .. } => match self.next_blocks(out, cx) {
                    NextBlocks::Some { resent } => return Some(self.send(out, resent, cx)),
                    NextBlocks::Awaited if out.is_empty() => return None,
                    NextBlocks::Awaited => return Some(self.send(out, false, cx)),
                    NextBlocks::Other => {
                        let current = cx.buffer.get(fragment).filter(|current| !current.is_superseded(&self.epoch));
                        let Some(current) = current else {
                            self.cursor = Cursor::Ended;
                            return Some(Step::Superseded);
                        };
                        self.latest = self.latest.max(current.latest);
                        self.cursor = Cursor::Trailer { fragment };
                    }
                },
                Cursor::Trailer { fragment } => {
                    let current = cx.buffer.get(fragment)?;
                    let resent = current.sent_before;
                    self.trailer(current, out);
                    // Before the last byte leaves: the acknowledgement may arrive before the next poll.
                    cx.buffer.finish_sending(fragment, self.id, cx.now);
                    self.cursor = Cursor::Boundary;
                    cx.sink.stats.resent_fragments += u64::from(resent);
                    if !out.is_empty() {
                        return Some(self.send(out, resent, cx));
                    }
                }
            }
        }
    }

    /// At a fragment boundary: starts the next cluster, waits for one, or ends.
    fn at_boundary(
        &mut self,
        end_policy: EndPolicy,
        hold: Option<FragmentId>,
        window: &mut SendWindow,
        out: &mut Chunks,
        cx: &mut Context,
    ) -> AtBoundary {
        let started = self.cursor == Cursor::Boundary;
        if started && end_policy == EndPolicy::AtBoundary {
            return AtBoundary::End;
        }
        let awaits_disk = cx.buffer.awaits_disk();
        let next = cx.buffer.next_unsent().filter(|next| hold.is_none_or(|hold| next.id.is_before(hold)));
        let Some(next) = next else {
            return match (awaits_disk, end_policy) {
                // It may be read only after the last one is persisted, and without a cluster behind that, only a mark completes it.
                (true, _) => self.end_mark(&cx.buffer).map_or(AtBoundary::Wait, AtBoundary::Mark),
                (false, EndPolicy::KeepOpen) => AtBoundary::Wait,
                (false, _) => AtBoundary::End,
            };
        };
        let fits = self.epoch.carries(&next.epoch) && (!started || next.earliest > self.latest);
        if !fits {
            return AtBoundary::End;
        }
        let kind = if next.is_open() { Next::Live } else { Next::Backlog };
        if !window.admits(self.beyond_persisted(), kind) {
            return self.end_mark(&cx.buffer).map_or(AtBoundary::Wait, AtBoundary::Mark);
        }
        let (id, start) = (next.id, self.epoch.timecode(next.start));
        let Ok(cluster) = self.cluster(started, start, out) else { return AtBoundary::End };
        out.push(cluster);
        if self.unsettled.is_empty() {
            self.last_activity = cx.now;
        }
        self.unsettled.insert(start, Flight::new(id, (kind == Next::Backlog).then_some(cx.now)));
        self.last_started = Some(id);
        cx.buffer.start_sending(id, self.id);
        self.cursor = Cursor::Inside { fragment: id, next: BlockPosition::default() };
        AtBoundary::Cluster
    }

    fn cluster(&mut self, started: bool, start: u64, out: &mut Chunks) -> Result<Bytes, WriteError> {
        if !started {
            out.push(self.writer.start_segment());
        }
        self.writer.start_cluster(Duration::from_millis(start))
    }

    /// Writes what follows the frames of a fragment: its groups of tags, then its end mark.
    fn trailer(&mut self, fragment: &Fragment, out: &mut Chunks) {
        for group in fragment.tags.groups() {
            out.push(self.writer.tags(group).expect("tags follow a cluster and were checked when put"));
        }
        if fragment.has_end_mark() {
            out.push(self.writer.end_of_fragment());
        }
    }

    #[inline]
    fn send(&mut self, out: &Chunks, resent: bool, cx: &mut Context) -> Step {
        self.in_flight += out.len();
        self.mark.get_or_insert((self.in_flight, cx.now));
        cx.sink.stats.sent_bytes += out.len() as u64;
        if resent {
            cx.sink.stats.resent_bytes += out.len() as u64;
        }
        Step::Send
    }

    fn end(&mut self, out: &Chunks) -> Step {
        debug_assert!(out.is_empty(), "a session ends at a boundary");
        let started = self.cursor == Cursor::Boundary;
        self.cursor = Cursor::Ended;
        if started { Step::End } else { Step::Useless }
    }

    /// Returns an end mark for the last fragment, if it was sent without one: without a next cluster, only a mark tells the
    /// service that the fragment is complete.
    pub(super) fn end_mark(&mut self, buffer: &FragmentBuffer) -> Option<Bytes> {
        let last = buffer.get(self.last_started?).filter(|last| !last.has_end_mark())?;
        (self.marked.replace(last.id) != Some(last.id)).then(|| self.writer.end_of_fragment())
    }

    /// Sends nothing more.
    pub(super) fn stop_sending(&mut self) {
        self.cursor = Cursor::Ended;
    }

    /// The transport accepted bytes. If they had to wait for room in its buffer, the peer is taking data, which counts as
    /// activity.
    pub(super) fn on_sent(&mut self, bytes: usize, now: Instant) {
        if self.in_flight >= SEND_WINDOW || self.have_waited(bytes, now) {
            self.last_activity = now;
        }
        self.accepted += bytes as u64;
        self.in_flight = self.in_flight.saturating_sub(bytes);
        if self.in_flight > 0 {
            self.mark.get_or_insert((self.in_flight, now));
        }
    }

    /// Whether bytes that are accepted now waited for long, because the buffer of the transport was full. An empty buffer
    /// accepts bytes immediately, even if the network is dead.
    fn have_waited(&mut self, bytes: usize, now: Instant) -> bool {
        let Some((left, since)) = self.mark.take() else { return false };
        if left > bytes {
            self.mark = Some((left - bytes, since));
        }
        // Most bytes are accepted at the instant at which they are sent.
        now > since && now.saturating_duration_since(since) >= TRANSPORT_IS_FULL
    }

    pub(super) fn on_activity(&mut self, now: Instant) {
        self.last_activity = now;
    }

    /// When silence lasts too long, if acknowledgements are due.
    pub(super) fn silent_at(&self, timeout: Duration) -> Option<Instant> {
        (!self.unsettled.is_empty()).then(|| self.last_activity.checked_add(timeout)).flatten()
    }

    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_activity)
    }

    /// The unsettled fragment that was sent in this session with this timecode.
    pub(super) fn find(&self, timecode: u64) -> Option<FragmentId> {
        self.unsettled.get(&timecode).map(|flight| flight.fragment)
    }

    /// How many fragments were started after the last persisted one. An acknowledgement that got lost does not narrow the
    /// window for good.
    fn beyond_persisted(&self) -> usize {
        self.settled.map_or(self.unsettled.len(), |settled| self.unsettled.range(settled..).count())
    }

    /// Takes how long the first acknowledgement of a complete fragment took, once.
    pub(super) fn first_acknowledged(&mut self, timecode: u64, now: Instant) -> Option<Duration> {
        let started = self.unsettled.get_mut(&timecode)?.started.take()?;
        Some(now.saturating_duration_since(started))
    }

    /// The fragment that was started last: most likely the one of an error without a timecode.
    pub(super) const fn last_started(&self) -> Option<FragmentId> {
        self.last_started
    }

    pub(super) fn on_settled(&mut self, timecode: u64) {
        self.unsettled.remove(&timecode);
        self.persisted += 1;
        self.settled = self.settled.max(Some(timecode));
    }

    /// A fragment was settled otherwise: nothing is awaited for it any more.
    pub(super) fn forget(&mut self, fragment: FragmentId) {
        self.unsettled.retain(|_, flight| flight.fragment != fragment);
    }

    /// Takes what still waits for its acknowledgement, when the session ends.
    pub(super) fn take_unsettled(&mut self) -> BTreeMap<u64, Flight> {
        std::mem::take(&mut self.unsettled)
    }

    /// Whether everything that was started in this session is settled.
    pub(super) fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }
}

/// A part of the body that is sent at once has no more blocks after this many bytes: what waits is sent in few parts, and what the
/// transport holds stays near [`SEND_WINDOW`].
const ENOUGH: usize = 16 << 10;
