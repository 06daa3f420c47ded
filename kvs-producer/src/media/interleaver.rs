//! One order for the frames of all tracks, with a bounded wait for slow tracks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kvs_mkv::{Frame, Tag, TrackNumber};

use super::cut_policy::Arrival;
use crate::tags::FragmentEvent;
use crate::time::millis;

/// Reorders frames of several tracks by time. Frames of one track keep their order.
///
/// A frame is released once every other track has a later frame, or once it has waited long enough: then the tracks without
/// frames count as silent until they resume.
///
/// A frame that may begin a fragment waits for the next frame of its track, because pictures displayed before it may follow
/// it (open GOP, B-frames). The boundary then lies before the earliest of them, so that no audio between them and the key
/// frame ends up in the previous fragment.
#[derive(Debug)]
pub(crate) struct Interleaver {
    queues: Vec<TrackQueue>,
    wait: Duration,
    span: u64,
    bytes: usize,
    /// Number of waiting frames.
    waiting: usize,
    /// The first frame of the leading track was not released, and what other tracks have shortly before it is ordered behind it.
    gathers: bool,
    recording: Option<Recording>,
    /// Nothing is waited for until all is released: there is no room for the frames that are missing.
    gives_way: bool,
}

/// How the frames of a recording wait: nothing of it may be lost because its caller or the network is slow.
#[derive(Clone, Copy, Debug)]
struct Recording {
    /// Frames wait in media time only: the caller waits too, as long as the buffer is full.
    waits_for_caller: bool,
    /// What the leading track has since its last key frame waits at most for so long, in ms, while another track is silent: the
    /// other one may resume there, and only a key frame begins a fragment that declares it.
    group: u64,
}

#[derive(Debug)]
struct TrackQueue {
    track: TrackNumber,
    lead: bool,
    frames: VecDeque<QueuedFrame>,
    /// The latest position so far: frames displayed out of order are sent in decoding order.
    newest: u64,
    /// The track reorders pictures.
    reorders: bool,
    silent: bool,
}

/// A frame that waits, with the tags that were put right after it.
#[derive(Debug)]
pub(crate) struct QueuedFrame {
    pub(crate) frame: Frame,
    pub(crate) attachments: Vec<Attachment>,
    /// Its position among all tracks, in ms.
    order: u64,
    boundary: Boundary,
    arrived: Instant,
}

/// Whether a frame may begin a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    No,
    /// It may, and pictures displayed before it may still follow.
    Pending,
    /// It may, and its position is final.
    Final,
}

/// What belongs to the fragment of the frame that it follows.
#[derive(Debug)]
pub(crate) enum Attachment {
    Tag(Tag),
    Event(FragmentEvent),
    EndOfFragment,
}

/// What the interleaver releases.
#[derive(Debug)]
pub(crate) enum Released {
    Frame(QueuedFrame),
    /// This track is silent from now on.
    Silent(TrackNumber),
}

impl Interleaver {
    pub(crate) fn new(tracks: &[TrackNumber], lead: TrackNumber, wait: Duration, span: Duration) -> Self {
        let queue = |&track: &TrackNumber| TrackQueue {
            track,
            lead: track == lead,
            frames: VecDeque::new(),
            newest: 0,
            reorders: false,
            silent: false,
        };
        let queues = tracks.iter().map(queue).collect();
        Self {
            queues,
            wait,
            span: millis(span),
            bytes: 0,
            waiting: 0,
            gathers: false,
            recording: None,
            gives_way: false,
        }
    }

    /// Sets that the frames are those of a recording, and the longest fragment. See [`Recording`].
    pub(crate) fn recorded(mut self, waits_for_caller: bool, fragment_max: Duration) -> Self {
        self.recording = Some(Recording { waits_for_caller, group: millis(fragment_max) });
        self
    }

    /// Orders what other tracks have shortly before the first frame of the leading track, like the priming of AAC, behind that
    /// frame: a fragment begins with a key frame.
    pub(crate) const fn gathering(mut self) -> Self {
        self.gathers = true;
        self
    }

