//! Telling the forms apart by the names of a document's members, without reading all of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::{DecodeError, Envelope};

/// Which form a document has.
///
/// Reads the names of its members, and of `Records` those of the first record only: a batch of thousands is recognized by its first.
pub(super) fn recognize(document: &[u8]) -> Result<Envelope, DecodeError> {
    let mut probe = Probe::default();
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let outcome = deserializer.deserialize_any(Top(&mut probe));
    match outcome {
        Err(error) if !probe.stopped => Err(of_json(&error)),
        _ => probe.envelope().ok_or(DecodeError::NotRecognized),
    }
}

/// A fault of the JSON itself, or of its outermost type.
pub(super) fn of_json(error: &serde_json::Error) -> DecodeError {
    if error.is_data() {
        return DecodeError::NotAnObject;
    }
    DecodeError::NotJson { line: error.line(), column: error.column() }
}

/// The members that tell the forms apart.
#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier)]
enum Member {
    StreamArn,
    FragmentNumber,
    Type,
    TopicArn,
    Records,
    Messages,
    #[serde(alias = "messageId")]
    MessageId,
    Body,
    #[serde(rename = "detail")]
    Detail,
    #[serde(rename = "detail-type")]
    DetailType,
    Event,
    Bucket,
    #[serde(rename = "s3")]
    S3,
    Sns,
    #[serde(rename = "body")]
    SqsBody,
    #[serde(rename = "requestContext")]
    RequestContext,
    #[serde(rename = "httpMethod")]
    HttpMethod,
    #[serde(rename = "isBase64Encoded")]
    IsBase64Encoded,
    #[serde(other)]
    Unknown,
}

/// A set of members.
#[derive(Clone, Copy, Default)]
struct Members(u32);

impl Members {
    fn insert(&mut self, member: Member) {
        self.0 |= 1 << (member as u32);
    }

    fn all(self, members: &[Member]) -> bool {
        members.iter().all(|member| self.0 & (1 << (*member as u32)) != 0)
    }
}

#[derive(Default)]
struct Probe {
    top: Members,
    record: Members,
    /// The document is a list.
    list: bool,
    /// There are no records.
    no_records: bool,
    /// The first record was seen: the rest is not read and cannot be at fault here.
    stopped: bool,
}

impl Probe {
    fn envelope(&self) -> Option<Envelope> {
        if self.list {
            return Some(Envelope::List);
        }
        let marks: [(&Members, &[Member], Envelope); 13] = [
            (&self.record, &[Member::S3], Envelope::S3Event),
            (&self.record, &[Member::Sns], Envelope::LambdaSns),
            (&self.record, &[Member::SqsBody], Envelope::LambdaSqs),
            (&self.top, &[Member::StreamArn, Member::FragmentNumber], Envelope::Fragment),
            (&self.top, &[Member::Type, Member::TopicArn], Envelope::Sns),
            (&self.top, &[Member::Detail, Member::DetailType], Envelope::EventBridge),
            (&self.top, &[Member::Messages], Envelope::Sqs),
            (&self.top, &[Member::Body, Member::MessageId], Envelope::Sqs),
            (&self.top, &[Member::SqsBody, Member::MessageId], Envelope::Sqs),
            (&self.top, &[Member::SqsBody, Member::RequestContext], Envelope::Http),
            (&self.top, &[Member::SqsBody, Member::HttpMethod], Envelope::Http),
            (&self.top, &[Member::SqsBody, Member::IsBase64Encoded], Envelope::Http),
            (&self.top, &[Member::Event, Member::Bucket], Envelope::S3Test),
        ];
        let marked = marks.into_iter().find(|(seen, members, _)| seen.all(members)).map(|(.., envelope)| envelope);
        marked.or_else(|| self.no_records.then_some(Envelope::NoRecords))
    }
}

/// The outermost object.
struct Top<'p>(&'p mut Probe);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    /// The elements are read one by one, later.
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.0.list = true;
        self.0.stopped = true;
        Err(A::Error::custom("a list was seen"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key::<Member>()? {
            self.0.top.insert(member);
            match member {
                Member::Records => map.next_value_seed(Records(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The value of `Records`: stops with an error, on purpose, when the first record was seen.
struct Records<'p>(&'p mut Probe);

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("records")
    }

    /// `null` is an empty list in some languages.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.no_records = true;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        if records.next_element_seed(FirstRecord(&mut self.0.record))?.is_none() {
            self.0.no_records = true;
            return Ok(());
        }
        self.0.stopped = true;
        Err(A::Error::custom("the first record was seen"))
    }
}

struct FirstRecord<'p>(&'p mut Members);

impl<'de> DeserializeSeed<'de> for FirstRecord<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FirstRecord<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(member) = map.next_key::<Member>()? {
            self.0.insert(member);
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
