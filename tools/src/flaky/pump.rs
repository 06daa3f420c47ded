//! Moves the bytes of one direction of a connection, late and not faster than the link.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// The rate of a link, shared by its connections.
#[derive(Clone, Debug)]
pub(super) struct Rate(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    bytes_per_second: u64,
    /// When everything accepted so far has left.
    busy_until: Mutex<Instant>,
}

impl Rate {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        let line = |bytes_per_second| Line { bytes_per_second, busy_until: Mutex::new(Instant::now()) };
        Self(bytes_per_second.map(line).map(Arc::new))
    }

    /// Waits until these bytes have left.
    async fn pass(&self, bytes: usize) {
        let Some(line) = &self.0 else { return };
        let takes = Duration::from_secs_f64(bytes as f64 / line.bytes_per_second as f64);
        let free = {
            let mut busy_until = line.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
            *busy_until = (*busy_until).max(Instant::now()) + takes;
            *busy_until
        };
        sleep_until(free).await;
    }
}

/// Moves bytes until the end of the input, or until `budget` bytes have passed: then it returns `true`.
pub(super) async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rate: Rate,
    delay: Duration,
    budget: u64,
) -> io::Result<bool> {
    // Without a bound, because a long path holds what is under way.
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut left = budget;
        loop {
            let mut room = vec![0; PIECE];
            let count = from.read(&mut room).await?;
            if count == 0 {
                return Ok(false);
            }
            rate.pass(count).await;
            let passes = usize::try_from(left).unwrap_or(usize::MAX).min(count);
            room.truncate(passes);
            left -= passes as u64;
            // The writing side has ended if the peer has.
            if sender.send((Instant::now() + delay, room)).is_err() {
                return Ok(false);
            }
            if left == 0 {
                return Ok(true);
            }
        }
    };
    let writing = async {
        while let Some((due, bytes)) = receiver.recv().await {
            if !delay.is_zero() {
                sleep_until(due).await;
            }
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    let mut reading = std::pin::pin!(reading);
    let mut writing = std::pin::pin!(writing);
    tokio::select! {
        read = &mut reading => match read {
            // A reset does not wait for what is under way.
            Ok(true) => Ok(true),
            other => writing.await.and(other),
        },
        written = &mut writing => written.map(|()| false),
    }
}

/// Small enough that a slow link does not stutter.
const PIECE: usize = 4 << 10;
