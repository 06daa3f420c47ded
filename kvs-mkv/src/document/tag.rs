//! Fragment metadata as Matroska carries it: a name and a value.

/// One name and its value: a Matroska SimpleTag (RFC 9559 §5.1.8.1.2).
///
/// The service calls these fragment metadata. Its limits are in [`kvs_types::limits`]; the
/// container itself knows none.
///
/// ```
/// use kvs_mkv::Tag;
///
/// let tag = Tag::new("door", "open");
/// assert_eq!((tag.name.as_str(), tag.value.as_str()), ("door", "open"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a name and a value is what a tag is")]
pub struct Tag {
    /// `TagName`.
    pub name: String,
    /// `TagString`; empty where a tag says all by its name.
    pub value: String,
}

impl Tag {
    /// A tag of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}
