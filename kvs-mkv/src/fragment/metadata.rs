//! What the service states about a fragment, read from its tags.

use std::fmt;
use std::time::{Duration, SystemTime};

use kvs_types::{ErrorId, tag_names};

use crate::{FragmentNumber, Tag};

/// What the service states about a fragment in the tags around it.
///
/// GetMedia and GetMediaForFragmentList write these tags. The API references spell two of the names differently, so both
/// spellings are accepted: <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_GetMedia.html>.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kvs_mkv::Tag;
/// use kvs_mkv::fragment::FragmentMetadata;
///
/// let mut metadata = FragmentMetadata::default();
/// assert!(metadata.read(&Tag::new("AWS_KINESISVIDEO_SERVER_TIMESTAMP", "1511852109.126")));
/// assert!(!metadata.read(&Tag::new("door", "open")));
/// assert_eq!(metadata.server_timestamp, SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(1511852109126)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FragmentMetadata {
    /// The fragment number.
    pub number: Option<FragmentNumber>,
    /// When the service received the start of the fragment.
    pub server_timestamp: Option<SystemTime>,
    /// The producer's time of the fragment. For fragments with relative timecodes this is the only absolute time.
    pub producer_timestamp: Option<SystemTime>,
    /// How far the fragment is behind the live edge; zero at the edge.
    pub behind_now: Option<Duration>,
    /// With this token the next GetMedia continues after this fragment.
    pub continuation_token: Option<String>,
    /// Why the stream ends here, if the service states it inside a successful response.
    pub fault: Option<ServiceFault>,
    /// Service tags with an unknown name or an unreadable value.
    pub unread: Vec<Tag>,
}

/// An error that the service reports inside a response that started successfully.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceFault {
    /// The error id: 3002, 4000, 4500 to 4506, 5000, ...
    pub id: Option<ErrorId>,
    /// The error code, if there is one.
    pub code: Option<String>,
    /// The message for people, if there is one.
    pub message: Option<String>,
}

impl fmt::Display for ServiceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("service reported an error")?;
        if let Some(id) = self.id {
            write!(f, " {}", id.0)?;
        }
        for text in [&self.code, &self.message].into_iter().flatten() {
            write!(f, " {text}")?;
        }
        Ok(())
    }
}

impl FragmentMetadata {
    /// Reads a tag of the service; returns `false` for a tag of the producer.
    ///
    /// Names that start with `AWS_KINESISVIDEO` belong to the service, except for the ones that producers send.
    pub fn read(&mut self, tag: &Tag) -> bool {
        let name = tag.name.as_str();
        if !name.starts_with(tag_names::SERVICE_PREFIX) || tag_names::FROM_PRODUCERS.contains(&name) {
            return false;
        }
        if self.take(name, &tag.value).is_none() {
            self.unread.push(tag.clone());
        }
        true
    }

    /// Returns `None` if the name is unknown or the value cannot be read.
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            tag_names::FRAGMENT_NUMBER => self.number = Some(value.parse().ok()?),
            tag_names::SERVER_TIMESTAMP | tag_names::SERVER_SIDE_TIMESTAMP => {
                self.server_timestamp = Some(timestamp(value)?);
            }
            tag_names::PRODUCER_TIMESTAMP | tag_names::PRODUCER_SIDE_TIMESTAMP => {
                self.producer_timestamp = Some(timestamp(value)?);
            }
            tag_names::MILLIS_BEHIND_NOW => self.behind_now = Some(Duration::from_millis(value.parse().ok()?)),
            tag_names::CONTINUATION_TOKEN => self.continuation_token = Some(value.to_owned()),
            tag_names::ERROR_ID => {
                let id = value.parse().ok().map(ErrorId);
                // An id that is not a number still means that the stream failed.
                self.fault.get_or_insert_default().id = id;
                id?;
            }
            tag_names::ERROR_CODE | tag_names::EXCEPTION_ERROR_CODE => {
                self.fault.get_or_insert_default().code = Some(value.to_owned());
            }
            tag_names::EXCEPTION_MESSAGE => self.fault.get_or_insert_default().message = Some(value.to_owned()),
            _ => return None,
        }
        Some(())
    }
}

