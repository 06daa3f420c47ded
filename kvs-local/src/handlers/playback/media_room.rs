//! What all players together may hold in memory: fragments on their way to them, as segments and as parts of clips.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::{ApiError, Exception};
use crate::playback::limits::MEDIA_KIB;

/// A budget of memory. Requests wait until there is room; a client that reads nothing loses its connection, and its room with it.
#[derive(Clone, Debug)]
pub(in crate::handlers) struct MediaRoom(Arc<Semaphore>);

impl Default for MediaRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEDIA_KIB)))
    }
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct Room {
    _permit: OwnedSemaphorePermit,
}

impl MediaRoom {
    /// Waits for room.
    pub(super) async fn take(&self, bytes: u64) -> Result<Room, ApiError> {
        let kib = usize::try_from(bytes.div_ceil(1024)).unwrap_or(MEDIA_KIB).clamp(1, MEDIA_KIB);
        let permits = u32::try_from(kib).unwrap_or(u32::MAX);
        let closed = |_| ApiError::new(Exception::ServiceUnavailable, "the service is stopping");
        let permit = Arc::clone(&self.0).acquire_many_owned(permits).await.map_err(closed)?;
        Ok(Room { _permit: permit })
    }
}

/// Returns bytes that keep their room until they have been sent. Several pieces of one fragment share it: each keeps the whole fragment in
/// memory.
pub(super) fn holding(bytes: Bytes, room: &Arc<Room>) -> Bytes {
    Bytes::from_owner(Held { bytes, _room: Arc::clone(room) })
}

struct Held {
    bytes: Bytes,
    _room: Arc<Room>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_free_again_when_the_last_piece_is_gone() {
        let all = MediaRoom::default();
        let room = Arc::new(all.take(u64::MAX).await.unwrap());
        let [first, last] = ["first", "last"].map(|text| holding(Bytes::from_static(text.as_bytes()), &room));
        drop((room, first));
        let waits = timeout(Duration::from_secs(1), all.take(1)).await;
        assert!(waits.is_err(), "a piece holds it");
        assert_eq!(last, "last");
        drop(last.slice(1..));
        drop(last);
        assert!(timeout(Duration::from_secs(1), all.take(u64::MAX)).await.unwrap().is_ok());
    }
}
