//! Files that must not lead out of the data folder: no symbolic link is followed, and only the owner reads keys.
//!
//! A link in the place of a lock or key file would let whoever put it there truncate its target, or read a key that is written
//! through it.

#[cfg(feature = "server")]
use std::fs::DirBuilder;
use std::fs::{self, File, OpenOptions};
use std::io;
#[cfg(feature = "server")]
use std::io::{Read, Write};
use std::path::Path;

/// Opens a lock file, or creates it, and leaves its contents alone.
///
/// # Errors
/// It is a symbolic link or not a file, or the file system failed.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    open(options, path)
}

/// Reads a file that only its owner may read; removes the permissions of group and others. `None` if the file does not exist.
///
/// # Errors
/// It is a symbolic link or not a file, or the file system failed.
#[cfg(feature = "server")]
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let mut options = OpenOptions::new();
    options.read(true);
    let mut file = match open(options, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Replaces a file, or creates it, with one that only its owner can read. A link in its place is replaced, not followed.
///
/// # Errors
/// Those of the file system.
#[cfg(feature = "server")]
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let mut file = create_with(Path::new(&draft), Readers::Owner)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// Creates the draft of a file that is renamed when it is whole. What is in its place, such as the rest of a crash or a link, is
/// removed first.
///
/// # Errors
/// Those of the file system.
pub(crate) fn create_draft(path: &Path) -> io::Result<File> {
    create_with(path, Readers::All)
}

/// Creates a folder that only its owner can access.
///
/// # Errors
/// There is already something with this name, or the file system failed.
#[cfg(feature = "server")]
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    #[cfg(feature = "server")]
    Owner,
}

fn create_with(path: &Path, readers: Readers) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // Fails if someone was faster, also with a link.
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers != Readers::All {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    options.open(path)
}

/// Opens a file but no link, no folder and no device.
fn open(mut options: OpenOptions, path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, opening a named pipe waits for its other end.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(not_a_file());
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

fn not_a_file() -> io::Error {
    io::Error::other("it is a symbolic link or no regular file, which is not opened: remove it")
}

#[cfg(all(test, unix, feature = "server"))]
#[expect(clippy::unwrap_used, reason = "tests only")]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_link_is_neither_followed_nor_its_target_changed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        assert!(open_lock(&link).is_err());
        assert!(read(&link).is_err());
        write(&link, "key").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!((read(&link).unwrap().as_deref(), mode(&link)), (Some("key"), 0o600));
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());

        let draft = dir.path().join("draft");
        symlink(&target, &draft).unwrap();
        create_draft(&draft).unwrap().write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        symlink(dir.path().join("missing"), dir.path().join("dangling")).unwrap();
        assert!(open_lock(&dir.path().join("dangling")).is_err());
        assert!(!dir.path().join("missing").exists());
        assert!(open_lock(dir.path()).is_err(), "a folder");
    }

    #[test]
    fn a_lock_file_keeps_its_contents_and_a_key_loses_the_rights_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        open_lock(&file).unwrap();
        assert_eq!(read(&file).unwrap().as_deref(), Some("text"));
        assert_eq!(mode(&file), 0o600);
        assert!(read(&dir.path().join("missing")).unwrap().is_none());
    }
}
