//! The registry on disk: one JSON file with a checksum per stream, replaced atomically.
//!
//! A file that cannot be read is set aside: renamed to `.damaged` and named in the log. The media of its stream is kept until a stream
//! of that name is deleted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ring::digest;

use super::record::StreamRecord;
use crate::private_file;
use crate::store::checked;

/// The folder of the registry.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens the folder and creates it if needed.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// Reads all streams that can be read. Files that a crash left half-written have another extension and are removed.
    pub(super) fn load(&self) -> io::Result<Vec<StreamRecord>> {
        let mut streams = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => match self.read(&path) {
                    Ok(stream) => streams.push(stream),
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => set_aside(&path, &error),
                    // The record may be intact: the next start can read it.
                    Err(error) => return Err(error),
                },
                Some("tmp") => {
                    if let Err(error) = fs::remove_file(&path) {
                        tracing::warn!(%error, path = %path.display(), "failed to remove a half-written stream record");
                    }
                }
                _ => {}
            }
        }
        Ok(streams)
    }

    /// Reads a record and checks that it is in the file of its stream.
    fn read(&self, path: &Path) -> io::Result<StreamRecord> {
        let file = fs::read(path)?;
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let text = checked::open(&file).ok_or_else(|| invalid("the checksum does not match".to_owned()))?;
        let stream: StreamRecord = serde_json::from_slice(text).map_err(|error| invalid(error.to_string()))?;
        if self.path(&stream.name) == *path {
            Ok(stream)
        } else {
            Err(invalid("the record is of another stream".to_owned()))
        }
    }

    /// Returns whether the record of a stream was set aside, now or at an earlier start.
    pub(super) fn is_set_aside(&self, name: &str) -> bool {
        self.path(name).with_extension(DAMAGED).exists()
    }

    /// Writes a stream. A crash at any time leaves either the old or the new record.
    pub(super) fn save(&self, stream: &StreamRecord) -> io::Result<()> {
        let path = self.path(&stream.name);
        let draft = path.with_extension("tmp");
        let mut file = private_file::create_draft(&draft)?;
        file.write_all(&checked::seal(serde_json::to_vec_pretty(stream)?))?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        self.sync()
    }

    /// Removes a stream.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        for path in [path.with_extension(DAMAGED), path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
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

/// Extension of records that were set aside.
const DAMAGED: &str = "damaged";

/// Renames a record that cannot be read, so that the other streams can be served.
fn set_aside(path: &Path, error: &io::Error) {
    let aside = path.with_extension(DAMAGED);
    tracing::error!(
        %error,
        path = %aside.display(),
        stream = legible_name(path).as_deref().unwrap_or("unknown"),
        "stream set aside: its record is damaged; its media is kept but not served"
    );
    if let Err(error) = fs::rename(path, &aside) {
        tracing::error!(%error, path = %path.display(), "failed to rename a damaged stream record");
    }
}

/// Returns the stream name in a damaged record, if it is still legible.
fn legible_name(path: &Path) -> Option<String> {
    let file = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&file);
    let (_, rest) = text.split_once("\"name\": \"")?;
    let name = rest.split('"').next()?;
    // The file is named by a digest of the name.
    Folder(path.parent()?.to_owned()).path(name).file_stem().filter(|stem| Some(*stem) == path.file_stem())?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::{Delays, Identity, Registry};
    use super::*;
    use crate::api::StreamRef;

    fn open(dir: &Path) -> Registry {
        let identity = Identity { region: "us-west-2".to_owned(), account: "111122223333".to_owned() };
        Registry::open(dir.to_owned(), identity, 7).unwrap()
    }

    /// Any damage to one record: the stream is set aside or unchanged, and the others are served unchanged.
    #[test]
    fn a_damaged_record_costs_only_its_stream() {
        let mut random = fastrand::Rng::with_seed(0xda3a6e);
        let now = SystemTime::now();
        let (mut aside, mut unchanged) = (0, 0);
        for round in 0..400 {
            let dir = tempfile::tempdir().unwrap();
            let registry = open(dir.path());
            let make = |name: &str| registry.create(name, Delays::default(), now, |stream| stream.retention_hours = 24);
            let streams = ["door", "window", "roof"].map(|name| make(name).unwrap());
            let path = Folder(dir.path().to_owned()).path("door");
            let mut file = fs::read(&path).unwrap();
            let at = random.usize(0..file.len());
            match round % 4 {
                0 => file[at] ^= 1 << random.u8(..8),
                1 => file[at] = random.u8(..),
                2 => file.truncate(at),
                _ => file[at..].iter_mut().take(20).for_each(|byte| *byte = random.u8(..)),
            }
            fs::write(&path, &file).unwrap();
            let registry = open(dir.path());
            for stream in &streams {
                match registry.find(&StreamRef::by_name(&stream.name), now) {
                    Ok(found) => {
                        assert_eq!(format!("{found:?}"), format!("{stream:?}"), "round {round}");
                        unchanged += 1;
                    }
                    Err(_) => {
                        assert_eq!(stream.name, "door", "round {round}");
                        assert!(registry.is_set_aside("door") && path.with_extension(DAMAGED).exists());
                        aside += 1;
                    }
                }
            }
        }
        assert!(aside > 300 && unchanged >= 800, "{aside} {unchanged}");
    }

    /// A disk that fails for a moment must not cost a stream.
    #[cfg(unix)]
    #[test]
    fn a_record_that_cannot_be_read_now_is_not_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        open(dir.path()).create("door", Delays::default(), now, |_| {}).unwrap();
        let (path, kept) = (Folder(dir.path().to_owned()).path("door"), dir.path().join("kept"));
        fs::rename(&path, &kept).unwrap();
        // Reading a folder as a file is an error of the system, as a failing disk is.
        fs::create_dir(&path).unwrap();
        assert!(Folder(dir.path().to_owned()).load().is_err());
        assert!(!path.with_extension(DAMAGED).exists());
        fs::remove_dir(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
        assert!(open(dir.path()).find(&StreamRef::by_name("door"), now).is_ok());
    }

    #[test]
    fn a_stream_can_be_deleted_when_nothing_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, now) = (open(dir.path()), SystemTime::now());
        let stream = registry.create("door", Delays::default(), now, |_| {}).unwrap();
        // A folder in place of the draft makes writing fail, as a full disk does.
        let path = Folder(dir.path().to_owned()).path("door");
        fs::create_dir_all(path.with_extension("tmp").join("full")).unwrap();
        let wanted = StreamRef::by_arn(stream.arn);
        let changed = registry.change(&wanted, now, |stream| {
            stream.retention_hours = 1;
            Ok(())
        });
        assert!(changed.is_err());
        registry.delete(&wanted, now, |_| Ok(now)).unwrap();
        assert!(!path.exists());
        assert!(open(dir.path()).find(&StreamRef::by_name("door"), now).is_err(), "gone after a restart");
    }
}
