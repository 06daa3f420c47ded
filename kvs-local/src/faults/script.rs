//! The faults that remain to be injected.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, InjectedFaults, InvalidFaults};
use crate::faults::FaultKind;

/// The faults that a running service injects; can be changed at any time.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) const fn new(faults: Vec<Fault>) -> Self {
        Self(Mutex::new(faults))
    }

    /// Adds a fault.
    ///
    /// # Errors
    ///
    /// The fault names an operation, exception or ack type that does not exist, or can never apply.
    pub fn add(&self, fault: Fault) -> Result<(), InvalidFaults> {
        fault.check()?;
        self.lock().push(fault);
        Ok(())
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Returns the faults for a request and counts it. `operation` is the path without its slash.
    pub(crate) fn faults_for(&self, operation: &str, stream: Option<&str>) -> InjectedFaults {
        let mut faults = self.lock();
        let injected = faults.iter_mut().filter_map(|fault| fault.apply(operation, stream)).collect();
        faults.retain(|fault| fault.times != Some(0));
        InjectedFaults::new(injected)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// Returns the kind of this fault if it applies to the request, and counts the request if it matches.
    fn apply(&mut self, operation: &str, stream: Option<&str>) -> Option<FaultKind> {
        let matches = self.operation.as_deref().is_none_or(|on| on == operation)
            && self.stream.as_deref().is_none_or(|of| Some(of) == stream)
            && self.kind.applies_to(operation);
        if !matches {
            return None;
        }
        if let Some(left) = self.after.checked_sub(1) {
            self.after = left;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applies_after_and_as_often_as_configured() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::UnknownOperation).on("getImages").stream("door").after(1).times(2)).unwrap();
        let count = |operation, stream| faults.faults_for(operation, Some(stream)).kinds().len();
        assert_eq!(count("getMedia", "door"), 0);
        assert_eq!(count("getImages", "gate"), 0);
        let counts: Vec<usize> = (0..4).map(|_| count("getImages", "door")).collect();
        assert_eq!(counts, [0, 1, 1, 0]);
        assert!(faults.lock().is_empty());
    }

    #[test]
    fn is_not_used_up_by_operations_it_cannot_apply_to() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::MediaError).times(1)).unwrap();
        assert!(faults.faults_for("listStreams", None).kinds().is_empty());
        assert_eq!(faults.faults_for("getImages", None).kinds(), [FaultKind::MediaError]);
    }

    #[test]
    fn rejects_scripts_that_can_never_apply() {
        let rejected = |json: &str| {
            let error = Fault::read(json).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error} {}", source.unwrap_or_default())
        };
        assert!(rejected(r#"[{"do":{"refuse":{"exception":"Nonsense"}}}]"#).contains("Nonsense"));
        assert!(rejected(r#"[{"do":"explode"}]"#).contains("explode"));
        assert!(rejected(r#"[{"of":"x","do":"media_error"}]"#).contains("of"));
        assert!(rejected(r#"[{"do":{"split_acks":{"bytes":0}}}]"#).contains("at least 1"));
        assert!(rejected(r#"[{"on":"getImage","do":"unknown_operation"}]"#).contains("'getImage'"));
        assert!(rejected(r#"[{"on":"getMedia","do":"media_error"}]"#).contains("only to getImages"));
        assert!(rejected(r#"[{"do":{"lose_acks":{"event":"PERSITED"}}}]"#).contains("PERSITED"));
    }
}