    /// Whether there is a single track, whose frames need no queue.
    pub(crate) fn is_single(&self) -> bool {
        self.queues.len() == 1
    }

    /// Payload bytes of the waiting frames.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of waiting frames.
    pub(crate) const fn len(&self) -> usize {
        self.waiting
    }

    /// Forgets the positions so far: what arrives next is unrelated.
    pub(crate) fn restart(&mut self) {
        for queue in &mut self.queues {
            queue.newest = 0;
        }
    }

    /// Queues a frame whose time is in ms since the Unix epoch. Returns whether its track had been silent.
    pub(crate) fn push(&mut self, frame: Frame, arrival: Arrival, now: Instant) -> bool {
        let Some(queue) = self.queues.iter_mut().find(|queue| queue.track == frame.track) else { return false };
        self.bytes += frame.data.len();
        self.waiting += 1;
        queue.push(frame, arrival, now);
        let was_silent = std::mem::take(&mut queue.silent);
        if self.gathers {
            self.put_lead_first();
        }
        was_silent
    }

    /// Orders the first frame of the leading track before what other tracks have shortly before it.
    fn put_lead_first(&mut self) {
        let others = self.queues.iter().filter(|queue| !queue.lead).filter_map(|queue| queue.frames.front());
        let Some(earliest) = others.map(|queued| queued.order).min() else { return };
        let lead = self.queues.iter_mut().find(|queue| queue.lead).and_then(|queue| queue.frames.front_mut());
        if let Some(first) = lead.filter(|first| millis(first.frame.pts).saturating_sub(earliest) <= GATHERED) {
            first.order = first.order.min(earliest);
        }
    }

    /// Attaches something to the last waiting frame of the leading track, or returns it if none waits.
    pub(crate) fn attach(&mut self, attachment: Attachment) -> Result<(), Attachment> {
        match self.queues.iter_mut().find(|queue| queue.lead).and_then(|queue| queue.frames.back_mut()) {
            Some(last) => {
                last.attachments.push(attachment);
                Ok(())
            }
            None => Err(attachment),
        }
    }

    /// Returns whether a key frame of the leading track waits, and the attachments from the last such key frame on.
    pub(crate) fn waiting_attachments(&self) -> (bool, impl Iterator<Item = &Attachment>) {
        let frames = self.queues.iter().find(|queue| queue.lead).map(|queue| &queue.frames);
        let from = frames.and_then(|frames| frames.iter().rposition(|queued| queued.frame.keyframe));
        let attachments = frames.into_iter().flat_map(move |frames| frames.iter().skip(from.unwrap_or(0)));
        (from.is_some(), attachments.flat_map(|queued| &queued.attachments))
    }

