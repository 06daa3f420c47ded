//! Acks that get lost, late, doubled, broken up or replaced by errors, by script: what a producer must live with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kvs_mkv::FragmentNumber;
use kvs_mkv::service::ErrorId;
use serde::Deserialize;

use super::ack::Ack;

/// What happens to the acks of a session.
///
/// ```
/// use kvs_local::ingest::AckScript;
///
/// let script: AckScript = serde_json::from_str(
///     r#"{ "faults": [{ "fragment": 3, "event": "PERSISTED", "action": { "delay_ms": 1500 } },
///                     { "fragment": 5, "action": { "error_id": 4004 } }],
///          "split": 7 }"#,
/// )?;
/// assert_eq!(script.faults.len(), 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "a script is written out by whoever tests")]
pub struct AckScript {
    /// Looked through in order for each ack; the first that fits is done.
    pub faults: Vec<AckFault>,
    /// Break the response into pieces of 1 to this many bytes, in lengths drawn from the seed; 0 leaves lines whole.
    pub split: usize,
    /// Seed of those lengths.
    pub seed: u64,
}

/// One fault: for which acks, and what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a script is written out by whoever tests")]
pub struct AckFault {
    /// The fragment of the session, 1 for the first; absent for all, and for acks that name none.
    #[serde(default)]
    pub fragment: Option<u64>,
    /// `BUFFERING`, `RECEIVED`, `PERSISTED`, `IDLE` or `ERROR`; absent for all.
    #[serde(default)]
    pub event: Option<String>,
    /// What is done with them.
    pub action: AckAction,
}

/// What is done with an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AckAction {
    /// It is not sent.
    Lose,
    /// It is sent this many milliseconds late; acks behind it do not wait.
    DelayMs(u64),
    /// It is sent so many times more.
    Repeat(u8),
    /// An error with this id takes its place and ends the response.
    ErrorId(u16),
}

/// Stands between [`Ingest::poll_ack`](super::Ingest::poll_ack) and the wire.
///
/// Memory: the acks that are delayed.
#[derive(Debug)]
pub struct FaultyAcks {
    script: AckScript,
    chance: fastrand::Rng,
    /// Fragments in the order of their first ack.
    seen: Vec<FragmentNumber>,
    /// What waits, by when it is due and by when it came.
    waiting: BTreeMap<(Instant, u64), Bytes>,
    count: u64,
    ended: bool,
    /// The rest of a line that is sent in pieces.
    rest: Bytes,
}

impl FaultyAcks {
    /// A session that goes by this script.
    #[must_use]
    pub fn new(script: AckScript) -> Self {
        Self {
            chance: fastrand::Rng::with_seed(script.seed),
            script,
            seen: Vec::new(),
            waiting: BTreeMap::new(),
            count: 0,
            ended: false,
            rest: Bytes::new(),
        }
    }

    /// An ack that the service would send now.
    pub fn handle_ack(&mut self, ack: Ack, at: Instant) {
        if self.ended {
            return;
        }
        match self.action(&ack) {
            None => self.send(&ack, at),
            Some(AckAction::Lose) => tracing::debug!(event = ack.event_type(), "ack lost by script"),
            Some(AckAction::DelayMs(ms)) => self.send(&ack, at.checked_add(Duration::from_millis(ms)).unwrap_or(at)),
            Some(AckAction::Repeat(times)) => (0..=times).for_each(|_| self.send(&ack, at)),
            Some(AckAction::ErrorId(id)) => {
                self.send(&Ack::Error { fragment: ack.fragment().cloned(), id: ErrorId(id) }, at);
                self.ended = true;
            }
        }
    }

    /// The next bytes of the response that are due.
    pub fn poll_bytes(&mut self, at: Instant) -> Option<Bytes> {
        if self.rest.is_empty() {
            let first = self.waiting.first_entry().filter(|entry| entry.key().0 <= at)?;
            self.rest = first.remove();
        }
        let piece = match self.script.split {
            0 => self.rest.len(),
            most => self.chance.usize(1..=most).min(self.rest.len()),
        };
        Some(self.rest.split_to(piece))
    }

