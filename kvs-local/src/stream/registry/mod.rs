//! The records of all streams, in memory and on disk.

mod configuration;
mod folder;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;
use kvs_types::StreamStatus;

use self::folder::Folder;
use crate::api::{self, ApiError, Exception, StreamRef, Text};
use crate::limits;

pub(crate) use configuration::{check_images, check_notifications, check_quality};
pub(crate) use record::{Phase, StreamRecord};

/// The region and account of the service, used in ARNs and image keys.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Identity {
    /// Returns the partition of the region, the second field of an ARN.
    pub(crate) fn partition(&self) -> &'static str {
        match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            Some("us") if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    fn stream_arn(&self, name: &str, created_ms: u64) -> String {
        let (partition, region, account) = (self.partition(), &self.region, &self.account);
        format!("arn:{partition}:kinesisvideo:{region}:{account}:stream/{name}/{created_ms}")
    }
}

/// How long changes take to become effective.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delays {
    /// How long a stream stays CREATING, UPDATING or DELETING.
    pub(crate) transition: Duration,
    /// How long image and notification configuration takes to become effective.
    pub(crate) configuration: Duration,
}

/// The registry could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to open the stream registry in {path}", path = path.display())]
pub(crate) struct OpenError {
    path: PathBuf,
    source: std::io::Error,
}

/// All streams of the account.
///
/// A change is on disk before it becomes visible, so a registry that is opened after a crash matches the responses.
#[derive(Debug)]
pub(crate) struct Registry {
    identity: Identity,
    folder: Folder,
    inner: Mutex<Inner>,
    /// Notified when a stream was written.
    written: Condvar,
}

#[derive(Debug)]
struct Inner {
    streams: BTreeMap<String, StreamRecord>,
    /// Names of the streams that are being written, without the lock: a write takes two syncs, which other streams must not
    /// wait for.
    writing: BTreeSet<String>,
    /// Source of stream versions.
    random: fastrand::Rng,
}

impl Registry {
    /// Opens the registry in a folder.
    pub(crate) fn open(path: PathBuf, identity: Identity, seed: u64) -> Result<Self, OpenError> {
        let opened = Folder::open(path.clone()).and_then(|folder| Ok((folder.load()?, folder)));
        let (streams, folder) = opened.map_err(|source| OpenError { path, source })?;
        let streams = streams.into_iter().map(|stream| (stream.name.clone(), stream)).collect();
        let inner = Inner { streams, writing: BTreeSet::new(), random: fastrand::Rng::with_seed(seed) };
        Ok(Self { identity, folder, inner: Mutex::new(inner), written: Condvar::new() })
    }

    /// Returns region and account.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Adds a stream. `make` completes a new record with that name.
    pub(crate) fn create(
        &self,
        name: &str,
        delays: Delays,
        now: SystemTime,
        make: impl FnOnce(&mut StreamRecord),
    ) -> Result<StreamRecord, ApiError> {
        api::text(&Text::STREAM_NAME, name)?;
        let mut inner = self.lock_stream(name, now);
        if inner.streams.contains_key(name) {
            return Err(ApiError::new(Exception::ResourceInUse, format!("The stream {name} already exists.")));
        }
        if inner.streams.len().saturating_add(inner.writing.len()) >= limits::STREAMS {
            let message = format!("the account has {} streams, the most it may have", limits::STREAMS);
            return Err(ApiError::new(Exception::AccountStreamLimitExceeded, message));
        }
        let mut stream = self.fresh(name, inner.version(), delays, now);
        make(&mut stream);
        self.write(inner, stream.clone())?;
        Ok(stream)
    }

    /// Returns the stream that a request names.
    pub(crate) fn find(&self, wanted: &StreamRef, now: SystemTime) -> Result<StreamRecord, ApiError> {
        let name = named(wanted)?;
        let inner = self.lock(now);
        inner.streams.get(name).filter(|stream| matches(stream, wanted)).cloned().ok_or_else(ApiError::no_stream)
    }

