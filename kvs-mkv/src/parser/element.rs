//! One element of the input: it is checked against its parent and its limit, then read or skipped.

use bytes::Bytes;

use super::{Parser, Step};
use crate::ebml::Head;
use crate::{ElementId, ParseError, Problem};

impl Parser {
    /// Skips an element without waiting for it.
    pub(super) fn skip(&mut self, at: u64, head: Head, parent: Option<(ElementId, u64)>) -> Result<Step, ParseError> {
        let size = self.check_inside(at, head, parent)?;
        self.consume_head(head);
        self.skipping = size;
        Ok(Step::Again)
    }

    /// Checks that the size is known and ends inside the parent.
    #[inline]
    pub(super) fn check_inside(
        &self,
        at: u64,
        head: Head,
        parent: Option<(ElementId, u64)>,
    ) -> Result<u64, ParseError> {
        let size = head.size.ok_or(ParseError::new(at, head.id, Problem::UnknownSize))?;
        if let Some((parent, parent_end)) = parent {
            let end = at.saturating_add(head.len as u64).saturating_add(size);
            if end > parent_end {
                return Err(ParseError::new(at, head.id, Problem::PastParent { end, parent, parent_end }));
            }
        }
        Ok(size)
    }

    /// Checks an element that is read whole against its limit, and returns whether all of it is there.
    #[inline]
    pub(super) fn is_there(
        &self,
        at: u64,
        head: Head,
        parent: Option<(ElementId, u64)>,
        limit: usize,
    ) -> Result<bool, ParseError> {
        let size = self.check_inside(at, head, parent)?;
        if size > limit as u64 {
            return Err(ParseError::new(at, head.id, Problem::TooLarge { size, limit: limit as u64 }));
        }
        Ok(self.input.len() as u64 >= size + head.len as u64)
    }

    /// Reads the body of a small element that is read whole; `None` until all of it is there.
    pub(super) fn whole(
        &mut self,
        at: u64,
        head: Head,
        parent: Option<(ElementId, u64)>,
        limit: usize,
    ) -> Result<Option<Bytes>, ParseError> {
        if !self.is_there(at, head, parent, limit)? {
            return Ok(None);
        }
        self.consume_head(head);
        let size = usize::try_from(head.size.unwrap_or_default()).unwrap_or_default();
        Ok(Some(self.input.take(size).into_bytes()))
    }

    /// Waits for all of an element; [`is_there`](Self::is_there) has checked its size.
    pub(super) fn needs(&self, head: Head) -> Step {
        let body = usize::try_from(head.size.unwrap_or_default()).unwrap_or(usize::MAX);
        Step::Needs(head.len.saturating_add(body))
    }

    /// Reads an element head and returns the offset of the body.
    #[inline]
    pub(super) fn consume_head(&mut self, head: Head) -> u64 {
        self.input.skip(head.len as u64);
        self.input.position()
    }
}
