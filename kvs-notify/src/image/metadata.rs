//! What an image object says of itself.

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

/// The user metadata that the service puts on an image object.
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
    /// The fragment that the image was taken from.
    pub fragment_number: FragmentNumber,
    /// When the producer stamped it.
    pub producer_timestamp: SystemTime,
    /// When the service began to receive it.
    pub server_timestamp: SystemTime,
    /// The custom pairs that the producer sent along; S3 turns names into lower case.
    pub pairs: BTreeMap<String, String>,
}

impl ImageMetadata {
    /// Metadata without custom pairs.
    #[must_use]
    pub fn new(fragment_number: FragmentNumber, producer_timestamp: SystemTime, server_timestamp: SystemTime) -> Self {
        Self { fragment_number, producer_timestamp, server_timestamp, pairs: BTreeMap::new() }
    }

    /// The same with one more custom pair; the name turns into lower case, as S3 does it.
    #[must_use]
    pub fn pair(mut self, name: &str, value: impl Into<String>) -> Self {
        self.pairs.insert(name.to_lowercase(), value.into());
        self
    }

    /// Reads the headers of GetObject or HeadObject, or the map of names and values that an SDK makes of them.
    ///
    /// If any name begins with `x-amz-meta-` then all others are other headers and are skipped; if none does then all are metadata.
    /// Values by RFC 2047 are decoded.
    ///
    /// # Errors
    /// One of the three names of the service is missing or holds something else, a name stands twice, or there is too much.
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

    /// Names and values as S3 keeps them, the service's own first: without `x-amz-meta-`, values not encoded.
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

    /// The headers under which PutObject takes them: with `x-amz-meta-`, values by RFC 2047 where they need it.
    #[must_use]
    pub fn to_headers(&self) -> Vec<(String, String)> {
        let header = |(name, value): (String, String)| (format!("{HEADER_PREFIX}{name}"), rfc2047::encode(&value));
        self.to_pairs().into_iter().map(header).collect()
    }

    /// What S3 counts of it: the bytes of names and values.
    ///
    /// # Errors
    /// More than S3 takes.
    pub fn check_size(&self) -> Result<usize, InvalidMetadata> {
        let size = self.to_pairs().iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        if size > S3_METADATA_BYTES {
            return Err(InvalidMetadata::TooLarge { size, limit: S3_METADATA_BYTES });
        }
        Ok(size)
    }
}

/// Lower-case names without the prefix, decoded values.
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

/// Metadata that the service did not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// One of the three names that every image has is not there.
    #[error("no metadata {name}: this object is not an image of the service, or its metadata was not copied")]
    Missing {
        /// The name.
        name: &'static str,
    },
    /// Not a fragment number.
    #[error("the metadata {name} is no fragment number")]
    FragmentNumber {
        /// The name.
        name: &'static str,
        /// What is wrong with it.
        source: InvalidField,
    },
    /// Not epoch milliseconds.
    #[error("the metadata {name} is not in epoch milliseconds")]
    Timestamp {
        /// The name.
        name: &'static str,
    },
    /// The same name, in whatever case, more than once.
    #[error("the metadata {name:?} stands twice")]
    Twice {
        /// The name in lower case.
        name: String,
    },
    /// More than S3 keeps or returns.
    #[error("metadata has at most {limit} bytes, here are {size} or more")]
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