    /// Returns the stream that a request names, unless it is being deleted: only DescribeStream and ListStreams show it then.
    pub(crate) fn find_live(&self, wanted: &StreamRef, now: SystemTime) -> Result<StreamRecord, ApiError> {
        let stream = self.find(wanted, now)?;
        if stream.status(now) == StreamStatus::Deleting { Err(ApiError::no_stream()) } else { Ok(stream) }
    }

    /// Changes the stream that a request names, unless it is being deleted. Nothing changes if `change` or writing to disk fails.
    pub(crate) fn change<T>(
        &self,
        wanted: &StreamRef,
        now: SystemTime,
        change: impl FnOnce(&mut StreamRecord) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let name = named(wanted)?;
        let inner = self.lock_stream(name, now);
        let found = inner.streams.get(name).filter(|stream| matches(stream, wanted));
        let found = found.filter(|stream| stream.status(now) != StreamStatus::Deleting);
        let mut stream = found.cloned().ok_or_else(ApiError::no_stream)?;
        let done = change(&mut stream)?;
        self.write(inner, stream)?;
        Ok(done)
    }

    /// Deletes the stream that a request names. `check` returns when the deletion is complete.
    ///
    /// If the change cannot be written, because the disk is full, the record is removed at once: that takes no room, and after a
    /// restart the stream is gone, as was asked for.
    pub(crate) fn delete(
        &self,
        wanted: &StreamRef,
        now: SystemTime,
        check: impl FnOnce(&StreamRecord) -> Result<SystemTime, ApiError>,
    ) -> Result<StreamRecord, ApiError> {
        let name = named(wanted)?;
        let inner = self.lock_stream(name, now);
        let found = inner.streams.get(name).filter(|stream| matches(stream, wanted));
        let found = found.filter(|stream| stream.status(now) != StreamStatus::Deleting);
        let mut stream = found.cloned().ok_or_else(ApiError::no_stream)?;
        stream.phase = Phase::Deleting { until: check(&stream)? };
        self.write_by(inner, stream.clone(), |stream| {
            self.folder.save(stream).or_else(|error| {
                let stream = &stream.name;
                tracing::warn!(%error, stream, "failed to write the deletion of a stream; removing its record at once");
                self.folder.remove(stream)
            })
        })?;
        Ok(stream)
    }

    /// Returns whether the record of a stream was damaged and set aside, so that its media must be kept.
    pub(crate) fn is_set_aside(&self, name: &str) -> bool {
        self.folder.is_set_aside(name)
    }

