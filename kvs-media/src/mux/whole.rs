//! A whole MP4 file: `ftyp`, `moov`, `mdat`. Players can start before they have all of it.

use bytes::Bytes;

use super::boxes::{BoxWriter, media_header_len};
use super::codec::TrackSetup;
use super::movie::{file_type, movie_header, track, track_id};
use super::run::Run;
use super::tables::Tables;

/// The head of a file, collected from the samples that follow it.
///
/// The file is the [`head`](Self::head), and then the payloads of all runs in the order in which they were pushed.
#[derive(Clone, Debug, Default)]
pub struct WholeFile {
    tracks: Vec<(TrackSetup, Tables)>,
    media: u64,
}

impl WholeFile {
    /// Creates a file with these tracks and no samples.
    #[must_use]
    pub fn new(setups: impl IntoIterator<Item = TrackSetup>) -> Self {
        Self { tracks: setups.into_iter().map(|setup| (setup, Tables::default())).collect(), media: 0 }
    }

    /// Adds samples to a track, by its index.
    pub fn push(&mut self, index: usize, run: &Run) {
        if let Some((_, tables)) = self.tracks.get_mut(index) {
            tables.push(run, self.media);
            self.media = self.media.saturating_add(run.bytes());
        }
    }

    /// Returns the number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.tracks.iter().map(|(_, tables)| tables.len()).sum()
    }

    /// Returns the bytes before the first payload.
    #[must_use]
    pub fn head(&self) -> Bytes {
        // The offsets in the tables count from the start of the file, and have a fixed size.
        let len = self.write(0).len() as u64;
        self.write(len).into()
    }

    /// Returns the bytes of all payloads.
    #[must_use]
    pub const fn media_len(&self) -> u64 {
        self.media
    }

    fn write(&self, media_at: u64) -> Vec<u8> {
        let used = || self.tracks.iter().filter(|(_, tables)| tables.len() > 0);
        let mut out = BoxWriter::default();
        file_type(&mut out, b"isom", &[b"isom", b"iso2", b"avc1", b"mp41"]);
        out.boxed(b"moov", |out| {
            let duration = used().map(|(setup, tables)| tables.times(setup).movie).max().unwrap_or(0);
            movie_header(out, duration, self.tracks.iter().map(|(setup, _)| track_id(setup)).max().unwrap_or(0));
            for (setup, tables) in used() {
                track(out, setup, tables.times(setup), |out| tables.write(out, setup, media_at));
            }
        });
        out.media_header(self.media);
        debug_assert!(out.len() as u64 >= media_header_len(self.media), "the head ends with that of the media");
        out.into_bytes()
    }
}
