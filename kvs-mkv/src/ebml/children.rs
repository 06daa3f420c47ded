//! Master elements that are in memory: their children and the values of these.

use super::{ElementId, Unread, read_head};
use crate::{ParseError, Problem};

/// A child of a master element that is in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<'a> {
    pub(crate) id: ElementId,
    /// Offset of its id in the stream.
    pub(crate) offset: u64,
    /// Offset of its body in the stream.
    pub(crate) body_offset: u64,
    pub(crate) body: &'a [u8],
}

impl<'a> Child<'a> {
    fn wrong(&self, problem: Problem) -> ParseError {
        ParseError::new(self.offset, self.id, problem)
    }

    /// Iterates over the children of this element.
    pub(crate) fn children(&self) -> Children<'a> {
        Children { parent: self.id, at: self.body_offset, rest: self.body }
    }

    /// Reads an unsigned integer of up to eight bytes; an empty one is 0 (RFC 8794 §7.2).
    pub(crate) fn uint(&self) -> Result<u64, ParseError> {
        if self.body.len() > 8 {
            return Err(self.wrong(Problem::WrongLength { length: self.body.len() as u64 }));
        }
        Ok(self.body.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// Reads a floating-point number of zero, four or eight bytes; an empty one is 0 (RFC 8794 §7.3).
    pub(crate) fn float(&self) -> Result<f64, ParseError> {
        if let Ok(four) = <[u8; 4]>::try_from(self.body) {
            return Ok(f32::from_be_bytes(four).into());
        }
        match <[u8; 8]>::try_from(self.body) {
            Ok(eight) => Ok(f64::from_be_bytes(eight)),
            Err(_) if self.body.is_empty() => Ok(0.0),
            Err(_) => Err(self.wrong(Problem::WrongLength { length: self.body.len() as u64 })),
        }
    }

    /// Reads a text. Bytes from the first NUL on are padding (RFC 8794 §7.4); invalid UTF-8 becomes U+FFFD.
    pub(crate) fn text(&self) -> String {
        let text = self.body.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

/// Iterates over the children of a master element that is in memory.
#[derive(Clone, Debug)]
pub(crate) struct Children<'a> {
    parent: ElementId,
    at: u64,
    rest: &'a [u8],
}

impl<'a> Children<'a> {
    /// Iterates over `body`, the whole body of `parent`, which starts at offset `at` of the stream.
    pub(crate) const fn new(parent: ElementId, at: u64, body: &'a [u8]) -> Self {
        Self { parent, at, rest: body }
    }

    /// Returns the number of unread bytes.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Returns the next child, or `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Child<'a>>, ParseError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let parent_end = self.at.saturating_add(self.rest.len() as u64);
        let past = |end| Problem::PastParent { end, parent: self.parent, parent_end };
        let head = read_head(self.rest).map_err(|unread| match unread {
            Unread::Needs(more) => ParseError::new(self.at, self.parent, past(self.at.saturating_add(more as u64))),
            Unread::Invalid => ParseError::new(self.at, self.parent, Problem::NotAnElement),
        })?;
        let wrong = |problem| ParseError::new(self.at, head.id, problem);
        let size = head.size.ok_or_else(|| wrong(Problem::UnknownSize))?;
        let body_offset = self.at.saturating_add(head.len as u64);
        let end = body_offset.saturating_add(size);
        let inside = usize::try_from(size).ok().and_then(|size| self.rest.get(head.len..)?.split_at_checked(size));
        let (body, rest) = inside.ok_or_else(|| wrong(past(end)))?;
        let child = Child { id: head.id, offset: self.at, body_offset, body };
        (self.at, self.rest) = (end, rest);
        Ok(Some(child))
    }
}
