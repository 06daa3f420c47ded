//! What the reader finds, and the same as a file that ffmpeg decodes.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kvs_media::{MediaError, Reader, ReaderOptions, Sample, TrackChoice};
use kvs_mkv::codec::aac::{AdtsEvent, AdtsSplitter};
use kvs_mkv::codec::{AccessUnitSplitter, SplitEvent};
use kvs_mkv::{Frame, SegmentInfo, Track, TrackNumber, Writer};
use kvs_tools::program::BoxError;

use crate::encode::Container;

/// Everything that a reader returns.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) tracks: Vec<Track>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) notices: Vec<String>,
}

/// All tracks of a file.
pub(crate) fn of_file(path: &Path) -> Result<Ours, MediaError> {
    read(Reader::open_with(path, &options())?)
}

/// The same as it comes through a pipe.
pub(crate) fn of_pipe(path: &Path) -> Result<Ours, BoxError> {
    Ok(read(Reader::from_pipe("pipe", File::open(path)?, &options())?)?)
}

/// The tracks of a file that are returned without being asked for.
pub(crate) fn of_first_tracks(path: &Path) -> Result<Ours, MediaError> {
    read(Reader::open(path)?)
}

/// The same as they come through a pipe.
pub(crate) fn of_first_tracks_of_pipe(path: &Path) -> Result<Ours, MediaError> {
    let pipe = File::open(path).map_err(|source| MediaError::Unreadable { path: path.to_owned(), source })?;
    read(Reader::from_pipe("pipe", pipe, &ReaderOptions::new())?)
}

/// The frames of a byte stream that comes in pieces of this size, with whether each is a key frame.
pub(crate) fn split(container: Container, path: &Path, piece: usize) -> Result<Vec<(Vec<u8>, bool)>, BoxError> {
    let bytes = Bytes::from(std::fs::read(path)?);
    let pieces = || (0..bytes.len()).step_by(piece).map(|at| bytes.slice(at..bytes.len().min(at + piece)));
    let mut frames = Vec::new();
    if container == Container::Adts {
        let mut splitter = AdtsSplitter::new(TrackNumber::ONE);
        for piece in pieces().map(Some).chain([None]) {
            let is_end = piece.is_none();
            splitter.push(piece.unwrap_or_default());
            while let Some(event) = if is_end { splitter.finish()? } else { splitter.next_event()? } {
                if let AdtsEvent::Frame(frame) = event {
                    frames.push((frame.data.to_vec(), true));
                }
            }
        }
        return Ok(frames);
    }
    let mut splitter = match container {
        Container::H265 => AccessUnitSplitter::h265(TrackNumber::ONE),
        _ => AccessUnitSplitter::h264(TrackNumber::ONE),
    };
    for piece in pieces().map(Some).chain([None]) {
        let is_end = piece.is_none();
        splitter.push(piece.unwrap_or_default());
        while let Some(event) = if is_end { splitter.finish()? } else { splitter.next_event()? } {
            if let SplitEvent::AccessUnit(unit) = event {
                let keyframe = unit.is_keyframe();
                frames.push((unit.data.into_bytes().to_vec(), keyframe));
            }
        }
    }
    Ok(frames)
}

fn options() -> ReaderOptions {
    ReaderOptions::new().audio(TrackChoice::All)
}

fn read(mut reader: Reader) -> Result<Ours, MediaError> {
    let (tracks, mut samples) = (reader.tracks().to_vec(), Vec::new());
    while let Some(sample) = reader.next_sample()? {
        samples.push(sample);
    }
    let notices = reader.notices().iter().map(ToString::to_string).collect();
    Ok(Ours { tracks, samples, notices })
}

impl Ours {
    /// The frames of the track with this index.
    pub(crate) fn of(&self, track: usize) -> Vec<&Sample> {
        let Some(track) = self.tracks.get(track) else { return Vec::new() };
        self.samples.iter().filter(|sample| sample.track == track.number).collect()
    }

    /// Writes all frames as Matroska.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BoxError> {
        let mut writer = Writer::new(SegmentInfo::new([7; 16]), self.tracks.clone())?;
        let (mut bytes, mut cluster) = (writer.start_segment().to_vec(), None);
        for sample in &self.samples {
            let pts = Duration::from_millis(u64::try_from(sample.pts.as_millis())?);
            if cluster.is_none_or(|start| pts > start + Duration::from_secs(5)) {
                cluster = Some(pts);
                bytes.extend_from_slice(&writer.start_cluster(pts)?);
            }
            let frame = Frame::new(sample.track, pts, sample.data.clone()).with_keyframe(sample.keyframe);
            bytes.extend_from_slice(&writer.block(frame)?.into_bytes());
        }
        std::fs::write(path, bytes)?;
        Ok(())
    }
}
