//! The level of the next element in the document, and how it is handled there (RFC 9559 §5).

use std::time::Duration;

use super::{Parser, Pending, Step, masters};
use crate::ebml::{Children, Head};
use crate::{ElementId, Event, ParseError, Problem, SegmentInfo};

/// The level of the next element.
///
/// ```text
///            EBML           Segment            Cluster
///   Outside ─────► Headed ──────────► Segment ─────────► Cluster
///      ▲                                 │ ▲                │
///      └──── EBML, end of the Segment ───┘ └── level 1, ────┘
///                                              end of the Cluster
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Outside,
    Headed { start: u64 },
    Segment(Segment),
    Cluster(Segment, Cluster),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Offset of its EBML head, until the event of the segment was returned.
    pub(super) unannounced: Option<u64>,
    /// Offset of its body.
    pub(super) body: u64,
    pub(super) end: Option<u64>,
    /// Whether it has had a cluster; from then on the timecode unit is fixed.
    pub(super) clusters: bool,
}

/// What the parser needs to read blocks of the current cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    /// The timecode of the cluster in units.
    pub(super) timecode: u64,
    /// Offset of the end of the cluster or segment; `u64::MAX` if its size is unknown.
    pub(super) end: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Cluster {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    /// Its timecode in units.
    pub(super) timecode: Option<u64>,
    pub(super) announced: bool,
}

impl Parser {
    /// Leaves a Cluster or Segment of known size at its end.
    #[inline]
    pub(super) fn close_ended(&mut self) -> Result<Option<Step>, ParseError> {
        let at = self.input.position();
        match self.level {
            Level::Cluster(segment, cluster) => match cluster.end.or(segment.end) {
                Some(end) if at >= end => self.leave_cluster(at).map(Some),
                _ => Ok(None),
            },
            Level::Segment(segment) if segment.end.is_some_and(|end| at >= end) => {
                if let Some(step) = self.announce_segment(None) {
                    return Ok(Some(step));
                }
                self.level = Level::Outside;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Leaves a Cluster or Segment of unknown size that the element `id` ends.
    #[inline]
    pub(super) fn end_unsized(&mut self, at: u64, id: ElementId) -> Result<Option<Step>, ParseError> {
        match self.level {
            Level::Cluster(_, Cluster { end: None, .. }) if id.is_level_1() || id == ElementId::EBML => {
                self.leave_cluster(at).map(Some)
            }
            Level::Segment(Segment { end: None, .. }) if id == ElementId::EBML => {
                let step = self.announce_segment(None);
                if step.is_none() {
                    self.level = Level::Outside;
                }
                Ok(step)
            }
            _ => Ok(None),
        }
    }

    /// Handles the element with this head, if enough of it is there.
    #[inline]
    pub(super) fn element(&mut self, at: u64, head: Head) -> Result<Step, ParseError> {
        match self.level {
            Level::Cluster(segment, cluster) => self.in_cluster(at, head, segment, cluster),
            Level::Segment(segment) => self.in_segment(at, head, segment),
            Level::Headed { start } => self.in_headed(at, head, start),
            Level::Outside => self.outside(at, head),
        }
    }

    fn outside(&mut self, at: u64, head: Head) -> Result<Step, ParseError> {
        match head.id {
            ElementId::EBML => {
                let Some(body) = self.whole(at, head, None, self.limits.header_bytes)? else {
                    return Ok(self.needs(head));
                };
                masters::check_ebml_head(Children::new(ElementId::EBML, at + head.len as u64, &body))?;
                self.level = Level::Headed { start: at };
                Ok(Step::Again)
            }
            // A Void element may be at any level (RFC 8794 §11.3.2).
            ElementId::VOID => self.skip(at, head, None),
            id if at == 0 => Err(ParseError::new(at, id, Problem::NotMatroska)),
            id => Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::EBML })),
        }
    }

