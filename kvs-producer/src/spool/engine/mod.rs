//! The fragments in a folder: writes, reads, settles and bounds them.

mod opening;
mod sending;
mod writing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::Path;

use super::disk::SpoolDisk;
use super::error::SpoolError;
use super::message::{LossSource, Request, Response, SpoolRequest, SpoolResponse};
use super::notice;
use super::segment::{self, Kind, Owner, Segment};
use super::{config::SpoolConfig, std_disk::StdDisk};
use crate::config::{Overflow, SpoolOrder};
use crate::report::spool::SpoolProblem;

/// The spool of one stream in a folder: the part of a producer that reads and writes files.
///
/// `Producer` runs it on a thread of its own. Who drives a [`ProducerCore`](crate::ProducerCore) passes it the requests of
/// [`Transmit::Spool`](crate::Transmit::Spool) and passes its responses to
/// [`handle_spool`](crate::ProducerCore::handle_spool). All calls block on the disk.
///
/// Memory: about 200 bytes per segment (a sixteenth of the limit each, at most 16 MiB), 100 bytes per fragment of the
/// segments in use, and the fragment that is read or written.
#[derive(Debug)]
pub struct Spool {
    /// `None` once the folder is released, or if it could not be used.
    disk: Option<Box<dyn SpoolDisk>>,
    stream: String,
    limit: u64,
    segment_bytes: u64,
    order: SpoolOrder,
    overflow: Overflow,
    segments: BTreeMap<u32, Segment>,
    /// Segments that are gone, and whose loss is not reported yet.
    notices: BTreeSet<u32>,
    /// The segment that is appended to.
    active: Option<u32>,
    next_segment: u32,
    /// Segments before this one were written by an earlier run.
    first_own: u32,
    out: VecDeque<Response>,
}

impl Spool {
    /// Creates the folder if needed and locks it. Contents are read by the first request, because that may take seconds.
    ///
    /// A disk that cannot be written is not an error: the producer then reports
    /// [`SpoolProblem`] and continues in memory.
    ///
    /// # Errors
    /// Another process uses the folder, it or a file in it is a symbolic link, or it belongs to another stream.
    pub fn open(config: &SpoolConfig, stream: &str, overflow: Overflow) -> Result<Self, SpoolError> {
        let mut unavailable = None;
        let disk: Option<Box<dyn SpoolDisk>> = match StdDisk::open(config.dir()) {
            Ok(disk) => Some(Box::new(disk)),
            Err(SpoolError::Io { operation, path, source }) if is_state_of_disk(&source) => {
                unavailable = Some(problem(operation, &path.display().to_string(), &source));
                None
            }
            Err(error) => return Err(error),
        };
        let mut spool = Self::on(disk, stream, config, overflow);
        spool.check_owner(config.dir())?;
        spool.out.extend(unavailable.map(Response::Problem));
        Ok(spool)
    }

    /// A spool on a disk of a simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn __on(disk: Box<dyn SpoolDisk>, stream: &str, config: &SpoolConfig, overflow: Overflow) -> Self {
        Self::on(Some(disk), stream, config, overflow)
    }

    pub(super) fn on(disk: Option<Box<dyn SpoolDisk>>, stream: &str, config: &SpoolConfig, overflow: Overflow) -> Self {
        Self {
            disk,
            stream: stream.to_owned(),
            limit: config.limit(),
            segment_bytes: (config.limit() / SEGMENTS).min(SEGMENT_BYTES),
            order: config.order_of_sending(),
            overflow,
            segments: BTreeMap::new(),
            notices: BTreeSet::new(),
            active: None,
            next_segment: 0,
            first_own: 0,
            out: VecDeque::new(),
        }
    }

    /// Refuses a folder whose first segment belongs to another stream.
    fn check_owner(&self, dir: &Path) -> Result<(), SpoolError> {
        let Some(disk) = self.disk.as_deref() else { return Ok(()) };
        let Ok(files) = disk.list() else { return Ok(()) };
        let is_segment = |name: &str| segment::parse_name(name).is_some_and(|(_, kind)| kind == Kind::Segment);
        let first = files.iter().map(|(name, _)| name).filter(|name| is_segment(name)).min();
        match first.map(|name| segment::read_owner(disk, name, &self.stream)) {
            Some(Ok(Owner::Other { stream })) => Err(SpoolError::OtherStream { dir: dir.to_owned(), stream }),
            _ => Ok(()),
        }
    }

    /// Executes a request and returns the responses to it, in order.
    pub fn handle(&mut self, request: SpoolRequest) -> impl Iterator<Item = SpoolResponse> + '_ {
        match request.0 {
            Request::Open => self.read_folder(),
            Request::Store(parcel) => self.store(parcel),
            Request::Return(key) => self.take_back(key),
            Request::Load { room, limit } => self.load(room, limit),
            Request::Settle(key) | Request::Reported(LossSource::Record(key)) => self.settle(key),
            Request::Reported(LossSource::Notice(segment)) => self.remove_notice(segment),
            Request::Close => {
                self.disk = None;
                self.out.push_back(Response::Closed);
            }
        }
        self.out.drain(..).map(SpoolResponse)
    }

    #[cfg(test)]
    pub(super) fn entries_in_memory(&self) -> usize {
        self.segments.values().filter_map(|segment| segment.entries.as_ref()).map(Vec::len).sum()
    }

    /// Bytes of all files.
    fn bytes(&self) -> u64 {
        let segments: u64 = self.segments.values().map(|segment| segment.len + segment.journal).sum();
        segments + self.notices.len() as u64 * notice::NOTICE_BYTES
    }

    fn report(&mut self, operation: &'static str, file: &str, error: &io::Error) {
        self.out.push_back(Response::Problem(problem(operation, file, error)));
    }
}

fn problem(operation: &'static str, file: &str, error: &io::Error) -> SpoolProblem {
    if is_full(error) {
        return SpoolProblem::DiskFull;
    }
    if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
        return SpoolProblem::ReadOnly;
    }
    SpoolProblem::Io { operation, file: file.to_owned(), message: error.to_string() }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error is about the state of the disk, which may change, and not about the configuration.
fn is_state_of_disk(error: &io::Error) -> bool {
    is_full(error) || error.kind() == io::ErrorKind::ReadOnlyFilesystem
}

/// A segment is at most this part of the limit: what is dropped at the limit is a segment.
const SEGMENTS: u64 = 16;
/// Largest segment, unless a single fragment is larger.
const SEGMENT_BYTES: u64 = 16 << 20;
/// The header of a segment (at most 1,048 bytes) and its journal count too.
const HEADER_ALLOWANCE: u64 = 2 << 10;
