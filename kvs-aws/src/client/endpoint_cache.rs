//! The data endpoints of streams, cached.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kvs_types::StreamId;

use crate::client_limits;
use crate::net::endpoint::Endpoint;
use crate::protocol::operation::ApiName;

/// Data endpoints by stream and operation, each kept for 40 minutes.
#[derive(Debug, Default)]
pub(super) struct EndpointCache {
    endpoints: Mutex<HashMap<Key, CachedEndpoint>>,
}

type Key = (StreamId, ApiName);

#[derive(Debug)]
struct CachedEndpoint {
    endpoint: Endpoint,
    since: Instant,
}

impl EndpointCache {
    pub(super) fn get(&self, stream: &StreamId, api: &ApiName) -> Option<Endpoint> {
        let endpoints = self.lock();
        let cached = endpoints.get(&(stream.clone(), api.clone()))?;
        (cached.since.elapsed() < client_limits::ENDPOINT_CACHE).then(|| cached.endpoint.clone())
    }

    /// Inserts an endpoint. A full cache drops its oldest entry.
    pub(super) fn insert(&self, stream: &StreamId, api: &ApiName, endpoint: Endpoint) {
        let mut endpoints = self.lock();
        if endpoints.len() >= client_limits::ENDPOINT_CACHE_ENTRIES {
            let oldest = endpoints.iter().min_by_key(|(_, cached)| cached.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                endpoints.remove(&oldest);
            }
        }
        endpoints.insert((stream.clone(), api.clone()), CachedEndpoint { endpoint, since: Instant::now() });
    }

    pub(super) fn remove(&self, stream: &StreamId, api: &ApiName) {
        self.lock().remove(&(stream.clone(), api.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, CachedEndpoint>> {
        // Every change is one insert or remove, so the map is usable after a panic of another thread.
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
