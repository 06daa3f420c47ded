//! One asks, the others use what is there or wait for the answer.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;

use super::renewal::{Advice, Renewal};

/// Credentials that many callers share. At most one of them asks at a time; a caller never waits while there are good
/// ones, unless it is the one that asks.
#[derive(Debug)]
pub(crate) struct Keeper<E> {
    state: Mutex<State<E>>,
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State<E> {
    renewal: Renewal,
    /// Questions that were answered, well or badly.
    answers: u64,
    /// Why the last one failed, if it did.
    failure: Option<E>,
}

impl<E: Clone + Display> Keeper<E> {
    pub(crate) const fn new(renewal: Renewal) -> Self {
        let state = State { renewal, answers: 0, failure: None };
        Self { state: Mutex::new(state), asking: tokio::sync::Mutex::const_new(()) }
    }

    /// Credentials that are good now, asked for if it must be. Cancel-safe: who waited for a caller that went away asks
    /// itself. The clock is read again after the answer: what came with it may have set it right.
    pub(crate) async fn credentials(
        &self,
        now: impl Fn() -> SystemTime,
        ask: impl AsyncFnOnce() -> Result<Credentials, E>,
    ) -> Result<Credentials, E> {
        let (advice, seen) = {
            let state = self.state();
            (state.renewal.advice(now()), state.answers)
        };
        let meanwhile = match advice {
            Advice::Use(credentials) => return Ok(credentials),
            Advice::Renew(credentials) => Some(credentials),
            Advice::Ask => None,
        };
        let _turn = match (self.asking.try_lock(), meanwhile) {
            (Ok(turn), _) => turn,
            (Err(_), Some(credentials)) => return Ok(credentials),
            (Err(_), None) => self.asking.lock().await,
        };
        if let Some(answer) = self.state().answer_since(seen, now()) {
            return answer;
        }
        let answer = ask().await;
        self.state().note(answer, now())
    }

    pub(crate) fn forget(&self) {
        self.state().renewal.forget();
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        // Every change is made as a whole, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: Clone + Display> State<E> {
    /// The answer somebody else got since `seen`: a failure is shared too, lest a thousand callers fail one by one.
    fn answer_since(&self, seen: u64, now: SystemTime) -> Option<Result<Credentials, E>> {
        if self.answers == seen {
            return None;
        }
        match self.renewal.advice(now) {
            Advice::Use(credentials) | Advice::Renew(credentials) => Some(Ok(credentials)),
            Advice::Ask => self.failure.clone().map(Err),
        }
    }

    fn note(&mut self, answer: Result<Credentials, E>, now: SystemTime) -> Result<Credentials, E> {
        self.answers += 1;
        self.failure = answer.as_ref().err().cloned();
        let error = match answer {
            Ok(credentials) => {
                self.renewal.renewed(credentials.clone(), now);
                return Ok(credentials);
            }
            Err(error) => error,
        };
        self.renewal.failed(now);
        match self.renewal.advice(now) {
            Advice::Use(credentials) | Advice::Renew(credentials) => {
                tracing::warn!(%error, "credentials could not be renewed; those at hand are used until they end");
                Ok(credentials)
            }
            Advice::Ask => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::auth::credentials::Window;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);

    fn keeper() -> Keeper<&'static str> {
        Keeper::new(Renewal::new(Window { from: 0.7, to: 0.8 }, 1))
    }

    fn lasting(key: &str, until: SystemTime) -> Credentials {
        Credentials::new(key, "secret", None, Some(until), "test")
    }

    #[tokio::test]
    async fn a_thousand_waiting_callers_share_one_answer_good_or_bad() {
        for good in [true, false] {
            let (keeper, asked) = (keeper(), Cell::new(0));
            let ask = async || {
                asked.set(asked.get() + 1);
                tokio::task::yield_now().await;
                if good { Ok(lasting("A", NOW + HOUR)) } else { Err("down") }
            };
            let calls = std::iter::repeat_with(|| keeper.credentials(|| NOW, ask)).take(1_000);
            let answers = futures_of(calls).await;
            assert_eq!(answers.iter().filter(|answer| answer.is_ok() == good).count(), 1_000);
            assert_eq!(asked.get(), 1);
        }
    }

    #[tokio::test]
    async fn good_credentials_are_used_while_somebody_else_renews_them() {
        let keeper = keeper();
        keeper.credentials(|| NOW, async || Ok(lasting("old", NOW + HOUR))).await.unwrap();
        let due = NOW + HOUR.mul_f64(0.9);
        let renewing = keeper.credentials(
            || due,
            async || {
                let other = keeper.credentials(|| due, async || panic!("a second question")).await.unwrap();
                assert_eq!(other.access_key_id(), "old");
                Ok(lasting("new", due + HOUR))
            },
        );
        assert_eq!(renewing.await.unwrap().access_key_id(), "new");
    }

    #[tokio::test]
    async fn a_failed_renewal_is_silent_until_the_end_and_an_error_after_it() {
        let keeper = keeper();
        keeper.credentials(|| NOW, async || Ok(lasting("old", NOW + HOUR))).await.unwrap();
        let last = NOW + HOUR - Duration::from_secs(1);
        assert_eq!(keeper.credentials(|| last, async || Err("down")).await.unwrap().access_key_id(), "old");
        assert_eq!(keeper.credentials(|| NOW + HOUR, async || Err("down")).await.unwrap_err(), "down");
        assert!(keeper.credentials(|| NOW + HOUR, async || Ok(lasting("new", NOW + HOUR * 2))).await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_question_is_asked_by_the_next() {
        let keeper = keeper();
        let mut dropped = Box::pin(keeper.credentials(|| NOW, async || std::future::pending().await));
        assert!(poll_once(dropped.as_mut()).await.is_none());
        drop(dropped);
        assert!(keeper.credentials(|| NOW, async || Ok(lasting("A", NOW + HOUR))).await.is_ok());
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

    /// All of them side by side.
    async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
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
