//! One PutMedia connection: where in the buffer it stands and what it still waits to hear.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_mkv::{Chunks, SegmentInfo, Writer};

use crate::buffer::fragment::{Epoch, Filling, Fragment};
use crate::buffer::fragment_buffer::Buffer;
use crate::io::ack_parser::AckParser;
use crate::io::control::SessionId;
use crate::limits::{LINE_IS_FULL, SEND_WINDOW};
use crate::media::fragmenter::changed_under_way;
use crate::report::event::FragmentId;
use crate::report::sink::Reports;

/// What one connection has sent and what it waits for. It carries fragments of one epoch, in rising time.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    epoch: Arc<Epoch>,
    writer: Writer,
    cursor: Cursor,
    /// Fragments that were begun here and are not settled, by their timecode on the wire.
    waiting: BTreeMap<u64, FragmentId>,
    pub(crate) acks: AckParser,
    in_flight: usize,
    /// How many bytes the transport is still to take of what it had at some time, and that time.
    mark: Option<(usize, Instant)>,
    /// When the other side last showed that it lives.
    heard: Instant,
    /// When to end it at the next boundary.
    pub(crate) rotate_at: Instant,
    /// The latest frame time that went out: what follows must be later.
    latest: u64,
    last_started: Option<FragmentId>,
}

/// Where the next byte comes from.
///
/// ```text
/// Start --header--> Boundary --cluster--> Inside --last frame--> Trailer --tags, end mark--> Boundary
///                      \--nothing more to come--> Ended
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Start,
    Boundary,
    Inside { fragment: FragmentId, next: usize },
    Trailer { fragment: FragmentId },
    Ended,
}

/// What a session does next.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Chunks),
    /// The body is complete.
    End,
    /// The fragment on the wire is lost, or no longer fits the header it was begun under.
    Superseded,
    /// Nothing to send, and nothing was ever sent: the connection is of no use.
    Useless,
}

