//! The two sides of a camera: the camera itself, and the upload of its media.
//!
//! ```text
//! camera:   Connecting --> Live <--> Lost, Unauthorized        any --panic--> Failed --> Connecting
//!           any --reload, SIGTERM--> Stopping --> Stopped
//! upload:   Waiting --first frames--> Connecting --> Sending <--> Retrying
//!                                         any <--> Halted (tried again every 5 min)
//! ```

use std::fmt;

/// What a camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CameraState {
    /// No frame has come yet.
    Connecting,
    /// Frames come.
    Live,
    /// It is away, and tried again.
    Lost,
    /// It rejects the credentials, and is tried again slowly.
    Unauthorized,
    /// Its task has panicked, and is started again.
    Failed,
    /// What is buffered is being sent.
    Stopping,
    /// It is not in the configuration any more, or the gateway ends.
    Stopped,
}

impl CameraState {
    pub(crate) const ALL: [Self; 7] =
        [Self::Connecting, Self::Live, Self::Lost, Self::Unauthorized, Self::Failed, Self::Stopping, Self::Stopped];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Lost => "lost",
            Self::Unauthorized => "unauthorized",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(crate) const fn is_well(self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether it is gone although it should be there.
    pub(super) const fn is_absent(self) -> bool {
        matches!(self, Self::Lost | Self::Unauthorized | Self::Failed)
    }
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the upload of a camera does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadState {
    /// There is nothing to send yet.
    Waiting,
    /// The stream and its endpoint are looked up, and a connection is opened.
    Connecting,
    /// A connection is open, or was ended in order because there is nothing to send.
    Sending,
    /// The service cannot be reached; media waits.
    Retrying,
    /// The service refuses for good, and is asked again slowly; media waits.
    Halted,
}

impl UploadState {
    pub(crate) const ALL: [Self; 5] = [Self::Waiting, Self::Connecting, Self::Sending, Self::Retrying, Self::Halted];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Halted => "halted",
        }
    }

    pub(crate) const fn is_well(self) -> bool {
        matches!(self, Self::Sending)
    }
}

impl fmt::Display for UploadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
