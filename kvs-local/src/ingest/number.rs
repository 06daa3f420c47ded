//! Fragment numbers in the format of the service.

use std::time::SystemTime;

use kvs_types::__internal::epoch_millis;
use kvs_types::FragmentNumber;

/// The parts of a fragment number of the service:
/// `2^156 + (sequence << 92) + (server timestamp in ms << 28) + 28 random bits`, in decimal. AWS does not document the format;
/// about twelve published samples agree with it.
///
/// Numbers increase with the sequence, so their order is the order of ingestion even if the clock goes back.
///
/// ```
/// use kvs_local::__internal::ingest::NumberParts;
///
/// let number = "91343852333181432392682062607743920146159169392".parse()?;
/// let parts = NumberParts::of(&number).unwrap();
/// assert_eq!((parts.sequence, parts.server_ms), (1, 1_511_852_109_126));
/// assert_eq!(parts.number(), number);
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct NumberParts {
    /// Index of the fragment in its stream; a session starts at the next `k * 1000 + 1`.
    pub sequence: u64,
    /// The time at which the service started to receive the fragment, in ms since the Unix epoch.
    pub server_ms: u64,
    /// Distinguishes numbers of equal sequence and time. Only the low 28 bits are used.
    pub random: u32,
}

impl NumberParts {
    /// Creates the parts of a number.
    #[must_use]
    pub const fn new(sequence: u64, server_ms: u64, random: u32) -> Self {
        Self { sequence, server_ms, random: random & RANDOM_MASK }
    }

    /// Splits a number into its parts. Returns `None` for another format.
    #[must_use]
    pub fn of(number: &FragmentNumber) -> Option<Self> {
        let limbs = from_decimal(number.as_str())?;
        let high = u64::from(limbs[0]);
        let low = limbs[1..].iter().fold(0_u128, |all, &limb| (all << 32) | u128::from(limb));
        // Of the top four of 160 bits only bit 156 is set.
        if high >> 28 != 1 {
            return None;
        }
        let sequence = ((high & u64::from(RANDOM_MASK)) << 36) | u64::try_from(low >> 92).ok()?;
        let server_ms = u64::try_from((low >> 28) & u128::from(u64::MAX)).ok()?;
        Some(Self { sequence, server_ms, random: u32::try_from(low & u128::from(RANDOM_MASK)).ok()? })
    }

    /// Returns the session that the fragment is of: sessions begin at sequences of their own.
    #[must_use]
    pub const fn session(self) -> u64 {
        self.sequence.saturating_sub(1) / SESSION_STRIDE
    }

    /// Returns the number, 47 digits for times of this century.
    #[must_use]
    pub fn number(self) -> FragmentNumber {
        // 160 bits as five limbs, the most significant first: bit 156 and 28 bits of the sequence, then the rest.
        let low = (u128::from(self.sequence) << 92)
            | (u128::from(self.server_ms) << 28)
            | u128::from(self.random & RANDOM_MASK);
        let top = (1 << 28) | limb(u128::from(self.sequence >> 36));
        let limbs = [top, limb(low >> 96), limb(low >> 64), limb(low >> 32), limb(low)];
        to_decimal(limbs).parse().expect("a decimal of at most 49 digits is a fragment number")
    }
}

/// Returns the first sequence of a new session after the last one of its stream: the next `k * 1000 + 1`, 1 for a new stream.
#[must_use]
pub const fn first_sequence_after(last: Option<u64>) -> u64 {
    match last {
        Some(last) if last > 0 => {
            ((last - 1) / SESSION_STRIDE).saturating_add(1).saturating_mul(SESSION_STRIDE).saturating_add(1)
        }
        _ => 1,
    }
}

/// Allocates the numbers of one session.
#[derive(Clone, Debug)]
pub(super) struct FragmentNumberAllocator {
    next: u64,
    random: fastrand::Rng,
}

