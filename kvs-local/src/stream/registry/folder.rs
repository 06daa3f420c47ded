//! The registry on disk: one JSON file per stream, replaced atomically.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::digest;

use super::record::StreamRecord;
use crate::private_file;

/// The folder of the registry.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder and creates it if needed.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Reads all streams. Files that a crash left half-written have another extension and are removed.
    pub(super) fn load(&self) -> io::Result<Vec<StreamRecord>> {
        let mut streams = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => streams.push(read(&path)?),
                Some("tmp") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(streams)
    }

    /// Writes a stream. A crash at any time leaves either the old or the new record.
    pub(super) fn save(&self, stream: &StreamRecord) -> io::Result<()> {
        let path = self.path(&stream.name);
        let draft = path.with_extension("tmp");
        let mut file = private_file::create_draft(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(stream)?)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        self.sync()
    }

    /// Removes a stream.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }?;
        self.sync()
    }

    /// Syncs the folder: without it, renames and removals can be lost in a crash.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    /// Returns the file of a stream, named by a digest: a stream name can be `..`, `CON` or too long for a file name.
    fn path(&self, name: &str) -> PathBuf {
        let digest = digest::digest(&digest::SHA256, name.as_bytes());
        let mut file = String::with_capacity(2 * FILE_NAME_BYTES + 5);
        for byte in digest.as_ref().iter().take(FILE_NAME_BYTES) {
            file.push_str(&format!("{byte:02x}"));
        }
        file.push_str(".json");
        self.0.join(file)
    }
}

/// Bytes of the digest in a file name: enough to rule out collisions.
const FILE_NAME_BYTES: usize = 16;

fn read(path: &Path) -> io::Result<StreamRecord> {
    serde_json::from_slice(&fs::read(path)?).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a stream record: {error}", path.display()))
    })
}
