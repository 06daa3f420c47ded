//! Pairs of an image and the notification of its fragment.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs_types::FragmentNumber;

use crate::fragment::FragmentNotification;
use crate::image::{ImageId, ImageObject};

/// Pairs notifications with the images of the same fragment, in any order of arrival.
///
/// A fragment can have several images, and their number is not known in advance, so each image forms its own pair with the
/// notification as soon as both have arrived. Duplicates (both kinds are delivered at least once) do not form a second pair.
///
/// Inputs never fail. After each `handle_*`, poll pairs and unmatched items until both return `None`, and call
/// [`handle_timeout`](Self::handle_timeout) at the time that [`poll_timeout`](Self::poll_timeout) returns. The joiner keeps at
/// most [`capacity`](Self::capacity) notifications and images; beyond that it drops the oldest fragment.
///
/// ```
/// use std::time::{Instant, SystemTime};
/// use kvs_notify::{FragmentNotification, ImageMetadata, ImageObject, ImageObjectKey, Joiner};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let number: kvs_notify::FragmentNumber = "91343852333182036507421233921329142742245756394".parse()?;
/// let (start, now) = (SystemTime::UNIX_EPOCH, Instant::now());
/// let key = ImageObjectKey::parse("111122223333_door_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg")?;
/// let image = ImageObject::new("pictures", key, ImageMetadata::new(number.clone(), start, start));
/// let arn = "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000".parse()?;
///
/// let mut joiner = Joiner::default();
/// joiner.handle_image(image, now);
/// assert!(joiner.poll_joined().is_none());
/// joiner.handle_notification(FragmentNotification::persisted(arn, number, start, start), now);
/// let joined = joiner.poll_joined().ok_or("both are there")?;
/// assert_eq!(joined.image.metadata.fragment_number, joined.notification.fragment_number);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Joiner {
    fragments: HashMap<Fragment, Known>,
    /// Every fragment of the map once, oldest first.
    order: VecDeque<(Instant, Fragment)>,
    /// Number of notifications and images in the map.
    held: usize,
    joined: VecDeque<Joined>,
    unmatched: VecDeque<Unmatched>,
    capacity: usize,
    max_age: Duration,
}

/// Identifies a fragment. Fragment numbers are unique only within a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fragment {
    account: Box<str>,
    stream: Box<str>,
    number: FragmentNumber,
}

/// ```text
///            image                     notification
///   nothing --------> Waiting -------------------------> Notified --> (age) dropped; unmatched if it had no image
///      |                 |  ^                              ^   |
///      |                 +--+ image: waits                 |   +--> image: a pair
///      |  notification                                     |
///      +---------------------------------------------------+       Waiting --> (age) its images are unmatched
/// ```
#[derive(Clone, Debug)]
enum Known {
    /// Images wait for their notification.
    Waiting(Vec<ImageObject>),
    /// The notification has arrived; images form pairs immediately. These did.
    Notified { notification: Arc<FragmentNotification>, paired: HashSet<ImageId> },
}

impl Known {
    /// Returns what it counts towards the capacity.
    fn weight(&self) -> usize {
        match self {
            Self::Waiting(images) => images.len(),
            Self::Notified { paired, .. } => paired.len().saturating_add(1),
        }
    }
}

/// A notification and an image of the same fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The notification, shared by all images of the fragment.
    pub notification: Arc<FragmentNotification>,
    /// One of its images.
    pub image: ImageObject,
}

/// A notification or an image whose counterpart did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// The notification or image.
    pub item: UnmatchedItem,
    /// Why the joiner stopped waiting for the counterpart.
    pub reason: UnmatchedReason,
}

/// An unmatched notification or image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmatchedItem {
    /// A notification without an image.
    Notification(Arc<FragmentNotification>),
    /// An image without a notification.
    Image(ImageObject),
}

/// Why the joiner stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmatchedReason {
    /// The fragment reached the maximum age.
    Expired,
    /// The joiner was full.
    CapacityExceeded,
}

impl Default for Joiner {
    /// Keeps 10,000 notifications and images (about 10 MB) for ten minutes.
    fn default() -> Self {
        Self {
            fragments: HashMap::new(),
            order: VecDeque::new(),
            held: 0,
            joined: VecDeque::new(),
            unmatched: VecDeque::new(),
            capacity: 10_000,
            max_age: Duration::from_secs(600),
        }
    }
}

