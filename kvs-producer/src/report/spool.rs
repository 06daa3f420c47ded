//! What can go wrong with the spool while the producer runs.

/// A problem of the spool. The producer continues: what cannot be written stays in memory within its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolProblem {
    /// The disk is full, although the spool is below its own limit. Free space on the disk, or lower the limit of the spool.
    #[error("the disk of the spool is full: free space, or set a lower limit")]
    DiskFull,
    /// The disk cannot be written. Persisted fragments cannot be marked, so a restart sends them again.
    #[error("the disk of the spool is read-only: mount it for writing")]
    ReadOnly,
    /// The spool has reached its size limit, and nothing in it may be dropped.
    #[error("the spool has reached its limit of {limit} bytes")]
    LimitReached {
        /// The configured limit in bytes.
        limit: u64,
    },
    /// A fragment does not fit into the whole spool, or not into the memory of the producer. It stays where it is.
    #[error("a fragment of {bytes} bytes exceeds the limit of {limit} bytes: raise the limit")]
    TooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes: of the spool when writing, of the buffer when reading.
        limit: u64,
    },
    /// A segment ends with an incomplete record: the process or the machine stopped while it was written.
    #[error(
        "{file}: incomplete record of {bytes} bytes at byte {at}, which was being written when the producer stopped"
    )]
    Incomplete {
        /// The segment file.
        file: String,
        /// Where the record begins.
        at: u64,
        /// Bytes up to the end of the file.
        bytes: u64,
    },
    /// A part of a segment does not match its checksums. It is never sent.
    #[error("{file}: {bytes} bytes at byte {at} are damaged and are not sent")]
    Damaged {
        /// The segment file.
        file: String,
        /// Where the damage begins.
        at: u64,
        /// Length of the damaged part.
        bytes: u64,
    },
    /// A segment belongs to another stream. It is left alone.
    #[error("{file} belongs to the stream {stream:?}: use one folder per stream")]
    OtherStream {
        /// The segment file.
        file: String,
        /// The stream that it belongs to.
        stream: String,
    },
    /// The file system failed otherwise.
    #[error("cannot {operation} {file}: {message}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The file.
        file: String,
        /// The message of the system.
        message: String,
    },
    /// The disk did not answer in time. Sending continues from memory.
    #[error("the disk of the spool has not answered for {seconds} s")]
    Slow {
        /// How long nothing was answered.
        seconds: u64,
    },
}
