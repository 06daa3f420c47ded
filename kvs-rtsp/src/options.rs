//! All settings of a camera.

use std::fmt;
use std::time::Duration;

/// The settings of a camera. The defaults suit IP cameras on a local network.
///
/// ```
/// use std::time::Duration;
/// use kvs_rtsp::{CameraOptions, ClockSource, Transport};
///
/// let options = CameraOptions::new()
///     .credentials("admin", "secret")
///     .clock(ClockSource::Camera)
///     .transport(Transport::Tcp)
///     .frame_timeout(Duration::from_secs(10));
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct CameraOptions {
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) transport: Transport,
    pub(crate) clock: ClockSource,
    pub(crate) on_loss: OnLoss,
    pub(crate) audio: bool,
    pub(crate) request_timeout: Duration,
    pub(crate) keyframe_timeout: Duration,
    pub(crate) frame_timeout: Duration,
    pub(crate) unauthorized_wait: Duration,
    pub(crate) retry_first: Duration,
    pub(crate) retry_longest: Duration,
    pub(crate) settle: Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) user_agent: String,
    pub(crate) seed: Option<u64>,
}

/// How media comes from the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Over the RTSP connection (interleaved). Nothing is lost or reordered on the network.
    #[default]
    Tcp,
    /// By UDP. For local networks only: packets that arrive out of order count as lost.
    Udp,
}

/// Whose clock the times of the frames come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockSource {
    /// The clock of this machine: the arrival of the frame that was delayed least, continued with the intervals of the camera.
    #[default]
    Local,
    /// The clock of the camera, from its sender reports. If there are none, or if they are more than 5 s from the local clock,
    /// the local clock is used ([`CameraEvent::ClockOff`](crate::CameraEvent::ClockOff)).
    Camera,
}

/// What to do with the frames after a loss of packets, until the next key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnLoss {
    /// Drop them: they show damage, and images of them too.
    #[default]
    DropToKeyframe,
    /// Pass them on.
    Keep,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $kind) -> Self {
            self.$name = $name;
            self
        })*
    };
}

impl CameraOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            credentials: None,
            transport: Transport::default(),
            clock: ClockSource::default(),
            on_loss: OnLoss::default(),
            audio: true,
            request_timeout: Duration::from_secs(10),
            keyframe_timeout: Duration::from_secs(30),
            frame_timeout: Duration::from_secs(30),
            unauthorized_wait: Duration::from_secs(5 * 60),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            settle: Duration::from_millis(500),
            queue_bytes: 8 << 20,
            user_agent: concat!("kvs-rtsp/", env!("CARGO_PKG_VERSION")).to_owned(),
            seed: None,
        }
    }

    /// Sets user name and password, in place of those of the URL. They are for Digest and Basic authentication. Default: those
    /// of the URL, or none.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((username.into(), password.into()));
        self
    }

    /// Sets the seed of the jitter of waits. Default: random.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    setters! {
        /// Sets how media comes from the camera. Default: [`Transport::Tcp`].
        transport: Transport;
        /// Sets whose clock the times of the frames come from. Default: [`ClockSource::Local`].
        clock: ClockSource;
        /// Sets what to do after a loss of packets. Default: [`OnLoss::DropToKeyframe`].
        on_loss: OnLoss;
        /// Sets whether sound is taken. Default: yes.
        audio: bool;
        /// Sets how long connecting and each request of the start (DESCRIBE, SETUP, PLAY) may take. Default: 10 s.
        request_timeout: Duration;
        /// Sets how long the camera may send frames without a key frame at the start. Default: 30 s.
        keyframe_timeout: Duration;
        /// Sets how long the camera may be silent before it counts as lost. Default: 30 s.
        frame_timeout: Duration;
        /// Sets the wait after the camera has rejected the credentials. Default: 5 min, because cameras lock accounts.
        unauthorized_wait: Duration;
        /// Sets the wait before the first attempt to reconnect. It doubles with each attempt, until a minute of frames. Default: 1 s.
        retry_first: Duration;
        /// Sets the longest wait between two attempts to reconnect. Default: 60 s.
        retry_longest: Duration;
        /// Sets how long frames are held at the start of a session, to find the one that was delayed least. Default: 500 ms.
        settle: Duration;
        /// Sets how many bytes of frames wait for [`Camera::next`](crate::Camera::next). When it is full, frames are dropped up
        /// to the next key frame ([`DropReason::QueueFull`](crate::DropReason::QueueFull)). Default: 8 MiB.
        queue_bytes: usize;
        /// Sets what the camera is told about the client. Default: name and version of this crate.
        user_agent: String;
    }
}

impl Default for CameraOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CameraOptions {
    /// Prints no credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CameraOptions")
            .field("credentials", &self.credentials.as_ref().map(|_| "[redacted]"))
            .field("transport", &self.transport)
            .field("clock", &self.clock)
            .field("on_loss", &self.on_loss)
            .field("audio", &self.audio)
            .finish_non_exhaustive()
    }
}
