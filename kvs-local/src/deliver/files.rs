//! Files of objects and messages: their paths, which never leave the folder, and writing them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kvs_types::limits::S3_KEY_BYTES;

use super::limits::KEY_PART_BYTES;
use crate::private_file;

/// A name that could lead out of its folder, or that is not a file name on every system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeName {
    /// The key is too long.
    #[error("object key too long: {size} bytes, limit {limit}")]
    TooLong {
        /// Length in bytes.
        size: usize,
        /// Largest length in bytes.
        limit: usize,
    },
    /// A part of the key is not a valid file name.
    #[error("'{}' is not a valid file name: {reason}", part.escape_debug())]
    Part {
        /// The part between two `/`.
        part: String,
        /// The cause.
        reason: &'static str,
    },
}

/// Returns the path of `key` inside `folder`, with one folder level per `/`.
pub(super) fn inside(folder: &Path, key: &str) -> Result<PathBuf, UnsafeName> {
    if key.len() > S3_KEY_BYTES {
        return Err(UnsafeName::TooLong { size: key.len(), limit: S3_KEY_BYTES });
    }
    let mut path = folder.to_owned();
    for part in key.split('/') {
        if let Some(reason) = problem(part) {
            return Err(UnsafeName::Part { part: part.to_owned(), reason });
        }
        path.push(part);
    }
    Ok(path)
}

/// Returns the path of a name without `/` inside `folder`.
pub(super) fn directly_inside(folder: &Path, name: &str) -> Result<PathBuf, UnsafeName> {
    if name.contains('/') {
        return Err(UnsafeName::Part { part: name.to_owned(), reason: "it contains a separator" });
    }
    inside(folder, name)
}

/// Returns why a name is not a valid file name on Linux, macOS or Windows: keys must work on all of them.
fn problem(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("it is empty");
    }
    if part.len() > KEY_PART_BYTES {
        return Some("it is longer than 200 bytes");
    }
    if part.bytes().all(|byte| byte == b'.') {
        return Some("it consists of dots");
    }
    if part.starts_with('.') {
        return Some("it starts with a dot");
    }
    if part.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a space");
    }
    if part.chars().any(|letter| letter.is_control() || r#"\:<>"|?*"#.contains(letter)) {
        return Some("it contains a character that file names must not contain");
    }
    is_device(part).then_some("it is a device name on Windows")
}

/// Returns whether Windows reserves the name, with or without an extension: `CON`, `nul.txt`, `COM1`, ...
/// <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"))
}

/// Creates or replaces a file.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private_file::create_draft(path)?;
    file.write_all(content)?;
    file.flush()
}

/// Writes a file under a temporary name and renames it, so that a reader sees the whole file or none.
pub(super) fn write_whole(path: &Path, temporary: &Path, content: &[u8]) -> io::Result<()> {
    write(temporary, content)?;
    fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rejects_names_that_leave_the_folder() {
        let folder = Path::new("/data/s3/bucket");
        let long = "x".repeat(KEY_PART_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            "...",
            "../x",
            "a/../../x",
            "a/..",
            "/etc/passwd",
            "a//b",
            "a/",
            "a\0b",
            "a\\..\\b",
            "C:x",
            "x:y",
            "\\\\host\\share",
            "a\nb",
            ".hidden",
            ".tmp/x",
            "dot.",
            "blank ",
            "CON",
            "nul.jpg",
            "com1.x/y",
            "a|b",
            "a?",
            "*",
            "\u{7f}",
            &long,
        ] {
            assert!(inside(folder, name).is_err(), "{name:?}");
        }
        assert!(inside(folder, &"a/".repeat(600)).is_err());
        assert!(directly_inside(folder, "a/b").is_err());
    }

    #[test]
    fn accepts_keys_with_folders() {
        let folder = Path::new("/data/s3/bucket");
        let key = "gate/6_111122223333_demo.stream-1_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg";
        assert_eq!(inside(folder, key).unwrap(), folder.join(key));
        assert!(inside(folder, "Tür/日本_comet").is_ok());
    }

    proptest! {
        #[test]
        fn every_accepted_path_is_inside_the_folder(key in "\\PC{0,40}|[./\\\\a:\\x00]{0,20}") {
            let folder = Path::new("/data/s3/bucket");
            if let Ok(path) = inside(folder, &key) {
                prop_assert!(path.starts_with(folder) && path != folder);
                let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
                prop_assert!(plain, "{path:?}");
            }
        }
    }
}
