//! The configuration of a session: the headers of the PutMedia request and the settings of the stream.

use std::time::{Duration, Instant, SystemTime};

use kvs_types::FragmentTimecodeType;

use super::limits;

/// The monotonic and the wall clock. The caller reads both once for each call: `at` drives deadlines, `wall` becomes
/// timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two clocks are all there is")]
pub struct Now {
    /// The monotonic clock; must not go back from call to call.
    pub at: Instant,
    /// The wall clock; may jump.
    pub wall: SystemTime,
}

/// The start of relative timecodes (`x-amzn-producer-start-timestamp`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a header is absent, valid or invalid")]
pub enum ProducerStart {
    /// No header: relative timecodes count from the Unix epoch, as in the service.
    #[default]
    Absent,
    /// A time since the Unix epoch.
    At(Duration),
    /// Not a time: a session with relative timecodes ends at once with error id 4007.
    Invalid,
}

impl ProducerStart {
    /// Parses the header: epoch seconds with a fraction of any length. Anything else, a negative number and a time after the
    /// year 9999 are [`Invalid`](Self::Invalid).
    ///
    /// The C producer prints milliseconds without leading zeros (7 ms as `.7`). That cannot be distinguished from a
    /// fraction, so it is parsed as one.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let (seconds, fraction) = header.trim().split_once('.').unwrap_or((header.trim(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if seconds.is_empty() || !digits(seconds) || !digits(fraction) {
            return Self::Invalid;
        }
        let nanos: u32 = fraction
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |all, digit| all * 10 + u32::from(digit - b'0'));
        match seconds.parse() {
            Ok(seconds) if seconds <= limits::PRODUCER_TIMESTAMP_MAX.as_secs() => {
                Self::At(Duration::new(seconds, nanos))
            }
            _ => Self::Invalid,
        }
    }
}

/// The version of the service's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// The limits that the service documents today.
    #[default]
    Current,
    /// The limits that it documented until 2022: fragments of at most 10 s.
    Year2022,
}

/// Whether the stream stores fragments, and so whether there are PERSISTED acks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a stream has retention or not")]
pub enum Retention {
    /// Retention of zero hours: RECEIVED is the last ack of a fragment.
    None,
    /// Retention above zero.
    #[default]
    Kept,
}

/// The acks that the client requested (`x-amzn-fragment-acknowledgment-required`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the header is 1 or 0")]
pub enum AckMode {
    /// All acks; also without the header.
    #[default]
    All,
    /// ERROR acks only.
    ErrorsOnly,
}

/// The configuration of an [`Ingest`](super::Ingest).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IngestConfig {
    pub(super) timecode_type: FragmentTimecodeType,
    pub(super) producer_start: ProducerStart,
    pub(super) retention: Retention,
    pub(super) acks: AckMode,
    pub(super) first_sequence: u64,
    pub(super) seed: u64,
    pub(super) profile: Profile,
    pub(super) idle_ack: Duration,
    pub(super) idle_close: Duration,
    pub(super) max_age: Duration,
    pub(super) in_flight_bytes: u64,
}

impl IngestConfig {
    /// Creates the configuration of a session with this type of timecodes, everything else at its default.
    #[must_use]
    pub const fn new(timecode_type: FragmentTimecodeType) -> Self {
        Self {
            timecode_type,
            producer_start: ProducerStart::Absent,
            retention: Retention::Kept,
            acks: AckMode::All,
            first_sequence: 1,
            seed: 0,
            profile: Profile::Current,
            idle_ack: limits::IDLE_ACK,
            idle_close: kvs_types::limits::CONNECTION_IDLE,
            max_age: kvs_types::limits::CONNECTION_DURATION,
            in_flight_bytes: limits::IN_FLIGHT_BYTES,
        }
    }

    /// Sets the start of relative timecodes. Default: [`ProducerStart::Absent`]. Ignored for absolute ones.
    #[must_use]
    pub const fn producer_start(mut self, start: ProducerStart) -> Self {
        self.producer_start = start;
        self
    }

    /// Sets whether fragments are stored and acked as PERSISTED. Default: [`Retention::Kept`].
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets which acks are sent. Default: [`AckMode::All`].
    #[must_use]
    pub const fn acks(mut self, acks: AckMode) -> Self {
        self.acks = acks;
        self
    }

    /// Sets the sequence in the first fragment number, see [`first_sequence_after`](super::first_sequence_after). Default: 1.
    #[must_use]
    pub const fn first_sequence(mut self, sequence: u64) -> Self {
        self.first_sequence = sequence;
        self
    }

    /// Sets the seed of the random bits in fragment numbers. Default: 0. Equal seeds, bodies and clocks give equal numbers.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the version of the limits. Default: [`Profile::Current`].
    #[must_use]
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Sets the silence before each IDLE ack. Default: [`limits::IDLE_ACK`].
    #[must_use]
    pub const fn idle_ack(mut self, silence: Duration) -> Self {
        self.idle_ack = silence;
        self
    }

    /// Sets the silence after which the session ends. Default: 30 s, as in the service.
    #[must_use]
    pub const fn idle_close(mut self, silence: Duration) -> Self {
        self.idle_close = silence;
        self
    }

    /// Sets the age at which the session ends with error id 4003. Default: 45 minutes, as in the service.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets the number of bytes in received fragments that are not stored yet at which reading the body pauses. Default:
    /// [`limits::IN_FLIGHT_BYTES`]. A session uses this much memory, plus one fragment and one push.
    #[must_use]
    pub const fn in_flight_bytes(mut self, bytes: u64) -> Self {
        self.in_flight_bytes = bytes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_timestamps_are_epoch_seconds_with_any_fraction() {
        let at = |seconds, nanos| ProducerStart::At(Duration::new(seconds, nanos));
        assert_eq!(ProducerStart::parse("1699332285.123"), at(1_699_332_285, 123_000_000));
        assert_eq!(ProducerStart::parse(" 1699332285 "), at(1_699_332_285, 0));
        assert_eq!(ProducerStart::parse("0.0000000019"), at(0, 1));
        assert_eq!(ProducerStart::parse("7."), at(7, 0));
        for wrong in ["", ".5", "-1", "1e9", "NaN", "1.2.3", "1,5", "99999999999999999999", "253402300800"] {
            assert_eq!(ProducerStart::parse(wrong), ProducerStart::Invalid, "{wrong}");
        }
    }

    #[test]
    fn timecode_types_are_case_sensitive() {
        assert_eq!("ABSOLUTE".parse(), Ok(FragmentTimecodeType::Absolute));
        assert_eq!("RELATIVE".parse(), Ok(FragmentTimecodeType::Relative));
        assert!("relative".parse::<FragmentTimecodeType>().is_err());
    }
}
