//! Reading fragments from a stream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kvs_types::tag_names;

use super::{Fragment, FragmentError, FragmentMetadata};
use crate::{Event, Frame, Limits, Parser, SegmentInfo, Tag, Track};

/// Reads fragments from a stream that arrives in pieces.
///
/// Tags after a cluster belong to it, tags before the first cluster to the segment. A fragment is returned as soon as it is
/// complete:
///
/// - at the continuation token of the service, which GetMedia writes last;
/// - at the end-of-fragment mark of the producer, in a stream that does not come from the service;
/// - at the next cluster, or the first bytes of the next document;
/// - at the end of the stream, from [`finish`](Self::finish).
///
/// An error that the service reports inside the stream is returned as a fragment with
/// [`metadata.fault`](FragmentMetadata::fault), which may have no frames.
///
/// Memory: the frames of the current fragment, as slices of the pushed pieces, within [`Limits::fragment_bytes`],
/// [`Limits::fragment_frames`] and [`Limits::fragment_tags`], and the memory of its [`Parser`].
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::fragment::FragmentReader;
/// use kvs_mkv::{CodecId, Frame, Limits, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
/// let mut reader = FragmentReader::new(Limits::default());
/// reader.push(writer.start_segment());
/// for second in 0..2 {
///     reader.push(writer.start_cluster(Duration::from_secs(second))?);
///     writer.block(Frame::new(TrackNumber::ONE, Duration::from_secs(second), vec![1]))?.into_iter().for_each(|piece| reader.push(piece));
/// }
/// assert_eq!(reader.next_fragment()?.map(|fragment| fragment.at), Some(Duration::ZERO));
/// assert_eq!(reader.next_fragment()?, None);
/// assert_eq!(reader.finish()?.map(|fragment| fragment.at), Some(Duration::from_secs(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FragmentReader {
    parser: Parser,
    limits: Limits,
    segment: SegmentInfo,
    tracks: Arc<[Track]>,
    segment_tags: Vec<Tag>,
    /// Service tags before a cluster.
    ahead: FragmentMetadata,
    /// Producer tags after an end-of-fragment mark, which belong to the next cluster.
    tags_ahead: Vec<Tag>,
    /// Bytes of all kept tags.
    tag_bytes: usize,
    /// Whether the segment has had a cluster.
    clusters: bool,
    open: Option<Open>,
    phase: Phase,
}

#[derive(Debug)]
struct Open {
    fragment: Fragment,
    bytes: usize,
}

/// ```text
///   Reading ──finish──► Ended
///      └─────error────► Failed
/// ```
#[derive(Debug)]
enum Phase {
    Reading,
    Ended,
    Failed(FragmentError),
}

