//! What an earlier run left.

use super::super::disk::SpoolDisk;
use super::super::message::{Held, LossSource, Response, SpoolLoss};
use super::super::segment::{self, Kind, Owner, Segment};
use super::super::{journal, notice};
use super::Spool;
use crate::report::spool::SpoolProblem;

impl Spool {
    pub(super) fn read_folder(&mut self) {
        let (mut held, mut unreported) = (Held::default(), Vec::new());
        match self.disk.as_deref().map(SpoolDisk::list) {
            Some(Ok(files)) => (held, unreported) = self.read_files(files),
            Some(Err(error)) => self.report("list", "the folder", &error),
            None => {}
        }
        // An earlier run left it, and it is lost: each amount is counted once on both sides.
        unreported.iter().for_each(|(_, lost)| held.add(lost));
        self.out.push_back(Response::Opened(held));
        self.out.extend(unreported.into_iter().map(|(number, held)| Response::Lost {
            held,
            why: SpoolLoss::Full,
            source: Some(LossSource::Notice(number)),
        }));
    }

    /// Returns what waits, and the losses that no run has reported.
    fn read_files(&mut self, files: Vec<(String, u64)>) -> (Held, Vec<(u32, Held)>) {
        let mut held = Held::default();
        let (mut journals, mut notices) = (Vec::new(), Vec::new());
        for (name, len) in files {
            match segment::parse_name(&name) {
                Some((number, Kind::Segment)) => {
                    self.segments.insert(number, Segment::of_len(len));
                }
                Some((number, Kind::Journal)) => journals.push((number, len)),
                Some((number, Kind::Notice)) => notices.push(number),
                None => {}
            }
        }
        for (number, len) in journals {
            match self.segments.get_mut(&number) {
                Some(segment) => segment.journal = len,
                None => self.remove_file(&journal::file_name(number)),
            }
        }
        let unreported: Vec<_> =
            notices.into_iter().filter_map(|number| Some((number, self.read_notice(number)?))).collect();
        // A recovered segment is never appended to: its last record may be incomplete.
        let last = self.segments.keys().chain(&self.notices).max();
        self.next_segment = last.map_or(0, |last| last.saturating_add(1));
        self.first_own = self.next_segment;
        for number in self.numbers() {
            self.recover(number);
            if let Some(segment) = self.segments.get_mut(&number) {
                segment.entries = None;
                held.add(&segment.held);
            }
        }
        (held, unreported)
    }

    /// Reads the notice of a loss. If the segment is there it was not lost, or power loss has brought it back.
    fn read_notice(&mut self, number: u32) -> Option<Held> {
        let disk = self.disk.as_deref().filter(|_| !self.segments.contains_key(&number));
        match disk.map(|disk| notice::read(disk, number)) {
            Some(Ok(Some(held))) => {
                self.notices.insert(number);
                return Some(held);
            }
            Some(Err(error)) => self.report("read", &notice::file_name(number), &error),
            _ => self.remove_file(&notice::file_name(number)),
        }
        None
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
    pub(super) fn read_entries(&mut self, number: u32, scanning: Scanning) {
        let (Some(segment), Some(disk)) = (self.segments.get_mut(&number), self.disk.as_deref()) else { return };
        if segment.entries.is_some() {
            return;
        }
        let name = segment::file_name(number);
        let scan = match segment::read_owner(disk, &name, &self.stream) {
            Ok(Owner::Own { records }) => segment::scan(disk, number, records, segment.records_end),
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
                self.out.push_back(Response::Lost { held: missing, why: SpoolLoss::Damaged, source: None });
            }
            Scanning::Again => {}
        }
    }

    pub(super) fn leave_alone(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(&number) {
            segment.is_left_alone = true;
        }
    }
}

/// Whether a segment is read for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanning {
    First,
    Again,
}
