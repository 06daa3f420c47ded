//! Which rates there are, and how much of them is used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Meter, Quotas};
use crate::api::{ApiError, Exception};
use crate::limits;

/// The meters of an account and its streams.
#[derive(Debug)]
pub(crate) struct Ledger {
    quotas: Quotas,
    meters: Mutex<HashMap<(&'static str, Option<String>), Meter>>,
}

/// A flow of bytes with a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// What PutMedia reads.
    In,
    /// What GetMedia and GetMediaForFragmentList send.
    Out,
    /// How many fragments GetMedia sends.
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

/// Calls a second of one operation.
struct Rate {
    path: &'static str,
    account: Option<u64>,
    stream: Option<u64>,
}

impl Ledger {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self { quotas, meters: Mutex::default() }
    }

    /// Counts a call, or refuses it. `stream` is the name the request says, whether there is such a stream or not.
    pub(crate) fn call(&self, path: &str, stream: Option<&str>, now: Instant) -> Result<(), ApiError> {
        let Some(rate) = RATES.iter().find(|rate| rate.path == path) else { return Ok(()) };
        let refuse = |of: &str, most: u64| {
            let operation = rate.path.trim_start_matches('/');
            Err(exceeded(format!("Limit exceeded on number of requests for {operation} for {of}: {most} a second")))
        };
        if let Some(most) = rate.account
            && !self.take((rate.path, None), 1, most, now)
        {
            return refuse("the account", most);
        }
        if let (Some(most), Some(stream)) = (rate.stream, stream)
            && !self.take((rate.path, Some(stream.to_owned())), 1, most, now)
        {
            return refuse(&format!("the stream {stream}"), most);
        }
        Ok(())
    }

    /// Counts points of fragment metadata that a call on a stream consumes, or refuses it.
    pub(crate) fn metadata(&self, stream: &str, points: u64, now: Instant) -> Result<(), ApiError> {
        self.points(("fragment metadata", Some(stream.to_owned())), points, limits::METADATA_POINTS, now)
    }

    /// Counts points of fragment media that a call on a stream consumes, or refuses it.
    pub(crate) fn media(&self, stream: &str, points: u64, now: Instant) -> Result<(), ApiError> {
        self.points(("fragment media", Some(stream.to_owned())), points, limits::MEDIA_POINTS, now)
    }

    /// How long a connection has to wait after this much went through it. Each connection has a meter of its own.
    pub(crate) fn pace(&self, meter: &mut Meter, flow: Flow, amount: u64, now: Instant) -> std::time::Duration {
        match self.quotas {
            Quotas::Off => std::time::Duration::ZERO,
            Quotas::Service => meter.pace(amount, flow.rate(), now),
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
        Err(exceeded(format!("Limit exceeded on {what}: {most} points a second")))
    }

    fn take(&self, key: (&'static str, Option<String>), amount: u64, rate: u64, now: Instant) -> bool {
        if self.quotas == Quotas::Off {
            return true;
        }
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= METERS {
            // Callers may name streams that are not there: meters that say nothing any more go.
            meters.retain(|_, meter| !meter.is_idle(now));
        }
        meters.entry(key).or_default().take(amount, rate, now)
    }
}

/// Meters above which idle ones are dropped. Those in use are bounded by the rates of the account.
const METERS: usize = 4096;

fn exceeded(message: String) -> ApiError {
    ApiError::new(Exception::ClientLimitExceeded, message)
}

const fn rate(path: &'static str, account: u64, stream: u64) -> Rate {
    Rate { path, account: Some(account), stream: Some(stream) }
}

const fn of_account(path: &'static str, account: u64) -> Rate {
    Rate { path, account: Some(account), stream: None }
}

const fn of_stream(path: &'static str, stream: u64) -> Rate {
    Rate { path, account: None, stream: Some(stream) }
}

/// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>
const RATES: [Rate; 19] = [
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
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stream_and_an_account_have_rates_of_their_own() {
        let (ledger, now) = (Ledger::new(Quotas::Service), Instant::now());
        let calls =
            |stream: &str| (0..10).filter(|_| ledger.call("/describeStream", Some(stream), now).is_ok()).count();
        assert_eq!([calls("door"), calls("gate"), calls("door")], [5, 5, 0]);
        let refusal = ledger.call("/describeStream", Some("door"), now).unwrap_err();
        assert_eq!(refusal.exception, Exception::ClientLimitExceeded);
        assert!(refusal.message.contains("describeStream for the stream door: 5 a second"), "{refusal}");
        assert_eq!((0..60).filter(|_| ledger.call("/listStreams", None, now).is_ok()).count(), 50);
        assert_eq!(ledger.call("/describeStream", Some("door"), now + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn points_are_counted_and_nothing_is_when_quotas_are_off() {
        let now = Instant::now();
        let ledger = Ledger::new(Quotas::Service);
        let images = |_: &u32| ledger.media("door", 25, now).is_ok();
        assert_eq!((0..30).filter(images).count(), 20);
        assert!(ledger.metadata("door", 425, now).is_ok() && ledger.media("gate", 25, now).is_ok());
        let off = Ledger::new(Quotas::Off);
        assert!((0..1000).all(|_| off.call("/putMedia", Some("door"), now).is_ok()));
        assert!((0..1000).all(|_| off.media("door", 500, now).is_ok()));
    }

    #[test]
    fn streams_that_are_made_up_take_no_room_for_long() {
        let (ledger, start) = (Ledger::new(Quotas::Service), Instant::now());
        for n in 0..50_000_u32 {
            let now = start + Duration::from_millis(u64::from(n));
            let _ = ledger.call("/getMedia", Some(&format!("stream-{n}")), now);
        }
        assert!(ledger.meters.lock().unwrap().len() <= METERS + 1);
    }
}
