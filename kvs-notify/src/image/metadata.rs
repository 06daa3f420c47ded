//! The user metadata of an image object.

use std::collections::BTreeMap;
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis_checked;
use kvs_types::limits::S3_METADATA_BYTES;
use kvs_types::{FragmentNumber, InvalidField};

use super::rfc2047;
use crate::epoch_ms;
use crate::limits::METADATA_HEADER_BYTES;

const HEADER_PREFIX: &str = "x-amz-meta-";
const FRAGMENT_NUMBER: &str = "aws_kinesisvideo_fragment_number";
const PRODUCER_TIMESTAMP: &str = "aws_kinesisvideo_producer_timestamp";
const SERVER_TIMESTAMP: &str = "aws_kinesisvideo_server_timestamp";

/// The user metadata that the service attaches to an image object.
///
/// Source: <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/s3-delivery.html>.
///
/// ```
/// use kvs_notify::ImageMetadata;
///
/// // As HeadObject returns them; names in any case, with or without `x-amz-meta-`.
/// let metadata = ImageMetadata::from_headers([
///     ("content-type", "image/jpeg"),
///     ("X-Amz-Meta-Aws_Kinesisvideo_Fragment_Number", "91343852333182036507421233921329142742245756394"),
///     ("x-amz-meta-aws_kinesisvideo_producer_timestamp", "1690707290324"),
///     ("x-amz-meta-aws_kinesisvideo_server_timestamp", "1690707289850"),
///     ("x-amz-meta-camera", "=?UTF-8?B?VMO8cg==?="),
/// ])?;
/// assert_eq!(metadata.pairs["camera"], "Tür");
/// # Ok::<(), kvs_notify::InvalidMetadata>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageMetadata {
    /// The fragment that contains the image.
    pub fragment_number: FragmentNumber,
    /// The timestamp of the producer.
    pub producer_timestamp: SystemTime,
    /// When the service started to receive the fragment.
    pub server_timestamp: SystemTime,
    /// The custom pairs that the producer sent; S3 converts names to lower case.
    pub pairs: BTreeMap<String, String>,
}

impl ImageMetadata {
    /// Creates metadata without custom pairs.
    #[must_use]
    pub fn new(fragment_number: FragmentNumber, producer_timestamp: SystemTime, server_timestamp: SystemTime) -> Self {
        Self { fragment_number, producer_timestamp, server_timestamp, pairs: BTreeMap::new() }
    }

    /// Adds a custom pair; the name is converted to lower case, as S3 does.
    #[must_use]
    pub fn pair(mut self, name: &str, value: impl Into<String>) -> Self {
        self.pairs.insert(name.to_lowercase(), value.into());
        self
    }

    /// Reads the headers of GetObject or HeadObject, or the metadata map of an SDK.
    ///
    /// If any name starts with `x-amz-meta-`, all other headers are skipped; if none does, all of them are metadata. Values
    /// encoded by RFC 2047 are decoded.
    ///
    /// # Errors
    /// Returns an error if one of the three names of the service is missing or invalid, a name is repeated, or the metadata is too large.
    pub fn from_headers<N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Result<Self, InvalidMetadata>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs = collect(headers)?;
        let fragment_number = take(&mut pairs, FRAGMENT_NUMBER)?
            .parse()
            .map_err(|source| InvalidMetadata::FragmentNumber { name: FRAGMENT_NUMBER, source })?;
        let producer_timestamp = instant(&mut pairs, PRODUCER_TIMESTAMP)?;
        let server_timestamp = instant(&mut pairs, SERVER_TIMESTAMP)?;
        Ok(Self { fragment_number, producer_timestamp, server_timestamp, pairs })
    }

    /// Returns names and values as S3 stores them, the service's own first: without `x-amz-meta-`, values not encoded.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        let digits = |at| epoch_millis_checked(at).unwrap_or_default().to_string();
        let own = [
            (FRAGMENT_NUMBER.to_owned(), self.fragment_number.to_string()),
            (PRODUCER_TIMESTAMP.to_owned(), digits(self.producer_timestamp)),
            (SERVER_TIMESTAMP.to_owned(), digits(self.server_timestamp)),
        ];
        own.into_iter().chain(self.pairs.clone()).collect()
    }

    /// Returns the headers of PutObject: with `x-amz-meta-`, values encoded by RFC 2047 where necessary.
    #[must_use]
    pub fn to_headers(&self) -> Vec<(String, String)> {
        let header = |(name, value): (String, String)| (format!("{HEADER_PREFIX}{name}"), rfc2047::encode(&value));
        self.to_pairs().into_iter().map(header).collect()
    }

    /// Returns the size that S3 counts: the bytes of names and values.
    ///
    /// # Errors
    /// Returns an error if S3 would not accept that much.
    pub fn check_size(&self) -> Result<usize, InvalidMetadata> {
        let size = self.to_pairs().iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        if size > S3_METADATA_BYTES {
            return Err(InvalidMetadata::TooLarge { size, limit: S3_METADATA_BYTES });
        }
        Ok(size)
    }
}

