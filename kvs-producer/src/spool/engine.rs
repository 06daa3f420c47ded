//! The fragments in a folder: writes, reads, settles and bounds them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;

use super::disk::{Durability, SpoolDisk};
use super::error::SpoolError;
use super::message::{Held, Loaded, Parcel, RecordKey, Request, Response, SpoolLoss, SpoolRequest, SpoolResponse};
use super::segment::{self, Entry, EntryState, Kind, Owner, Segment};
use super::{config::SpoolConfig, journal, record, std_disk::StdDisk};
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

    pub(super) fn on(disk: Option<Box<dyn SpoolDisk>>, stream: &str, config: &SpoolConfig, overflow: Overflow) -> Self {
        Self {
            disk,
            stream: stream.to_owned(),
            limit: config.limit(),
            segment_bytes: (config.limit() / SEGMENTS).min(SEGMENT_BYTES),
            order: config.order_of_sending(),
            overflow,
            segments: BTreeMap::new(),
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
            Request::Settle(key) => self.settle(key),
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
        self.segments.values().map(|segment| segment.len + segment.journal).sum()
    }

    fn report(&mut self, operation: &'static str, file: &str, error: &io::Error) {
        self.out.push_back(Response::Problem(problem(operation, file, error)));
    }
}

/// Opening.
impl Spool {
    fn read_folder(&mut self) {
        let mut held = Held::default();
        match self.disk.as_deref().map(SpoolDisk::list) {
            Some(Ok(files)) => held = self.read_segments(files),
            Some(Err(error)) => self.report("list", "the folder", &error),
            None => {}
        }
        self.out.push_back(Response::Opened(held));
    }

    fn read_segments(&mut self, files: Vec<(String, u64)>) -> Held {
        let mut held = Held::default();
        let mut journals = Vec::new();
        for (name, len) in files {
            match segment::parse_name(&name) {
                Some((number, Kind::Segment)) => {
                    self.segments.insert(number, Segment::of_len(len));
                }
                Some((number, Kind::Journal)) => journals.push((number, len)),
                None => {}
            }
        }
        for (number, len) in journals {
            match self.segments.get_mut(&number) {
                Some(segment) => segment.journal = len,
                None => self.remove_file(&journal::file_name(number)),
            }
        }
        // A recovered segment is never appended to: its last record may be incomplete.
        self.next_segment = self.segments.keys().next_back().map_or(0, |last| last.saturating_add(1));
        self.first_own = self.next_segment;
        for number in self.numbers() {
            self.recover(number);
            if let Some(segment) = self.segments.get_mut(&number) {
                segment.entries = None;
                held.add(&segment.held);
            }
        }
        held
    }

    fn numbers(&self) -> Vec<u32> {
        self.segments.keys().copied().collect()
    }

    /// Reads the heads of a segment of an earlier run, and removes it if it has nothing to send.
    fn recover(&mut self, number: u32) {
        let name = segment::file_name(number);
        let Some(disk) = self.disk.as_deref() else { return };
        match segment::read_owner(disk, &name, &self.stream) {
            Ok(Owner::Own { .. }) => self.read_entries(number, Scanning::First),
            Ok(Owner::Other { stream }) => {
                self.leave_alone(number);
                self.out.push_back(Response::Problem(SpoolProblem::OtherStream { file: name, stream }));
                return;
            }
            Ok(Owner::Unknown) => self.recover_headless(number, name),
            Err(error) => {
                self.leave_alone(number);
                self.report("read", &name, &error);
                return;
            }
        }
        self.remove_if_settled(number);
    }

    /// Whose records a segment with a damaged header has is unknown: they are kept for people. Without a record it is what a
    /// kill left of the first one.
    fn recover_headless(&mut self, number: u32, file: String) {
        let (Some(segment), Some(disk)) = (self.segments.get_mut(&number), self.disk.as_deref()) else { return };
        let bytes = segment.len;
        let is_kept = bytes > 0 && segment::has_records(disk, &file, bytes).unwrap_or(true);
        segment.is_left_alone = is_kept;
        self.out.extend(match (is_kept, bytes) {
            (true, _) => Some(Response::Problem(SpoolProblem::Damaged { file, at: 0, bytes })),
            (false, 0) => None,
            (false, _) => Some(Response::Problem(SpoolProblem::Incomplete { file, at: 0, bytes })),
        });
    }

