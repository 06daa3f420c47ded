//! Stored media of any shape as playlists, manifests, segments and clips, and any query on the URLs of a session.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kvs_types::TimestampOrigin;

use super::{MemoryDisk, open_store};
use crate::api::ApiError;
use crate::handlers::answer_playback;
use crate::ingest::{FragmentTimecodeType, Ingest, IngestConfig, Now};
use crate::playback::{
    Clip, ContainerFormat, DashOptions, DiscontinuityMode, Display, HlsOptions, NewSession, PlaybackMode, PlayedStream,
    Protocol, Range, Session,
};
use crate::store::Store;

/// Three bytes select the session and the length of the query, which follows, and then the body of a PutMedia request. Whatever was
/// stored, each URL that a list names gives whole boxes or packets, or the exception of a request that cannot be fulfilled; a clip has
/// the length that it states. Returns how many bytes of segments were served.
pub fn playback(data: &[u8]) -> u64 {
    let Some((&[kind, later, cut], rest)) = data.split_first_chunk::<3>() else { return 0 };
    let (query, body) = rest.split_at(usize::from(cut).min(rest.len()));
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let store = open_store(&Arc::new(MemoryDisk::default())).expect("an empty folder opens");
    put(&store, body, now);
    check_clip(&store, now);
    let session = NewSession {
        stream: PlayedStream { name: KEY.to_owned(), key: KEY.to_owned(), created_ms: 0 },
        protocol: protocol(kind),
        mode: [PlaybackMode::Live, PlaybackMode::LiveReplay, PlaybackMode::OnDemand][usize::from(kind) % 3],
        origin: origin(kind),
        range: (kind % 3 != 0).then(|| range(origin(kind), now)),
        most: usize::from(later % 8) + 1,
    };
    let Ok(session) = Session::begin(&store, session, now) else { return 0 };
    let now = now + Duration::from_millis(u64::from(later) * 100);
    let player = Player { session: &session, store: &store, now, served: Cell::default() };
    player.follow();
    let query = String::from_utf8_lossy(query);
    for path in PATHS {
        let _ = player.get(path, &query);
        let _ = player.get(path, &format!("SessionToken={TOKEN}&{query}"));
    }
    player.served.get()
}

const KEY: &str = "door";
const TOKEN: &str = "token~";
const PATHS: [&str; 8] = [
    "/hls/v1/getHLSMasterPlaylist.m3u8",
    "/hls/v1/getHLSMediaPlaylist.m3u8",
    "/hls/v1/getMP4InitFragment.mp4",
    "/hls/v1/getMP4MediaFragment.mp4",
    "/hls/v1/getTSFragment.ts",
    "/dash/v1/getDASHManifest.mpd",
    "/dash/v1/getMP4InitFragment.mp4",
    "/dash/v1/getMP4MediaFragment.mp4",
];

fn protocol(kind: u8) -> Protocol {
    let display = if kind & 0x80 == 0 { Display::Always } else { Display::Never };
    let container = if kind & 0x40 == 0 { ContainerFormat::FragmentedMp4 } else { ContainerFormat::MpegTs };
    let modes = [DiscontinuityMode::Always, DiscontinuityMode::Never, DiscontinuityMode::OnDiscontinuity];
    match kind & 0x20 {
        0 => Protocol::Hls(HlsOptions {
            container,
            discontinuity: modes[usize::from(kind >> 2) % 3],
            timestamps: display,
        }),
        _ => Protocol::Dash(DashOptions { timestamps: display, numbers: display }),
    }
}

const fn origin(kind: u8) -> TimestampOrigin {
    if kind & 0x10 == 0 { TimestampOrigin::Producer } else { TimestampOrigin::Server }
}

fn range(origin: TimestampOrigin, now: SystemTime) -> Range {
    Range { origin, from: SystemTime::UNIX_EPOCH, to: now + Duration::from_secs(3600) }
}

fn put(store: &Store, body: &[u8], wall: SystemTime) {
    let now = Now { at: Instant::now(), wall };
    let mut ingest = Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute), now);
    ingest.handle_body(Bytes::copy_from_slice(body), now);
    ingest.handle_end(now);
    while let Some(fragment) = ingest.poll_fragment() {
        store.append(KEY, &fragment).expect("a fragment that was accepted can be stored");
        ingest.handle_stored(&fragment.number, Ok(()), now);
    }
}

