//! The folder that stands for S3: an object is a file, its metadata another one beside it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::deliver::path::{UnsafeName, directly_inside, inside};

/// `<data-dir>/s3`: one folder for each bucket.
#[derive(Debug)]
pub struct ObjectFolder {
    root: PathBuf,
    temporary: AtomicU64,
}

/// An object to be put.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what PutObject takes")]
pub struct NewObject<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// The media type.
    pub content_type: &'a str,
    /// User metadata: names without `x-amz-meta-`, values.
    pub metadata: &'a [(String, String)],
    /// The content.
    pub content: &'a [u8],
}

/// Why an object was not put.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutObjectError {
    /// Bucket or key cannot be a path.
    #[error(transparent)]
    Name(#[from] UnsafeName),
    /// The disk refused.
    #[error("'{key}' cannot be written: {source}")]
    Disk {
        /// The object's key.
        key: String,
        /// What the system says.
        source: io::Error,
    },
}

impl ObjectFolder {
    /// The folder `root`, made when the first object is put.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), temporary: AtomicU64::new(0) }
    }

    /// Where an object lies, there or not.
    ///
    /// # Errors
    /// A bucket or key that could lead out of the folder.
    pub fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, UnsafeName> {
        inside(&directly_inside(&self.root, bucket)?, key)
    }

    /// Puts an object: `<bucket>/<key>` and `<bucket>/<key>.metadata.json`. Blocks.
    ///
    /// Each file appears whole, under its name or not at all, and the object after its metadata; neither is synced to the disk.
    ///
    /// # Errors
    /// A bucket or key that could lead out of the folder, or a disk that refuses.
    pub fn put(&self, object: &NewObject<'_>) -> Result<PathBuf, PutObjectError> {
        let path = self.path(object.bucket, object.key)?;
        let failed = |source| PutObjectError::Disk { key: object.key.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        self.write(&metadata_path(&path), &metadata_json(object)).map_err(failed)?;
        self.write(&path, object.content).map_err(failed)?;
        Ok(path)
    }

    /// Writes beside all buckets, whose names cannot begin with a dot, and renames.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let folder = self.root.join(".tmp");
        fs::create_dir_all(&folder)?;
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{}-{number}", std::process::id()));
        let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            // What cannot be removed is overwritten by the next process of this number; nobody lists this folder.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// Writes a whole file.
pub(in crate::deliver) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(content)?;
    file.flush()
}

/// `<path>.metadata.json`
fn metadata_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".metadata.json");
    name.into()
}

fn metadata_json(object: &NewObject<'_>) -> Vec<u8> {
    let mut pairs: BTreeMap<&str, &str> = BTreeMap::from([("Content-Type", object.content_type)]);
    pairs.extend(object.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut json = serde_json::to_vec_pretty(&pairs).expect("a map of texts is JSON");
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_its_metadata_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ObjectFolder::new(dir.path());
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
    fn a_hostile_key_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let folder = ObjectFolder::new(dir.path().join("s3"));
        for (bucket, key) in [("..", "x"), ("pics", "../../x"), ("pics", "/x"), ("a/b", "x"), (".tmp", "x")] {
            let object = NewObject { bucket, key, content_type: "", metadata: &[], content: b"" };
            assert!(matches!(folder.put(&object), Err(PutObjectError::Name(_))), "{bucket} {key}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