    /// Reads the entries of a segment, unless they are known. Returns silently if that fails: the segment is then left alone.
    fn read_entries(&mut self, number: u32, scanning: Scanning) {
        let (Some(segment), Some(disk)) = (self.segments.get_mut(&number), self.disk.as_deref()) else { return };
        if segment.entries.is_some() {
            return;
        }
        let name = segment::file_name(number);
        let scan = match segment::read_owner(disk, &name, &self.stream) {
            Ok(Owner::Own { records }) => segment::scan(disk, number, records, segment.len),
            Ok(_) => Ok(segment::Scan::default()),
            Err(error) => Err(error),
        };
        let scan = match scan {
            Ok(scan) => scan,
            Err(error) => {
                self.leave_alone(number);
                self.report("read", &name, &error);
                return;
            }
        };
        let mut missing = segment.held;
        missing.remove(&scan.held);
        segment.held = scan.held;
        segment.entries = Some(scan.entries);
        match scanning {
            Scanning::First => self.out.extend(scan.problems.into_iter().map(Response::Problem)),
            // It was read or written whole before: what is missing was damaged in the meantime.
            Scanning::Again if missing.fragments > 0 => {
                self.out.extend(scan.problems.into_iter().map(Response::Problem));
                self.out.push_back(Response::Lost { held: missing, why: SpoolLoss::Damaged });
            }
            Scanning::Again => {}
        }
    }

    fn leave_alone(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.is_left_alone = true;
        }
    }
}

/// Writing.
impl Spool {
    fn store(&mut self, parcel: Parcel) {
        let id = parcel.id;
        if self.disk.is_none() {
            return self.out.push_back(Response::NotStored { id });
        }
        match self.try_store(parcel) {
            Ok(key) => self.out.push_back(Response::Stored { id, key }),
            Err(problem) => {
                self.out.push_back(Response::Problem(problem));
                self.out.push_back(Response::NotStored { id });
            }
        }
    }

    fn try_store(&mut self, parcel: Parcel) -> Result<RecordKey, SpoolProblem> {
        let unfit = || SpoolProblem::Io {
            operation: "encode",
            file: "a fragment".to_owned(),
            message: "its tracks, times or tags do not fit into a Matroska document".to_owned(),
        };
        let (head, pieces) = record::encode(parcel).ok_or_else(unfit)?;
        self.make_room(head.record_len())?;
        match self.append(head, &pieces) {
            // The disk is fuller than the limit allows for: the oldest makes room, as at the limit.
            Err(error) if is_full(&error) && self.drop_oldest() => self.append(head, &pieces),
            result => result,
        }
        .map_err(|error| problem("write", "a segment", &error))
    }

    /// Drops old segments until a record fits below the limit.
    fn make_room(&mut self, bytes: u64) -> Result<(), SpoolProblem> {
        let needed = bytes + HEADER_ALLOWANCE;
        if needed > self.limit {
            return Err(SpoolProblem::TooLarge { bytes, limit: self.limit });
        }
        while self.bytes() + needed > self.limit {
            if !self.drop_oldest() {
                return Err(SpoolProblem::LimitReached { limit: self.limit });
            }
        }
        Ok(())
    }

    /// Removes the oldest segment that the core holds nothing of, and reports what it held as lost. Returns whether there was
    /// one, and whether anything may be dropped at all.
    fn drop_oldest(&mut self) -> bool {
        if self.overflow == Overflow::Refuse {
            return false;
        }
        let is_free = |segment: &Segment| segment.taken == 0 && !segment.is_left_alone;
        let oldest = self.segments.iter().find(|(_, segment)| is_free(segment)).map(|(number, _)| *number);
        let Some(number) = oldest else { return false };
        let held = self.segments.get(&number).map(|segment| segment.held).unwrap_or_default();
        if !self.remove_segment(number) {
            return false;
        }
        if held.fragments > 0 {
            self.out.push_back(Response::Lost { held, why: SpoolLoss::Full });
        }
        true
    }

