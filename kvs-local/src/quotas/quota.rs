//! The rates of the service and how much of each is used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kvs_types::__internal::RateLimiter;

use super::Quotas;
use crate::api::{ApiError, Exception};
use crate::limits;

/// The rate limiters of an account and its streams.
#[derive(Debug)]
pub(crate) struct Quota {
    quotas: Quotas,
    limiters: Mutex<HashMap<(&'static str, Option<String>), RateLimiter>>,
}

/// A flow with a rate per connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Bytes that PutMedia reads.
    In,
    /// Bytes that GetMedia and GetMediaForFragmentList send.
    Out,
    /// Fragments that GetMedia sends.
    FragmentsOut,
}

impl Flow {
    const fn rate(self) -> u64 {
        match self {
            Self::In => limits::INGRESS_RATE,
            Self::Out => limits::EGRESS_RATE,
            Self::FragmentsOut => limits::FRAGMENT_RATE,
        }
    }
}

/// Calls per second of one operation.
struct Rate {
    path: &'static str,
    account: Option<u64>,
    stream: Option<u64>,
    /// What `stream` counts by, in errors.
    by: &'static str,
}

impl Quota {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self { quotas, limiters: Mutex::default() }
    }

    /// Counts a call, or refuses it. `stream` is the name in the request, whether or not the stream exists; for the URLs of a streaming
    /// session, a name of the session.
    pub(crate) fn take_call(&self, path: &str, stream: Option<&str>, now: Instant) -> Result<(), ApiError> {
        let Some(rate) = RATES.iter().find(|rate| rate.path == path) else { return Ok(()) };
        let refuse = |of: &str, most: u64| {
            let operation = rate.path.trim_start_matches('/');
            Err(exceeded(format!("Limit exceeded on number of requests for {operation} for {of}: {most} per second")))
        };
        if let Some(most) = rate.account
            && !self.take((rate.path, None), 1, most, now)
        {
            return refuse("the account", most);
        }
        if let (Some(most), Some(stream)) = (rate.stream, stream)
            && !self.take((rate.path, Some(stream.to_owned())), 1, most, now)
        {
            return refuse(&format!("the {} {stream}", rate.by), most);
        }
        Ok(())
    }

    /// Takes points of fragment metadata from a stream's rate, or refuses the call.
    pub(crate) fn take_metadata_points(&self, stream: &str, points: u64, now: Instant) -> Result<(), ApiError> {
        self.points(("fragment metadata", Some(stream.to_owned())), points, limits::METADATA_POINTS, now)
    }

    /// Takes points of fragment media from a stream's rate, or refuses the call.
    pub(crate) fn take_media_points(&self, stream: &str, points: u64, now: Instant) -> Result<(), ApiError> {
        self.points(("fragment media", Some(stream.to_owned())), points, limits::MEDIA_POINTS, now)
    }

    /// Returns how long a connection must wait after it transferred `amount`. Each connection has its own limiter.
    pub(crate) fn pace(&self, limiter: &mut RateLimiter, flow: Flow, amount: u64, now: Instant) -> std::time::Duration {
        match self.quotas {
            Quotas::Off => std::time::Duration::ZERO,
            Quotas::Service => limiter.pace(amount, flow.rate(), now),
        }
    }

    fn points(
        &self,
        key: (&'static str, Option<String>),
        points: u64,
        most: u64,
        now: Instant,
    ) -> Result<(), ApiError> {
        let what = key.0;
        if self.take(key, points, most, now) {
            return Ok(());
        }
        Err(exceeded(format!("Limit exceeded on {what}: {most} points per second")))
    }

    fn take(&self, key: (&'static str, Option<String>), amount: u64, rate: u64, now: Instant) -> bool {
        if self.quotas == Quotas::Off {
            return true;
        }
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if limiters.len() >= LIMITERS {
            // Callers can name streams that do not exist, so idle limiters must not accumulate.
            limiters.retain(|_, limiter| !limiter.is_idle(now));
        }
        limiters.entry(key).or_default().take(amount, rate, now)
    }
}

/// Number of limiters above which idle ones are dropped. The rates of the account bound those in use.
const LIMITERS: usize = 4096;

fn exceeded(message: String) -> ApiError {
    ApiError::new(Exception::ClientLimitExceeded, message)
}

const fn rate(path: &'static str, account: u64, stream: u64) -> Rate {
    Rate { path, account: Some(account), stream: Some(stream), by: "stream" }
}

const fn of_account(path: &'static str, account: u64) -> Rate {
    Rate { path, account: Some(account), stream: None, by: "stream" }
}

const fn of_stream(path: &'static str, stream: u64) -> Rate {
    Rate { path, account: None, stream: Some(stream), by: "stream" }
}

const fn of_session(path: &'static str, session: u64) -> Rate {
    Rate { path, account: None, stream: Some(session), by: "streaming session" }
}

/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>
const RATES: [Rate; 27] = [
    of_account("/createStream", 50),
    of_account("/listStreams", 50),
    rate("/deleteStream", 50, 5),
    rate("/describeStream", 300, 5),
    rate("/getDataEndpoint", 300, 5),
    rate("/updateStream", 50, 5),
    rate("/updateDataRetention", 50, 5),
    rate("/tagStream", 50, 5),
    rate("/untagStream", 50, 5),
    rate("/listTagsForStream", 50, 5),
    rate("/updateImageGenerationConfiguration", 50, 5),
    rate("/describeImageGenerationConfiguration", 50, 5),
    rate("/updateNotificationConfiguration", 50, 5),
    rate("/describeNotificationConfiguration", 50, 5),
    rate("/updateStreamStorageConfiguration", 50, 5),
    rate("/describeStreamStorageConfiguration", 50, 5),
    rate("/describeMappedResourceConfiguration", 50, 5),
    of_stream("/putMedia", 5),
    of_stream("/getMedia", 5),
    of_stream("/getHLSStreamingSessionURL", 25),
    of_stream("/getDASHStreamingSessionURL", 25),
    of_session("/getHLSMasterPlaylist", 5),
    of_session("/getHLSMediaPlaylist", 5),
    of_session("/getDASHManifest", 5),
    of_session("/getMP4InitFragment", 5),
    of_session("/getMP4MediaFragment", 20),
    of_session("/getTSFragment", 20),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_calls_per_stream_and_per_account() {
        let (quota, now) = (Quota::new(Quotas::Service), Instant::now());
        let calls =
            |stream: &str| (0..10).filter(|_| quota.take_call("/describeStream", Some(stream), now).is_ok()).count();
        assert_eq!([calls("door"), calls("gate"), calls("door")], [5, 5, 0]);
        let refusal = quota.take_call("/describeStream", Some("door"), now).unwrap_err();
        assert_eq!(refusal.exception, Exception::ClientLimitExceeded);
        assert!(refusal.message.contains("describeStream for the stream door: 5 per second"), "{refusal}");
        assert_eq!((0..60).filter(|_| quota.take_call("/listStreams", None, now).is_ok()).count(), 50);
        assert_eq!(quota.take_call("/describeStream", Some("door"), now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn limits_points_only_when_enforced() {
        let now = Instant::now();
        let quota = Quota::new(Quotas::Service);
        let images = |_: &u32| quota.take_media_points("door", 25, now).is_ok();
        assert_eq!((0..30).filter(images).count(), 20);
        assert!(
            quota.take_metadata_points("door", 425, now).is_ok() && quota.take_media_points("gate", 25, now).is_ok()
        );
        let off = Quota::new(Quotas::Off);
        assert!((0..1000).all(|_| off.take_call("/putMedia", Some("door"), now).is_ok()));
        assert!((0..1000).all(|_| off.take_media_points("door", 500, now).is_ok()));
    }

    #[test]
    fn drops_limiters_of_unknown_streams() {
        let (quota, start) = (Quota::new(Quotas::Service), Instant::now());
        for n in 0..50_000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            let _ = quota.take_call("/getMedia", Some(&format!("stream-{n}")), now);
        }
        assert!(quota.limiters.lock().unwrap().len() <= LIMITERS + 1);
    }
}
