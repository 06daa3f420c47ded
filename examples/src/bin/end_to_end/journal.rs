//! What happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Everything that was seen: the source of the verdict, of `report.json` and of `index.html`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Journal {
    /// Description of the recording.
    pub(crate) recording: String,
    /// Name of the stream.
    pub(crate) stream: String,
    /// Time 0 of the recording, in milliseconds since 1970.
    pub(crate) start_ms: u64,
    /// Length of the recording in milliseconds.
    pub(crate) duration_ms: u64,
    /// Frames that the producer accepted, and those of them that it reported persisted.
    pub(crate) submitted_frames: u64,
    pub(crate) persisted_frames: u64,
    /// Fragments by their timecode.
    pub(crate) fragments: BTreeMap<u64, Fragment>,
    /// Times of the pictures that were sent, in milliseconds since 1970.
    #[serde(skip)]
    pub(crate) pictures: BTreeSet<u64>,
    /// Times of tagged key frames that are in no persisted fragment.
    #[serde(skip)]
    pub(crate) lost_tags: Vec<u64>,
    /// Image objects in S3.
    pub(crate) image_objects: Vec<ImageObject>,
    /// Notifications that were delivered and verified.
    pub(crate) notifications: Vec<Notification>,
    /// What GetImages returned, one per timestamp.
    pub(crate) images: Vec<Image>,
    /// Other events, such as reconnects and losses.
    pub(crate) remarks: Vec<String>,
}

/// One fragment.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Fragment {
    /// Its timecode, in milliseconds since 1970.
    pub(crate) timecode: u64,
    /// Milliseconds from its first frame to its last.
    pub(crate) span_ms: u64,
    /// Frames in it.
    pub(crate) frames: u64,
    /// Payload bytes in it.
    pub(crate) bytes: u64,
    /// Whether it requests images.
    pub(crate) image_tag: bool,
    /// Whether it requests a notification.
    pub(crate) notification_tag: bool,
    /// Its fragment number, assigned by the service.
    pub(crate) number: Option<String>,
    /// Whether the producer reported it persisted.
    pub(crate) persisted: bool,
    /// Its acks.
    pub(crate) acks: Vec<Ack>,
}

/// One ack.
#[derive(Debug, Serialize)]
pub(crate) struct Ack {
    /// BUFFERING, RECEIVED, PERSISTED or ERROR with its id.
    pub(crate) kind: String,
    /// Milliseconds since the start of streaming.
    pub(crate) after_ms: u64,
}

/// One image object in S3.
#[derive(Debug, Serialize)]
pub(crate) struct ImageObject {
    /// Its key in the bucket.
    pub(crate) key: String,
    /// Time of the image according to the key, in milliseconds since 1970.
    pub(crate) timecode: u64,
    /// The file, relative to the output directory.
    pub(crate) path: String,
    /// The object's metadata.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// One notification.
#[derive(Debug, Serialize)]
pub(crate) struct Notification {
    /// Number of the fragment it is about.
    pub(crate) fragment_number: String,
    /// Producer timestamp of the fragment, in milliseconds since 1970.
    pub(crate) producer_timestamp: u64,
    /// PERSISTED.
    pub(crate) kind: String,
    /// The custom pairs of the fragment's tag.
    pub(crate) payload: BTreeMap<String, String>,
    /// Milliseconds since the start of streaming.
    pub(crate) after_ms: u64,
}

/// One timestamp of GetImages.
#[derive(Debug, Serialize)]
pub(crate) struct Image {
    /// The timestamp, in milliseconds since 1970.
    pub(crate) timestamp: u64,
    /// The file of the image, relative to the output directory.
    pub(crate) path: Option<String>,
    /// Why there is no image.
    pub(crate) error: Option<String>,
}

impl Journal {
    /// Returns the fragment of this timecode, a new one if it was not known.
    pub(crate) fn fragment(&mut self, timecode: u64) -> &mut Fragment {
        let fragment = self.fragments.entry(timecode).or_default();
        fragment.timecode = timecode;
        fragment
    }

    /// Returns the number of fragments that were persisted.
    pub(crate) fn persisted(&self) -> usize {
        self.fragments.values().filter(|fragment| fragment.persisted).count()
    }

    /// Returns the persisted fragment that contains this time.
    pub(crate) fn fragment_at(&self, at: u64) -> Option<&Fragment> {
        let before = self.fragments.range(..=at).rev();
        before.map(|(_, fragment)| fragment).find(|fragment| fragment.persisted && at <= fragment.end())
    }

    /// Returns the times of the first and the last picture of a fragment, if it has pictures.
    pub(crate) fn pictures_of(&self, fragment: &Fragment) -> Option<(u64, u64)> {
        let mut pictures = self.pictures.range(fragment.timecode..=fragment.end()).copied();
        let first = pictures.next()?;
        Some((first, pictures.next_back().unwrap_or(first)))
    }
}

impl Fragment {
    /// Time of its last frame, in milliseconds since 1970.
    pub(crate) const fn end(&self) -> u64 {
        self.timecode.saturating_add(self.span_ms)
    }
}

/// Milliseconds since 1970; no earlier time occurs here.
pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
