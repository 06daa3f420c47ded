//! The custom events that tag fragments and request images and notifications.

use kvs_producer::{FragmentEvent, FragmentTag, ImageGeneration, Notification};

/// What an event asks for.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Tag(FragmentTag),
    Event(FragmentEvent),
}

/// Why an event was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RequestError {
    #[error("event {event}: field {field} is missing or not a {kind}")]
    Field { event: String, field: String, kind: &'static str },
}

pub(crate) const ADD_METADATA: &str = "kvs-add-metadata";
pub(crate) const GENERATE_IMAGES: &str = "kvs-generate-images";
pub(crate) const NOTIFY: &str = "kvs-notify";

/// Returns what a custom event asks for; `None` for events of others.
pub(crate) fn parse(fields: &gst::StructureRef) -> Option<Result<Request, RequestError>> {
    match fields.name().as_str() {
        ADD_METADATA => Some(add_metadata(fields)),
        GENERATE_IMAGES => Some(generate_images(fields)),
        NOTIFY => Some(notify(fields)),
        _ => None,
    }
}

/// `name`, `value`: strings; `persist`: boolean. All are required, as with kvssink.
fn add_metadata(fields: &gst::StructureRef) -> Result<Request, RequestError> {
    let text = |field: &str| fields.get::<String>(field).map_err(|_| wrong(fields, field, "string"));
    let (name, value) = (text("name")?, text("value")?);
    let persist = fields.get::<bool>("persist").map_err(|_| wrong(fields, "persist", "boolean"))?;
    Ok(Request::Tag(if persist { FragmentTag::persistent(name, value) } else { FragmentTag::once(name, value) }))
}

/// `prefix`: string, optional; `metadata`: structure of strings, optional.
fn generate_images(fields: &gst::StructureRef) -> Result<Request, RequestError> {
    let mut event = ImageGeneration::new();
    if fields.has_field("prefix") {
        event = event.with_prefix(fields.get::<String>("prefix").map_err(|_| wrong(fields, "prefix", "string"))?);
    }
    let pairs = metadata(fields)?;
    Ok(Request::Event(pairs.into_iter().fold(event, |event, (name, value)| event.with_pair(name, value)).into()))
}

/// `metadata`: structure of strings, optional.
fn notify(fields: &gst::StructureRef) -> Result<Request, RequestError> {
    let pairs = metadata(fields)?;
    let event = pairs.into_iter().fold(Notification::new(), |event, (name, value)| event.with_pair(name, value));
    Ok(Request::Event(event.into()))
}

fn metadata(fields: &gst::StructureRef) -> Result<Vec<(String, String)>, RequestError> {
    if !fields.has_field("metadata") {
        return Ok(Vec::new());
    }
    let pairs = fields.get::<gst::Structure>("metadata").map_err(|_| wrong(fields, "metadata", "structure"))?;
    let pair = |(name, value): (&gst::glib::GStr, &gst::glib::SendValue)| {
        let value = value.get::<String>().map_err(|_| wrong(fields, &format!("metadata.{name}"), "string"))?;
        Ok((name.to_string(), value))
    };
    pairs.iter().map(pair).collect()
}

fn wrong(fields: &gst::StructureRef, field: &str, kind: &'static str) -> RequestError {
    RequestError::Field { event: fields.name().to_string(), field: field.to_owned(), kind }
}
