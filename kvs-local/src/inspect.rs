//! The delivered images and notifications, for tests to check.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kvs_notify::{ImageMetadata, ImageObject, ImageObjectKey, KeyHints, SnsMessage};

use crate::deliver::{KEY_ENTRY, Topic};
use crate::local::LocalKvs;

/// An image in the folder that represents S3.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveredImage {
    /// Bucket, key and metadata.
    pub object: ImageObject,
    /// The JPEG or PNG file.
    pub path: PathBuf,
}

impl LocalKvs {
    /// Returns all images generated for a stream, ordered by time. Await [`settled`](Self::settled) first.
    ///
    /// # Errors
    ///
    /// The file system failed.
    pub async fn images(&self, stream: &str) -> io::Result<Vec<DeliveredImage>> {
        let (folder, stream) = (self.data_dir().join("s3"), stream.to_owned());
        tokio::task::spawn_blocking(move || images(&folder, &stream)).await?
    }

    /// Returns all messages published to a topic, signed, ordered by time. Await [`settled`](Self::settled) first.
    ///
    /// # Errors
    ///
    /// The file system failed, or `topic_arn` is not the ARN of a topic.
    pub async fn notifications(&self, topic_arn: &str) -> io::Result<Vec<SnsMessage>> {
        let topic = Topic::parse(topic_arn).map_err(io::Error::other)?;
        let folder = self.data_dir().join("sns").join(topic.name());
        tokio::task::spawn_blocking(move || messages(&folder, topic.arn())).await?
    }
}

fn images(buckets: &Path, stream: &str) -> io::Result<Vec<DeliveredImage>> {
    let mut found = Vec::new();
    for bucket in entries(buckets)? {
        for path in files(&bucket)? {
            found.extend(image(&bucket, path, stream)?);
        }
    }
    found.sort_by_key(|image| image.object.key.timecode());
    Ok(found)
}

/// Returns the image in a file if it belongs to the stream and has its metadata file.
fn image(bucket: &Path, path: PathBuf, stream: &str) -> io::Result<Option<DeliveredImage>> {
    let mut metadata = path.clone().into_os_string();
    metadata.push(".metadata.json");
    let Ok(metadata) = fs::read(metadata) else { return Ok(None) };
    let mut pairs: BTreeMap<String, String> = serde_json::from_slice(&metadata)?;
    let escaped = pairs.remove(KEY_ENTRY);
    let key = escaped.as_deref().or_else(|| path.strip_prefix(bucket).ok().and_then(Path::to_str));
    let key = key.and_then(|key| ImageObjectKey::parse_with(key, &KeyHints::new().stream(stream)).ok());
    let Some(key) = key.filter(|key| key.stream() == stream) else { return Ok(None) };
    let own = pairs.into_iter().filter(|(name, _)| name != "Content-Type");
    let metadata = ImageMetadata::from_headers(own).map_err(io::Error::other)?;
    let bucket = bucket.file_name().unwrap_or_default().to_string_lossy();
    Ok(Some(DeliveredImage { object: ImageObject::new(bucket, key, metadata), path }))
}

fn messages(folder: &Path, topic_arn: &str) -> io::Result<Vec<SnsMessage>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let message: SnsMessage = serde_json::from_slice(&fs::read(path)?)?;
        if message.topic_arn() == topic_arn {
            found.push(message);
        }
    }
    found.sort_by_cached_key(|message| message.timestamp().to_string());
    Ok(found)
}

/// Returns all files below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

/// Returns the entries of a folder without hidden ones; none if the folder does not exist yet.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    Ok(paths?.into_iter().filter(|path| !hidden(path)).collect())
}