    fn append(&mut self, head: record::Head, pieces: &[bytes::Bytes]) -> io::Result<RecordKey> {
        let (number, at) = self.write_position(head.record_len());
        let name = segment::file_name(number);
        let header = segment::header(&self.stream);
        let records = header.len() as u64;
        let disk = self.disk.as_deref_mut().ok_or(io::ErrorKind::NotConnected)?;
        let result = if at == 0 {
            let mut whole = vec![header];
            whole.extend_from_slice(pieces);
            disk.append(&name, 0, &whole, Durability::Synced)
        } else {
            disk.append(&name, at, pieces, Durability::Synced)
        };
        let at = at.max(records);
        if let Err(error) = result {
            self.after_failed_append(number);
            return Err(error);
        }
        let offset = u32::try_from(at).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let segment = self.segments.entry(number).or_insert_with(|| Segment::of_len(0));
        segment.len = at + head.record_len();
        segment.taken += 1;
        segment.held.add(&head.held());
        segment.entries.get_or_insert_default().push(Entry { at: offset, head, state: EntryState::Taken });
        self.active = Some(number);
        Ok(RecordKey { segment: number, at: offset })
    }

    /// The segment and the offset of the next record.
    fn write_position(&mut self, record: u64) -> (u32, u64) {
        if let Some(number) = self.active
            && let Some(segment) = self.segments.get(&number)
            && segment.len + record <= self.segment_bytes
        {
            return (number, segment.len);
        }
        if let Some(full) = self.active.take() {
            self.remove_if_settled(full);
            self.forget_unused(full);
        }
        let number = self.next_segment;
        self.next_segment = self.next_segment.saturating_add(1);
        (number, 0)
    }

    /// Any part of a failed append may be in the file: nothing is appended behind it.
    fn after_failed_append(&mut self, number: u32) {
        self.active = None;
        let Some(segment) = self.segments.get_mut(&number) else {
            // It holds nothing else.
            return self.remove_file(&segment::file_name(number));
        };
        if let Some(Ok(len)) = self.disk.as_deref().map(|disk| disk.len(&segment::file_name(number))) {
            segment.len = len;
        }
        self.remove_if_settled(number);
    }
}

/// Reading and settling.
impl Spool {
    fn take_back(&mut self, key: RecordKey) {
        if self.change(key, EntryState::Waiting).is_some_and(|was| was == EntryState::Taken)
            && let Some(segment) = self.segments.get_mut(&key.segment)
        {
            segment.taken = segment.taken.saturating_sub(1);
        }
        self.forget_unused(key.segment);
    }

    fn change(&mut self, key: RecordKey, state: EntryState) -> Option<EntryState> {
        let entry = self.segments.get_mut(&key.segment)?.entry_mut(key.at)?;
        Some(std::mem::replace(&mut entry.state, state))
    }

    fn load(&mut self, room: usize, limit: usize) {
        while let Some(number) = self.next_to_send() {
            self.read_entries(number, Scanning::Again);
            let Some(entry) = self.segments.get(&number).and_then(Segment::first_waiting) else {
                // Damaged, or unreadable: the next segment may have something.
                if !self.remove_if_settled(number) {
                    self.leave_alone(number);
                }
                continue;
            };
            if entry.head.memory() > limit {
                self.pass_over(number, &entry, limit);
                continue;
            }
            if entry.head.memory() > room {
                return self.out.push_back(Response::NoRoom);
            }
            if self.read(number, entry) {
                return;
            }
        }
        self.out.push_back(Response::Nothing);
    }

    /// A fragment that does not fit into the memory of this run stays on disk for another one.
    fn pass_over(&mut self, number: u32, entry: &Entry, limit: usize) {
        let (bytes, limit) = (entry.head.memory() as u64, limit as u64);
        self.out.push_back(Response::Problem(SpoolProblem::TooLarge { bytes, limit }));
        self.take(segment::key(number, entry));
    }

    fn take(&mut self, key: RecordKey) {
        if self.change(key, EntryState::Taken) == Some(EntryState::Waiting)
            && let Some(segment) = self.segments.get_mut(&key.segment)
        {
            segment.taken += 1;
        }
    }

