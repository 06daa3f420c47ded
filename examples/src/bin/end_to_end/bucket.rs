//! The image objects that kvs-local stores as files.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use kvs_notify::{ImageObjectKey, KeyHints};

use crate::journal::ImageObject;

/// Suffix of the file with an object's metadata.
const METADATA: &str = ".metadata.json";

/// Returns all images of `stream` in the bucket's directory, by time; paths inside `out` are relative to it.
pub(crate) fn images(bucket: &Path, out: &Path, stream: &str) -> io::Result<Vec<ImageObject>> {
    let mut found = Vec::new();
    for metadata in metadata_files(bucket)? {
        if let Some(image) = image(bucket, out, stream, &metadata)? {
            found.push(image);
        }
    }
    found.sort_by_key(|image| image.timecode);
    Ok(found)
}

fn metadata_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(metadata_files(&path)?);
        } else if path.to_string_lossy().ends_with(METADATA) {
            files.push(path);
        }
    }
    Ok(files)
}

/// The image next to a metadata file, if it is of this stream.
fn image(bucket: &Path, out: &Path, stream: &str, metadata: &Path) -> io::Result<Option<ImageObject>> {
    let text = metadata.to_string_lossy();
    let object = PathBuf::from(text.strip_suffix(METADATA).unwrap_or(&text));
    let key = object.strip_prefix(bucket).unwrap_or(&object).to_string_lossy().into_owned();
    let parsed = ImageObjectKey::parse_with(&key, &KeyHints::new().stream(stream)).map_err(io::Error::other)?;
    if parsed.stream() != stream || !object.is_file() {
        return Ok(None);
    }
    let metadata: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(metadata)?)?;
    let path = object.strip_prefix(out).unwrap_or(&object).to_string_lossy().into_owned();
    Ok(Some(ImageObject { key, timecode: crate::journal::epoch_ms(parsed.timecode()), path, metadata }))
}
