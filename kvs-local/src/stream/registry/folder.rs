//! The registry on disk: one JSON file for each stream, replaced whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::digest;

use super::record::StreamRecord;

/// The folder that holds the registry.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder, making it if it is not there.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// All streams in the folder. A file that a crash left half written has another name and is removed.
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

    /// Writes a stream so that a crash at any instant leaves either the old or the new record.
    pub(super) fn save(&self, stream: &StreamRecord) -> io::Result<()> {
        let path = self.path(&stream.name);
        let draft = path.with_extension("tmp");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(stream)?)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        self.sync()
    }

    /// Forgets a stream.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }?;
        self.sync()
    }

    /// Renames and removals last only once the folder itself is on disk.
    fn sync(&self) -> io::Result<()> {
        if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    /// The file of a stream. The name is a digest: stream names may be `..`, `CON` or longer than a file's name may be.
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

/// Bytes of a name's digest that name its file: enough that two names never meet.
const FILE_NAME_BYTES: usize = 16;

fn read(path: &Path) -> io::Result<StreamRecord> {
    serde_json::from_slice(&fs::read(path)?).map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is no stream record: {error}", path.display()))
    })
}
