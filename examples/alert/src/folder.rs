//! The images that kvs-local writes: files below `DATA_DIR/s3`, named as the objects in S3 would be.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use kvs_notify::ImageObjectKey;

use crate::detector::CameraImage;

/// The largest image that is read.
const MAX_BYTES: u64 = 32 << 20;
/// The most files that are known as looked at; with more, use the notifications instead.
const MAX_FILES: usize = 1_000_000;

/// A folder that fills with images.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    looked_at: HashSet<PathBuf>,
}

impl Folder {
    /// Names the data folder of a kvs-local; it may come into being later.
    pub fn of_service(data_dir: impl AsRef<Path>) -> Self {
        Self { path: data_dir.as_ref().join("s3"), looked_at: HashSet::new() }
    }

    /// Returns the images that have come since the last call, in the order of their times.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, or if there are too many.
    pub fn new_images(&mut self) -> io::Result<Vec<CameraImage>> {
        let (mut images, mut folders) = (Vec::new(), vec![self.path.clone()]);
        while let Some(folder) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                // Links are not followed.
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if !self.looked_at.contains(&entry.path()) {
                    images.extend(self.image(&entry.path(), entry.metadata()?.len())?);
                }
            }
        }
        images.sort_by_key(|image| image.at);
        Ok(images)
    }

    /// The image in a file; `None` for what is not the image of a stream.
    fn image(&mut self, path: &Path, size: u64) -> io::Result<Option<CameraImage>> {
        let key = path.file_name().and_then(|name| ImageObjectKey::parse(name.to_str()?).ok());
        let Some(key) = key.filter(|_| size <= MAX_BYTES) else { return Ok(None) };
        // The service writes its files whole, under another name first.
        let jpeg = std::fs::read(path)?;
        if self.looked_at.len() >= MAX_FILES {
            return Err(io::Error::other(format!("more than {MAX_FILES} images in {}", self.path.display())));
        }
        self.looked_at.insert(path.to_owned());
        Ok(Some(CameraImage::new(key.stream(), key.timecode(), path.display().to_string(), jpeg)))
    }
}
