//! The certificates that sign messages, fetched once for all that need them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kvs_notify::{CertificateCache, SigningCertUrl, SigningCertificate};
use tokio::sync::watch;

use super::fetch::Fetcher;
use super::inbox::Refusal;

/// Fetched certificates, and fetches that are under way.
///
/// No lock is held while something is fetched: a slow answer for one URL holds up only the messages that name this URL.
#[derive(Default)]
pub(super) struct Certificates {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cache: CertificateCache,
    /// The state of the fetch of each URL; at most one entry per connection.
    fetches: HashMap<String, watch::Receiver<Outcome>>,
}

/// `None` while the fetch is under way.
type Outcome = Option<Result<SigningCertificate, Arc<Refusal>>>;

impl Certificates {
    /// Returns the certificate at this URL, from the cache or from a fetch.
    pub(super) async fn get(
        &self,
        url: SigningCertUrl,
        fetcher: &Arc<Fetcher>,
        now: SystemTime,
    ) -> Result<SigningCertificate, Refusal> {
        let mut outcome = {
            let mut state = lock(&self.state);
            if let Some(certificate) = state.cache.find(&url, now) {
                return Ok(certificate.clone());
            }
            match state.fetches.get(url.as_str()) {
                Some(outcome) => outcome.clone(),
                None => {
                    let (sender, outcome) = watch::channel(None);
                    state.fetches.insert(url.as_str().to_owned(), outcome.clone());
                    // A task of its own: it goes on if the connection that asked first is closed.
                    tokio::spawn(fetch(url, Arc::clone(fetcher), Arc::clone(&self.state), sender, now));
                    outcome
                }
            }
        };
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => match outcome.as_ref() {
                Some(Ok(certificate)) => Ok(certificate.clone()),
                Some(Err(refusal)) => Err(Refusal::OfAnother(Arc::clone(refusal))),
                None => Err(Refusal::Stopped),
            },
            Err(_) => Err(Refusal::Stopped),
        }
    }
}

async fn fetch(
    url: SigningCertUrl,
    fetcher: Arc<Fetcher>,
    state: Arc<Mutex<State>>,
    sender: watch::Sender<Outcome>,
    now: SystemTime,
) {
    let name = url.as_str().to_owned();
    let fetched = match fetcher.get(&name).await {
        Ok(pem) => SigningCertificate::from_pem(url, &pem).map_err(Refusal::from),
        Err(error) => Err(Refusal::from(error)),
    };
    let mut state = lock(&state);
    state.fetches.remove(&name);
    if let Ok(certificate) = &fetched {
        state.cache.insert(certificate.clone(), now);
    }
    sender.send_replace(Some(fetched.map_err(Arc::new)));
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change is one insert or remove, so the state is usable after a panic of another task.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