/// Whether more may follow when all that is buffered went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Wait for more.
    More,
    /// End as soon as what is buffered is sent.
    EndWhenDrained,
    /// End at the next boundary.
    EndAtBoundary,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        uid: [u8; 16],
        app: &str,
        first: &Fragment,
        rotate_at: Instant,
        now: Instant,
    ) -> Option<Self> {
        let writer = Writer::new(SegmentInfo::new(uid).with_app(app), first.epoch.tracks.clone()).ok()?;
        Some(Self {
            id,
            epoch: Arc::clone(&first.epoch),
            writer,
            cursor: Cursor::Start,
            waiting: BTreeMap::new(),
            acks: AckParser::new(),
            in_flight: 0,
            mark: None,
            heard: now,
            rotate_at,
            latest: 0,
            last_started: None,
        })
    }

    /// The next thing to do, if the transport has room for it.
    pub(crate) fn poll(
        &mut self,
        outlook: Outlook,
        hold: Option<FragmentId>,
        buffer: &mut Buffer,
        now: Instant,
        reports: &mut Reports,
    ) -> Option<Step> {
        if self.in_flight >= SEND_WINDOW {
            return None;
        }
        let mut out = Chunks::new();
        loop {
            match self.cursor {
                Cursor::Ended => return None,
                Cursor::Start | Cursor::Boundary => match self.follow(outlook, hold, buffer, &mut out, now) {
                    Follow::Cluster => {}
                    Follow::Wait => return None,
                    Follow::End => return Some(self.end(out)),
                },
                Cursor::Inside { fragment, next } => {
                    let Some(held) = buffer.get(fragment).filter(|held| !changed_under_way(held, &self.epoch)) else {
                        self.cursor = Cursor::Ended;
                        return Some(Step::Superseded);
                    };
                    if let Some(frame) = held.frames.get(next) {
                        let block = self.block(frame.clone());
                        if out.is_empty() {
                            out = block
                        } else {
                            out.append(block)
                        }
                        self.cursor = Cursor::Inside { fragment, next: next + 1 };
                        self.count(&out, held.sent_before, now, reports);
                        return Some(Step::Send(out));
                    }
                    if held.is_open() {
                        return self.partial(out, held.sent_before, now, reports);
                    }
                    self.latest = self.latest.max(held.latest);
                    self.cursor = Cursor::Trailer { fragment };
                }
                Cursor::Trailer { fragment } => {
                    let held = buffer.get(fragment)?;
                    let resent = held.sent_before;
                    self.trailer(held, &mut out);
                    // Before its last byte leaves: the ack may be quicker than the next poll.
                    buffer.sent(fragment, self.id, now);
                    self.cursor = Cursor::Boundary;
                    reports.stats.resent_fragments += u64::from(resent);
                    if !out.is_empty() {
                        self.count(&out, resent, now, reports);
                        return Some(Step::Send(out));
                    }
                }
            }
        }
    }

    /// At a boundary: the next cluster, the end, or patience.
    fn follow(
        &mut self,
        outlook: Outlook,
        hold: Option<FragmentId>,
        buffer: &mut Buffer,
        out: &mut Chunks,
        now: Instant,
    ) -> Follow {
        let started = self.cursor == Cursor::Boundary;
        if started && outlook == Outlook::EndAtBoundary {
            return Follow::End;
        }
        let next = buffer.next_unsent().filter(|next| hold.is_none_or(|hold| next.id < hold));
        let Some(next) = next else {
            return if outlook == Outlook::More { Follow::Wait } else { Follow::End };
        };
        let fits = next.epoch.id == self.epoch.id && (!started || next.earliest > self.latest);
        if !fits {
            return Follow::End;
        }
        let (id, start) = (next.id, self.epoch.on_wire(next.start));
        let Ok(cluster) = self.cluster(started, start, out) else { return Follow::End };
        out.push(cluster);
        if self.waiting.is_empty() {
            self.heard = now;
        }
        self.waiting.insert(start, id);
        self.last_started = Some(id);
        buffer.sending(id, self.id);
        self.cursor = Cursor::Inside { fragment: id, next: 0 };
        Follow::Cluster
    }

    fn cluster(&mut self, started: bool, start: u64, out: &mut Chunks) -> Result<Bytes, kvs_mkv::WriteError> {
        if !started {
            out.push(self.writer.start_segment());
        }
        self.writer.start_cluster(Duration::from_millis(start))
    }

    /// The frame as it stands on the wire.
    fn block(&mut self, mut frame: kvs_mkv::Frame) -> Chunks {
        frame.pts = frame.pts.saturating_sub(Duration::from_millis(self.epoch.origin));
        self.writer.block(frame).expect("the fragmenter keeps tracks declared and times within a cluster's reach")
    }

    /// What follows a fragment's frames: its groups of tags, then its end mark.
    fn trailer(&mut self, fragment: &Fragment, out: &mut Chunks) {
        for group in fragment.tags.groups() {
            out.push(self.writer.tags(group).expect("tags follow a cluster and were checked when put"));
        }
        if fragment.filling == Filling::Ended {
            out.push(self.writer.end_of_fragment());
        }
    }

    /// The header of a fragment whose first frame is already there; an open fragment always has one.
    fn partial(&mut self, out: Chunks, resent: bool, now: Instant, reports: &mut Reports) -> Option<Step> {
        if out.is_empty() {
            return None;
        }
        self.count(&out, resent, now, reports);
        Some(Step::Send(out))
    }

    fn count(&mut self, out: &Chunks, resent: bool, now: Instant, reports: &mut Reports) {
        self.in_flight += out.len();
        self.mark.get_or_insert((self.in_flight, now));
        reports.stats.sent_bytes += out.len() as u64;
        if resent {
            reports.stats.resent_bytes += out.len() as u64;
        }
    }

    fn end(&mut self, out: Chunks) -> Step {
        debug_assert!(out.is_empty(), "a session ends at a boundary");
        let started = self.cursor == Cursor::Boundary;
        self.cursor = Cursor::Ended;
        if started { Step::End } else { Step::Useless }
    }

    /// The last fragment's end mark, where the fragment itself did not carry one.
    pub(crate) fn closing_mark(&mut self, buffer: &Buffer) -> Option<Bytes> {
        let last = buffer.get(self.last_started?)?;
        (last.filling != Filling::Ended).then(|| self.writer.end_of_fragment())
    }

    /// No byte goes out any more.
    pub(crate) fn stop_sending(&mut self) {
        self.cursor = Cursor::Ended;
    }

    /// The transport took bytes; where they had to wait for that, the line moves, and that is a sign of life.
    pub(crate) fn took(&mut self, bytes: usize, now: Instant) {
        if self.in_flight >= SEND_WINDOW || self.have_waited(bytes, now) {
            self.heard = now;
        }
        self.in_flight = self.in_flight.saturating_sub(bytes);
        if self.in_flight > 0 {
            self.mark.get_or_insert((self.in_flight, now));
        }
    }

    /// Whether bytes that are taken now lay with the transport for long: its buffer was full. An empty one takes them at once,
    /// even where the line behind it is dead.
    fn have_waited(&mut self, bytes: usize, now: Instant) -> bool {
        let Some((left, since)) = self.mark.take() else { return false };
        if left > bytes {
            self.mark = Some((left - bytes, since));
        }
        now.saturating_duration_since(since) >= LINE_IS_FULL
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When silence becomes too long, if anything is waited for.
    pub(crate) fn stale_at(&self, timeout: Duration) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.heard.checked_add(timeout)).flatten()
    }

    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// The fragment that was sent here with this timecode and is not settled.
    pub(crate) fn find(&self, timecode: u64) -> Option<FragmentId> {
        self.waiting.get(&timecode).copied()
    }

    /// The fragment that was begun last: the one an error without a timecode most likely means.
    pub(crate) const fn last_started(&self) -> Option<FragmentId> {
        self.last_started
    }

    pub(crate) fn settled(&mut self, timecode: u64) {
        self.waiting.remove(&timecode);
    }

    /// Whether everything that was begun here is settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }
}

enum Follow {
    Cluster,
    Wait,
    End,
}
