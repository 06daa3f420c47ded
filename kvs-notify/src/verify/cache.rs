//! Certificates that need not be fetched again.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::certificate::SigningCertificate;
use super::url::SigningCertUrl;

/// Keeps signing certificates by their URL: SNS changes them a few times a year, and a fetch for each message would double its cost.
///
/// A certificate is a few KB; the least recently added goes when the cache is full.
#[derive(Clone, Debug)]
pub struct CertificateCache {
    /// Oldest first.
    entries: VecDeque<Entry>,
    capacity: usize,
    max_age: Duration,
}

#[derive(Clone, Debug)]
struct Entry {
    fetched: SystemTime,
    certificate: SigningCertificate,
}

impl Default for CertificateCache {
    /// 16 certificates, a day each.
    fn default() -> Self {
        Self::new(16, Duration::from_secs(24 * 60 * 60))
    }
}

impl CertificateCache {
    /// Keeps so many certificates, at least one, for so long.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { entries: VecDeque::new(), capacity: capacity.max(1), max_age }
    }

    /// The certificate of a URL, if it is here and not too old.
    #[must_use]
    pub fn find(&self, url: &SigningCertUrl, now: SystemTime) -> Option<&SigningCertificate> {
        let entry = self.entries.iter().find(|entry| entry.certificate.url() == url)?;
        // A clock that was set back makes an entry of the future: fetch again.
        let fresh = now.duration_since(entry.fetched).is_ok_and(|age| age < self.max_age);
        fresh.then_some(&entry.certificate)
    }

    /// Keeps a certificate, instead of what was kept for its URL.
    pub fn insert(&mut self, certificate: SigningCertificate, now: SystemTime) {
        self.entries.retain(|entry| entry.certificate.url() != certificate.url());
        while self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { fetched: now, certificate });
    }
}
