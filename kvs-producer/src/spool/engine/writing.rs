//! Writes fragments and keeps the limit.

use std::io;

use super::super::disk::Durability;
use super::super::message::{Held, LossSource, Parcel, RecordKey, Response, SpoolLoss};
use super::super::segment::{self, Entry, EntryState, Segment};
use super::super::{notice, record};
use super::{HEADER_ALLOWANCE, Spool, is_full, problem};
use crate::config::Overflow;
use crate::report::spool::SpoolProblem;

impl Spool {
    pub(super) fn store(&mut self, parcel: Parcel) {
        let id = parcel.id;
        if self.disk.is_none() {
            return self.out.push_back(Response::NotStored { id });
        }
        match self.try_store(parcel) {
            Ok(key) => self.out.push_back(Response::Stored { id, key }),
            Err(why) => {
                let (problem, answer) = match why {
                    NotStored::Unfit(problem) => (problem, Response::Unfit { id }),
                    NotStored::Failed(problem) => (problem, Response::NotStored { id }),
                };
                self.out.push_back(Response::Problem(problem));
                self.out.push_back(answer);
            }
        }
    }

    fn try_store(&mut self, parcel: Parcel) -> Result<RecordKey, NotStored> {
        let unfit = || SpoolProblem::Io {
            operation: "encode",
            file: "a fragment".to_owned(),
            message: "its tracks, times or tags do not fit into a Matroska document".to_owned(),
        };
        let (head, pieces) = record::encode(parcel).ok_or_else(|| NotStored::Unfit(unfit()))?;
        self.make_room(head.record_len())?;
        match self.append(head, &pieces) {
            // The disk is fuller than the limit allows for: the oldest makes room, as at the limit.
            Err(error) if is_full(&error) && self.drop_oldest() => self.append(head, &pieces),
            result => result,
        }
        .map_err(|error| NotStored::Failed(problem("write", "a segment", &error)))
    }

    /// Drops old segments until a record fits below the limit.
    fn make_room(&mut self, bytes: u64) -> Result<(), NotStored> {
        let needed = bytes + HEADER_ALLOWANCE;
        if needed > self.limit {
            return Err(NotStored::Unfit(SpoolProblem::TooLarge { bytes, limit: self.limit }));
        }
        while self.bytes() + needed > self.limit {
            if !self.drop_oldest() {
                return Err(NotStored::Failed(SpoolProblem::LimitReached { limit: self.limit }));
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
        let source = self.write_notice(number, &held);
        if !self.remove_segment(number) {
            self.remove_notice(number);
            return false;
        }
        if held.fragments > 0 {
            self.out.push_back(Response::Lost { held, why: SpoolLoss::Full, source });
        }
        true
    }

    /// Writes down what is lost with a segment. A disk without room for that does not keep it: the segment makes room.
    fn write_notice(&mut self, number: u32, held: &Held) -> Option<LossSource> {
        let disk = self.disk.as_deref_mut().filter(|_| held.fragments > 0)?;
        if notice::write(disk, number, held).is_err() {
            // Any part of it may be in the file.
            let _ = disk.remove(&notice::file_name(number));
            return None;
        }
        self.notices.insert(number);
        Some(LossSource::Notice(number))
    }

    pub(super) fn remove_notice(&mut self, number: u32) {
        if self.notices.remove(&number) {
            self.remove_file(&notice::file_name(number));
        }
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
        segment.records_end = segment.len;
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

/// Why a fragment is not on disk.
enum NotStored {
    /// It never fits.
    Unfit(SpoolProblem),
    /// It may fit later.
    Failed(SpoolProblem),
}
