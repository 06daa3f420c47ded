//! The newest fragments of a stream: what the index knows, and what their media shows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{CodecId, Tag, Track, TrackKind};
use kvs_types::__internal::epoch_millis;
use serde_json::{Value, json};

use super::limits::{DESCRIBED_FRAGMENTS, READ_BYTES, SHOWN_CHARS, SHOWN_TAGS};
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
    let reason = obstacle(&contents.tracks);
    let tags: Vec<&Tag> = fragment.tags.iter().flatten().collect();
    let tag = |tag: &&Tag| json!({ "name": shortened(&tag.name), "value": shortened(&tag.value) });
    let track = |track: &Track| json!({ "number": track.number.get(), "codec": shortened(track.codec.as_str()) });
    json!({
        "frames": contents.frames.len(),
        "tracks": contents.tracks.iter().take(SHOWN_TAGS).map(track).collect::<Vec<_>>(),
        "tags": tags.iter().take(SHOWN_TAGS).map(tag).collect::<Vec<_>>(),
        "tagCount": tags.len(),
        "playable": reason.is_none(),
        "reason": reason,
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// Returns why a fragment with these tracks cannot be played, in the words of the playback calls.
fn obstacle(tracks: &[Track]) -> Option<String> {
    if tracks.is_empty() {
        return Some("The fragment has no track.".to_owned());
    }
    tracks.iter().find_map(|track| {
        let (number, codec, private) = (track.number.get(), &track.codec, &track.codec_private);
        let is_of = |known: &[CodecId]| known.contains(codec);
        let fits = match track.kind {
            TrackKind::Video => is_of(&[CodecId::H264, CodecId::H265]),
            TrackKind::Audio => is_of(&[CodecId::AAC, CodecId::ACM]),
            _ => false,
        };
        if !fits {
            return Some(format!(
                "Track {number} has the codec {}, which cannot be played.",
                shortened(codec.as_str())
            ));
        }
        if private.is_empty() {
            return Some(format!("Missing codec private data in fragment for track {number}."));
        }
        let valid = if is_of(&[CodecId::H264]) {
            h264::AvcC::parse(private).is_ok()
        } else if is_of(&[CodecId::H265]) {
            h265::HvcC::parse(private).is_ok()
        } else {
            true
        };
        (!valid).then(|| format!("The codec private data of track {number} is not a configuration record."))
    })
}

#[cfg(test)]
mod tests {
    use kvs_mkv::TrackNumber;

    use super::*;

    fn track(kind: TrackKind, codec: CodecId, private: &[u8]) -> Track {
        Track::new(TrackNumber::ONE, kind, codec).with_codec_private(private.to_vec())
    }

    #[test]
    fn obstacles_to_playback_are_named() {
        let avcc = [1, 66, 0, 30, 0xff, 0xe1, 0, 2, 0x67, 66, 1, 0, 1, 0x68];
        assert_eq!(obstacle(&[track(TrackKind::Video, CodecId::H264, &avcc)]), None);
        assert_eq!(obstacle(&[track(TrackKind::Audio, CodecId::AAC, &[0x12, 0x10])]), None);
        let missing = obstacle(&[track(TrackKind::Video, CodecId::H264, &[])]).unwrap();
        assert_eq!(missing, "Missing codec private data in fragment for track 1.");
        assert!(obstacle(&[track(TrackKind::Video, CodecId::H264, &[0, 0, 0, 1, 0x67])]).is_some());
        assert!(
            obstacle(&[track(TrackKind::Video, CodecId::from("V_MJPEG".to_owned()), b"x")])
                .unwrap()
                .contains("V_MJPEG")
        );
        assert!(obstacle(&[]).is_some());
    }
}