    /// Returns up to `most` streams with names that start with `prefix` and follow `after`, in the order of names, and
    /// whether there are more.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        now: SystemTime,
    ) -> (Vec<StreamRecord>, bool) {
        let inner = self.lock(now);
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let mut found = inner
            .streams
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(_, stream)| stream)
            .take_while(|stream| stream.name.starts_with(prefix));
        let page = found.by_ref().take(most).cloned().collect();
        (page, found.next().is_some())
    }

    /// Returns the media keys of all streams.
    pub(crate) fn media_keys(&self, now: SystemTime) -> BTreeSet<String> {
        self.lock(now).streams.values().map(StreamRecord::media_key).collect()
    }

    /// Removes all streams and returns them.
    pub(crate) fn remove_all(&self, now: SystemTime) -> Vec<StreamRecord> {
        let mut inner = self.lock(now);
        let streams = std::mem::take(&mut inner.streams);
        for name in streams.keys() {
            if let Err(error) = self.folder.remove(name) {
                tracing::error!(%error, "failed to remove the record of a stream");
            }
        }
        streams.into_values().collect()
    }

    /// Returns all streams.
    pub(crate) fn all(&self, now: SystemTime) -> Vec<StreamRecord> {
        self.lock(now).streams.values().cloned().collect()
    }

    /// Returns a new stream version.
    pub(crate) fn new_version(&self, now: SystemTime) -> String {
        self.lock(now).version()
    }

    fn fresh(&self, name: &str, version: String, delays: Delays, now: SystemTime) -> StreamRecord {
        let created_ms = epoch_millis(now);
        let Identity { region, account, .. } = &self.identity;
        let partition = self.identity.partition();
        StreamRecord {
            name: name.to_owned(),
            arn: self.identity.stream_arn(name, created_ms),
            created_ms,
            version,
            phase: Phase::Creating { until: now.checked_add(delays.transition).unwrap_or(now) },
            device_name: None,
            media_type: None,
            kms_key_id: format!("arn:{partition}:kms:{region}:{account}:alias/aws/kinesisvideo"),
            retention_hours: 0,
            tags: BTreeMap::new(),
            storage_tier: "HOT".to_owned(),
            images: configuration::Delayed::default(),
            notifications: configuration::Delayed::default(),
        }
    }

    /// Writes a stream to disk, then shows it. The lock is released meanwhile; a second change of the stream waits.
    fn write(&self, inner: MutexGuard<'_, Inner>, stream: StreamRecord) -> Result<(), ApiError> {
        self.write_by(inner, stream, |stream| self.folder.save(stream))
    }

    fn write_by(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        stream: StreamRecord,
        save: impl FnOnce(&StreamRecord) -> std::io::Result<()>,
    ) -> Result<(), ApiError> {
        inner.writing.insert(stream.name.clone());
        drop(inner);
        let saved = save(&stream);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.writing.remove(&stream.name);
        self.written.notify_all();
        saved.map_err(|error| {
            tracing::error!(%error, "failed to write the stream registry");
            ApiError::new(Exception::InternalFailure, "failed to write the stream registry")
        })?;
        inner.streams.insert(stream.name.clone(), stream);
        Ok(())
    }

    /// Locks the streams once the stream of this name is not being written.
    fn lock_stream(&self, name: &str, now: SystemTime) -> MutexGuard<'_, Inner> {
        let inner = self.lock(now);
        let inner = self.written.wait_while(inner, |inner| inner.writing.contains(name));
        inner.unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the streams and removes those whose deletion is complete at `now`.
    fn lock(&self, now: SystemTime) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> = inner
            .streams
            .values()
            .filter(|stream| stream.phase.is_over(now) && !inner.writing.contains(&stream.name))
            .map(|stream| stream.name.clone())
            .collect();
        for name in gone {
            inner.streams.remove(&name);
            if let Err(error) = self.folder.remove(&name) {
                tracing::error!(%error, "failed to remove the record of a deleted stream");
            }
        }
        inner
    }
}

impl Inner {
    fn version(&mut self) -> String {
        std::iter::repeat_with(|| self.random.alphanumeric()).take(VERSION_LENGTH).collect()
    }
}

/// Length of the versions that the service generates.
const VERSION_LENGTH: usize = 20;

/// Returns the stream name that a request contains.
fn named(wanted: &StreamRef) -> Result<&str, ApiError> {
    let in_arn = match wanted.arn.as_deref() {
        Some(arn) => Some(api::name_in_arn(arn).ok_or_else(|| {
            ApiError::invalid(format!("StreamARN is not the ARN of a stream: '{}'", arn.escape_debug()))
        })?),
        None => None,
    };
    match (wanted.name.as_deref(), in_arn) {
        (Some(name), Some(other)) if name != other => {
            Err(ApiError::invalid("StreamName and StreamARN name different streams"))
        }
        (Some(name), _) => api::text(&Text::STREAM_NAME, name).map(|()| name),
        (None, Some(name)) => Ok(name),
        (None, None) => Err(ApiError::invalid("Either StreamName or StreamARN must be given")),
    }
}

/// Returns whether the ARN in a request, if any, is the stream's: it has account, region and creation time too.
fn matches(stream: &StreamRecord, wanted: &StreamRef) -> bool {
    wanted.arn.as_ref().is_none_or(|arn| *arn == stream.arn)
}
