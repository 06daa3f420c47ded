//! One caller fetches credentials; the others use the cached ones or wait for the result.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use kvs_types::__internal::ErrorChain;

use super::refresh::{RefreshDecision, RefreshSchedule};

/// Credentials shared by many callers.
///
/// At most one caller fetches at a time. While the cached credentials are valid, no other caller waits for it.
#[derive(Debug)]
pub(crate) struct CredentialsCache<E> {
    state: Mutex<State<E>>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<E> {
    schedule: RefreshSchedule,
    /// Number of finished fetches, successful or not.
    fetches: u64,
    /// Error of the last fetch, if it failed.
    failure: Option<E>,
}

impl<E: Clone + Error> CredentialsCache<E> {
    pub(crate) const fn new(schedule: RefreshSchedule) -> Self {
        let state = State { schedule, fetches: 0, failure: None };
        Self { state: Mutex::new(state), fetching: tokio::sync::Mutex::const_new(()) }
    }

    /// Returns credentials that are valid now, calling `fetch` if necessary.
    ///
    /// Cancel-safe: if the fetching caller is dropped, one of the waiting callers fetches. The clock is read again after the
    /// fetch, because its response may have corrected the clock.
    pub(crate) async fn credentials(
        &self,
        now: impl Fn() -> SystemTime,
        fetch: impl AsyncFnOnce() -> Result<Credentials, E>,
    ) -> Result<Credentials, E> {
        let (decision, seen) = {
            let state = self.state();
            (state.schedule.decide(now()), state.fetches)
        };
        let usable = match decision {
            RefreshDecision::Use(credentials) => return Ok(credentials),
            RefreshDecision::Refresh(credentials) => Some(credentials),
            RefreshDecision::Fetch => None,
        };
        let _turn = match (self.fetching.try_lock(), usable) {
            (Ok(turn), _) => turn,
            (Err(_), Some(credentials)) => return Ok(credentials),
            (Err(_), None) => self.fetching.lock().await,
        };
        if let Some(result) = self.state().result_since(seen, now()) {
            return result;
        }
        let result = fetch().await;
        self.state().record(result, now())
    }

    pub(crate) fn forget(&self) {
        self.state().schedule.forget();
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        // No method leaves the state half-changed, so it is usable after a panic of another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Clone + Error> State<E> {
    /// Returns the result that another caller got since `seen`. Failures are shared too: otherwise each of a thousand
    /// waiting callers would repeat a fetch that just failed.
    fn result_since(&self, seen: u64, now: SystemTime) -> Option<Result<Credentials, E>> {
        if self.fetches == seen {
            return None;
        }
        match self.schedule.decide(now) {
            RefreshDecision::Use(credentials) | RefreshDecision::Refresh(credentials) => Some(Ok(credentials)),
            RefreshDecision::Fetch => self.failure.clone().map(Err),
        }
    }

    fn record(&mut self, result: Result<Credentials, E>, now: SystemTime) -> Result<Credentials, E> {
        self.fetches += 1;
        self.failure = result.as_ref().err().cloned();
        let error = match result {
            Ok(credentials) => {
                self.schedule.refreshed(credentials.clone(), now);
                return Ok(credentials);
            }
            Err(error) => error,
        };
        self.schedule.failed(now);
        match self.schedule.decide(now) {
            RefreshDecision::Use(credentials) | RefreshDecision::Refresh(credentials) => {
                let error = ErrorChain(&error);
                tracing::warn!(%error, "failed to refresh credentials; using the current ones until they expire");
                Ok(credentials)
            }
            RefreshDecision::Fetch => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::auth::credentials::RefreshWindow;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);

    #[derive(Debug, Clone, PartialEq, thiserror::Error)]
    #[error("down")]
    struct Down;

    fn cache() -> CredentialsCache<Down> {
        CredentialsCache::new(RefreshSchedule::new(RefreshWindow { from: 0.7, to: 0.8 }, 1))
    }

    fn lasting(key: &str, until: SystemTime) -> Credentials {
        Credentials::new(key, "secret", None, Some(until), "test")
    }

    #[tokio::test]
    async fn a_thousand_waiting_callers_share_one_result() {
        for good in [true, false] {
            let (cache, fetched) = (cache(), Cell::new(0));
            let fetch = async || {
                fetched.set(fetched.get() + 1);
                tokio::task::yield_now().await;
                if good { Ok(lasting("A", NOW + HOUR)) } else { Err(Down) }
            };
            let calls = std::iter::repeat_with(|| cache.credentials(|| NOW, fetch)).take(1_000);
            let results = join_all(calls).await;
            assert_eq!(results.iter().filter(|result| result.is_ok() == good).count(), 1_000);
            assert_eq!(fetched.get(), 1);
        }
    }

    #[tokio::test]
    async fn valid_credentials_are_used_while_another_caller_refreshes() {
        let cache = cache();
        cache.credentials(|| NOW, async || Ok(lasting("old", NOW + HOUR))).await.unwrap();
        let due = NOW + HOUR.mul_f64(0.9);
        let refreshing = cache.credentials(
            || due,
            async || {
                let other = cache.credentials(|| due, async || panic!("a second fetch")).await.unwrap();
                assert_eq!(other.access_key_id(), "old");
                Ok(lasting("new", due + HOUR))
            },
        );
        assert_eq!(refreshing.await.unwrap().access_key_id(), "new");
    }

    #[tokio::test]
    async fn a_failed_refresh_is_an_error_only_after_expiry() {
        let cache = cache();
        cache.credentials(|| NOW, async || Ok(lasting("old", NOW + HOUR))).await.unwrap();
        let last = NOW + HOUR - Duration::from_secs(1);
        assert_eq!(cache.credentials(|| last, async || Err(Down)).await.unwrap().access_key_id(), "old");
        assert_eq!(cache.credentials(|| NOW + HOUR, async || Err(Down)).await.unwrap_err(), Down);
        assert!(cache.credentials(|| NOW + HOUR, async || Ok(lasting("new", NOW + HOUR * 2))).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_fetch_is_repeated_by_the_next_caller() {
        let cache = cache();
        let mut dropped = Box::pin(cache.credentials(|| NOW, async || std::future::pending().await));
        assert!(poll_once(dropped.as_mut()).await.is_none());
        drop(dropped);
        assert!(cache.credentials(|| NOW, async || Ok(lasting("A", NOW + HOUR))).await.is_ok());
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match future.as_mut().poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    /// Polls all futures to completion concurrently.
    async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut running: Vec<_> = futures.map(Box::pin).collect();
        let mut done = Vec::new();
        while !running.is_empty() {
            let mut waiting = Vec::new();
            for mut future in running {
                match poll_once(future.as_mut()).await {
                    Some(output) => done.push(output),
                    None => waiting.push(future),
                }
            }
            running = waiting;
            tokio::task::yield_now().await;
        }
        done
    }
}
