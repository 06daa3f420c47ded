//! All streams, in memory and on disk.

mod configuration;
mod folder;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use self::folder::Folder;
use crate::api::{self, ApiError, Exception, StreamRef, Text};
use crate::clock::epoch_ms;
use crate::limits;

pub(crate) use configuration::{ImageGeneration, ImageSelector, Notification, PictureFormat, Switch, check_quality};
pub(crate) use record::{Phase, Status, StreamRecord};

/// In whose name the service acts: it stands in ARNs and image keys.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Identity {
    /// The partition the region belongs to, second field of an ARN.
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

/// How long changes take until they hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// How long a stream stays CREATING, UPDATING or DELETING.
    pub(crate) transition: Duration,
    /// How long image and notification configuration takes to come into effect.
    pub(crate) configuration: Duration,
}

/// Why the registry could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the registry of streams in {path} cannot be opened: {source}", path = path.display())]
pub(crate) struct OpenError {
    path: PathBuf,
    source: std::io::Error,
}

/// All streams of the account.
///
/// A change is on disk before anyone sees it: a registry opened again after a crash shows what was answered.
#[derive(Debug)]
pub(crate) struct Registry {
    identity: Identity,
    folder: Folder,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    streams: BTreeMap<String, StreamRecord>,
    /// Names and versions drawn so far are not repeated.
    random: fastrand::Rng,
}

impl Registry {
    /// Opens the registry in a folder.
    pub(crate) fn open(path: PathBuf, identity: Identity, seed: u64) -> Result<Self, OpenError> {
        let opened = Folder::open(path.clone()).and_then(|folder| Ok((folder.load()?, folder)));
        let (streams, folder) = opened.map_err(|source| OpenError { path, source })?;
        let streams = streams.into_iter().map(|stream| (stream.name.clone(), stream)).collect();
        let inner = Mutex::new(Inner { streams, random: fastrand::Rng::with_seed(seed) });
        Ok(Self { identity, folder, inner })
    }

    /// In whose name the streams are.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Adds a stream made by `make`, which is given a fresh record of that name.
    pub(crate) fn create(
        &self,
        name: &str,
        pace: Pace,
        now: SystemTime,
        make: impl FnOnce(&mut StreamRecord),
    ) -> Result<StreamRecord, ApiError> {
        api::text(&Text::STREAM_NAME, name)?;
        let mut inner = self.lock(now);
        if inner.streams.contains_key(name) {
            return Err(ApiError::new(Exception::ResourceInUse, format!("The stream {name} already exists.")));
        }
        if inner.streams.len() >= limits::STREAMS {
            let message = format!("the account has {} streams, the most it may have", limits::STREAMS);
            return Err(ApiError::new(Exception::AccountStreamLimitExceeded, message));
        }
        let mut stream = self.fresh(name, inner.version(), pace, now);
        make(&mut stream);
        self.save(&stream)?;
        inner.streams.insert(stream.name.clone(), stream.clone());
        Ok(stream)
    }

    /// The stream a request names.
    pub(crate) fn find(&self, wanted: &StreamRef, now: SystemTime) -> Result<StreamRecord, ApiError> {
        let name = named(wanted)?;
        let inner = self.lock(now);
        inner.streams.get(name).filter(|stream| is_meant(stream, wanted)).cloned().ok_or_else(ApiError::no_stream)
    }

    /// Changes the stream a request names: nothing changes if `change` refuses or the disk does.
    pub(crate) fn change<T>(
        &self,
        wanted: &StreamRef,
        now: SystemTime,
        change: impl FnOnce(&mut StreamRecord) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let name = named(wanted)?;
        let mut inner = self.lock(now);
        let found = inner.streams.get(name).filter(|stream| is_meant(stream, wanted));
        let mut stream = found.cloned().ok_or_else(ApiError::no_stream)?;
        let done = change(&mut stream)?;
        self.save(&stream)?;
        inner.streams.insert(stream.name.clone(), stream);
        Ok(done)
    }

    /// Up to `most` streams whose names begin with `prefix` and come after `after`, in the order of their names, and whether
    /// there are more.
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

    /// The media keys of all streams.
    pub(crate) fn media_keys(&self, now: SystemTime) -> BTreeSet<String> {
        self.lock(now).streams.values().map(StreamRecord::media_key).collect()
    }

    /// All streams.
    pub(crate) fn all(&self, now: SystemTime) -> Vec<StreamRecord> {
        self.lock(now).streams.values().cloned().collect()
    }

    /// A version never used before.
    pub(crate) fn new_version(&self, now: SystemTime) -> String {
        self.lock(now).version()
    }

    fn fresh(&self, name: &str, version: String, pace: Pace, now: SystemTime) -> StreamRecord {
        let created_ms = epoch_ms(now);
        let Identity { region, account, .. } = &self.identity;
        let partition = self.identity.partition();
        StreamRecord {
            name: name.to_owned(),
            arn: self.identity.stream_arn(name, created_ms),
            created_ms,
            version,
            phase: Phase::Creating { until: now.checked_add(pace.transition).unwrap_or(now) },
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

    fn save(&self, stream: &StreamRecord) -> Result<(), ApiError> {
        self.folder.save(stream).map_err(|error| {
            tracing::error!(%error, "the registry could not be written");
            ApiError::new(Exception::InternalFailure, "the registry could not be written")
        })
    }

    /// The streams as they are at `now`: those whose deletion is over are forgotten first.
    fn lock(&self, now: SystemTime) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> = inner
            .streams
            .values()
            .filter(|stream| stream.status(now) == Status::Deleted)
            .map(|stream| stream.name.clone())
            .collect();
        for name in gone {
            inner.streams.remove(&name);
            if let Err(error) = self.folder.remove(&name) {
                tracing::error!(%error, "a deleted stream's record could not be removed");
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

/// Length of the versions the service gives out.
const VERSION_LENGTH: usize = 20;

/// The name a request means.
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

/// Whether the stream of that name is the one of that ARN: account, region and creation are the same too.
fn is_meant(stream: &StreamRecord, wanted: &StreamRef) -> bool {
    wanted.arn.as_ref().is_none_or(|arn| *arn == stream.arn)
}
