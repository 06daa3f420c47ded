//! A loopback proxy that injects faults.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Current treatment of bytes and connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Forwards,
    Stalls,
    Throttles,
    Refuses,
}

#[derive(Clone, Copy, Debug, Default)]
struct Orders {
    mood: Mood,
    /// Connections of an earlier generation are closed.
    era: u64,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    orders: Arc<watch::Sender<Orders>>,
}

impl Proxy {
    pub(super) async fn start(to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let orders = Arc::new(watch::Sender::new(Orders::default()));
        let losses_seen = orders.subscribe();
        tokio::spawn(accept(listener, to, losses_seen));
        Ok(Self { address, orders })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cut(&self) {
        self.orders.send_modify(|orders| orders.era += 1);
    }

    pub(super) fn stall(&self) {
        self.orders.send_modify(|orders| orders.mood = Mood::Stalls);
    }

    pub(super) fn throttle(&self) {
        self.orders.send_modify(|orders| orders.mood = Mood::Throttles);
    }

    pub(super) fn refuse(&self) {
        self.orders.send_modify(|orders| *orders = Orders { mood: Mood::Refuses, era: orders.era + 1 });
    }

    pub(super) fn heal(&self) {
        self.orders.send_modify(|orders| orders.mood = Mood::Forwards);
    }
}

/// Ends when the proxy is dropped.
async fn accept(listener: TcpListener, to: SocketAddr, mut orders: watch::Receiver<Orders>) {
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let now = *orders.borrow();
        let Ok((socket, _)) = socket else { continue };
        if now.mood != Mood::Refuses {
            tokio::spawn(carry(socket, to, now.era, orders.clone()));
        }
    }
}

async fn carry(near: TcpStream, to: SocketAddr, era: u64, orders: watch::Receiver<Orders>) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let mut watched = orders.clone();
    tokio::select! {
        _ = async { tokio::join!(pump(near_in, far_out, orders.clone()), pump(far_in, near_out, orders)) } => {}
        // Both ends see the connection break.
        _ = watched.wait_for(|now| now.era != era) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut orders: watch::Receiver<Orders>) -> io::Result<()> {
    let mut room = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut room).await?;
        let Some(bytes) = room.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        let now = orders.wait_for(|now| now.mood != Mood::Stalls).await.map(|now| now.mood).unwrap_or_default();
        to.write_all(bytes).await?;
        if now == Mood::Throttles {
            tokio::time::sleep(Duration::from_micros(50 * count as u64)).await;
        }
    }
    to.shutdown().await
}