/// Returns lower-case names without the prefix, and decoded values.
fn collect<N, V>(headers: impl IntoIterator<Item = (N, V)>) -> Result<BTreeMap<String, String>, InvalidMetadata>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let (mut size, mut prefixed, mut bare) = (0_usize, BTreeMap::new(), BTreeMap::new());
    let mut twice = None;
    for (name, value) in headers {
        let (name, value) = (name.as_ref(), value.as_ref());
        size = size.saturating_add(name.len()).saturating_add(value.len());
        if size > METADATA_HEADER_BYTES {
            return Err(InvalidMetadata::TooLarge { size, limit: METADATA_HEADER_BYTES });
        }
        let name = name.to_lowercase();
        let (map, name) = match name.strip_prefix(HEADER_PREFIX) {
            Some(bare_name) => (&mut prefixed, bare_name.to_owned()),
            None => (&mut bare, name),
        };
        if map.insert(name.clone(), rfc2047::decode(value)).is_some() {
            // Other headers may repeat, as Vary does.
            twice = twice.or(Some(name));
        }
    }
    let pairs = if prefixed.is_empty() { bare } else { prefixed };
    match twice.filter(|name| pairs.contains_key(name)) {
        Some(name) => Err(InvalidMetadata::Twice { name }),
        None => Ok(pairs),
    }
}

fn take(pairs: &mut BTreeMap<String, String>, name: &'static str) -> Result<String, InvalidMetadata> {
    pairs.remove(name).ok_or(InvalidMetadata::Missing { name })
}

fn instant(pairs: &mut BTreeMap<String, String>, name: &'static str) -> Result<SystemTime, InvalidMetadata> {
    epoch_ms::parse(&take(pairs, name)?).ok_or(InvalidMetadata::Timestamp { name })
}

/// Why metadata is not that of an image of the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// One of the three names that every image has is missing.
    #[error("missing metadata {name}: the object is not an image of the service, or its metadata was not copied")]
    Missing {
        /// The name.
        name: &'static str,
    },
    /// The value is not a fragment number.
    #[error("invalid metadata {name}: not a fragment number")]
    FragmentNumber {
        /// The name.
        name: &'static str,
        /// What is wrong with the value.
        source: InvalidField,
    },
    /// The value is not a time in epoch milliseconds.
    #[error("invalid metadata {name}: not epoch milliseconds")]
    Timestamp {
        /// The name.
        name: &'static str,
    },
    /// The same name, in any case, more than once.
    #[error("duplicate metadata {name:?}")]
    Twice {
        /// The name in lower case.
        name: String,
    },
    /// Larger than S3 accepts or returns.
    #[error("metadata too large: {size} bytes or more, the limit is {limit}")]
    TooLarge {
        /// Bytes so far.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SAMPLE: [(&str, &str); 4] = [
        ("aws_kinesisvideo_fragment_number", "91343852333182036507421233921329142742245756394"),
        ("aws_kinesisvideo_producer_timestamp", "1690707290324"),
        ("aws_kinesisvideo_server_timestamp", "1690707289850"),
        ("key1", "value1"),
    ];

    #[test]
    fn the_map_of_an_sdk_and_the_headers_of_http_read_the_same() {
        let bare = ImageMetadata::from_headers(SAMPLE).unwrap();
        let headers = SAMPLE.map(|(name, value)| (format!("X-AMZ-Meta-{}", name.to_uppercase()), value));
        let other = [("ETag".to_owned(), "\"63e0\""), ("Vary".to_owned(), "a"), ("vary".to_owned(), "b")];
        assert_eq!(ImageMetadata::from_headers(headers.into_iter().chain(other)).unwrap(), bare);
        assert_eq!(bare.producer_timestamp, SystemTime::UNIX_EPOCH + Duration::from_millis(1_690_707_290_324));
        assert_eq!(bare.pairs, BTreeMap::from([("key1".to_owned(), "value1".to_owned())]));
    }

    #[test]
    fn what_is_written_reads_back() {
        let metadata = ImageMetadata::from_headers(SAMPLE).unwrap().pair("Ort", "Tür 7").pair("space", " x ");
        assert_eq!(metadata.pairs["ort"], "Tür 7");
        assert_eq!(ImageMetadata::from_headers(metadata.to_pairs()).unwrap(), metadata);
        assert_eq!(ImageMetadata::from_headers(metadata.to_headers()).unwrap(), metadata);
        assert!(metadata.to_headers().iter().all(|(name, value)| name.starts_with("x-amz-meta-") && value.is_ascii()));
    }

    #[test]
    fn what_the_service_always_writes_must_be_there_and_right() {
        for (index, (name, _)) in SAMPLE.into_iter().take(3).enumerate() {
            let without = SAMPLE.into_iter().enumerate().filter(|(at, _)| *at != index).map(|(_, pair)| pair);
            assert_eq!(ImageMetadata::from_headers(without), Err(InvalidMetadata::Missing { name }));
            let mut wrong = SAMPLE;
            wrong[index].1 = "0x1";
            assert!(ImageMetadata::from_headers(wrong).unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn names_that_differ_in_case_only_are_refused() {
        let twice = SAMPLE.into_iter().chain([("KEY1", "other")]);
        assert_eq!(ImageMetadata::from_headers(twice), Err(InvalidMetadata::Twice { name: "key1".into() }));
    }

    #[test]
    fn the_size_is_bounded_both_ways() {
        let more = SAMPLE.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = more.into_iter().chain([("k".to_owned(), "v".repeat(METADATA_HEADER_BYTES))]);
        assert!(matches!(ImageMetadata::from_headers(more), Err(InvalidMetadata::TooLarge { .. })));
        let metadata = ImageMetadata::from_headers(SAMPLE).unwrap();
        let used = metadata.check_size().unwrap();
        let full = metadata.clone().pair("k", "v".repeat(S3_METADATA_BYTES - used - 1));
        assert_eq!(full.check_size(), Ok(S3_METADATA_BYTES));
        let over = metadata.pair("k", "v".repeat(S3_METADATA_BYTES - used));
        assert_eq!(over.check_size(), Err(InvalidMetadata::TooLarge { size: 2049, limit: 2048 }));
    }
}
