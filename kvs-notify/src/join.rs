//! Images beside the notification of their fragment.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs_types::FragmentNumber;

use crate::fragment::FragmentNotification;
use crate::image::{ImageId, ImageObject};

/// Pairs notifications with the images of the same fragment, in whatever order the two arrive.
///
/// A fragment can have several images and one never knows that there will be no more, so each image makes a pair of its own with the
/// notification, as soon as both are there. Copies (both kinds are delivered at least once) make no second pair.
///
/// Inputs never fail and outputs are polled until they give nothing: after each `handle_*`, poll pairs and what stayed unmatched, and call
/// [`handle_timeout`](Self::handle_timeout) when the instant of [`poll_timeout`](Self::poll_timeout) has come. Holds at
/// most [`capacity`](Self::capacity) notifications and images; the fragment that is known longest makes room.
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
    /// Every fragment of the map once, the one known longest first.
    order: VecDeque<(Instant, Fragment)>,
    /// Notifications and images in the map.
    held: usize,
    joined: VecDeque<Joined>,
    unmatched: VecDeque<Unmatched>,
    capacity: usize,
    max_age: Duration,
}

/// Which fragment: numbers are unique in a stream only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fragment {
    account: Box<str>,
    stream: Box<str>,
    number: FragmentNumber,
}

/// ```text
///            image                     notification
///   nothing --------> Pictured ------------------------> Notified --> (age) forgotten; unmatched if it had no image
///      |                 |  ^                              ^   |
///      |                 +--+ image: waits                 |   +--> image: a pair
///      |  notification                                     |
///      +---------------------------------------------------+       Pictured --> (age) its images are alone
/// ```
#[derive(Clone, Debug)]
enum Known {
    /// Images wait for their notification.
    Waiting(Vec<ImageObject>),
    /// Images make pairs as they come; these did.
    Notified { notification: Arc<FragmentNotification>, paired: HashSet<ImageId> },
}

impl Known {
    /// What it counts towards the capacity.
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

/// Something whose counterpart did not come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// What it is.
    pub item: UnmatchedItem,
    /// Why nothing waits for the counterpart any more.
    pub reason: UnmatchedReason,
}

/// What stayed unmatched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmatchedItem {
    /// A notification without an image.
    Notification(Arc<FragmentNotification>),
    /// An image without a notification.
    Image(ImageObject),
}

/// Why something stayed unmatched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnmatchedReason {
    /// The greatest age was reached.
    Expired,
    /// Room was needed.
    CapacityExceeded,
}

impl Default for Joiner {
    /// 10,000 notifications and images (about 10 MB), ten minutes.
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
    /// How many notifications and images are held, at least one. 10,000 by default; each takes about 1 KB.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// How long a fragment is known after its first notification or image. Ten minutes by default.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Takes a notification.
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

    /// Takes an image.
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

    /// Lets go of fragments that are too old.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.poll_timeout().is_some_and(|at| at <= now) {
            self.drop_oldest(UnmatchedReason::Expired);
        }
    }

    /// The next pair.
    pub fn poll_joined(&mut self) -> Option<Joined> {
        self.joined.pop_front()
    }

    /// The next thing whose counterpart did not come.
    pub fn poll_unmatched(&mut self) -> Option<Unmatched> {
        self.unmatched.pop_front()
    }

    /// When the oldest fragment is let go of.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.order.front().and_then(|(since, _)| since.checked_add(self.max_age))
    }

    /// Notifications and images that are held, not counting what waits to be polled.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes a fragment out to change it; an unknown one is known from now on.
    fn take(&mut self, fragment: &Fragment, now: Instant) -> Option<Known> {
        let known = self.fragments.remove(fragment);
        match &known {
            Some(known) => self.held = self.held.saturating_sub(known.weight()),
            None => self.order.push_back((now, fragment.clone())),
        }
        known
    }

    /// Puts it back, and makes room.
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
    fn both_orders_pair_and_copies_do_not_pair_twice() {
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
    fn the_same_number_in_another_stream_is_another_fragment() {
        let now = Instant::now();
        let mut joiner = Joiner::default();
        joiner.handle_notification(notification("a", 1), now);
        joiner.handle_image(image("b", 1, 1), now);
        assert!(pairs(&mut joiner).is_empty());
    }

    #[test]
    fn what_stays_alone_is_told_after_its_age() {
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
    fn the_oldest_fragment_makes_room() {
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
        fn nothing_is_lost_and_bounds_hold(
            steps in prop::collection::vec((any::<bool>(), 0..4_u8, 0..6_u8, 0..4_u64), 0..80),
            capacity in 1..12_usize,
        ) {
            let mut now = Instant::now();
            let mut joiner = Joiner::default().capacity(capacity).max_age(Duration::from_secs(6));
            let (mut images, mut told) = (HashSet::new(), HashSet::new());
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
                told.insert(joined.image.key.id().clone());
            }
            while let Some(unmatched) = joiner.poll_unmatched() {
                if let UnmatchedItem::Image(image) = unmatched.item {
                    told.insert(image.key.id().clone());
                }
            }
            prop_assert_eq!(told, images);
        }
    }
}