    fn in_headed(&mut self, at: u64, head: Head, start: u64) -> Result<Step, ParseError> {
        match head.id {
            ElementId::SEGMENT => {
                let body = self.consume_head(head);
                let end = head.size.map(|size| body.saturating_add(size));
                // Each document has its own timecode unit and tracks.
                self.scale = DEFAULT_SCALE;
                self.default_durations.clear();
                self.level = Level::Segment(Segment { unannounced: Some(start), body, end, clusters: false });
                Ok(Step::Again)
            }
            ElementId::VOID => self.skip(at, head, None),
            id => Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::EBML })),
        }
    }

    fn in_segment(&mut self, at: u64, head: Head, segment: Segment) -> Result<Step, ParseError> {
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        match head.id {
            ElementId::INFO => self.info(at, head, segment),
            ElementId::TRACKS => self.tracks(at, head, parent),
            ElementId::TAGS => self.tags(at, head, parent),
            ElementId::CLUSTER => self.enter_cluster(at, head, segment),
            id if id.is_level_0() || is_cluster_child(id) => {
                Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::SEGMENT }))
            }
            // Cues, Attachments, Chapters and unknown elements: an EBML reader ignores what it does not know (RFC 8794 §3).
            _ => self.skip(at, head, parent),
        }
    }

    fn info(&mut self, at: u64, head: Head, segment: Segment) -> Result<Step, ParseError> {
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        let Some(body) = self.whole(at, head, parent, self.limits.header_bytes)? else {
            return Ok(self.needs(head));
        };
        let info = masters::info(Children::new(ElementId::INFO, at + head.len as u64, &body))?;
        if !segment.clusters {
            self.scale = u64::try_from(info.timecode_scale.as_nanos()).unwrap_or(u64::MAX);
        }
        Ok(self.announce_segment(Some(info)).unwrap_or(Step::Again))
    }

    /// Returns the event of the Segment, once.
    fn announce_segment(&mut self, info: Option<SegmentInfo>) -> Option<Step> {
        let Level::Segment(segment) = &mut self.level else { return None };
        let start = segment.unannounced.take()?;
        let end = if info.is_some() { self.input.position() } else { segment.body };
        self.span = start..end;
        Some(Step::Event(Event::Segment(info.unwrap_or_else(masters::no_info))))
    }

    fn tracks(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let Some(body) = self.whole(at, head, parent, self.limits.tracks_bytes)? else {
            return Ok(self.needs(head));
        };
        let children = Children::new(ElementId::TRACKS, at + head.len as u64, &body);
        let tracks = masters::tracks(children, self.limits.tracks)?;
        let durations = tracks.iter().filter_map(|track| {
            let nanos = u64::try_from(track.default_duration?.as_nanos()).ok()?;
            Some((track.number.get(), nanos))
        });
        self.default_durations = durations.collect();
        self.span = at..self.input.position();
        Ok(Step::Event(Event::Tracks(tracks)))
    }

    fn tags(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let Some(body) = self.whole(at, head, parent, self.limits.tags_bytes)? else {
            return Ok(self.needs(head));
        };
        self.span = at..self.input.position();
        self.pending = Pending::Tags { body, offset: at + head.len as u64, next: 0 };
        Ok(Step::Again)
    }

    fn enter_cluster(&mut self, at: u64, head: Head, mut segment: Segment) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_segment(None) {
            return Ok(step);
        }
        let parent = segment.end.map(|end| (ElementId::SEGMENT, end));
        if head.size.is_some() {
            self.check_inside(at, head, parent)?;
        }
        let body = self.consume_head(head);
        let end = head.size.map(|size| body.saturating_add(size));
        segment.clusters = true;
        self.level = Level::Cluster(segment, Cluster { start: at, end, timecode: None, announced: false });
        Ok(Step::Again)
    }

    /// Ends the current cluster at `at`; its own event comes first, if it was not returned yet.
    fn leave_cluster(&mut self, at: u64) -> Result<Step, ParseError> {
        if let Some(step) = self.announce_cluster(at)? {
            return Ok(step);
        }
        if let Level::Cluster(segment, _) = self.level {
            self.level = Level::Segment(segment);
        }
        self.blocks = None;
        self.span = at..at;
        Ok(Step::Event(Event::ClusterEnd))
    }

    /// Returns the event of the current cluster, once; its first block or its end is at `at`.
    fn announce_cluster(&mut self, at: u64) -> Result<Option<Step>, ParseError> {
        let Level::Cluster(segment, cluster) = &mut self.level else { return Ok(None) };
        if cluster.announced {
            return Ok(None);
        }
        let missing = Problem::Missing { child: ElementId::TIMESTAMP };
        let timecode = cluster.timecode.ok_or(ParseError::new(cluster.start, ElementId::CLUSTER, missing))?;
        let wrong = || ParseError::new(cluster.start, ElementId::CLUSTER, Problem::TimeOutOfRange);
        let nanos = timecode.checked_mul(self.scale).ok_or_else(wrong)?;
        cluster.announced = true;
        self.blocks = Some(Blocks { timecode, end: cluster.end.or(segment.end).unwrap_or(u64::MAX) });
        self.span = cluster.start..at;
        Ok(Some(Step::Event(Event::Cluster { at: Duration::from_nanos(nanos) })))
    }

    #[inline]
    fn in_cluster(&mut self, at: u64, head: Head, segment: Segment, cluster: Cluster) -> Result<Step, ParseError> {
        let parent = match cluster.end {
            Some(end) => Some((ElementId::CLUSTER, end)),
            None => segment.end.map(|end| (ElementId::SEGMENT, end)),
        };
        match head.id {
            ElementId::SIMPLE_BLOCK | ElementId::BLOCK_GROUP => {
                if !cluster.announced {
                    return Ok(self.announce_cluster(at)?.unwrap_or(Step::Again));
                }
                if !self.is_there(at, head, parent, self.limits.block_bytes)? {
                    return Ok(self.needs(head));
                }
                self.block(at, head, cluster.timecode.unwrap_or_default())
            }
            ElementId::TIMESTAMP => self.timestamp(at, head, parent),
            id if id.is_level_1() || id.is_level_0() => {
                Err(ParseError::new(at, id, Problem::Unexpected { within: ElementId::CLUSTER }))
            }
            _ => self.skip(at, head, parent),
        }
    }

    fn timestamp(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        let Some(body) = self.whole(at, head, parent, 8)? else {
            return Ok(self.needs(head));
        };
        let value = body.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        match &mut self.level {
            Level::Cluster(_, cluster) if !cluster.announced => cluster.timecode = Some(value),
            _ => {
                let late = Problem::Unexpected { within: ElementId::CLUSTER };
                return Err(ParseError::new(at, ElementId::TIMESTAMP, late));
            }
        }
        Ok(Step::Again)
    }
}

/// Returns whether the element occurs in clusters only (RFC 9559 §5.1.3): elsewhere, the head of its cluster is missing.
const fn is_cluster_child(id: ElementId) -> bool {
    matches!(id, ElementId::SIMPLE_BLOCK | ElementId::BLOCK_GROUP | ElementId::TIMESTAMP)
}

/// Default of TimestampScale in nanoseconds: one millisecond (RFC 9559 §5.1.2.9).
pub(super) const DEFAULT_SCALE: u64 = 1_000_000;
