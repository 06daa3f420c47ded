//! Checks in the data folder of the service that submitted = persisted + reported lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kvs_local::__internal::store::{Selection, Store, StorePolicy};
use kvs_producer::StopReport;

use super::payload;

/// Input of the check.
#[derive(Debug)]
pub(super) struct FinalState<'a> {
    /// Numbers of the frames that the producer accepted.
    pub(super) submitted: Vec<u64>,
    /// Frames reported lost in events.
    pub(super) losses: u64,
    pub(super) report: &'a StopReport,
}

impl FinalState<'_> {
    /// Returns the number of stored fragments, or the first violation.
    pub(super) fn check(&self, media: &Path) -> Result<usize, Box<dyn std::error::Error>> {
        let store = Store::open(media, StorePolicy::default())?;
        let mut fragments: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let streams = store.stream_names();
        let [stream] = &*streams else { return Err(format!("{} streams are stored, not one", streams.len()).into()) };
        let list = store.list(stream, &Selection::All)?;
        for info in &list {
            let frames = store.load(stream, &info.number)?.contents()?.frames;
            let numbers =
                frames.into_iter().map(|frame| known(&frame.data.into_bytes())).collect::<Result<Vec<_>, _>>()?;
            let first = *numbers.first().ok_or("a fragment without frames is stored")?;
            if let Some(copy) = fragments.insert(first, numbers.clone()).filter(|copy| *copy != numbers) {
                let (one, other) = (copy.len(), numbers.len());
                return Err(
                    format!("the fragment of frame {first} is stored with {one} and with {other} frames").into()
                );
            }
        }
        self.compare(&fragments.into_values().flatten().collect::<Vec<_>>())?;
        Ok(list.len())
    }

    fn compare(&self, stored: &[u64]) -> Result<(), String> {
        let distinct: BTreeSet<u64> = stored.iter().copied().collect();
        let submitted: BTreeSet<u64> = self.submitted.iter().copied().collect();
        let totals = &self.report.totals;
        if distinct.len() != stored.len() {
            return Err("a frame is stored in two fragments".to_owned());
        }
        if let Some(stranger) = distinct.difference(&submitted).next() {
            return Err(format!("frame {stranger} was never submitted"));
        }
        let (all, kept, lost) = (submitted.len() as u64, distinct.len() as u64, self.losses);
        if totals.submitted.frames != all || totals.persisted.frames + totals.lost.frames != all {
            return Err(format!("{all} frames submitted, the report says {totals:?}"));
        }
        if totals.lost.frames != lost {
            return Err(format!("{lost} frames lost in events, {} in the report", totals.lost.frames));
        }
        // A fragment whose ack was lost is stored and then sent again or reported lost, so more may be stored than was reported.
        if kept < totals.persisted.frames || submitted.difference(&distinct).count() as u64 > lost {
            return Err(format!(
                "{all} submitted, {kept} stored, {} said to be, {lost} reported lost",
                totals.persisted.frames
            ));
        }
        Ok(())
    }
}

/// Returns the number in a stored frame if its bytes are those that were submitted.
fn known(bytes: &[u8]) -> Result<u64, String> {
    let number = bytes.first_chunk().map(|head| u64::from_be_bytes(*head)).ok_or("a stored frame is too short")?;
    if bytes == payload(number) { Ok(number) } else { Err(format!("frame {number} is stored with other bytes")) }
}