    /// Returns the next frame in order, if it need not wait any longer.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Released> {
        let empty = self.queues.iter().position(|queue| queue.frames.is_empty() && !queue.silent);
        if let Some(empty) = empty {
            if !self.waited(now) {
                return None;
            }
            let queue = self.queues.get_mut(empty)?;
            queue.silent = true;
            return Some(Released::Silent(queue.track));
        }
        if self.may_change() && !self.waited(now) || self.keeps_group(now) {
            return None;
        }
        self.flush().map(Released::Frame)
    }

    /// Lets everything be released, because what is missing has no room. Returns whether there is something.
    pub(crate) const fn give_way(&mut self) -> bool {
        self.gives_way = self.waiting > 0;
        self.gives_way
    }

    /// Whether what the leading track has since its last key frame waits for a silent track.
    fn keeps_group(&self, now: Instant) -> bool {
        let Some(recording) = self.recording else { return false };
        let Some(lead) = self.queues.iter().find(|queue| queue.lead) else { return false };
        let mut keyframes = lead.frames.iter().map(|queued| queued.frame.keyframe);
        let is_last_group = keyframes.next() == Some(true) && !keyframes.any(|keyframe| keyframe);
        is_last_group
            && self.queues.iter().any(|queue| queue.silent)
            && self.first().is_some_and(|first| first.frame.track == lead.track)
            && lead.span() <= recording.group
            && !self.gives_way
            && !self.waited_in_real_time(now)
    }

    /// Whether the next frame in order may still change: pictures displayed before a pending boundary may follow, and they
    /// move the boundary to before the audio that is next.
    fn may_change(&self) -> bool {
        let pending = |queued: &QueuedFrame| queued.boundary == Boundary::Pending;
        let moves = |queue: &TrackQueue| queue.reorders && queue.frames.front().is_some_and(pending);
        self.first().is_some_and(pending) || self.queues.iter().any(moves)
    }

    /// When a frame has waited long enough.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        if self.recording.is_some_and(|recording| recording.waits_for_caller) {
            return None;
        }
        let oldest = self.queues.iter().filter_map(|queue| queue.frames.front()).map(|queued| queued.arrived).min()?;
        oldest.checked_add(self.wait)
    }

    fn waited(&self, now: Instant) -> bool {
        self.gives_way || self.waited_in_real_time(now) || self.queues.iter().any(|queue| queue.span() > self.span)
    }

    fn waited_in_real_time(&self, now: Instant) -> bool {
        self.timeout().is_some_and(|at| at <= now)
    }

    /// The position of the next waiting frame of the leading track.
    pub(crate) fn next_lead(&self) -> Option<u64> {
        self.queues.iter().find(|queue| queue.lead)?.frames.front().map(|queued| queued.order)
    }

    fn first(&self) -> Option<&QueuedFrame> {
        self.first_queue().and_then(|at| self.queues.get(at)?.frames.front())
    }

    /// The queue with the earliest frame. At equal times the leading track is first, so that its key frame opens the
    /// fragment.
    fn first_queue(&self) -> Option<usize> {
        let heads = self.queues.iter().enumerate();
        let heads = heads.filter_map(|(at, queue)| queue.frames.front().map(|head| (head.order, !queue.lead, at)));
        heads.min().map(|(_, _, at)| at)
    }

    /// Returns the next frame in order without waiting for other tracks.
    pub(crate) fn flush(&mut self) -> Option<QueuedFrame> {
        let at = self.first_queue()?;
        let queue = self.queues.get_mut(at)?;
        let queued = queue.frames.pop_front()?;
        self.gathers &= !queue.lead;
        self.bytes -= queued.frame.data.len();
        self.waiting -= 1;
        self.gives_way &= self.waiting > 0;
        Some(queued)
    }
}

impl TrackQueue {
    fn push(&mut self, frame: Frame, arrival: Arrival, now: Instant) {
        let at = millis(frame.pts);
        self.reorders = arrival.reorders;
        let (order, boundary) = if arrival.may_begin {
            (at, Boundary::Pending)
        } else if let Some(key) = self.pending_boundary() {
            if at < millis(key.frame.pts) {
                key.order = key.order.min(at);
                (key.order, Boundary::No)
            } else {
                key.boundary = Boundary::Final;
                (at, Boundary::No)
            }
        } else {
            (at.max(self.newest), Boundary::No)
        };
        // The boundary before this one does not change any more.
        if let Some(key) = self.pending_boundary().filter(|_| boundary == Boundary::Pending) {
            key.boundary = Boundary::Final;
        }
        self.newest = self.newest.max(order);
        self.frames.push_back(QueuedFrame { frame, attachments: Vec::new(), order, boundary, arrived: now });
    }

    fn pending_boundary(&mut self) -> Option<&mut QueuedFrame> {
        self.frames
            .iter_mut()
            .rev()
            .find(|queued| queued.boundary != Boundary::No)
            .filter(|queued| queued.boundary == Boundary::Pending)
    }

    fn span(&self) -> u64 {
        match (self.frames.front(), self.frames.back()) {
            (Some(first), Some(last)) => last.order.saturating_sub(first.order),
            _ => 0,
        }
    }
}

