//! Gives fragments to the core, and settles them.

use super::super::message::{Loaded, LossSource, RecordKey, Response, SpoolLoss};
use super::super::segment::{self, Entry, EntryState, Segment};
use super::super::{journal, record};
use super::Spool;
use super::opening::Scanning;
use crate::config::SpoolOrder;
use crate::report::spool::SpoolProblem;

impl Spool {
    pub(super) fn take_back(&mut self, key: RecordKey) {
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

    pub(super) fn load(&mut self, room: usize, limit: usize) {
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

    /// Reads a fragment and gives it to the core. Returns false if it is damaged: it is lost, and settled once that is reported.
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
                let (held, key) = (entry.head.held(), segment::key(number, &entry));
                let source = Some(LossSource::Record(key));
                self.out.push_back(Response::Lost { held, why: SpoolLoss::Damaged, source });
                self.take(key);
                false
            }
            Err(error) => {
                self.leave_alone(number);
                self.report("read", &name, &error);
                false
            }
        }
    }

    pub(super) fn settle(&mut self, key: RecordKey) {
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
    pub(super) fn remove_if_settled(&mut self, number: u32) -> bool {
        let is_settled = |segment: &Segment| segment.held.fragments == 0 && !segment.is_left_alone;
        self.segments.get(&number).is_some_and(is_settled) && self.remove_segment(number)
    }

    pub(super) fn remove_segment(&mut self, number: u32) -> bool {
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

    pub(super) fn remove_file(&mut self, name: &str) {
        if let Some(Err(error)) = self.disk.as_deref_mut().map(|disk| disk.remove(name)) {
            self.report("remove", name, &error);
        }
    }

    /// Drops the entries of a segment that is neither written nor read, so that memory does not grow with the spool.
    pub(super) fn forget_unused(&mut self, number: u32) {
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
