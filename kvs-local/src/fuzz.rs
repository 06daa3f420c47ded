//! Entry points for fuzzing: bytes in, invariants checked. Ordinary tests run them too.

#[cfg(feature = "images")]
mod clip;
#[cfg(feature = "images")]
mod pictures;
#[cfg(feature = "server")]
mod playback;
#[cfg(feature = "server")]
mod requests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
use kvs_types::ErrorId;

use crate::ingest::{
    Ack, AckEventType, FragmentTimecodeType, Ingest, IngestConfig, IngestedFragment, Now, ProducerStart,
};
use crate::store::{Disk, Durability, Selection, Store, StoreError, StorePolicy};

#[cfg(feature = "images")]
pub use clip::{Clip, damage};
#[cfg(feature = "images")]
pub use pictures::pictures;
#[cfg(feature = "server")]
pub use playback::playback;
#[cfg(feature = "server")]
pub use requests::requests;

/// A PutMedia body. The first three bytes say how the session is set up, how the body is cut and how fast time goes.
pub fn ingest(data: &[u8]) {
    let Some((&[setup, cut, pace], body)) = data.split_first_chunk::<3>() else { return };
    let timecode_type = if setup & 1 == 0 { FragmentTimecodeType::Absolute } else { FragmentTimecodeType::Relative };
    let start = ProducerStart::At(Duration::from_secs(u64::from(setup) << 25));
    let mut now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) };
    let config = IngestConfig::new(timecode_type).producer_start(start).in_flight_bytes(u64::from(setup) * 100 + 1);
    let mut session = Session { ingest: Ingest::new(config, now), fails: setup & 2 != 0, ..Session::new(now) };
    for piece in body.chunks(usize::from(cut) * 7 + 1) {
        session.ingest.handle_body(Bytes::copy_from_slice(piece), now);
        session.drain(now);
        now.at += Duration::from_millis(u64::from(pace) * 100);
        while session.ingest.poll_timeout().is_some_and(|due| due <= now.at) {
            session.ingest.handle_timeout(now);
            session.drain(now);
        }
    }
    session.ingest.handle_end(now);
    session.drain(now);
    session.check(body);
}

/// One session with all that came out of it.
struct Session {
    ingest: Ingest,
    /// Whether the third fragment cannot be stored.
    fails: bool,
    acks: Vec<Ack>,
    fragments: Vec<IngestedFragment>,
}

impl Session {
    fn new(now: Now) -> Self {
        let ingest = Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute), now);
        Self { ingest, fails: false, acks: Vec::new(), fragments: Vec::new() }
    }

    fn drain(&mut self, now: Now) {
        while let Some(fragment) = self.ingest.poll_fragment() {
            let fails = self.fails && self.fragments.len() == 2;
            let stored = if fails { Err(ErrorId::ARCHIVAL_ERROR) } else { Ok(()) };
            self.ingest.handle_stored(&fragment.number, stored, now);
            self.fragments.push(fragment);
        }
        self.acks.extend(std::iter::from_fn(|| self.ingest.poll_ack()));
    }

    fn check(&self, body: &[u8]) {
        assert!(self.ingest.is_finished() && self.ingest.poll_timeout().is_none());
        let count = |event| self.acks.iter().filter(|ack| ack.event_type == event).count();
        let errors = count(AckEventType::Error);
        assert!(errors == 0 || errors == 1 && self.acks.last().is_some_and(|ack| ack.error.is_some()));
        let (buffered, received) = (count(AckEventType::Buffering), count(AckEventType::Received));
        assert!(count(AckEventType::Persisted) <= received && received <= buffered);
        assert_eq!(received, self.fragments.len());
        assert!(self.fragments.is_sorted_by(|one, next| one.number < next.number));
        let Some(first) = self.fragments.first() else { return };
        // The bytes of all fragments, one behind the other, are the body as far as it was taken.
        let mut at = first.header.len();
        assert!(first.header.iter().flatten().eq(body.iter().take(at)));
        for fragment in &self.fragments {
            for part in [&fragment.cluster, &fragment.trailing] {
                // Tags after an end-of-fragment tag come before their cluster in the body, so only the sum is compared.
                at += part.len();
            }
            let frames: usize = fragment.frames().map(|frame| frame.data.len()).sum();
            assert!(frames <= fragment.cluster.len());
            assert_eq!(fragment.frames().count(), fragment.frame_count());
        }
        assert!(at <= body.len());
    }
}