fn check_clip(store: &Store, now: SystemTime) {
    let clip = match Clip::collect(store, KEY, range(TimestampOrigin::Producer, now)) {
        Ok(clip) => clip,
        Err(error) => return assert_refused(&error),
    };
    let mut file = clip.head.to_vec();
    let (len, mut reader) = (clip.len, clip.into_reader());
    while reader.next_bytes().is_some() {
        let media = reader.next(store, KEY).expect("what was collected can be read");
        media.iter().for_each(|piece| file.extend_from_slice(piece));
    }
    assert_eq!(file.len() as u64, len, "a clip has the length that it states");
    assert_boxes(&file);
}

/// Follows the URLs of a session as a player does.
struct Player<'a> {
    session: &'a Session,
    store: &'a Store,
    now: SystemTime,
    served: Cell<u64>,
}

impl Player<'_> {
    fn follow(&self) {
        let token = format!("SessionToken={TOKEN}");
        for (folder, list) in [("/hls/v1/", PATHS[0]), ("/dash/v1/", PATHS[5])] {
            let Ok(text) = self.get(list, &token) else { continue };
            let text = String::from_utf8(text).expect("a list is text");
            for url in urls(&text) {
                self.open(folder, &url);
            }
        }
    }

    /// Opens a URL of a list; a list is followed.
    fn open(&self, folder: &str, url: &str) {
        let (name, query) = url.split_once('?').expect("each URL has the token");
        let path = format!("{folder}{name}");
        assert!(PATHS.contains(&path.as_str()), "{path}");
        let body = match self.get(&path, query) {
            Ok(body) => body,
            Err(error) => return assert_refused(&error),
        };
        if !name.contains("Init") && !name.ends_with(".m3u8") {
            self.served.set(self.served.get() + body.len() as u64);
        }
        if name.ends_with(".m3u8") {
            let text = String::from_utf8(body).expect("a playlist is text");
            urls(&text).iter().for_each(|url| self.open(folder, url));
        } else if name.ends_with(".ts") {
            assert!(body.chunks(188).all(|packet| packet.len() == 188 && packet[0] == 0x47), "packets are whole");
        } else {
            assert_boxes(&body);
        }
    }

    fn get(&self, path: &str, query: &str) -> Result<Vec<u8>, ApiError> {
        answer_playback(self.session, self.store, (path, query), self.now).map(|body| body.into_bytes().to_vec())
    }
}

/// Returns the URLs in a playlist or manifest; a template stands for its first segments.
fn urls(text: &str) -> Vec<String> {
    let is_url = |part: &&str| part.starts_with("get") && part.contains('?');
    let plain = text.split(['"', '\n']).filter(is_url).map(|url| url.replace("&amp;", "&"));
    let segments = text.matches("<S ").count();
    plain
        .flat_map(|url| match url.contains("$Number$") {
            true => (0..=segments + 1).map(|number| url.replace("$Number$", &number.to_string())).collect(),
            false => vec![url],
        })
        .collect()
}

/// The top level is boxes from the first to the last byte.
fn assert_boxes(mut file: &[u8]) {
    while !file.is_empty() {
        let size = file.first_chunk::<4>().map(|size| u32::from_be_bytes(*size)).expect("a box has a size");
        let size = match size {
            1 => file.get(8..16).and_then(|large| large.try_into().ok()).map(u64::from_be_bytes),
            size => Some(size.into()),
        };
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size >= 8).expect("a size");
        file = file.get(size..).expect("a box ends within the file");
    }
}

/// Stored media that cannot be played is the fault of the producer, never of the service.
fn assert_refused(error: &ApiError) {
    assert!(error.exception.status().is_client_error(), "{error}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn corpus() -> Vec<(String, Vec<u8>)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/playback");
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        let read =
            |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap());
        entries.map(read).filter(|(name, _)| name.contains('_')).collect()
    }

    #[test]
    fn the_committed_media_is_served() {
        let all = corpus();
        assert!(all.len() >= 6, "{}", all.len());
        for (name, data) in all {
            assert!(playback(&data) > 500, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_media_is_served_or_refused(
            which: prop::sample::Index,
            changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..6),
        ) {
            let all = corpus();
            let mut data = which.get(&all).1.clone();
            for (at, byte) in changes {
                let at = at.index(data.len());
                data[at] = byte;
            }
            playback(&data);
        }
    }
}
