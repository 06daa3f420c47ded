//! A cache of signing certificates.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::certificate::SigningCertificate;
use super::url::SigningCertUrl;

/// A cache of signing certificates by URL. SNS changes them a few times a year; fetching one for each message would double the cost of
/// a message.
///
/// A certificate takes a few KB. When the cache is full it drops the oldest one.
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
    /// Keeps 16 certificates for a day.
    fn default() -> Self {
        Self::new(16, Duration::from_secs(24 * 60 * 60))
    }
}

impl CertificateCache {
    /// Creates a cache of a number of certificates, at least one, and an age.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { entries: VecDeque::new(), capacity: capacity.max(1), max_age }
    }

    /// Returns the certificate of a URL, if it is cached and not too old.
    #[must_use]
    pub fn find(&self, url: &SigningCertUrl, now: SystemTime) -> Option<&SigningCertificate> {
        let entry = self.entries.iter().find(|entry| entry.certificate.url() == url)?;
        // If the clock was set back, the entry lies in the future: fetch again.
        let fresh = now.duration_since(entry.fetched).is_ok_and(|age| age < self.max_age);
        fresh.then_some(&entry.certificate)
    }

    /// Adds a certificate; it replaces one with the same URL.
    pub fn insert(&mut self, certificate: SigningCertificate, now: SystemTime) {
        self.entries.retain(|entry| entry.certificate.url() != certificate.url());
        while self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { fetched: now, certificate });
    }
}