impl Joiner {
    /// Sets how many notifications and images are kept, at least one. Each takes about 1 KB. Default: 10,000.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Sets how long a fragment is kept after its first notification or image. Default: ten minutes.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Adds a notification.
    pub fn handle_notification(&mut self, notification: FragmentNotification, now: Instant) {
        self.handle_timeout(now);
        let arn = &notification.stream_arn;
        let (account, stream) = (arn.account_id().into(), arn.stream_name().into());
        let fragment = Fragment { account, stream, number: notification.fragment_number.clone() };
        let waiting = match self.take(&fragment, now) {
            Some(known @ Known::Notified { .. }) => return self.put(fragment, known),
            Some(Known::Waiting(images)) => images,
            None => Vec::new(),
        };
        let notification = Arc::new(notification);
        let paired = waiting.iter().map(|image| image.key.id().clone()).collect();
        for image in waiting {
            self.joined.push_back(Joined { notification: Arc::clone(&notification), image });
        }
        self.put(fragment, Known::Notified { notification, paired });
    }

    /// Adds an image.
    pub fn handle_image(&mut self, image: ImageObject, now: Instant) {
        self.handle_timeout(now);
        let (account, stream) = (image.key.account().into(), image.key.stream().into());
        let fragment = Fragment { account, stream, number: image.metadata.fragment_number.clone() };
        let mut known = self.take(&fragment, now).unwrap_or_else(|| Known::Waiting(Vec::new()));
        match &mut known {
            Known::Waiting(images) => {
                if images.iter().all(|waiting| waiting.key != image.key) {
                    images.push(image);
                }
            }
            Known::Notified { notification, paired } => {
                if paired.insert(image.key.id().clone()) {
                    self.joined.push_back(Joined { notification: Arc::clone(notification), image });
                }
            }
        }
        self.put(fragment, known);
    }

