//! Parsing the key of an image object, from right to left.

use std::fmt;
use std::str::FromStr;

use kvs_types::ImageFormat;
use kvs_types::limits::{ACCOUNT_ID_DIGITS, S3_KEY_BYTES};

use crate::epoch_ms;
use crate::image::id::ImageId;
use crate::image::key::ImageObjectKey;
use crate::stream_arn::is_stream_name;

/// What is known about a key, for keys that can be split in more than one way.
///
/// ```
/// use kvs_notify::{ImageObjectKey, KeyHints, ParseKeyError};
///
/// // A prefix of twelve digits, or a stream whose name begins with them?
/// let key = "111122223333_444455556666_door_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg";
/// assert!(matches!(ImageObjectKey::parse(key), Err(ParseKeyError::Ambiguous { .. })));
/// let parsed = ImageObjectKey::parse_with(key, &KeyHints::new().stream("door"))?;
/// assert_eq!((parsed.prefix(), parsed.account()), (Some("111122223333"), "444455556666"));
/// # Ok::<(), ParseKeyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyHints {
    account: Option<String>,
    stream: Option<String>,
}

impl KeyHints {
    /// Creates hints that admit every key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the id of the account that owns the stream: 12 digits.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Sets the name of the stream.
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    pub(crate) fn admit(&self, key: &ImageObjectKey) -> bool {
        self.account.as_ref().is_none_or(|account| account == key.account())
            && self.stream.as_ref().is_none_or(|stream| stream == key.stream())
    }
}

impl ImageObjectKey {
    /// Parses a decoded key. S3 events contain encoded keys; `ObjectEvent::key` is decoded.
    ///
    /// # Errors
    /// Returns an error if this is not the key of an image, or if it can be split in several ways. The error then lists them, and
    /// [`parse_with`](Self::parse_with) can choose one.
    pub fn parse(key: &str) -> Result<Self, ParseKeyError> {
        Self::parse_with(key, &KeyHints::default())
    }

    /// Parses a decoded key with hints.
    ///
    /// # Errors
    /// Returns an error where [`parse`](Self::parse) does, and if the key belongs to another account or stream than hinted.
    pub fn parse_with(key: &str, hints: &KeyHints) -> Result<Self, ParseKeyError> {
        let all = candidates(key)?;
        let (mut admitted, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|candidate| hints.admit(candidate));
        match (admitted.pop(), admitted.is_empty()) {
            (None, _) => Err(ParseKeyError::NotAsHinted { candidates: Candidates(others) }),
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                admitted.push(last);
                Err(ParseKeyError::Ambiguous { candidates: Candidates(admitted) })
            }
        }
    }
}

impl FromStr for ImageObjectKey {
    type Err = ParseKeyError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::parse(key)
    }
}

/// Returns every way to split the key, at least one. Their number is bounded because the length of the key is.
fn candidates(key: &str) -> Result<Vec<ImageObjectKey>, ParseKeyError> {
    if key.len() > S3_KEY_BYTES {
        return Err(ParseKeyError::TooLong { size: key.len(), limit: S3_KEY_BYTES });
    }
    let (name, extension) = key.rsplit_once('.').ok_or(ParseKeyError::NoExtension)?;
    let format = ImageFormat::from_extension(extension)
        .ok_or_else(|| ParseKeyError::Extension { found: extension.chars().take(16).collect() })?;
    let (name, id) = name.rsplit_once('_').ok_or(ParseKeyError::Id)?;
    let id: ImageId = id.parse().map_err(|_| ParseKeyError::Id)?;
    let (owner, timecode) = name.rsplit_once('_').ok_or(ParseKeyError::Timecode)?;
    let timecode = epoch_ms::parse(timecode).ok_or(ParseKeyError::Timecode)?;
    let build = |(lead, account, stream): (&str, &str, &str)| ImageObjectKey {
        lead: lead.into(),
        account: account.into(),
        stream: stream.into(),
        timecode,
        id: id.clone(),
        format,
    };
    let all: Vec<_> = splits(owner).map(build).collect();
    if all.is_empty() { Err(ParseKeyError::Account) } else { Ok(all) }
}

/// Returns every `(lead, account, stream)` that `owner` can mean: twelve digits at its start or after `_` or `/`, then `_`, then a
/// valid stream name up to the end.
fn splits(owner: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let after_separator = owner.match_indices(['_', '/']).map(|(at, _)| at.saturating_add(1));
    std::iter::once(0).chain(after_separator).filter_map(|start| {
        let (lead, rest) = owner.split_at_checked(start)?;
        let (account, stream) = rest.split_at_checked(ACCOUNT_ID_DIGITS)?;
        let stream = stream.strip_prefix('_')?;
        let fits = account.bytes().all(|byte| byte.is_ascii_digit()) && is_stream_name(stream);
        fits.then_some((lead, account, stream))
    })
}

