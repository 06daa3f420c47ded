//! Splits byte streams and collects the result by session.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::aac::{AdtsEvent, AdtsSkipped, AdtsSplitter, AdtsUnit};
use kvs_mkv::codec::nal::{self, LengthSize};
use kvs_mkv::codec::{AccessUnit, AccessUnitSplitter, Skipped, SplitEvent};
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, TrackNumber, Writer};

/// The codec of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    H264,
    H265,
}

/// All that a splitter returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Split {
    pub(crate) sessions: Vec<Session>,
    pub(crate) skipped: Vec<Skipped>,
}

/// A track and its access units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    pub(crate) track: Track,
    pub(crate) units: Vec<AccessUnit>,
}

/// Returns the path of a case.
pub(crate) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Splits a file, whose name ends with its codec.
pub(crate) fn split_whole(file: &Path) -> Split {
    let codec = if file.extension().is_some_and(|name| name == "h264") { Codec::H264 } else { Codec::H265 };
    split(codec, [Bytes::from(std::fs::read(file).unwrap())])
}

/// Splits a stream in pieces.
pub(crate) fn split(codec: Codec, pieces: impl IntoIterator<Item = Bytes>) -> Split {
    let mut splitter = match codec {
        Codec::H264 => AccessUnitSplitter::h264(TrackNumber::ONE),
        Codec::H265 => AccessUnitSplitter::h265(TrackNumber::ONE),
    };
    let mut split = Split::default();
    for piece in pieces {
        splitter.push(piece);
        while let Some(event) = splitter.next_event().unwrap() {
            split.take(event);
        }
    }
    while let Some(event) = splitter.finish().unwrap() {
        split.take(event);
    }
    split
}

impl Split {
    fn take(&mut self, event: SplitEvent) {
        match event {
            SplitEvent::Track { track, .. } => self.sessions.push(Session { track, units: Vec::new() }),
            SplitEvent::AccessUnit(unit) => self.sessions.last_mut().expect("a track comes first").units.push(unit),
            SplitEvent::Skipped(skipped) => self.skipped.push(skipped),
            _ => panic!("an unknown event"),
        }
    }

    /// Returns the H.264 types of the NAL units of an access unit.
    pub(crate) fn unit_types(&self, session: usize, unit: usize) -> Vec<u8> {
        let data = self.sessions[session].units[unit].data.clone().into_bytes();
        nal::length_prefixed(&data, LengthSize::FOUR).map(|unit| unit.unwrap()[0] & 0x1f).collect()
    }
}

impl Session {
    /// Writes a Matroska file: the nth access unit in output order is shown at n times 40 ms.
    pub(crate) fn matroska(&self) -> Bytes {
        let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![self.track.clone()]).unwrap();
        let mut out = Chunks::from(writer.start_segment());
        let mut shown = 0;
        for run in self.units.chunk_by(|_, next| !next.restarts) {
            let mut orders: Vec<_> = run.iter().map(|unit| unit.order).collect();
            orders.sort_unstable();
            for (nth, unit) in run.iter().enumerate() {
                let place = orders.iter().position(|&order| order == unit.order).unwrap();
                let at = |frame: usize| Duration::from_millis(u64::try_from(frame).unwrap() * 40);
                if nth % 500 == 0 {
                    out.push(writer.start_cluster(at(shown + nth) + Duration::from_millis(1)).unwrap());
                }
                let frame = Frame::new(TrackNumber::ONE, at(shown + place), unit.data.clone());
                out.append(writer.block(frame.with_keyframe(unit.is_keyframe())).unwrap());
            }
            shown += run.len();
        }
        assert!(self.track.codec == CodecId::H264 || self.track.codec == CodecId::H265);
        out.into_bytes()
    }
}

/// All that a splitter of ADTS returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AdtsSplit {
    pub(crate) sessions: Vec<(Track, Vec<AdtsUnit>)>,
    pub(crate) skipped: Vec<AdtsSkipped>,
}

/// Splits an ADTS stream in pieces.
pub(crate) fn split_adts(pieces: impl IntoIterator<Item = Bytes>) -> AdtsSplit {
    let mut splitter = AdtsSplitter::new(TrackNumber::TWO);
    let mut split = AdtsSplit::default();
    let mut take = |event| match event {
        AdtsEvent::Track(track) => split.sessions.push((track, Vec::new())),
        AdtsEvent::Frame(frame) => split.sessions.last_mut().expect("a track comes first").1.push(frame),
        AdtsEvent::Skipped(skipped) => split.skipped.push(skipped),
        _ => panic!("an unknown event"),
    };
    for piece in pieces {
        splitter.push(piece);
        while let Some(event) = splitter.next_event().unwrap() {
            take(event);
        }
    }
    while let Some(event) = splitter.finish().unwrap() {
        take(event);
    }
    split
}
