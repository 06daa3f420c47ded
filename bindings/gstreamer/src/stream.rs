//! What the element holds between READY and its end: frames that wait for a producer, the producer, and the end.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs_producer::{Amount, Client, Frame, Refusal, StopReport, Track, TrackNumber};
use tokio::runtime::Handle;

use crate::report::Trouble;
use crate::requests::Request;
use crate::session::{Session, Source};
use crate::settings::{Settings, StreamingType};
use crate::timeline::Timeline;

/// What a pad knows about its stream.
#[derive(Debug)]
pub(crate) struct PadState {
    pub(crate) number: TrackNumber,
    pub(crate) track: Option<Arc<Track>>,
    pub(crate) segment: Option<gst::FormattedSegment<gst::ClockTime>>,
    pub(crate) has_ended: bool,
    pub(crate) is_flushing: bool,
}

impl PadState {
    pub(crate) const fn new(number: TrackNumber) -> Self {
        Self { number, track: None, segment: None, has_ended: false, is_flushing: false }
    }
}

/// Pads by name. They outlive a stream.
pub(crate) type Pads = BTreeMap<String, PadState>;

/// What travels to the producer, in order.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all items are frames")]
pub(crate) enum Item {
    Frame(Arc<Track>, Frame),
    Request(Request),
}

impl Item {
    pub(crate) const fn is_keyframe(&self) -> bool {
        matches!(self, Self::Frame(_, frame) if frame.keyframe)
    }
}

/// Where frames go.
///
/// ```text
///            all pads have caps, or CAPS_WAIT passed
///  Waiting ------------------------------------------> Sending
///     ^   <------------------------------------------    |
///     |          other tracks, or all pads ended         |
///     +--- is_draining until the old producer is done <--+
/// ```
#[derive(Debug)]
pub(crate) enum Uplink {
    Waiting(Waiting),
    Sending(Arc<Session>),
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    since: Option<Instant>,
    is_draining: bool,
}

/// How the end is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Some pad has not ended.
    Open,
    /// All pads ended with this event; media waits for its acknowledgements.
    Draining(gst::Seqnum),
    /// The message is posted in PLAYING.
    Drained(gst::Seqnum),
    /// The message is posted.
    Told,
}

/// How long frames of one pad wait for the caps of the others.
const CAPS_WAIT: Duration = Duration::from_secs(2);
/// Most items that wait for a producer: 2 s of five tracks with 1,000 frames a second.
const WAITING_ITEMS: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) handle: Handle,
    pub(crate) uplink: Uplink,
    pub(crate) ending: Ending,
    pub(crate) timeline: Option<Timeline>,
    pub(crate) source: Option<Source>,
    pub(crate) has_failed: bool,
    /// Producers that send what they have.
    pub(crate) closing: Vec<Arc<Session>>,
    pub(crate) done: Outcome,
    pub(crate) trouble: Trouble,
}

/// The media of producers that are done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) submitted: Amount,
    pub(crate) persisted: Amount,
    pub(crate) lost: Amount,
    pub(crate) sessions: u64,
}

impl Outcome {
    pub(crate) fn add(&mut self, stats: &kvs_producer::Stats) {
        let sum = |to: &mut Amount, more: Amount| {
            to.frames = to.frames.saturating_add(more.frames);
            to.bytes = to.bytes.saturating_add(more.bytes);
        };
        sum(&mut self.submitted, stats.totals.submitted);
        sum(&mut self.persisted, stats.totals.persisted);
        sum(&mut self.lost, stats.totals.lost);
        self.sessions = self.sessions.saturating_add(stats.sessions);
    }
}

/// What became of an item.
#[derive(Debug)]
pub(crate) enum Put {
    Taken,
    /// No room: offer it again later.
    Full(Item),
    /// The producer refuses it.
    Refused(Frame, Refusal),
    /// A tag or an event does not fit.
    RequestRefused(kvs_producer::PutTagError),
    /// It needs a producer with other tracks: [`Stream::close`] the present one and offer it again.
    OtherTracks(Item),
}

impl Stream {
    pub(crate) fn new(settings: Settings, client: Client, handle: Handle) -> Self {
        Self {
            settings,
            client,
            handle,
            uplink: Uplink::Waiting(Waiting::default()),
            ending: Ending::Open,
            timeline: None,
            source: None,
            has_failed: false,
            closing: Vec::new(),
            done: Outcome::default(),
            trouble: Trouble::default(),
        }
    }

    pub(crate) fn drain_timeout(&self) -> Duration {
        if self.has_failed { Duration::ZERO } else { Duration::from_secs(self.settings.drain_timeout_s.into()) }
    }

    /// Passes an item on, in order.
    pub(crate) fn put(&mut self, item: Item) -> Put {
        match &mut self.uplink {
            Uplink::Waiting(waiting) => waiting.push(item, &self.settings),
            Uplink::Sending(session) => put(session, item),
        }
    }

    /// The tracks of the next producer, once they are known: of the pads with caps, or of what waits.
    pub(crate) fn tracks_to_start(&self, pads: &Pads, now: Instant) -> Option<Vec<Track>> {
        let Uplink::Waiting(waiting) = &self.uplink else { return None };
        if waiting.is_draining || waiting.items.is_empty() {
            return None;
        }
        let are_known = pads.values().all(|pad| pad.track.is_some() || pad.has_ended);
        let is_late = waiting.since.is_some_and(|since| now.saturating_duration_since(since) >= CAPS_WAIT);
        let tracks = waiting.tracks(pads);
        (!tracks.is_empty() && (are_known || is_late || self.ending != Ending::Open)).then_some(tracks)
    }

