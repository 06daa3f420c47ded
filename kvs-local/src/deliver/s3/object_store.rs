//! Objects in a local folder: each object is a file, with its metadata in a second file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deliver::files::{METADATA_SUFFIX, UnsafeName, directly_inside, inside, write_whole};

/// The folder `<data-dir>/s3`, with one folder per bucket.
#[derive(Debug)]
pub struct ObjectStore {
    root: PathBuf,
    temporary: AtomicU64,
}

/// An object to store.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of PutObject")]
pub struct NewObject<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The media type.
    pub content_type: &'a str,
    /// User-defined metadata: names without `x-amz-meta-`, and values.
    pub metadata: &'a [(String, String)],
    /// The content.
    pub content: &'a [u8],
}

/// Why an object was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutObjectError {
    /// The bucket or the key is not a valid path.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    /// The file could not be written.
    #[error("failed to write object '{key}'")]
    Disk {
        /// The object's key.
        key: String,
        /// The cause.
        source: io::Error,
    },
}

impl ObjectStore {
    /// Creates a store in the folder `root`, which is created with the first object.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), temporary: AtomicU64::new(0) }
    }

    /// Returns the path of an object, whether it exists or not.
    ///
    /// # Errors
    /// The bucket is not a valid name, or the key is empty or too long.
    pub fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, UnsafeName> {
        inside(&directly_inside(&self.root, bucket)?, key)
    }

    /// Stores an object as `<bucket>/<key>` and `<bucket>/<key>.metadata.json`. Blocks. If the file system cannot hold the key, both
    /// names are escaped, and the metadata has the key as `Object-Key`.
    ///
    /// Each file is written to a temporary file and renamed, the object after its metadata. Neither is synced to disk.
    ///
    /// # Errors
    /// The bucket is not a valid name, the key is empty or too long, or a file cannot be written.
    pub fn put(&self, object: &NewObject<'_>) -> Result<PathBuf, PutObjectError> {
        let path = self.path(object.bucket, object.key)?;
        let failed = |source| PutObjectError::Disk { key: object.key.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let is_escaped = self.root.join(object.bucket).join(object.key) != path;
        self.write(&metadata_path(&path), &metadata_json(object, is_escaped)).map_err(failed)?;
        self.write(&path, object.content).map_err(failed)?;
        Ok(path)
    }

    /// Writes to the folder `.tmp` and renames. The name of a bucket cannot start with a dot.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let folder = self.root.join(".tmp");
        fs::create_dir_all(&folder)?;
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{}-{number}", std::process::id()));
        let written = write_whole(path, &temporary, content);
        if written.is_err() {
            // If this fails, a later process with the same ID overwrites the file. Nothing lists this folder.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// Name of the entry with the key of an object whose file name is escaped.
pub(crate) const KEY_ENTRY: &str = "Object-Key";

/// Returns `<path>.metadata.json`.
fn metadata_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(METADATA_SUFFIX);
    name.into()
}

fn metadata_json(object: &NewObject<'_>, is_escaped: bool) -> Vec<u8> {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([("Content-Type", object.content_type)]);
    pairs.extend(object.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if is_escaped {
        pairs.insert(KEY_ENTRY, object.key);
    }
    let mut json = serde_json::to_vec_pretty(&pairs).expect("a map of texts is JSON");
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_metadata_next_to_the_object() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ObjectStore::new(dir.path());
        let metadata = [("camera".to_owned(), "Tür".to_owned())];
        let object = NewObject {
            bucket: "pics",
            key: "a/b.jpg",
            content_type: "image/jpeg",
            metadata: &metadata,
            content: b"jpeg",
        };
        let path = folder.put(&object).unwrap();
        assert_eq!(path, dir.path().join("pics/a/b.jpg"));
        assert_eq!(fs::read(&path).unwrap(), b"jpeg");
        let json: serde_json::Value =
            serde_json::from_slice(&fs::read(dir.path().join("pics/a/b.jpg.metadata.json")).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({ "Content-Type": "image/jpeg", "camera": "Tür" }));
        assert_eq!(fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0);
    }

    #[test]
    fn escaped_key_is_in_the_metadata() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ObjectStore::new(dir.path().join("s3"));
        for (key, file) in [("../../a:b.jpg", "%2E%2E/%2E%2E/a%3Ab.jpg"), ("/x.jpg", "%/x.jpg")] {
            let object = NewObject { bucket: "pics", key, content_type: "image/jpeg", metadata: &[], content: b"x" };
            let path = folder.put(&object).unwrap();
            assert_eq!(path, dir.path().join("s3/pics").join(file));
            let metadata = fs::read(metadata_path(&path)).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&metadata).unwrap();
            assert_eq!(json, serde_json::json!({ "Content-Type": "image/jpeg", "Object-Key": key }));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn invalid_bucket_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ObjectStore::new(dir.path().join("s3"));
        for (bucket, key) in [("..", "x"), ("pics", ""), ("a/b", "x"), (".tmp", "x")] {
            let object = NewObject { bucket, key, content_type: "", metadata: &[], content: b"" };
            assert!(matches!(folder.put(&object), Err(PutObjectError::Name(_))), "{bucket} {key}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