impl FragmentReader {
    /// Creates a reader at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            parser: Parser::new(limits),
            limits,
            segment: SegmentInfo::new([0; 16]),
            tracks: Arc::new([]),
            segment_tags: Vec::new(),
            ahead: FragmentMetadata::default(),
            tags_ahead: Vec::new(),
            tag_bytes: 0,
            clusters: false,
            open: None,
            phase: Phase::Reading,
        }
    }

    /// Appends the next piece of the stream, of any length; ignored after an error and after [`finish`](Self::finish).
    pub fn push(&mut self, bytes: Bytes) {
        if matches!(self.phase, Phase::Reading) {
            self.parser.push(bytes);
        }
    }

    /// Returns the next complete fragment, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`FragmentError`] if the stream is not Matroska or exceeds a limit; every later call returns the same error.
    pub fn next_fragment(&mut self) -> Result<Option<Fragment>, FragmentError> {
        match &self.phase {
            Phase::Reading => {}
            Phase::Ended => return Ok(None),
            Phase::Failed(error) => return Err(error.clone()),
        }
        match self.read() {
            Err(error) => {
                self.phase = Phase::Failed(error.clone());
                self.open = None;
                Err(error)
            }
            read => read,
        }
    }

    /// Ends the stream and returns the remaining fragments, one per call, and then `None`.
    ///
    /// # Errors
    /// The errors of [`next_fragment`](Self::next_fragment), and [`FragmentError::Unfinished`] if the stream ends inside an
    /// element.
    pub fn finish(&mut self) -> Result<Option<Fragment>, FragmentError> {
        if let Some(fragment) = self.next_fragment()? {
            return Ok(Some(fragment));
        }
        if matches!(self.phase, Phase::Ended) {
            return Ok(None);
        }
        self.phase = Phase::Ended;
        let rest = self.open.take().map(|open| open.fragment);
        match std::mem::replace(&mut self.parser, Parser::new(self.limits)).finish() {
            Ok(()) => Ok(rest),
            Err(error) => Err(FragmentError::Unfinished { error, fragment: rest.map(Box::new) }),
        }
    }

    /// Returns the memory in use, in bytes: the current fragment and waiting input.
    #[must_use]
    pub fn held(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| {
            open.bytes.saturating_add(open.fragment.frames.capacity().saturating_mul(size_of::<Frame>()))
        });
        self.parser.held().saturating_add(open).saturating_add(self.tag_bytes)
    }

    fn read(&mut self) -> Result<Option<Fragment>, FragmentError> {
        loop {
            let next = self.parser.next_event();
            // A fragment whose document has ended is complete, even if what follows is damaged.
            if !matches!(next, Ok(Some(_))) && self.parser.is_between_documents() {
                if let Some(complete) = self.close() {
                    return Ok(Some(complete));
                }
            }
            let Some(event) = next? else { return Ok(None) };
            if let Some(fragment) = self.on_event(event)? {
                return Ok(Some(fragment));
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Result<Option<Fragment>, FragmentError> {
        match event {
            Event::Segment(segment) => {
                let complete = self.close();
                self.segment = segment;
                self.tracks = Arc::new([]);
                self.segment_tags.clear();
                self.ahead = FragmentMetadata::default();
                self.tags_ahead.clear();
                self.tag_bytes = 0;
                self.clusters = false;
                Ok(complete)
            }
            Event::Tracks(tracks) => {
                self.tracks = tracks.into();
                Ok(None)
            }
            Event::Tags(tags) => self.on_tags(tags),
            Event::Cluster { at } => {
                let complete = self.close();
                self.open(at);
                Ok(complete)
            }
            Event::Frame(frame) => self.on_frame(frame).map(|()| None),
            Event::ClusterEnd => Ok(None),
        }
    }

    fn open(&mut self, at: Duration) {
        let mut fragment = Fragment::new(self.segment.clone(), Arc::clone(&self.tracks), at);
        fragment.segment_tags = self.segment_tags.clone();
        fragment.metadata = std::mem::take(&mut self.ahead);
        fragment.tags = std::mem::take(&mut self.tags_ahead);
        self.clusters = true;
        self.open = Some(Open { fragment, bytes: 0 });
    }

    fn close(&mut self) -> Option<Fragment> {
        let open = self.open.take()?;
        self.tag_bytes = self.segment_tags.iter().map(|tag| tag.name.len() + tag.value.len()).sum();
        Some(open.fragment)
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), FragmentError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let at = open.fragment.at;
        open.bytes = open.bytes.saturating_add(frame.data.len());
        if open.bytes > self.limits.fragment_bytes {
            return Err(FragmentError::TooLarge { at, bytes: open.bytes, limit: self.limits.fragment_bytes });
        }
        if open.fragment.frames.len() >= self.limits.fragment_frames {
            return Err(FragmentError::TooManyFrames { at, limit: self.limits.fragment_frames });
        }
        open.fragment.frames.push(frame);
        Ok(())
    }

    fn on_tags(&mut self, tags: Vec<Tag>) -> Result<Option<Fragment>, FragmentError> {
        let limit = self.limits.fragment_tags;
        let bytes: usize = tags.iter().map(|tag| tag.name.len() + tag.value.len()).sum();
        self.tag_bytes = self.tag_bytes.saturating_add(bytes);
        if self.tag_bytes > self.limits.tags_bytes {
            return Err(FragmentError::TagsTooLarge { bytes: self.tag_bytes, limit: self.limits.tags_bytes });
        }
        let (metadata, others) = match &mut self.open {
            Some(open) => (&mut open.fragment.metadata, &mut open.fragment.tags),
            None if self.clusters => (&mut self.ahead, &mut self.tags_ahead),
            None => (&mut self.ahead, &mut self.segment_tags),
        };
        let token_before = metadata.continuation_token.is_some();
        let fault_before = metadata.fault.is_some();
        let mut marked = false;
        for tag in tags {
            marked |= tag.name == tag_names::END_OF_FRAGMENT;
            if metadata.read(&tag) {
                continue;
            }
            others.push(tag);
        }
        if others.len() + metadata.unread.len() > limit {
            return Err(FragmentError::TooManyTags { limit });
        }
        let ends = metadata.continuation_token.is_some() && !token_before;
        let failed = metadata.fault.is_some() && !fault_before;
        // In a stream of the service the mark is not the end: the service writes its own tags after it.
        let marked = marked && metadata.number.is_none();
        // GetMedia may report an error before any media: then a fragment without frames carries it.
        if failed && self.open.is_none() {
            self.open(Duration::ZERO);
        }
        Ok(if ends || failed || marked { self.close() } else { None })
    }
}
