//! Whether everything expected arrived, judged by what was sent and not by what the service reports about itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::journal::{Fragment, Journal};

/// Returns what is missing, one sentence each.
pub(crate) fn missing(journal: &Journal, interval_ms: u64) -> Vec<String> {
    let mut missing = media_not_persisted(journal);
    missing.extend(undelivered(journal, interval_ms));
    missing.extend(images_not_returned(journal));
    missing
}

/// Returns the images and notifications that tagged fragments requested and that did not arrive.
pub(crate) fn undelivered(journal: &Journal, interval_ms: u64) -> Vec<String> {
    let mut undelivered = images_not_arrived(journal, interval_ms);
    undelivered.extend(notifications_not_arrived(journal));
    undelivered
}

/// What the producer reported: it decides where fragments begin, and it hears the acks.
fn media_not_persisted(journal: &Journal) -> Vec<String> {
    let (persisted, submitted) = (journal.persisted_frames, journal.submitted_frames);
    if persisted == 0 {
        return vec![format!("none of {submitted} frames was persisted")];
    }
    let mut missing = Vec::new();
    if persisted < submitted {
        missing.push(format!("{persisted} of {submitted} frames were persisted"));
    }
    let tags = journal.lost_tags.iter();
    missing.extend(tags.map(|at| format!("the tagged key frame at {at} is in no persisted fragment")));
    missing
}

/// Each tagged fragment has an image at its start and one per interval up to its last frame.
fn images_not_arrived(journal: &Journal, interval_ms: u64) -> Vec<String> {
    let mut arrived: BTreeMap<&str, usize> = BTreeMap::new();
    for image in &journal.image_objects {
        if let Some(number) = image.metadata.get("aws_kinesisvideo_fragment_number") {
            *arrived.entry(number).or_default() += 1;
        }
    }
    let tagged = journal.fragments.values().filter(|fragment| fragment.image_tag);
    let short = tagged.filter_map(|fragment| {
        let expected = expected_images(journal, fragment, interval_ms);
        let got = fragment.number.as_deref().and_then(|number| arrived.get(number)).copied().unwrap_or(0);
        (got < expected).then(|| format!("fragment {}: {got} of {expected} images arrived", fragment.timecode))
    });
    short.collect()
}

/// One image at the start and one per interval, as long as there are pictures.
fn expected_images(journal: &Journal, fragment: &Fragment, interval_ms: u64) -> usize {
    let Some((_, last)) = journal.pictures_of(fragment) else { return 0 };
    let span = last.saturating_sub(fragment.timecode);
    usize::try_from(span / interval_ms.max(1) + 1).unwrap_or(usize::MAX)
}

fn notifications_not_arrived(journal: &Journal) -> Vec<String> {
    let arrived: BTreeSet<&str> = journal.notifications.iter().map(|one| one.fragment_number.as_str()).collect();
    let tagged = journal.fragments.values().filter(|fragment| fragment.notification_tag);
    let missing = tagged.filter(|fragment| fragment.number.as_deref().is_none_or(|number| !arrived.contains(number)));
    missing.map(|fragment| format!("fragment {}: its notification did not arrive", fragment.timecode)).collect()
}

fn images_not_returned(journal: &Journal) -> Vec<String> {
    if journal.images.is_empty() {
        return vec!["GetImages returned no image".to_owned()];
    }
    // Where the recording has no picture, there is no image: between fragments, and in fragments of sound.
    let shown = |at: u64| {
        let fragment = journal.fragment_at(at)?;
        journal.pictures_of(fragment).filter(|(first, last)| *first <= at && at <= *last)
    };
    let gaps = journal.images.iter().filter(|image| shown(image.timestamp).is_some()).filter_map(|image| {
        let error = image.error.as_deref()?;
        Some(format!("GetImages has no image at {}: {error}", image.timestamp))
    });
    gaps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Ack, Image, ImageObject, Notification};

    fn complete() -> Journal {
        let mut journal = Journal::default();
        let fragment = journal.fragment(1000);
        fragment.span_ms = 1960;
        fragment.persisted = true;
        fragment.image_tag = true;
        fragment.notification_tag = true;
        fragment.number = Some("7".to_owned());
        fragment.acks.push(Ack { kind: "PERSISTED".to_owned(), after_ms: 1 });
        (journal.submitted_frames, journal.persisted_frames) = (50, 50);
        journal.pictures.extend((1000..3000).step_by(40));
        for timecode in [1000, 2000] {
            let metadata = [("aws_kinesisvideo_fragment_number".to_owned(), "7".to_owned())].into();
            journal.image_objects.push(ImageObject { key: String::new(), timecode, path: String::new(), metadata });
        }
        journal.notifications.push(Notification {
            fragment_number: "7".to_owned(),
            producer_timestamp: 1000,
            kind: "PERSISTED".to_owned(),
            payload: BTreeMap::new(),
            after_ms: 2,
        });
        journal.images.push(Image { timestamp: 1000, path: Some("x".to_owned()), error: None });
        journal
    }

    #[test]
    fn complete_journey_has_nothing_missing() {
        assert_eq!(missing(&complete(), 1000), Vec::<String>::new());
    }

    #[test]
    fn names_each_kind_of_missing_result() {
        let mut journal = complete();
        journal.image_objects.pop();
        assert_eq!(missing(&journal, 1000), ["fragment 1000: 1 of 2 images arrived"]);
        journal.notifications.clear();
        journal.persisted_frames = 49;
        journal.images[0].error = Some("NO_MEDIA".to_owned());
        assert_eq!(missing(&journal, 1000).len(), 4);
        assert_eq!(missing(&Journal::default(), 1000).len(), 2);
    }
}
