//! Requests of any shape: heads, signatures, bodies of every operation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::request::Parts;

use crate::api::{ApiError, ControlOperation, DataPorts, Exception, Operation};
use crate::handlers::{Control, validate_put_media, validate_read};
use crate::http::{AccessKey, AccessKeys, Authenticator, Payload};
use crate::ingest::Profile;
use crate::limits;
use crate::stream::registry::{Delays, Identity, Registry};

/// A request: a byte that selects the version of the limits, a line with path and query, header lines, an empty line, a body.
/// Every request succeeds or is refused with a client error; none is an internal failure.
pub fn requests(data: &[u8]) {
    let Some((&[kind], data)) = data.split_first_chunk::<1>() else { return };
    let (head, body) = cut(data);
    let Some(parts) = parts(head) else { return };
    let profile = if kind & 1 == 0 { Profile::Current } else { Profile::Year2022 };
    signed(&parts, body);
    let answered = match Operation::from_path(parts.uri.path()) {
        Some(Operation::Control(operation)) => control(operation, body),
        Some(Operation::Read(operation)) => validate_read(operation, body, profile),
        Some(Operation::PutMedia) => validate_put_media(&parts.headers),
        Some(Operation::NotImplemented { .. }) | None => Ok(()),
    };
    if let Err(refusal) = answered {
        check(&refusal, body);
    }
}

fn cut(data: &[u8]) -> (&[u8], &[u8]) {
    match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (data.get(..at).unwrap_or_default(), data.get(at.saturating_add(2)..).unwrap_or_default()),
        None => (data, &[]),
    }
}

/// What hyper would make of the head; `None` where it would refuse it.
fn parts(head: &[u8]) -> Option<Parts> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut request = http::Request::post(lines.next()?);
    for line in lines.take(limits::HEADERS) {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(at)?;
        request = request.header(name, value.get(1..)?.trim_ascii());
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// The corpus is signed with this key at this time.
fn signed(parts: &Parts, body: &[u8]) {
    let key = AccessKey { id: "AKID".into(), secret: "secret".into(), token: None };
    let authenticator = Authenticator::Signed { keys: AccessKeys::new(vec![key]), region: "us-west-2".into() };
    for payload in [Payload::Whole(body), Payload::Streamed] {
        if let Err(refusal) = authenticator.check(parts, payload, now()) {
            check(&refusal, body);
        }
    }
}

fn control(operation: ControlOperation, body: &[u8]) -> Result<(), ApiError> {
    /// Streams accumulate; the registry is replaced from time to time, so that lists stay short.
    static PLANE: Mutex<Option<(usize, tempdir::Dir, Arc<Registry>)>> = Mutex::new(None);
    let mut plane = PLANE.lock().unwrap_or_else(PoisonError::into_inner);
    if plane.as_ref().is_none_or(|(calls, ..)| *calls >= CALLS) {
        let dir = tempdir::Dir::make();
        let identity = Identity { region: "us-west-2".into(), account: "111122223333".into() };
        let registry = Registry::open(dir.0.join("streams"), identity, 7).expect("an empty folder is a registry");
        *plane = Some((0, dir, Arc::new(registry)));
    }
    let (calls, _, registry) = plane.as_mut().expect("it was just made");
    *calls = calls.saturating_add(1);
    let control = Control::new(Arc::clone(registry), Delays::default(), limits::SAMPLING_INTERVAL_MS);
    let endpoints = DataPorts::Shared.endpoints("http://127.0.0.1:4567");
    let door = br#"{"StreamName":"door","DataRetentionInHours":24}"#;
    if *calls == 1 {
        control.call(ControlOperation::CreateStream, door, &endpoints, now()).expect("the first stream can be made");
    }
    control.call(operation, body, &endpoints, now()).map(drop)
}

/// Refusals name their reason, are no failure of the service, and repeat only so much of what was sent.
fn check(refusal: &ApiError, body: &[u8]) {
    assert!(refusal.exception.status().is_client_error(), "{refusal}");
    assert_ne!(refusal.exception, Exception::InternalFailure);
    assert!(!refusal.message.is_empty());
    assert!(refusal.message.len() <= 4096 + 4 * limits::HEAD_BYTES + 12 * body.len(), "{}", refusal.message.len());
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_699_332_285)
}

/// Calls before the registry is replaced.
const CALLS: usize = 500;

/// A folder that is removed when dropped.
mod tempdir {
    use std::path::PathBuf;

    pub(super) struct Dir(pub(super) PathBuf);

    impl Dir {
        pub(super) fn make() -> Self {
            Self(std::env::temp_dir().join(format!("kvs-local-fuzz-{}", uuid::Uuid::new_v4())))
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            // What stays behind is small.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The committed inputs: each is a request as a client sends it.
    fn corpus() -> Vec<Vec<u8>> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/requests");
        std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    #[test]
    fn the_committed_requests_are_understood_and_some_are_signed_well() {
        let key = AccessKey { id: "AKID".into(), secret: "secret".into(), token: None };
        let authenticator = Authenticator::Signed { keys: AccessKeys::new(vec![key]), region: "us-west-2".into() };
        let passes = |data: &Vec<u8>| {
            requests(data);
            let (head, body) = cut(&data[1..]);
            let parts = parts(head).unwrap();
            assert!(Operation::from_path(parts.uri.path()).is_some(), "{:?}", parts.uri);
            [Payload::Whole(body), Payload::Streamed]
                .iter()
                .any(|payload| authenticator.check(&parts, *payload, now()).is_ok())
        };
        assert!(corpus().iter().filter(|data| passes(data)).count() >= 3);
    }

    proptest! {
        #[test]
        fn the_entrance_for_requests_holds(
            which: prop::sample::Index,
            changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..6),
        ) {
            let corpus = corpus();
            let mut bytes = which.get(&corpus).clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            requests(&bytes);
        }
    }
}
