//! What happened on the way, in the order it became known.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Everything that was seen: the source of the verdict, of `report.json` and of `index.html`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Journal {
    /// The recording, as text for people.
    pub(crate) recording: String,
    /// The stream that was written.
    pub(crate) stream: String,
    /// The epoch milliseconds at which the recording's time 0 lies.
    pub(crate) start_ms: u64,
    /// Milliseconds of media.
    pub(crate) duration_ms: u64,
    /// Fragments by their timecode.
    pub(crate) fragments: BTreeMap<u64, Fragment>,
    /// Image objects in S3.
    pub(crate) images: Vec<Image>,
    /// Notifications that were delivered and verified.
    pub(crate) notifications: Vec<Notification>,
    /// Pictures that GetImages gave.
    pub(crate) pictures: Vec<Picture>,
    /// Other things worth knowing, such as reconnections and losses.
    pub(crate) remarks: Vec<String>,
}

/// One fragment.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Fragment {
    /// Epoch milliseconds of its cluster.
    pub(crate) timecode: u64,
    /// Milliseconds from its first frame to its last.
    pub(crate) span_ms: u64,
    /// Frames in it.
    pub(crate) frames: u64,
    /// Payload bytes in it.
    pub(crate) bytes: u64,
    /// Whether images were asked for.
    pub(crate) image_tag: bool,
    /// Whether a notification was asked for.
    pub(crate) notification_tag: bool,
    /// The number the service gave it.
    pub(crate) number: Option<String>,
    /// Its acks: kind and milliseconds since the connection began.
    pub(crate) acks: Vec<Ack>,
}

/// One ack.
#[derive(Debug, Serialize)]
pub(crate) struct Ack {
    /// BUFFERING, RECEIVED, PERSISTED or ERROR with its id.
    pub(crate) kind: String,
    /// Milliseconds since streaming began.
    pub(crate) after_ms: u64,
}

/// One image object.
#[derive(Debug, Serialize)]
pub(crate) struct Image {
    /// Its key in the bucket.
    pub(crate) key: String,
    /// Epoch milliseconds of the picture, as the key says.
    pub(crate) timecode: u64,
    /// Where the file lies, relative to the output folder.
    pub(crate) path: String,
    /// The object's metadata.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// One notification.
#[derive(Debug, Serialize)]
pub(crate) struct Notification {
    /// The fragment it tells of.
    pub(crate) fragment_number: String,
    /// When the producer stamped the fragment, in epoch milliseconds.
    pub(crate) producer_timestamp: u64,
    /// PERSISTED.
    pub(crate) kind: String,
    /// The custom pairs of the tag.
    pub(crate) payload: BTreeMap<String, String>,
    /// Milliseconds since streaming began.
    pub(crate) after_ms: u64,
}

/// One picture of GetImages.
#[derive(Debug, Serialize)]
pub(crate) struct Picture {
    /// Epoch milliseconds it was asked for.
    pub(crate) timestamp: u64,
    /// Its file, relative to the output folder.
    pub(crate) path: Option<String>,
    /// Why there is none.
    pub(crate) error: Option<String>,
}

impl Journal {
    /// The fragment of this timecode, new if it was not known.
    pub(crate) fn fragment(&mut self, timecode: u64) -> &mut Fragment {
        let fragment = self.fragments.entry(timecode).or_default();
        fragment.timecode = timecode;
        fragment
    }

    /// The number of fragments that the service has persisted.
    pub(crate) fn persisted(&self) -> usize {
        self.fragments.values().filter(|fragment| fragment.is_persisted()).count()
    }
}

impl Fragment {
    /// Whether the service acknowledged that it is stored.
    pub(crate) fn is_persisted(&self) -> bool {
        self.acks.iter().any(|ack| ack.kind == "PERSISTED")
    }
}

/// Epoch milliseconds of a time; times before the epoch do not occur here.
pub(crate) fn epoch_ms(at: SystemTime) -> u64 {
    millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
