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
    /// The key has no byte, or more than S3 allows.
    #[error("invalid object key: {size} bytes, expected 1 to {limit}")]
    KeySize {
        /// Length in bytes.
        size: usize,
        /// Largest length in bytes.
        limit: usize,
    },
    /// The name is not a valid file name.
    #[error("'{}' is not a valid file name", name.escape_debug())]
    Name {
        /// The name.
        name: String,
    },
}

/// Returns the path of an object inside `folder`, with one folder level per `/` of its key.
///
/// Every legal key has a path of its own. A part that is not a file name on Linux, macOS and Windows is escaped as in URLs: `a:b?` is
/// `a%3Ab%3F`, `..` is `%2E%2E`. An empty part is `%`. A long part is cut and ends in `%~` and a digest.
pub(super) fn inside(folder: &Path, key: &str) -> Result<PathBuf, UnsafeName> {
    if key.is_empty() || key.len() > S3_KEY_BYTES {
        return Err(UnsafeName::KeySize { size: key.len(), limit: S3_KEY_BYTES });
    }
    let mut path = folder.to_owned();
    path.extend(key.split('/').map(file_name));
    Ok(path)
}

/// Returns the path of a bucket or topic inside `folder`; their rules leave only plain file names.
pub(super) fn directly_inside(folder: &Path, name: &str) -> Result<PathBuf, UnsafeName> {
    if name.contains('/') || file_name(name) != name {
        return Err(UnsafeName::Name { name: name.to_owned() });
    }
    Ok(folder.join(name))
}

/// Returns the file name of a part of a key.
fn file_name(part: &str) -> String {
    if part.is_empty() {
        return "%".to_owned();
    }
    let last = part.chars().count().saturating_sub(1);
    let metadata = part.ends_with(METADATA_SUFFIX);
    let reserved = is_device(part);
    let mut name = String::with_capacity(part.len());
    for (at, letter) in part.chars().enumerate() {
        let at_an_end = (at == 0 && letter == '.') || (at == last && matches!(letter, '.' | ' '));
        // One escaped letter sets the name apart from a device and from the metadata of another object.
        let apart = (reserved && at == 0) || (metadata && at == last);
        if at_an_end || apart || letter.is_control() || r#"%\:<>"|?*"#.contains(letter) {
            let mut bytes = [0; 4];
            letter.encode_utf8(&mut bytes).bytes().for_each(|byte| name.push_str(&format!("%{byte:02X}")));
        } else {
            name.push(letter);
        }
    }
    if name.len() <= KEY_PART_BYTES { name } else { shortened(&name) }
}

/// Returns the start of a long name with a digest of all of it. `%~` is in no other name.
fn shortened(name: &str) -> String {
    let mut end = KEY_PART_BYTES - 2 * DIGEST_BYTES - 2;
    while !name.is_char_boundary(end) || name.get(end.saturating_sub(2)..end).is_some_and(|tail| tail.contains('%')) {
        end -= 1;
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let hex: String = digest.as_ref().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    format!("{}%~{hex}", name.get(..end).unwrap_or_default())
}

/// Bytes of the digest in a shortened name.
const DIGEST_BYTES: usize = 16;
/// What the file with the metadata of an object ends with.
pub(super) const METADATA_SUFFIX: &str = ".metadata.json";

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

    /// Keys of which each is legal in S3, and which have problems as file names.
    fn awkward() -> Vec<String> {
        let keys = [
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
            "\u{85}",
            "%",
            "%2E%2E",
            "a%3Ab",
            "a:b",
            "x.metadata.json",
            "x",
            "%~",
            "/",
            "//",
            " ",
            "~",
            "Tür/日本_comet",
        ];
        let long = ["x", "é", "%", ":"].map(|letter| letter.repeat(S3_KEY_BYTES / letter.len()));
        let other = long[0].replacen("xx", "xy", 1);
        let late = format!("{}y", &long[0][1..]);
        keys.map(str::to_owned).into_iter().chain(long).chain([other, late]).collect()
    }

    #[test]
    fn every_legal_key_has_a_path_of_its_own_inside_the_folder() {
        let folder = Path::new("/data/s3/bucket");
        let mut paths = std::collections::BTreeMap::new();
        for key in awkward() {
            let path = inside(folder, &key).unwrap();
            assert!(path.starts_with(folder) && path != folder, "{key:?}: {path:?}");
            let names = path.strip_prefix(folder).unwrap().to_str().unwrap().split('/');
            for name in names {
                assert!(
                    name == "%" || file_name(name) == name.replace('%', "%25") || name.contains("%~"),
                    "{key:?}: {name}"
                );
                assert!(
                    name.len() <= KEY_PART_BYTES && !name.starts_with('.') && !name.ends_with(['.', ' ']),
                    "{name}"
                );
            }
            assert_eq!(paths.insert(path, key.clone()), None, "{key:?}");
        }
        assert!(inside(folder, "").is_err() && inside(folder, &"a/".repeat(600)).is_err());
        for bucket in ["", ".", "..", "a/b", ".tmp", "a:b"] {
            assert!(directly_inside(folder, bucket).is_err(), "{bucket:?}");
        }
    }

    #[test]
    fn every_legal_key_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        for (number, key) in awkward().into_iter().enumerate() {
            // In a folder of its own: "a" cannot be a file and a folder at once.
            let path = inside(&dir.path().join(number.to_string()), &key).unwrap();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &key).unwrap_or_else(|error| panic!("{key:?}: {error}"));
        }
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