    /// Drops fragments that have reached the maximum age.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            self.drop_oldest(UnmatchedReason::Expired);
        }
    }

    /// Returns the next pair.
    pub fn poll_joined(&mut self) -> Option<Joined> {
        self.joined.pop_front()
    }

    /// Returns the next unmatched notification or image.
    pub fn poll_unmatched(&mut self) -> Option<Unmatched> {
        self.unmatched.pop_front()
    }

    /// Returns when the oldest fragment is dropped.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.order.front().and_then(|(since, _)| since.checked_add(self.max_age))
    }

    /// Returns the number of notifications and images that are kept, without those that wait to be polled.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Removes a fragment for an update. A new fragment enters the order of ages.
    fn take(&mut self, fragment: &Fragment, now: Instant) -> Option<Known> {
        let known = self.fragments.remove(fragment);
        match &known {
            Some(known) => self.held = self.held.saturating_sub(known.weight()),
            None => self.order.push_back((now, fragment.clone())),
        }
        known
    }

    /// Puts the fragment back and drops old ones above the capacity.
    fn put(&mut self, fragment: Fragment, known: Known) {
        self.held = self.held.saturating_add(known.weight());
        self.fragments.insert(fragment, known);
        while self.held > self.capacity {
            self.drop_oldest(UnmatchedReason::CapacityExceeded);
        }
    }

    fn drop_oldest(&mut self, reason: UnmatchedReason) {
        let Some((_, fragment)) = self.order.pop_front() else { return };
        let Some(known) = self.fragments.remove(&fragment) else { return };
        self.held = self.held.saturating_sub(known.weight());
        match known {
            Known::Waiting(images) => {
                self.unmatched
                    .extend(images.into_iter().map(|image| Unmatched { item: UnmatchedItem::Image(image), reason }));
            }
            Known::Notified { notification, paired } if paired.is_empty() => {
                self.unmatched.push_back(Unmatched { item: UnmatchedItem::Notification(notification), reason });
            }
            Known::Notified { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;
    use crate::image::{ImageMetadata, ImageObjectKey};
    use kvs_types::ImageFormat;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn number(n: u8) -> FragmentNumber {
        n.to_string().parse().unwrap()
    }

    fn notification(stream: &str, n: u8) -> FragmentNotification {
        let arn = format!("arn:aws:kinesisvideo:us-west-2:111122223333:stream/{stream}/1").parse().unwrap();
        FragmentNotification::persisted(arn, number(n), EPOCH, EPOCH)
    }

    fn image(stream: &str, n: u8, id: u8) -> ImageObject {
        let id = ImageId::from_bytes([id; 16]);
        let key = ImageObjectKey::new("111122223333", stream, EPOCH, id, ImageFormat::Jpeg).unwrap();
        ImageObject::new("bucket", key, ImageMetadata::new(number(n), EPOCH, EPOCH))
    }

    fn pairs(joiner: &mut Joiner) -> Vec<(String, String)> {
        std::iter::from_fn(|| joiner.poll_joined())
            .map(|joined| (joined.notification.fragment_number.to_string(), joined.image.key.id().to_string()))
            .collect()
    }

    #[test]
    fn pairs_in_both_orders_and_ignores_duplicates() {
        let now = Instant::now();
        let mut joiner = Joiner::default();
        for _ in 0..2 {
            joiner.handle_image(image("a", 1, 1), now);
            joiner.handle_notification(notification("a", 1), now);
            joiner.handle_image(image("a", 1, 2), now);
        }
        assert_eq!(pairs(&mut joiner).len(), 2);
        assert_eq!(joiner.held(), 3);
    }

    #[test]
    fn does_not_pair_the_same_number_of_another_stream() {
        let now = Instant::now();
        let mut joiner = Joiner::default();
        joiner.handle_notification(notification("a", 1), now);
        joiner.handle_image(image("b", 1, 1), now);
        assert!(pairs(&mut joiner).is_empty());
    }

    #[test]
    fn returns_unmatched_items_after_the_maximum_age() {
        let now = Instant::now();
        let mut joiner = Joiner::default().max_age(Duration::from_secs(10));
        joiner.handle_notification(notification("a", 1), now);
        joiner.handle_image(image("a", 2, 1), now + Duration::from_secs(1));
        joiner.handle_notification(notification("a", 3), now + Duration::from_secs(1));
        joiner.handle_image(image("a", 3, 2), now + Duration::from_secs(2));
        assert_eq!(joiner.poll_timeout(), Some(now + Duration::from_secs(10)));
        joiner.handle_timeout(now + Duration::from_secs(60));
        let unmatched: Vec<_> = std::iter::from_fn(|| joiner.poll_unmatched()).collect();
        assert!(matches!(&unmatched[0].item, UnmatchedItem::Notification(one) if one.fragment_number == number(1)));
        assert!(matches!(&unmatched[1].item, UnmatchedItem::Image(one) if one.metadata.fragment_number == number(2)));
        assert_eq!((unmatched.len(), joiner.held(), joiner.poll_timeout()), (2, 0, None));
        assert!(unmatched.iter().all(|unmatched| unmatched.reason == UnmatchedReason::Expired));
    }

    #[test]
    fn drops_the_oldest_fragment_when_full() {
        let now = Instant::now();
        let mut joiner = Joiner::default().capacity(2);
        for n in 1..=3 {
            joiner.handle_notification(notification("a", n), now);
        }
        let unmatched = joiner.poll_unmatched().unwrap();
        assert_eq!(unmatched.reason, UnmatchedReason::CapacityExceeded);
        assert!(matches!(unmatched.item, UnmatchedItem::Notification(one) if one.fragment_number == number(1)));
        assert_eq!(joiner.held(), 2);
    }

    proptest! {
        #[test]
        fn loses_no_image_and_stays_within_bounds(
            steps in prop::collection::vec((any::<bool>(), 0..4_u8, 0..6_u8, 0..4_u64), 0..80),
            capacity in 1..12_usize,
        ) {
            let mut now = Instant::now();
            let mut joiner = Joiner::default().capacity(capacity).max_age(Duration::from_secs(6));
            let (mut images, mut seen) = (HashSet::new(), HashSet::new());
            for (is_image, n, id, wait) in steps {
                now += Duration::from_secs(wait);
                if is_image {
                    // An image belongs to one fragment.
                    joiner.handle_image(image("a", n, n * 6 + id), now);
                    images.insert(ImageId::from_bytes([n * 6 + id; 16]));
                } else {
                    joiner.handle_notification(notification("a", n), now);
                }
                prop_assert!(joiner.held() <= capacity);
                prop_assert_eq!(joiner.order.len(), joiner.fragments.len());
                prop_assert_eq!(joiner.held(), joiner.fragments.values().map(Known::weight).sum::<usize>());
            }
            joiner.handle_timeout(now + Duration::from_secs(6));
            prop_assert_eq!(joiner.held(), 0);
            while let Some(joined) = joiner.poll_joined() {
                seen.insert(joined.image.key.id().clone());
            }
            while let Some(unmatched) = joiner.poll_unmatched() {
                if let UnmatchedItem::Image(image) = unmatched.item {
                    seen.insert(image.key.id().clone());
                }
            }
            prop_assert_eq!(seen, images);
        }
    }
}