/// A store folder after a crash or a manual change: manifest, segment and index, cut from the input.
pub fn store(data: &[u8]) {
    let Some((&[cuts, kind], rest)) = data.split_first_chunk::<2>() else { return };
    let (first, rest) = rest.split_at(rest.len() * usize::from(cuts & 15) / 15);
    let (second, third) = rest.split_at(rest.len() * usize::from(cuts >> 4) / 15);
    let disk = Arc::new(MemoryDisk::default());
    let put = fragment();
    // A sound store to begin with, of which the input replaces or lengthens a part.
    with_store(&disk, |store| store.append("door", &put).map(drop))
        .expect("an empty folder opens and takes a fragment");
    disk.change("seg", first, kind & 1 != 0);
    disk.change("idx", second, kind & 2 != 0);
    if kind & 4 != 0 {
        disk.change("json", third, kind & 8 != 0);
    }
    let result = with_store(&disk, |store| {
        for stream in store.stream_names() {
            for info in store.list(&stream, &Selection::All)? {
                match store.load(&stream, &info.number) {
                    Ok(found) => drop(found.contents()),
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        match store.append("window", &put) {
            Ok(_) | Err(StoreError::Duplicate { .. }) => store.load("window", &put.number).map(drop),
            Err(error) => Err(error),
        }
    });
    if let Err(error) = result {
        panic!("a folder is opened whatever is in it: {error}");
    }
}

fn with_store(disk: &Arc<MemoryDisk>, work: impl Fn(&Store) -> Result<(), StoreError>) -> Result<(), StoreError> {
    work(&open_store(disk)?)
}

fn open_store(disk: &Arc<MemoryDisk>) -> Result<Store, StoreError> {
    Store::open_on(Arc::clone(disk) as Arc<dyn Disk>, Path::new("data"), StorePolicy::default())
}

fn fragment() -> IngestedFragment {
    let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) };
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track]).expect("one track is a header");
    let mut body = BytesMut::from(&writer.start_segment()[..]);
    body.extend_from_slice(&writer.start_cluster(Duration::from_secs(1)).expect("a cluster after the header"));
    let frame = Frame::new(TrackNumber::ONE, Duration::from_secs(1), vec![1, 2, 3]);
    writer.block(frame).expect("a block in the cluster").iter().for_each(|piece| body.extend_from_slice(piece));
    body.extend_from_slice(&writer.end_of_fragment());
    let mut ingest = Ingest::new(IngestConfig::new(FragmentTimecodeType::Absolute), now);
    ingest.handle_body(body.freeze(), now);
    ingest.poll_fragment().expect("the end-of-fragment tag ends the fragment")
}

/// Files in memory.
#[derive(Debug, Default)]
struct MemoryDisk {
    files: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
}

impl MemoryDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts bytes in the place of the file with this ending, or behind what it has.
    fn change(&self, ending: &str, bytes: &[u8], behind: bool) {
        let mut files = self.files();
        let segment = files.keys().find(|path| path.extension().is_some_and(|end| end == "seg")).cloned();
        let path = match ending {
            "json" => files.keys().find(|path| path.extension().is_some_and(|end| end == "json")).cloned(),
            ending => segment.map(|path| path.with_extension(ending)),
        };
        let Some(path) = path else { return };
        let file = files.entry(path).or_default();
        if !behind {
            file.clear();
        }
        file.extend_from_slice(bytes);
    }
}

impl Disk for MemoryDisk {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<String>> {
        let files = self.files();
        let below = files.keys().filter_map(|path| path.strip_prefix(dir).ok()?.iter().next()?.to_str());
        let mut names: Vec<String> = below.map(str::to_owned).collect();
        names.dedup();
        Ok(names)
    }

    fn len(&self, file: &Path) -> io::Result<Option<u64>> {
        Ok(self.files().get(file).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, file: &Path, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let files = self.files();
        let bytes = files.get(file).ok_or(io::ErrorKind::NotFound)?;
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        Ok(rest.iter().take(most).copied().collect())
    }

    fn append(&self, file: &Path, at: u64, pieces: &[Bytes], _: Durability) -> io::Result<()> {
        let mut files = self.files();
        let bytes = files.entry(file.to_owned()).or_default();
        if bytes.len() as u64 != at {
            return Err(io::ErrorKind::InvalidData.into());
        }
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        Ok(())
    }

    fn replace(&self, file: &Path, bytes: &[u8], _: Durability) -> io::Result<()> {
        self.files().insert(file.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename_dir(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        self.files().remove(file);
        Ok(())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body() -> Vec<u8> {
        let put = fragment();
        [&put.header, &put.cluster, &put.trailing].into_iter().flatten().flatten().copied().collect()
    }

    proptest! {
        #[test]
        fn the_entrance_for_bodies_holds(
            setup: [u8; 3],
            changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6),
            more in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = body();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            ingest(&[&setup[..], &bytes, &more].concat());
        }

        #[test]
        fn the_entrance_for_folders_holds(setup: [u8; 2], bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            store(&[&setup[..], &bytes].concat());
        }
    }
}