    /// The oldest segment, or the newest, that has a fragment which is on disk only. Within a segment the order is always
    /// that of writing, because a connection must carry fragments in rising time.
    fn next_to_send(&self) -> Option<u32> {
        let mut waiting = self.segments.iter().filter(|(_, segment)| segment.waiting() > 0).map(|(number, _)| *number);
        match self.order {
            SpoolOrder::OldestFirst => waiting.next(),
            SpoolOrder::NewestFirst => waiting.next_back(),
        }
    }

    /// Reads a fragment and gives it to the core. Returns false if it is damaged, and loses it then.
    fn read(&mut self, number: u32, entry: Entry) -> bool {
        let Some(disk) = self.disk.as_deref() else {
            self.leave_alone(number);
            return false;
        };
        let name = segment::file_name(number);
        match segment::read(disk, &name, entry) {
            Ok(Some(parcel)) => {
                let key = segment::key(number, &entry);
                self.take(key);
                self.out.push_back(Response::Loaded(Loaded { key, parcel, is_recovered: number < self.first_own }));
                true
            }
            Ok(None) => {
                let bytes = entry.head.record_len();
                let at = u64::from(entry.at);
                self.out.push_back(Response::Problem(SpoolProblem::Damaged { file: name, at, bytes }));
                self.out.push_back(Response::Lost { held: entry.head.held(), why: SpoolLoss::Damaged });
                self.settle(segment::key(number, &entry));
                false
            }
            Err(error) => {
                self.leave_alone(number);
                self.report("read", &name, &error);
                false
            }
        }
    }

    fn settle(&mut self, key: RecordKey) {
        self.read_entries(key.segment, Scanning::Again);
        let Some(was) = self.change(key, EntryState::Settled).filter(|was| *was != EntryState::Settled) else { return };
        let Some(segment) = self.segments.get_mut(&key.segment) else { return };
        segment.taken -= u64::from(was == EntryState::Taken && segment.taken > 0);
        let Some(head) = segment.entry_mut(key.at).map(|entry| entry.head) else { return };
        segment.held.remove(&head.held());
        if self.remove_if_settled(key.segment) {
            return;
        }
        self.write_journal(key, &head);
        self.forget_unused(key.segment);
    }

    fn write_journal(&mut self, key: RecordKey, head: &record::Head) {
        let Some(len) = self.segments.get(&key.segment).map(|segment| segment.journal) else { return };
        let Some(disk) = self.disk.as_deref_mut() else { return };
        let result = journal::append(disk, key.segment, len, key.at, head);
        let name = journal::file_name(key.segment);
        // After a failure any part may be in the file.
        let now = result.as_ref().map_or_else(|_| disk.len(&name).unwrap_or(len), |len| *len);
        if let Some(segment) = self.segments.get_mut(&key.segment) {
            segment.journal = now;
            segment.is_marked &= result.is_ok();
        }
        if let Err(error) = result {
            self.report("write", &name, &error);
        }
    }

    /// Removes a segment that has nothing left to send. Returns whether it is gone.
    fn remove_if_settled(&mut self, number: u32) -> bool {
        let is_settled = |segment: &Segment| segment.held.fragments == 0 && !segment.is_left_alone;
        self.segments.get(&number).is_some_and(is_settled) && self.remove_segment(number)
    }

    fn remove_segment(&mut self, number: u32) -> bool {
        let name = segment::file_name(number);
        let Some(disk) = self.disk.as_deref_mut() else { return false };
        if let Err(error) = disk.remove(&name) {
            self.report("remove", &name, &error);
            return false;
        }
        // The segment goes first: a journal without a segment means nothing, a segment without its journal is sent again.
        self.remove_file(&journal::file_name(number));
        self.segments.remove(&number);
        if self.active == Some(number) {
            self.active = None;
        }
        true
    }

    fn remove_file(&mut self, name: &str) {
        if let Some(Err(error)) = self.disk.as_deref_mut().map(|disk| disk.remove(name)) {
            self.report("remove", name, &error);
        }
    }

    /// Drops the entries of a segment that is neither written nor read, so that memory does not grow with the spool.
    fn forget_unused(&mut self, number: u32) {
        let in_use = self.active == Some(number) || self.next_to_send() == Some(number);
        if let Some(segment) = self.segments.get_mut(&number)
            && segment.taken == 0
            && segment.is_marked
            && !in_use
        {
            segment.entries = None;
        }
    }
}

/// Whether a segment is read for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scanning {
    First,
    Again,
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