/// Reads epoch seconds with up to nine decimals.
fn timestamp(text: &str) -> Option<SystemTime> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !digits(seconds) || !digits(decimals) {
        return None;
    }
    let places = u32::try_from(decimals.len()).ok()?;
    let unit = 10u32.checked_pow(9u32.checked_sub(places)?)?;
    let decimals = if decimals.is_empty() { 0 } else { decimals.parse::<u32>().ok()? };
    let since_epoch = Duration::new(seconds.parse().ok()?, decimals.checked_mul(unit)?);
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: &[(&str, &str)]) -> FragmentMetadata {
        let mut metadata = FragmentMetadata::default();
        for &(name, value) in tags {
            assert!(metadata.read(&Tag::new(format!("AWS_KINESISVIDEO_{name}"), value)), "{name}");
        }
        metadata
    }

    fn epoch(millis: u64) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    }

    #[test]
    fn accepts_both_spellings_of_timestamps() {
        let one = read(&[("SERVER_TIMESTAMP", "1.126"), ("PRODUCER_TIMESTAMP", "2.5")]);
        let two = read(&[("SERVER_SIDE_TIMESTAMP", "1.126"), ("PRODUCER_SIDE_TIMESTAMP", "2.5")]);
        assert_eq!((one.server_timestamp, one.producer_timestamp), (epoch(1126), epoch(2500)));
        assert_eq!(one, two);
    }

    #[test]
    fn reads_tags_captured_from_getmedia() {
        let number = "91343852333181432392682062607743920146159169392";
        let metadata = read(&[
            ("FRAGMENT_NUMBER", number),
            ("PRODUCER_TIMESTAMP", "0.000"),
            ("MILLIS_BEHIND_NOW", "15858"),
            ("CONTINUATION_TOKEN", number),
        ]);
        assert_eq!(metadata.number.as_ref().map(AsRef::as_ref), Some(number));
        assert_eq!(metadata.producer_timestamp, epoch(0));
        assert_eq!(metadata.behind_now, Some(Duration::from_millis(15_858)));
        assert_eq!(metadata.continuation_token.as_deref(), Some(number));
        assert_eq!(metadata.fault, None);
    }

    #[test]
    fn accepts_both_spellings_of_errors() {
        let fault = read(&[("ERROR_ID", "4000"), ("ERROR_CODE", "gone")]).fault.unwrap();
        assert_eq!(
            (fault.id, fault.to_string().as_str()),
            (Some(ErrorId(4000)), "service reported an error 4000 gone")
        );
        let fault = read(&[("EXCEPTION_ERROR_CODE", "c"), ("EXCEPTION_MESSAGE", "m")]).fault.unwrap();
        assert_eq!((fault.code.as_deref(), fault.message.as_deref()), (Some("c"), Some("m")));
        let fault = read(&[("ERROR_ID", "many")]);
        assert!(fault.fault.is_some() && fault.unread.len() == 1);
    }

    #[test]
    fn keeps_unreadable_tags() {
        let odd = [
            ("SERVER_TIMESTAMP", "yesterday"),
            ("SERVER_TIMESTAMP", "-1"),
            ("SERVER_TIMESTAMP", ".5"),
            ("SERVER_TIMESTAMP", "1.0000000001"),
            ("SERVER_TIMESTAMP", "99999999999999999999"),
            ("FRAGMENT_NUMBER", "x"),
            ("MILLIS_BEHIND_NOW", ""),
            ("SOMETHING_NEW", "1"),
        ];
        let metadata = read(&odd);
        assert_eq!(metadata.unread.len(), odd.len());
        assert_eq!(FragmentMetadata { unread: Vec::new(), ..metadata }, FragmentMetadata::default());
    }

    #[test]
    fn ignores_reserved_tags_of_producers() {
        for name in tag_names::FROM_PRODUCERS {
            assert!(!FragmentMetadata::default().read(&Tag::new(name, "")));
        }
    }
}
