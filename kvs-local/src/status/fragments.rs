//! The newest fragments of a stream: what the index knows, and what their media shows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use kvs_mkv::{Tag, Track};
use kvs_types::__internal::epoch_millis;
use serde_json::{Value, json};

use super::limits::{DESCRIBED_FRAGMENTS, READ_BYTES, SHOWN_CHARS, SHOWN_TAGS};
use crate::playback::playable_as;
use crate::store::{FragmentRecord, Store, StoreError, StoredFragment};

/// Descriptions of fragments whose media was read: a fragment does not change.
#[derive(Debug, Default)]
pub(super) struct Descriptions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_fragment: BTreeMap<(String, String), Value>,
    /// The oldest ones first.
    order: VecDeque<(String, String)>,
}

impl Descriptions {
    /// Describes these fragments of the stream with this media key. Reads at most [`READ_BYTES`] of media; fragments beyond that have
    /// no `media` this time.
    pub(super) fn describe(&self, store: &Store, key: &str, fragments: &[FragmentRecord]) -> Vec<Value> {
        let mut left = READ_BYTES;
        let mut describe = |fragment: &FragmentRecord| {
            let id = (key.to_owned(), fragment.number.to_string());
            let mut media = self.kept(&id);
            if media.is_none() && fragment.bytes <= left {
                left -= fragment.bytes;
                media =
                    store.load(key, &fragment.number).map_or_else(|error| unread(&error), |read| Some(shown(&read)));
                self.keep(id, media.as_ref());
            }
            json!({
                "number": fragment.number.as_str(),
                "producer": epoch_millis(fragment.producer_timestamp),
                "server": epoch_millis(fragment.server_timestamp),
                "duration": u64::try_from(fragment.duration.as_millis()).unwrap_or(u64::MAX),
                "bytes": fragment.bytes,
                "media": media,
            })
        };
        fragments.iter().map(&mut describe).collect()
    }

    fn kept(&self, id: &(String, String)) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_fragment.get(id).cloned()
    }

    fn keep(&self, id: (String, String), media: Option<&Value>) {
        let Some(media) = media else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.order.len() >= DESCRIBED_FRAGMENTS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_fragment.remove(&oldest);
        }
        if kept.by_fragment.insert(id.clone(), media.clone()).is_none() {
            kept.order.push_back(id);
        }
    }
}

/// A fragment that was trimmed since it was listed has no description.
fn unread(error: &StoreError) -> Option<Value> {
    match error {
        StoreError::NotFound { .. } => None,
        _ => Some(json!({ "playable": false, "reason": "The stored fragment is damaged." })),
    }
}

fn shown(fragment: &StoredFragment) -> Value {
    let Ok(contents) = fragment.contents() else {
        return json!({ "playable": false, "reason": "The stored fragment cannot be parsed." });
    };
    let played = playable_as(fragment.info.number.as_str(), &contents.tracks, &contents.frames);
    let tags: Vec<&Tag> = fragment.tags.iter().flatten().collect();
    let tag = |tag: &&Tag| json!({ "name": shortened(&tag.name), "value": shortened(&tag.value) });
    let track = |track: &Track| json!({ "number": track.number.get(), "codec": shortened(track.codec.as_str()) });
    json!({
        "frames": contents.frames.len(),
        "tracks": contents.tracks.iter().take(SHOWN_TAGS).map(track).collect::<Vec<_>>(),
        "tags": tags.iter().take(SHOWN_TAGS).map(tag).collect::<Vec<_>>(),
        "tagCount": tags.len(),
        "playable": played.is_ok(),
        "as": played.as_deref().unwrap_or_default(),
        "reason": played.as_ref().err().map(|error| shortened(&error.message)),
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