    /// When more bytes are due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Whether the script has ended the response and all of it was polled: close the connection.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended && self.waiting.is_empty() && self.rest.is_empty()
    }

    fn action(&mut self, ack: &Ack) -> Option<AckAction> {
        let nth = ack.fragment().map(|fragment| self.nth(&fragment.number));
        let fits = |fault: &&AckFault| {
            (fault.fragment.is_none() || fault.fragment == nth)
                && fault.event.as_deref().is_none_or(|event| event == ack.event_type())
        };
        self.script.faults.iter().find(fits).map(|fault| fault.action)
    }

    /// Which fragment of the session it is.
    fn nth(&mut self, number: &FragmentNumber) -> u64 {
        let at = self.seen.iter().rposition(|seen| seen == number).unwrap_or_else(|| {
            self.seen.push(number.clone());
            self.seen.len() - 1
        });
        at as u64 + 1
    }

    fn send(&mut self, ack: &Ack, due: Instant) {
        self.waiting.insert((due, self.count), ack.line());
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{AckedFragment, NumberParts};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn acked(nth: u64) -> AckedFragment {
        AckedFragment { timecode_ms: nth * 1000, number: NumberParts::new(nth, 0, 0).number() }
    }

    fn script(faults: Vec<AckFault>) -> FaultyAcks {
        FaultyAcks::new(AckScript { faults, ..AckScript::default() })
    }

    fn fault(fragment: u64, event: &str, action: AckAction) -> AckFault {
        AckFault { fragment: Some(fragment), event: Some(event.to_owned()), action }
    }

    fn session(acks: &mut FaultyAcks, at: Instant) {
        for nth in 1..=3 {
            acks.handle_ack(Ack::Buffering(acked(nth)), at);
            acks.handle_ack(Ack::Persisted(acked(nth)), at);
        }
    }

    /// Event types with the fragment, in the order sent.
    fn sent(acks: &mut FaultyAcks, at: Instant) -> Vec<String> {
        let bytes: Vec<u8> = std::iter::from_fn(|| acks.poll_bytes(at)).flatten().collect();
        let line = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", value["EventType"].as_str().unwrap(), value["FragmentTimecode"])
        };
        std::str::from_utf8(&bytes).unwrap().lines().map(line).collect()
    }

    #[test]
    fn without_faults_lines_pass_as_they_are() {
        let at = Instant::now();
        let mut acks = script(Vec::new());
        session(&mut acks, at);
        let all = [
            "BUFFERING 1000",
            "PERSISTED 1000",
            "BUFFERING 2000",
            "PERSISTED 2000",
            "BUFFERING 3000",
            "PERSISTED 3000",
        ];
        assert_eq!(sent(&mut acks, at), all);
        assert!(!acks.is_ended());
    }

    #[test]
    fn acks_get_lost_late_and_doubled() {
        let at = Instant::now();
        let mut acks = script(vec![
            fault(1, "PERSISTED", AckAction::DelayMs(500)),
            fault(2, "PERSISTED", AckAction::Lose),
            fault(3, "BUFFERING", AckAction::Repeat(2)),
        ]);
        session(&mut acks, at);
        let now = [
            "BUFFERING 1000",
            "BUFFERING 2000",
            "BUFFERING 3000",
            "BUFFERING 3000",
            "BUFFERING 3000",
            "PERSISTED 3000",
        ];
        assert_eq!(sent(&mut acks, at), now);
        assert_eq!(acks.poll_timeout(), Some(at + MS(500)));
        assert_eq!(sent(&mut acks, at + MS(500)), ["PERSISTED 1000"]);
    }

    #[test]
    fn an_error_takes_the_place_of_an_ack_and_ends_the_response() {
        let at = Instant::now();
        let mut acks = script(vec![fault(2, "BUFFERING", AckAction::ErrorId(5000))]);
        session(&mut acks, at);
        assert!(!acks.is_ended());
        assert_eq!(sent(&mut acks, at), ["BUFFERING 1000", "PERSISTED 1000", "ERROR 2000"]);
        assert!(acks.is_ended());
    }

    #[test]
    fn split_lines_are_the_same_bytes_in_small_pieces() {
        let at = Instant::now();
        let mut whole = script(Vec::new());
        let mut split = FaultyAcks::new(AckScript { split: 3, seed: 9, ..AckScript::default() });
        session(&mut whole, at);
        session(&mut split, at);
        let whole: Vec<u8> = std::iter::from_fn(|| whole.poll_bytes(at)).flatten().collect();
        let pieces: Vec<Bytes> = std::iter::from_fn(|| split.poll_bytes(at)).collect();
        assert!(pieces.iter().all(|piece| (1..=3).contains(&piece.len())));
        assert_eq!(pieces.concat(), whole);
    }

    #[test]
    fn a_script_with_a_typo_is_refused() {
        for wrong in [r#"{"fault":[]}"#, r#"{"faults":[{"action":"loose"}]}"#, r#"{"faults":[{"event":"IDLE"}]}"#] {
            assert!(serde_json::from_str::<AckScript>(wrong).is_err(), "{wrong}");
        }
        let lose: AckScript = serde_json::from_str(r#"{"faults":[{"action":"lose"}]}"#).unwrap();
        assert_eq!(lose.faults[0].action, AckAction::Lose);
    }
}
