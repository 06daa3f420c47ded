//! A tag: fragment metadata as Matroska carries it.

/// A name and a value: a Matroska SimpleTag (RFC 9559 §5.1.8.1.2).
///
/// The service calls tags fragment metadata. The container does not limit them; the limits of the service are checked by
/// [`FragmentCheck::tag`](crate::rules::FragmentCheck::tag).
///
/// ```
/// use kvs_mkv::Tag;
///
/// let tag = Tag::new("door", "open");
/// assert_eq!((tag.name.as_str(), tag.value.as_str()), ("door", "open"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a tag is a name and a value")]
pub struct Tag {
    /// `TagName`.
    pub name: String,
    /// `TagString`; may be empty.
    pub value: String,
}

impl Tag {
    /// Creates a tag.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}
