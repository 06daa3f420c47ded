//! The places of access units in output order, for streams without times.

use std::collections::VecDeque;

use kvs_mkv::codec::AccessUnit;

/// Gives access units in decoding order their number in output order, as soon as it is certain.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// In decoding order; the number once it is known.
    waiting: VecDeque<(AccessUnit, Option<u64>)>,
    /// Access units that may come before one that is shown earlier.
    depth: usize,
    next: u64,
    /// The largest order that has a number since the last restart.
    shown: Option<i64>,
}

/// The largest depth: a decoder keeps at most 16 frames (H.264 A.3.1, H.265 A.4.2).
const MOST: usize = 16;

impl Reorder {
    /// Sets the depth that the parameter sets state. Without one it is learned: the first pictures of a stream with B-frames are
    /// then numbered in decoding order.
    pub(super) fn set_depth(&mut self, stated: Option<u32>) {
        if let Some(stated) = stated {
            self.depth = usize::try_from(stated).unwrap_or(MOST).min(MOST);
        }
    }

    /// Leaves numbers out, for pictures that are not there.
    pub(super) const fn skip(&mut self, pictures: u64) {
        self.next = self.next.saturating_add(pictures);
    }

    pub(super) fn push(&mut self, unit: AccessUnit) {
        if unit.restarts {
            self.number_all();
            self.shown = None;
        }
        if self.shown.is_some_and(|shown| unit.order < shown) {
            self.depth = (self.depth + 1).min(MOST);
        }
        self.waiting.push_back((unit, None));
        while self.unnumbered().count() > self.depth {
            self.number_one();
        }
    }

    /// The stream has ended: all numbers are certain.
    pub(super) fn number_all(&mut self) {
        while self.number_one() {}
    }

    /// Returns the next access unit in decoding order if its number is certain.
    pub(super) fn pop(&mut self) -> Option<(AccessUnit, u64)> {
        let number = self.waiting.front()?.1?;
        self.waiting.pop_front().map(|(unit, _)| (unit, number))
    }

    fn unnumbered(&mut self) -> impl Iterator<Item = &mut (AccessUnit, Option<u64>)> {
        self.waiting.iter_mut().filter(|(_, number)| number.is_none())
    }

    fn number_one(&mut self) -> bool {
        let next = self.next;
        let Some((unit, number)) = self.unnumbered().min_by_key(|(unit, _)| unit.order) else { return false };
        *number = Some(next);
        let order = unit.order;
        self.shown = self.shown.max(Some(order));
        self.next = next.saturating_add(1);
        true
    }
}
