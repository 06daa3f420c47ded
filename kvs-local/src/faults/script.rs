//! Which faults are still to come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Fault, FaultKind, InvalidFaults};

/// The faults a running service is to show; changed while it runs.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) const fn new(faults: Vec<Fault>) -> Self {
        Self(Mutex::new(faults))
    }

    /// Adds a fault to those there are.
    ///
    /// # Errors
    ///
    /// When it names what does not exist.
    pub fn add(&self, fault: Fault) -> Result<(), InvalidFaults> {
        fault.check()?;
        self.lock().push(fault);
        Ok(())
    }

    /// From now on everything goes well.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What befalls this request; each fault counts it.
    pub(crate) fn befall(&self, operation: &str, stream: Option<&str>) -> Vec<FaultKind> {
        let mut faults = self.lock();
        let befallen = faults.iter_mut().filter_map(|fault| fault.befall(operation, stream)).collect();
        faults.retain(|fault| fault.times != Some(0));
        befallen
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn befall(&mut self, operation: &str, stream: Option<&str>) -> Option<FaultKind> {
        let meant = self.operation.as_deref().is_none_or(|on| on == operation)
            && self.stream.as_deref().is_none_or(|of| Some(of) == stream)
            && self.kind.fits(operation);
        if !meant {
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
    fn a_fault_befalls_the_requests_it_means_as_often_as_it_says() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::UnknownOperation).on("getImages").stream("door").after(1).times(2)).unwrap();
        let befallen = |operation, stream| faults.befall(operation, Some(stream)).len();
        assert_eq!(befallen("getMedia", "door"), 0);
        assert_eq!(befallen("getImages", "gate"), 0);
        let counts: Vec<usize> = (0..4).map(|_| befallen("getImages", "door")).collect();
        assert_eq!(counts, [0, 1, 1, 0]);
        assert!(faults.lock().is_empty());
    }

    #[test]
    fn a_fault_is_not_used_up_by_operations_it_cannot_befall() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::MediaError).times(1)).unwrap();
        assert!(faults.befall("listStreams", None).is_empty());
        assert_eq!(faults.befall("getImages", None), [FaultKind::MediaError]);
    }

    #[test]
    fn scripts_that_mean_nothing_are_refused() {
        let refused = |json: &str| Fault::read(json).unwrap_err().to_string();
        assert!(refused(r#"[{"do":{"refuse":{"exception":"Nonsense"}}}]"#).contains("Nonsense"));
        assert!(refused(r#"[{"do":"explode"}]"#).contains("explode"));
        assert!(refused(r#"[{"of":"x","do":"media_error"}]"#).contains("of"));
        assert!(refused(r#"[{"do":{"split_acks":{"bytes":0}}}]"#).contains("at least 1"));
        assert!(refused(r#"[{"on":"getImage","do":"unknown_operation"}]"#).contains("'getImage' is no operation"));
        assert!(refused(r#"[{"on":"getMedia","do":"media_error"}]"#).contains("only getImages"));
        assert!(refused(r#"[{"do":{"lose_acks":{"event":"PERSITED"}}}]"#).contains("PERSITED"));
    }
}
