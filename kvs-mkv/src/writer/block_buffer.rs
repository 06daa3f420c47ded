//! The blocks of a cluster, kept so that they can be sent more than once.

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    BLOCK_HEAD_BYTES, COPIED_PAYLOAD, HEADERS_BYTES, State, WriteError, Writer, block_header, flags, whole_millis,
};
use crate::{Chunks, Frame};

/// The blocks of one cluster, for a program that may have to send them again.
///
/// Pieces of up to 512 bytes, such as the payloads of audio and the lengths of NAL units, are copied into one allocation with
/// the headers of the blocks: a handle of their own would cost more. Larger pieces are not copied. A block is the same in every
/// segment whose timecode unit is a millisecond, the default of [`SegmentInfo`](crate::SegmentInfo), because its time counts from
/// its cluster.
///
/// Memory: 32 bytes for each piece, the copied bytes, and the buffers behind the pieces that are not copied.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::{BlockBuffer, BlockPosition, Chunks, CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
///
/// let mut blocks = BlockBuffer::new(Duration::from_secs(10));
/// let mut position = BlockPosition::default();
/// blocks.push(&mut Frame::new(TrackNumber::ONE, Duration::from_millis(10_021), vec![0; 200]))?;
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::AAC);
/// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
/// let mut body = Chunks::from(writer.start_segment());
/// body.push(writer.start_cluster(Duration::from_secs(10))?);
/// let before = body.len();
/// writer.buffered_blocks(&blocks, &mut position, usize::MAX, &mut body)?;
/// assert_eq!(body.len() - before, 13 + 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BlockBuffer {
    /// Timecode of the cluster in milliseconds.
    cluster: u64,
    parts: Vec<Part>,
    /// What the parts copied, one behind the other.
    copied: Vec<u8>,
}

/// A part of the blocks.
#[derive(Clone, Debug)]
enum Part {
    Copied {
        bytes: Range<usize>,
        /// A block begins here. Otherwise this is the rest of the one before.
        begins: bool,
    },
    Piece(Bytes),
}

/// How far a [`BlockBuffer`] was read; at its start by default, and always between two blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockPosition {
    part: usize,
    /// Bytes of that part that were read.
    within: usize,
}

impl BlockBuffer {
    /// Creates an empty buffer for a cluster at this time, rounded down to a millisecond.
    #[must_use]
    pub const fn new(cluster: Duration) -> Self {
        Self { cluster: whole_millis(cluster), parts: Vec::new(), copied: Vec::new() }
    }

    /// Creates an empty buffer with the room that another one took and an eighth more, but at most for 128 pieces and 16 KiB of
    /// copies.
    #[must_use]
    pub fn with_room_of(cluster: Duration, other: &BlockRoom) -> Self {
        let most = |size: usize, limit: usize| size.saturating_add(size / 8).min(limit);
        let (parts, copied) = (most(other.parts, MOST_ROOM.parts), most(other.copied, MOST_ROOM.copied));
        Self { parts: Vec::with_capacity(parts), copied: Vec::with_capacity(copied), ..Self::new(cluster) }
    }

    /// Returns the room that the blocks take.
    #[must_use]
    pub fn room(&self) -> BlockRoom {
        BlockRoom { parts: self.parts.len(), copied: self.copied.len() }
    }

    /// Returns whether there are no blocks behind this position.
    #[inline]
    #[must_use]
    pub fn is_end(&self, position: &BlockPosition) -> bool {
        match self.parts.get(position.part..) {
            None | Some([]) => true,
            Some([Part::Copied { bytes, .. }]) => position.within >= bytes.len(),
            Some(_) => false,
        }
    }