impl FragmentNumberAllocator {
    pub(super) fn new(first_sequence: u64, seed: u64) -> Self {
        Self { next: first_sequence, random: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn allocate(&mut self, server: SystemTime) -> FragmentNumber {
        let number = NumberParts::new(self.next, epoch_millis(server), self.random.u32(..)).number();
        self.next = self.next.saturating_add(1);
        number
    }
}

/// Sessions start at multiples of this, plus one.
const SESSION_STRIDE: u64 = 1000;
const RANDOM_MASK: u32 = (1 << 28) - 1;
/// The largest power of ten in a limb.
const NINE_DIGITS: u64 = 1_000_000_000;

/// 160 bits, the most significant limb first.
type Limbs = [u32; 5];

#[expect(clippy::cast_possible_truncation, reason = "the caller wants the low 32 bits")]
const fn limb(value: u128) -> u32 {
    value as u32
}

/// Converts to decimal: long division by a billion, nine digits at a time.
fn to_decimal(mut limbs: Limbs) -> String {
    let mut groups = Vec::with_capacity(6);
    while limbs != [0; 5] {
        let mut rest = 0_u64;
        for limb in &mut limbs {
            let part = (rest << 32) | u64::from(*limb);
            *limb =
                u32::try_from(part / NINE_DIGITS).expect("a remainder below the divisor gives a quotient of one limb");
            rest = part % NINE_DIGITS;
        }
        groups.push(rest);
    }
    let mut groups = groups.into_iter().rev();
    let mut text = groups.next().unwrap_or(0).to_string();
    for group in groups {
        text.push_str(&format!("{group:09}"));
    }
    text
}

/// Converts from decimal, digit by digit. Returns `None` for more than 160 bits.
fn from_decimal(digits: &str) -> Option<Limbs> {
    let mut limbs: Limbs = [0; 5];
    for digit in digits.bytes() {
        let mut carry = u64::from(digit.checked_sub(b'0')?);
        for limb in limbs.iter_mut().rev() {
            let part = u64::from(*limb) * 10 + carry;
            *limb = u32::try_from(part & u64::from(u32::MAX)).ok()?;
            carry = part >> 32;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(limbs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Published numbers of the service, with their server timestamps.
    const PUBLISHED: [(&str, u64, u64); 2] = [
        ("91343852333181432392682062607743920146159169392", 1, 1_511_852_109_126),
        ("91343852333182036507421233921329142742245756394", 122_001, 1_690_707_289_209),
    ];

    #[test]
    fn published_numbers_are_split_and_joined_unchanged() {
        for (text, sequence, server_ms) in PUBLISHED {
            let number: FragmentNumber = text.parse().unwrap();
            let parts = NumberParts::of(&number).unwrap();
            assert_eq!((parts.sequence, parts.server_ms), (sequence, server_ms));
            assert_eq!(parts.number(), number);
        }
    }

    #[test]
    fn numbers_in_another_format_have_no_parts() {
        for text in ["0", "91343852333181432392682062607743920146159169392000", "12345678901234567890"] {
            assert_eq!(NumberParts::of(&text.parse().unwrap()), None, "{text}");
        }
        assert_eq!(NumberParts::of(&"9".repeat(128).parse().unwrap()), None);
    }

    #[test]
    fn sessions_start_a_thousand_apart() {
        let firsts = [None, Some(0), Some(1), Some(999), Some(1000), Some(1001), Some(122_001)];
        let expected = [1, 1, 1001, 1001, 1001, 2001, 123_001];
        assert_eq!(firsts.map(first_sequence_after), expected);
        assert_eq!(first_sequence_after(Some(u64::MAX)), u64::MAX);
    }

    #[test]
    fn numbers_of_a_session_increase_even_if_the_clock_goes_back() {
        let mut numbers = FragmentNumberAllocator::new(1001, 7);
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let first = numbers.allocate(noon);
        let second = numbers.allocate(noon - Duration::from_secs(3600));
        assert!(first < second);
        assert_eq!(first.as_str().len(), 47);
        assert_eq!(NumberParts::of(&second).map(|parts| parts.sequence), Some(1002));
    }

    proptest! {
        #[test]
        fn any_parts_survive_a_round_trip(sequence: u64, server_ms: u64, random: u32) {
            let parts = NumberParts::new(sequence, server_ms, random);
            prop_assert_eq!(NumberParts::of(&parts.number()), Some(parts));
        }

        #[test]
        fn numbers_are_ordered_like_their_parts(a: (u64, u64, u32), b: (u64, u64, u32)) {
            let (a, b) = (NumberParts::new(a.0, a.1, a.2), NumberParts::new(b.0, b.1, b.2));
            prop_assert_eq!(a.number().cmp(&b.number()), a.cmp(&b));
        }
    }
}