/// The ways to split a key, ordered by the length of the lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidates(Vec<ImageObjectKey>);

impl Candidates {
    /// Iterates over the keys.
    pub fn iter(&self) -> std::slice::Iter<'_, ImageObjectKey> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Candidates {
    type Item = &'a ImageObjectKey;
    type IntoIter = std::slice::Iter<'a, ImageObjectKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}account {} with stream {}", key.account(), key.stream())?;
        }
        Ok(())
    }
}

/// Why a text is not the unambiguous key of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseKeyError {
    /// Longer than S3 allows.
    #[error("object key too long: {size} bytes, the limit of S3 is {limit}")]
    TooLong {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The key has no extension.
    #[error("not the key of an image: no extension, expected .jpg or .png")]
    NoExtension,
    /// The key has another extension.
    #[error("not the key of an image: extension .{found}, expected .jpg or .png")]
    Extension {
        /// The extension, cut to 16 characters.
        found: String,
    },
    /// The part before the extension is not an image id.
    #[error("not the key of an image: no image id between the last '_' and the extension")]
    Id,
    /// The part before the id is not a time in epoch milliseconds.
    #[error("not the key of an image: no timecode in epoch milliseconds before the image id")]
    Timecode,
    /// There is no account followed by a stream.
    #[error("not the key of an image: no account id of 12 digits and stream name before the timecode")]
    Account,
    /// The key can be split in several ways.
    #[error("ambiguous image key: {candidates}; pass the account or the stream as a hint")]
    Ambiguous {
        /// The ways that the hints admit.
        candidates: Candidates,
    },
    /// The key belongs to another account or stream than hinted.
    #[error("image key of another account or stream than hinted: {candidates}")]
    NotAsHinted {
        /// The ways to split the key.
        candidates: Candidates,
    },
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "f20f9add-7e57-4399-a30f-fc7aefb1bab7";

    fn parse(owner: &str) -> Result<ImageObjectKey, ParseKeyError> {
        ImageObjectKey::parse(&format!("{owner}_1690707290324_{ID}.jpg"))
    }

    #[test]
    fn the_documented_sample_is_read() {
        let key = parse("111122223333_demo-stream").unwrap();
        assert_eq!((key.lead(), key.prefix(), key.folder()), ("", None, ""));
        assert_eq!((key.account(), key.stream()), ("111122223333", "demo-stream"));
        assert_eq!(key.timecode(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_690_707_290_324));
        assert_eq!((key.id().as_str(), key.format()), (ID, ImageFormat::Jpeg));
    }

    #[test]
    fn names_and_prefixes_may_hold_what_separates() {
        let key = parse("site/a_b/gate_7_111122223333_my_stream.v2-x").unwrap();
        assert_eq!(key.prefix(), Some("site/a_b/gate_7"));
        assert_eq!(key.folder(), "site/a_b/");
        assert_eq!(key.stream(), "my_stream.v2-x");
        assert_eq!(parse("a/b/111122223333_s").unwrap().lead(), "a/b/");
        assert_eq!(parse("a/b/111122223333_s").unwrap().prefix(), None);
        assert_eq!(parse("1111222233334_111122223333_s").unwrap().prefix(), Some("1111222233334"));
    }

    #[test]
    fn eleven_digits_of_timecode_as_in_a_sample_of_the_guide_are_read() {
        let key = ImageObjectKey::parse(&format!("111122223333_demo_16907072903_{ID}.png")).unwrap();
        assert_eq!(key.timecode(), SystemTime::UNIX_EPOCH + Duration::from_millis(16_907_072_903));
        assert_eq!(key.format(), ImageFormat::Png);
    }

    #[test]
    fn ambiguity_lists_its_candidates_and_hints_solve_it() {
        let text = format!("111122223333_444455556666_door_1690707290324_{ID}.jpg");
        let error = ImageObjectKey::parse(&text).unwrap_err();
        let ParseKeyError::Ambiguous { candidates } = &error else { panic!("{error}") };
        let streams: Vec<_> = candidates.iter().map(|key| (key.account(), key.stream())).collect();
        assert_eq!(streams, [("111122223333", "444455556666_door"), ("444455556666", "door")]);
        assert!(error.to_string().contains("account 444455556666 with stream door"));
        for hints in [KeyHints::new().account("111122223333"), KeyHints::new().stream("444455556666_door")] {
            assert_eq!(ImageObjectKey::parse_with(&text, &hints).unwrap().prefix(), None);
        }
        let foreign = ImageObjectKey::parse_with(&text, &KeyHints::new().stream("gate")).unwrap_err();
        assert!(matches!(foreign, ParseKeyError::NotAsHinted { .. }), "{foreign}");
    }

    #[test]
    fn other_objects_are_refused_with_the_part_that_does_not_fit() {
        let name = format!("111122223333_demo_1690707290324_{ID}");
        for (key, error) in [
            (String::new(), ParseKeyError::NoExtension),
            (name.clone(), ParseKeyError::NoExtension),
            (format!("{name}.jpeg"), ParseKeyError::Extension { found: "jpeg".into() }),
            (format!("{name}.JPG"), ParseKeyError::Extension { found: "JPG".into() }),
            ("holiday.jpg".into(), ParseKeyError::Id),
            ("111122223333_demo_1690707290324_.jpg".into(), ParseKeyError::Id),
            (format!("111122223333_demo_x_{ID}.jpg"), ParseKeyError::Timecode),
            (format!("111122223333_demo_-5_{ID}.jpg"), ParseKeyError::Timecode),
            (format!("111122223333_demo_0169_{ID}.jpg"), ParseKeyError::Timecode),
            (format!("111122223333_demo_99999999999999999999999_{ID}.jpg"), ParseKeyError::Timecode),
            (format!("demo_1690707290324_{ID}.jpg"), ParseKeyError::Account),
            (format!("11112222333_demo_1690707290324_{ID}.jpg"), ParseKeyError::Account),
            (format!("111122223333__1690707290324_{ID}.jpg"), ParseKeyError::Account),
            (format!("111122223333_a/b_1690707290324_{ID}.jpg"), ParseKeyError::Account),
        ] {
            assert_eq!(ImageObjectKey::parse(&key), Err(error), "{key}");
        }
    }

    #[test]
    fn the_length_is_bounded_at_what_s3_allows() {
        let rest = format!("_111122223333_s_1690707290324_{ID}.jpg");
        let at_limit = "p".repeat(1024 - rest.len()) + &rest;
        assert!(ImageObjectKey::parse(&at_limit).is_ok());
        let too_long = ParseKeyError::TooLong { size: 1025, limit: 1024 };
        assert_eq!(ImageObjectKey::parse(&format!("p{at_limit}")), Err(too_long));
    }

    #[test]
    fn prefix_and_folder_are_put_in_front() {
        let key = parse("111122223333_demo").unwrap();
        let full = key.clone().with_prefix("gate").unwrap().with_folder("a/b/").unwrap();
        assert_eq!(full.lead(), "a/b/gate_");
        assert_eq!(key.clone().with_prefix("").unwrap().with_folder("").unwrap(), key);
        assert!(matches!(key.with_prefix(&"x".repeat(1000)), Err(InvalidKeyPart::TooLong { limit: 1024, .. })));
    }

    use crate::image::key::InvalidKeyPart;

    proptest! {
        #[test]
        fn parses_what_it_wrote(
            account in "[0-9]{12}",
            stream in "[a-zA-Z0-9_.-]{1,256}",
            prefix in "[a-zA-Z0-9_./ é-]{0,40}",
            folder in "([a-z0-9_]{1,8}/){0,3}",
            milliseconds in 0..=i64::MAX as u64 / 2_000_000,
            id in any::<[u8; 16]>(),
            png in any::<bool>(),
        ) {
            let format = if png { ImageFormat::Png } else { ImageFormat::Jpeg };
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            let key = ImageObjectKey::new(&account, &stream, at, ImageId::from_bytes(id), format).unwrap();
            let key = key.with_prefix(&prefix).unwrap().with_folder(&folder).unwrap();
            let hints = KeyHints::new().account(&account).stream(&stream);
            prop_assert_eq!(ImageObjectKey::parse_with(&key.to_string(), &hints), Ok(key.clone()));
            match ImageObjectKey::parse(&key.to_string()) {
                Ok(parsed) => prop_assert_eq!(parsed, key),
                Err(ParseKeyError::Ambiguous { candidates }) => prop_assert!(candidates.iter().any(|one| *one == key)),
                Err(error) => prop_assert!(false, "{}", error),
            }
        }

        #[test]
        fn writes_what_it_parsed(owner in "[0-9_/a]{0,40}", timecode in "[0-9]{1,14}", id in "[0-9a-f-]{0,40}") {
            let text = format!("{owner}_{timecode}_{id}.jpg");
            match ImageObjectKey::parse(&text) {
                Ok(key) => prop_assert_eq!(key.to_string(), text),
                Err(ParseKeyError::Ambiguous { candidates }) => {
                    for key in &candidates {
                        prop_assert_eq!(key.to_string(), text.as_str());
                    }
                }
                Err(_) => {}
            }
        }
    }
}