    /// Appends a frame and takes its payload.
    ///
    /// # Errors
    /// [`WriteError::TooFarFromCluster`], and [`WriteError::UnknownTrack`] for a number that no header can have. The frame is
    /// unchanged then.
    #[inline]
    pub fn push(&mut self, frame: &mut Frame) -> Result<(), WriteError> {
        let (units, cluster) = (whole_millis(frame.pts), self.cluster);
        let apart = WriteError::TooFarFromCluster { units, cluster };
        let Ok(relative) = i16::try_from(i128::from(units) - i128::from(cluster)) else { return Err(apart) };
        let header = block_header(frame.data.len(), frame.track, relative, flags(frame))?;
        let begin = self.copied.len();
        if frame.data.len() <= COPIED_PAYLOAD {
            self.copied.reserve(BLOCK_HEAD_BYTES + frame.data.len());
            self.copied.extend_from_slice(&header);
            frame.data.pieces().iter().for_each(|piece| self.copied.extend_from_slice(piece));
            self.add_copied(begin, true);
        } else {
            self.copied.extend_from_slice(&header);
            self.add_copied(begin, true);
            frame.data.take_each(|piece| self.add_piece(piece));
        }
        Ok(())
    }

    #[inline]
    fn add_piece(&mut self, piece: Bytes) {
        if piece.len() <= COPIED_PAYLOAD {
            let begin = self.copied.len();
            self.copied.extend_from_slice(&piece);
            self.add_copied(begin, false);
        } else {
            self.parts.push(Part::Piece(piece));
        }
    }

    /// Adds what was copied from `begin` on to the last part, or as a new part.
    #[inline]
    fn add_copied(&mut self, begin: usize, begins: bool) {
        let end = self.copied.len();
        match self.parts.last_mut() {
            // In other cases a block begins a part, so that reading can stop before it.
            Some(Part::Copied { bytes, begins: began }) if !begins || *began && bytes.len() < RUN_BYTES => {
                bytes.end = end
            }
            _ => self.parts.push(Part::Copied { bytes: begin..end, begins }),
        }
    }

    /// Releases memory that is reserved and not used: no more frames follow soon.
    pub fn shrink_to_fit(&mut self) {
        if self.copied.capacity() - self.copied.len() > self.copied.len() / 4 {
            self.copied.shrink_to_fit();
        }
        if self.parts.capacity() - self.parts.len() > self.parts.len() / 4 {
            self.parts.shrink_to_fit();
        }
    }
}

/// The room that the blocks of a cluster take. Most clusters of a stream take as much as the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockRoom {
    parts: usize,
    copied: usize,
}

impl Writer {
    /// Appends the next blocks of a buffer to `out`, and moves the position behind them. Nothing is appended at the end of the
    /// buffer.
    ///
    /// Only whole blocks are appended: at least one, and more until there are `enough` bytes. What the buffer copied is copied
    /// again; other pieces are not.
    ///
    /// # Errors
    /// [`WriteError::NoCluster`]. That the frames belong to tracks of this writer is not checked.
    #[inline]
    pub fn buffered_blocks(
        &mut self,
        buffer: &BlockBuffer,
        position: &mut BlockPosition,
        enough: usize,
        out: &mut Chunks,
    ) -> Result<(), WriteError> {
        if !matches!(self.state, State::Cluster { .. }) {
            return Err(WriteError::NoCluster);
        }
        let (begun, enough) = (out.len(), enough.max(1));
        while let Some(part) = buffer.parts.get(position.part) {
            match part {
                Part::Copied { begins: true, .. }
                    if position.within == 0 && out.len() + self.headers.len() - begun >= enough =>
                {
                    break;
                }
                Part::Copied { bytes, .. } => {
                    let rest = buffer.copied.get(bytes.start + position.within..bytes.end).unwrap_or_default();
                    self.copy(rest, out);
                    if position.part + 1 == buffer.parts.len() {
                        // More may be added to it.
                        position.within = bytes.len();
                        break;
                    }
                }
                Part::Piece(piece) => {
                    self.seal(out);
                    out.push(piece.clone());
                }
            }
            *position = BlockPosition { part: position.part + 1, within: 0 };
        }
        self.seal(out);
        Ok(())
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8], out: &mut Chunks) {
        if self.headers.capacity() - self.headers.len() < bytes.len() {
            self.seal(out);
            self.headers = BytesMut::with_capacity(HEADERS_BYTES.max(bytes.len()));
        }
        self.headers.put_slice(bytes);
    }
}

/// Copied bytes after which a part ends: reading can stop there.
const RUN_BYTES: usize = 4096;
/// Most room that is reserved in advance, however much the last cluster took.
const MOST_ROOM: BlockRoom = BlockRoom { parts: 128, copied: 16 << 10 };