/// How long before the first picture sound may begin to be stored in the fragment of that picture, in ms. AAC encoders need up to
/// 130 ms of priming.
const GATHERED: u64 = 1000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kvs_mkv::{BlockRoom, CodecId, Track, TrackKind};

    use super::*;
    use crate::buffer::epoch::Epoch;
    use crate::buffer::fragment::Fragment;
    use crate::config::ProducerConfig;
    use crate::media::cut_policy::CutPolicy;
    use crate::report::span::FragmentId;
    use crate::tags::TagSet;

    const V: TrackNumber = TrackNumber::ONE;
    const A: TrackNumber = TrackNumber::TWO;

    /// Audio and video with the policy that says which frames may begin a fragment.
    struct Tracks {
        interleaver: Interleaver,
        cuts: CutPolicy,
    }

    impl Tracks {
        fn push(&mut self, frame: Frame, now: Instant) -> bool {
            let arrival = self.cuts.on_arrival(&frame, millis(frame.pts));
            self.interleaver.push(frame, arrival, now)
        }

        /// The open fragment is so long that a cut without a key frame is near.
        fn near_a_cut(&mut self) {
            let epoch = Epoch { id: 1, tracks: Vec::new(), origin: 0 };
            let mut open = Fragment::new(FragmentId(1), Arc::new(epoch), 0, TagSet::default(), &BlockRoom::default());
            open.push(&mut frame(V, 19_000, false), 19_000);
            self.cuts.observe(Some(&open));
        }
    }

    fn av() -> Tracks {
        let video = Track::new(V, TrackKind::Video, CodecId::H264);
        Tracks {
            interleaver: Interleaver::new(&[V, A], V, Duration::from_secs(2), Duration::from_secs(5)),
            cuts: CutPolicy::new(&ProducerConfig::new("cam", vec![video])).unwrap(),
        }
    }

    fn frame(track: TrackNumber, ms: u64, keyframe: bool) -> Frame {
        Frame::new(track, Duration::from_millis(ms), vec![0; 10]).with_keyframe(keyframe)
    }

    fn order(tracks: &mut Tracks, now: Instant) -> Vec<(u64, u64)> {
        let mut order = Vec::new();
        while let Some(Released::Frame(queued)) = tracks.interleaver.pop(now) {
            order.push((queued.frame.track.get(), millis(queued.frame.pts)));
        }
        order
    }

    #[test]
    fn key_frame_precedes_audio_of_equal_time() {
        let (mut tracks, now) = (av(), Instant::now());
        tracks.push(frame(A, 1000, false), now);
        tracks.push(frame(V, 1000, true), now);
        tracks.push(frame(V, 1040, false), now);
        tracks.push(frame(A, 1020, false), now);
        tracks.push(frame(A, 1041, false), now);
        assert_eq!(order(&mut tracks, now), [(1, 1000), (2, 1000), (2, 1020), (1, 1040)]);
        assert_eq!(tracks.interleaver.bytes(), 10);
    }

    #[test]
    fn audio_between_leading_pictures_and_their_key_frame_follows_the_key_frame() {
        let (mut tracks, now) = (av(), Instant::now());
        for ms in [900, 930, 970, 1010, 1050, 1090] {
            tracks.push(frame(A, ms, false), now);
        }
        tracks.push(frame(V, 1000, true), now);
        assert_eq!(order(&mut tracks, now), [(2, 900), (2, 930), (2, 970)]);
        let (mut tracks, now) = (av(), Instant::now());
        for ms in [900, 930, 970, 1010, 1050, 1090] {
            tracks.push(frame(A, ms, false), now);
        }
        for (ms, key) in [(1000, true), (920, false), (960, false), (1080, false)] {
            tracks.push(frame(V, ms, key), now);
        }
        let expected = [(2, 900), (1, 1000), (1, 920), (1, 960), (2, 930), (2, 970), (2, 1010), (2, 1050), (1, 1080)];
        assert_eq!(order(&mut tracks, now), expected);
    }

    #[test]
    fn audio_shortly_before_the_first_key_frame_follows_it() {
        let (video, now) = ([(1000, true), (1040, false)], Instant::now());
        let first = |audio: [u64; 2], video_arrives_first: bool| {
            let mut tracks = av();
            tracks.interleaver = tracks.interleaver.gathering();
            for turn in [video_arrives_first, !video_arrives_first] {
                if turn {
                    video.into_iter().for_each(|(ms, key)| _ = tracks.push(frame(V, ms, key), now));
                } else {
                    audio.into_iter().for_each(|ms| _ = tracks.push(frame(A, ms, false), now));
                }
            }
            order(&mut tracks, now)
        };
        for video_arrives_first in [true, false] {
            assert_eq!(first([0, 1050], video_arrives_first), [(1, 1000), (2, 0), (1, 1040)]);
            assert_eq!(first([950, 1050], video_arrives_first), [(1, 1000), (2, 950), (1, 1040)]);
        }
        let mut tracks = av();
        tracks.interleaver = tracks.interleaver.gathering();
        for (track, ms) in [(A, 0), (V, 1001), (A, 500), (V, 1041), (A, 1050)] {
            tracks.push(frame(track, ms, ms == 1001), now);
        }
        assert_eq!(order(&mut tracks, now), [(2, 0), (2, 500), (1, 1001), (1, 1041)]);
    }

    /// As cameras deliver them: audio arrives before the pictures of the same time.
    #[test]
    fn audio_waits_for_leading_pictures_if_the_track_reorders() {
        let (mut tracks, now) = (av(), Instant::now());
        for (ms, key) in [(0, true), (80, false), (40, false), (120, false)] {
            tracks.push(frame(V, ms, key), now);
        }
        for ms in [10, 60, 130, 170, 210, 250, 290] {
            tracks.push(frame(A, ms, false), now);
        }
        order(&mut tracks, now);
        tracks.push(frame(V, 200, true), now);
        assert_eq!(order(&mut tracks, now), [], "the key frame's leading pictures may be displayed before 130");
        tracks.push(frame(V, 160, false), now);
        tracks.push(frame(V, 240, false), now);
        assert_eq!(order(&mut tracks, now), [(2, 130), (1, 200), (1, 160), (2, 170), (2, 210), (1, 240)]);
    }

    #[test]
    fn near_a_cut_any_picture_displayed_last_may_be_the_boundary() {
        let (mut tracks, now) = (av(), Instant::now());
        for (ms, key) in [(0, true), (80, false), (40, false)] {
            tracks.push(frame(V, ms, key), now);
        }
        tracks.near_a_cut();
        tracks.push(frame(V, 160, false), now);
        for ms in [10, 60, 90, 130, 170] {
            tracks.push(frame(A, ms, false), now);
        }
        tracks.push(frame(V, 120, false), now);
        tracks.push(frame(V, 240, false), now);
        let expected = [(1, 0), (2, 10), (2, 60), (1, 80), (1, 40), (2, 90), (1, 160), (1, 120)];
        assert_eq!(order(&mut tracks, now), expected, "the next one may be the boundary too");
    }

    #[test]
    fn a_stalled_track_delays_others_at_most_for_the_wait() {
        let (mut tracks, now) = (av(), Instant::now());
        tracks.push(frame(V, 0, true), now);
        tracks.push(frame(V, 40, false), now);
        assert!(tracks.interleaver.pop(now).is_none());
        assert_eq!(tracks.interleaver.timeout(), Some(now + Duration::from_secs(2)));
        let later = now + Duration::from_secs(2);
        assert!(matches!(tracks.interleaver.pop(later), Some(Released::Silent(A))));
        assert_eq!(order(&mut tracks, later), [(1, 0), (1, 40)]);
        assert!(tracks.push(frame(A, 60, false), later), "the track resumed");
        assert!(!tracks.push(frame(A, 80, false), later));
    }

    #[test]
    fn a_source_faster_than_real_time_is_bounded_by_media_time() {
        let (mut tracks, now) = (av(), Instant::now());
        for n in 0..=125 {
            tracks.push(frame(V, n * 40, n == 0), now);
        }
        assert!(tracks.interleaver.pop(now).is_none());
        tracks.push(frame(V, 5040, false), now);
        assert!(matches!(tracks.interleaver.pop(now), Some(Released::Silent(A))));
    }
}
