//! A stored fragment.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_mkv::{Event, Frame, Limits, ParseError, Parser, Tag, Track};
use kvs_types::__internal::epoch_millis;

use super::index::FragmentRecord;
use super::record::{Meta, millis, time_of};
use crate::ingest::IngestedFragment;

/// A fragment read from the store: the bytes that the producer sent and their metadata.
///
/// Memory: one buffer of [`FragmentRecord::bytes`]; the three parts are slices of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredFragment {
    /// Number, timestamps, duration, size.
    pub info: FragmentRecord,
    /// The cluster's timecode as sent, in whole ms.
    pub timecode: Duration,
    /// Everything before the session's first cluster.
    pub header: Bytes,
    /// The cluster element.
    pub cluster: Bytes,
    /// Everything between the cluster and the end of the fragment: tags.
    pub trailing: Bytes,
    /// Its tags in groups, as in [`IngestedFragment::tags`].
    pub tags: Vec<Vec<Tag>>,
}

/// The parsed media of a fragment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Contents {
    /// The tracks of its session.
    pub tracks: Vec<Track>,
    /// Its frames in the order sent, times as in the container, payloads slices of the fragment's bytes.
    pub frames: Vec<Frame>,
}

impl StoredFragment {
    /// Parses the media.
    ///
    /// # Errors
    /// Never for media that [`Ingest`](crate::ingest::Ingest) accepted, since it was parsed before.
    pub fn contents(&self) -> Result<Contents, ParseError> {
        let mut parser = Parser::new(Limits::default());
        let mut contents = Contents { tracks: Vec::new(), frames: Vec::new() };
        for part in [&self.header, &self.cluster] {
            parser.push(part.clone());
            while let Some(event) = parser.next_event()? {
                match event {
                    Event::Tracks(tracks) => contents.tracks = tracks,
                    Event::Frame(frame) => contents.frames.push(frame),
                    _ => {}
                }
            }
        }
        Ok(contents)
    }

    /// When the producer says that a frame of this container time was taken.
    #[must_use]
    pub fn producer_time(&self, pts: Duration) -> SystemTime {
        let start = self.info.producer_timestamp;
        let later = || start.checked_add(pts.saturating_sub(self.timecode));
        let earlier = || start.checked_sub(self.timecode.saturating_sub(pts));
        if pts >= self.timecode { later() } else { earlier() }.unwrap_or(start)
    }

    pub(super) fn new(info: FragmentRecord, meta: Meta, media: &Bytes) -> Option<Self> {
        let header_end = usize::try_from(meta.header).ok()?;
        let cluster_end = header_end.checked_add(usize::try_from(meta.cluster).ok()?)?;
        let end = cluster_end.checked_add(usize::try_from(meta.trailing).ok()?)?;
        if end != media.len() {
            return None;
        }
        let tag = |(name, value)| Tag { name, value };
        Some(Self {
            info,
            timecode: Duration::from_millis(meta.timecode_ms),
            header: media.slice(..header_end),
            cluster: media.slice(header_end..cluster_end),
            trailing: media.slice(cluster_end..),
            tags: meta.tags.into_iter().map(|group| group.into_iter().map(tag).collect()).collect(),
        })
    }
}

/// The same view of a fragment that is still in memory. Joins its pieces: one copy.
impl From<IngestedFragment> for StoredFragment {
    fn from(fragment: IngestedFragment) -> Self {
        let bytes = fragment.len() as u64;
        let timecode = Duration::from_millis(millis(fragment.timecode));
        Self {
            info: FragmentRecord {
                number: fragment.number,
                producer_timestamp: time_of(epoch_millis(fragment.producer_timestamp)),
                server_timestamp: fragment.server_timestamp,
                duration: Duration::from_millis(millis(fragment.duration)),
                bytes,
            },
            timecode,
            header: fragment.header.into_bytes(),
            cluster: fragment.cluster.into_bytes(),
            trailing: fragment.trailing.into_bytes(),
            tags: fragment.tags,
        }
    }
}
