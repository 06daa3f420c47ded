//! Where the bytes of a demuxer come from.

use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;

use crate::demux::Demuxer;
use crate::error::Fault;
use crate::input::{Input, WINDOW};

/// Where bytes come from.
pub(super) enum Source {
    File { input: Input, at: u64 },
    Pipe(Box<dyn Read + Send + Sync>),
}

/// Bytes of a pipe that are read at a time: the size of a pipe on Linux.
const PIPE: usize = 64 << 10;
impl Source {
    /// Gives the next bytes to the demuxer; returns false at the end.
    pub(super) fn feed(&mut self, demuxer: &mut dyn Demuxer) -> Result<bool, Fault> {
        let bytes = match self {
            Self::File { input, at } => {
                let bytes = input.read_up_to(*at, WINDOW)?;
                *at = at.saturating_add(bytes.len() as u64);
                bytes
            }
            Self::Pipe(pipe) => read_some(pipe.as_mut())?,
        };
        let more = !bytes.is_empty();
        if more {
            demuxer.push(bytes);
        }
        Ok(more)
    }

    pub(super) fn into_input(self) -> Result<Input, Fault> {
        match self {
            Self::File { input, .. } => Ok(input),
            Self::Pipe(_) => Err(Fault::NoFrames),
        }
    }
}

/// Reads what a pipe has.
pub(crate) fn read_some(pipe: &mut (dyn Read + Send + Sync)) -> io::Result<Bytes> {
    let mut buffer = vec![0; PIPE];
    loop {
        match pipe.read(&mut buffer) {
            // Copied: a live pipe gives a few hundred bytes at a time, each of which would keep the whole buffer.
            Ok(read) => return Ok(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { input, at } => f.debug_struct("File").field("input", input).field("at", at).finish(),
            Self::Pipe(_) => f.write_str("Pipe"),
        }
    }
}
