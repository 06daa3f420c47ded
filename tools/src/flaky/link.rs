//! The listener and its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fastrand::Rng;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::plan::{Fate, LinkPlan};
use super::pump::{Rate, pump};

/// A proxy between a client and a service. It closes its connections when it is dropped.
#[derive(Debug)]
pub struct FlakyLink {
    address: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct State {
    resets: AtomicU64,
    healed: AtomicBool,
}

impl FlakyLink {
    /// Listens on a free port of the loopback interface and connects each client to `service`.
    ///
    /// # Errors
    /// If the port cannot be opened.
    pub async fn start(service: SocketAddr, plan: LinkPlan) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), service, plan).await
    }

    /// Listens on `address` and connects each client to `service`.
    ///
    /// # Errors
    /// If the port cannot be opened.
    pub async fn listen(address: SocketAddr, service: SocketAddr, plan: LinkPlan) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if plan.uplink.is_some() {
            // What waits for a slow link waits in the client, as it would in front of a real one.
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(64)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, service, plan, Arc::clone(&state))).abort_handle();
        Ok(Self { address, state, task })
    }

    /// Returns the address to connect to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections were reset.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.state.resets.load(Ordering::Relaxed)
    }

    /// Resets no connection that is opened from now on.
    pub fn heal(&self) {
        self.state.healed.store(true, Ordering::Relaxed);
    }
}

impl Drop for FlakyLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, service: SocketAddr, plan: LinkPlan, state: Arc<State>) {
    let (mut rng, rate) = (Rng::with_seed(plan.seed), Rate::new(plan.uplink));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let fate = if state.healed.load(Ordering::Relaxed) { Fate::NONE } else { plan.fate(&mut rng) };
                let (rate, state) = (rate.clone(), Arc::clone(&state));
                connections.spawn(async move {
                    // A broken connection is what this program is for.
                    let _ = carry(client, service, plan, fate, rate, &state).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connects both ends, and resets both when the connection has met its fate.
async fn carry(
    client: TcpStream,
    service: SocketAddr,
    plan: LinkPlan,
    fate: Fate,
    rate: Rate,
    state: &State,
) -> io::Result<()> {
    let service = TcpStream::connect(service).await?;
    for socket in [&client, &service] {
        socket.set_nodelay(true)?;
        // Whatever ends the connection early ends it with a reset. An orderly end is a shutdown before the close.
        socket.set_zero_linger()?;
    }
    let ((client_in, client_out), (service_in, service_out)) = (client.into_split(), service.into_split());
    let up = pump(client_in, service_out, rate, plan.delay, fate.bytes);
    let down = pump(service_in, client_out, Rate::new(None), plan.delay, u64::MAX);
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    let reset = tokio::select! {
        sent = &mut up => match sent {
            Ok(true) => true,
            // The client has ended; the service may still answer.
            _ => {
                down.await?;
                false
            }
        },
        _ = &mut down => false,
        () = tokio::time::sleep(fate.age) => true,
    };
    state.resets.fetch_add(u64::from(reset), Ordering::Relaxed);
    Ok(())
}

/// The smallest that does not slow down a link of some Mbit/s.
const RECEIVE_BUFFER: u32 = 16 << 10;