    /// Hands what waits to a new producer. Returns what it refused, and that producer if the rest needs other tracks.
    pub(crate) fn send(&mut self, session: Arc<Session>) -> (Vec<Put>, Option<Arc<Session>>) {
        let before = std::mem::replace(&mut self.uplink, Uplink::Sending(Arc::clone(&session)));
        let Uplink::Waiting(mut waiting) = before else { return (Vec::new(), None) };
        let mut refused = Vec::new();
        while let Some(item) = waiting.items.pop_front() {
            match put(&session, item) {
                Put::Taken => {}
                Put::OtherTracks(item) => {
                    waiting.items.push_front(item);
                    let closed = self.close();
                    self.uplink = Uplink::Waiting(Waiting { is_draining: true, ..waiting });
                    return (refused, closed);
                }
                Put::Full(item) => refused.extend(unsent(item)),
                other => refused.push(other),
            }
        }
        (refused, None)
    }

    /// Takes the producer out. It sends what it has while frames wait for the next one.
    pub(crate) fn close(&mut self) -> Option<Arc<Session>> {
        let waiting = Uplink::Waiting(Waiting { is_draining: true, ..Waiting::default() });
        match std::mem::replace(&mut self.uplink, waiting) {
            Uplink::Sending(session) => {
                self.closing.push(Arc::clone(&session));
                Some(session)
            }
            Uplink::Waiting(before) => {
                self.uplink = Uplink::Waiting(before);
                None
            }
        }
    }

    /// A producer has sent what it had.
    pub(crate) fn closed(&mut self, session: &Arc<Session>, report: &StopReport) {
        let before = self.closing.len();
        self.closing.retain(|other| !Arc::ptr_eq(other, session));
        if self.closing.len() < before {
            self.done.add(&report.stats);
        }
        if let Uplink::Waiting(waiting) = &mut self.uplink {
            waiting.is_draining = !self.closing.is_empty();
        }
    }

    /// Whether nothing waits for a producer and none is working.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.uplink {
            Uplink::Waiting(waiting) => waiting.items.is_empty() && self.closing.is_empty(),
            Uplink::Sending(_) => false,
        }
    }

    /// The producers that have to stop, and what never reached one.
    pub(crate) fn end(&mut self) -> (Vec<Arc<Session>>, Vec<Put>) {
        self.close();
        let rest = match &mut self.uplink {
            Uplink::Waiting(waiting) => std::mem::take(&mut waiting.items).into_iter().filter_map(unsent).collect(),
            Uplink::Sending(_) => Vec::new(),
        };
        (std::mem::take(&mut self.closing), rest)
    }
}

impl Waiting {
    fn push(&mut self, item: Item, settings: &Settings) -> Put {
        let bytes = match &item {
            Item::Frame(_, frame) => frame.data.len(),
            Item::Request(_) => 0,
        };
        // The producer's buffer takes what waits; its own overhead needs room too.
        let limit = (settings.storage_mb as usize) << 19;
        if self.items.len() >= WAITING_ITEMS || (self.bytes.saturating_add(bytes) > limit && self.bytes > 0) {
            return Put::Full(item);
        }
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
        self.items.push_back(item);
        Put::Taken
    }

    /// The tracks of the frames that wait, newest caps first, and of the other pads that are open.
    fn tracks(&self, pads: &Pads) -> Vec<Track> {
        let mut tracks: BTreeMap<TrackNumber, Track> = BTreeMap::new();
        for item in &self.items {
            if let Item::Frame(track, _) = item {
                tracks.entry(track.number).or_insert_with(|| track.as_ref().clone());
            }
        }
        for pad in pads.values().filter(|pad| !pad.has_ended) {
            if let Some(track) = &pad.track {
                tracks.entry(track.number).or_insert_with(|| track.as_ref().clone());
            }
        }
        tracks.into_values().collect()
    }
}

fn put(session: &Session, item: Item) -> Put {
    match item {
        Item::Frame(track, frame) if !session.takes(&track) => Put::OtherTracks(Item::Frame(track, frame)),
        Item::Frame(track, frame) => match session.put(frame) {
            Ok(()) => Put::Taken,
            Err(error) => match error.refusal {
                Refusal::BufferFull { .. } => Put::Full(Item::Frame(track, error.into_frame())),
                refusal => Put::Refused(error.into_frame(), refusal),
            },
        },
        Item::Request(request) => match session.request(request) {
            Ok(()) => Put::Taken,
            Err(error) => Put::RequestRefused(error),
        },
    }
}

/// A frame that no producer took.
fn unsent(item: Item) -> Option<Put> {
    match item {
        Item::Frame(_, frame) => Some(Put::Refused(frame, Refusal::Finished)),
        Item::Request(_) => None,
    }
}

impl Stream {
    /// Whether times are those of a recording, not of the wall clock.
    pub(crate) fn is_recording(&self) -> bool {
        self.settings.streaming_type == StreamingType::Offline
    }

    /// What the property `stats` reads as, and the message at the end.
    pub(crate) fn stats(&self) -> gst::Structure {
        let mut all = self.done;
        let mut buffered = 0;
        let working = match &self.uplink {
            Uplink::Sending(session) => Some(session),
            Uplink::Waiting(_) => None,
        };
        for session in self.closing.iter().chain(working) {
            let stats = session.stats();
            all.add(&stats);
            buffered += stats.buffered_bytes as u64;
        }
        gst::Structure::builder("kvs-stats")
            .field("stream-name", &self.settings.stream_name)
            .field("submitted-frames", all.submitted.frames)
            .field("submitted-bytes", all.submitted.bytes)
            .field("persisted-frames", all.persisted.frames)
            .field("persisted-bytes", all.persisted.bytes)
            .field("lost-frames", all.lost.frames)
            .field("lost-bytes", all.lost.bytes)
            .field("buffered-bytes", buffered)
            .field("connections", all.sessions)
            .build()
    }
}
