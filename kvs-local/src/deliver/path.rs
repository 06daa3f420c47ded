//! Where an object or a message lies on disk: never outside its folder.

use std::path::{Path, PathBuf};

use super::limits::{KEY_BYTES, KEY_PART_BYTES};

/// A name that could lead out of the folder, or that some system does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsafeName {
    /// The name as a whole is too long.
    #[error("a key of {size} bytes is longer than the limit of {limit}")]
    TooLong {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// One part of it cannot be the name of a file or folder.
    #[error("'{}' cannot be the name of a file or folder: {reason}", part.escape_debug())]
    Part {
        /// The part between two `/`.
        part: String,
        /// Why not.
        reason: &'static str,
    },
}

/// The path of `key` inside `folder`, one folder for each `/`.
pub(super) fn inside(folder: &Path, key: &str) -> Result<PathBuf, UnsafeName> {
    if key.len() > KEY_BYTES {
        return Err(UnsafeName::TooLong { size: key.len(), limit: KEY_BYTES });
    }
    let mut path = folder.to_owned();
    for part in key.split('/') {
        if let Some(reason) = fault(part) {
            return Err(UnsafeName::Part { part: part.to_owned(), reason });
        }
        path.push(part);
    }
    Ok(path)
}

/// The path of a single name inside `folder`.
pub(super) fn directly_inside(folder: &Path, name: &str) -> Result<PathBuf, UnsafeName> {
    if name.contains('/') {
        return Err(UnsafeName::Part { part: name.to_owned(), reason: "it has a separator" });
    }
    inside(folder, name)
}

/// What is wrong with a name, on any system: the same keys must do everywhere.
fn fault(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("it is empty");
    }
    if part.len() > KEY_PART_BYTES {
        return Some("it is longer than 200 bytes");
    }
    if part.bytes().all(|byte| byte == b'.') {
        return Some("it is made of dots");
    }
    if part.starts_with('.') {
        return Some("it begins with a dot");
    }
    if part.ends_with(['.', ' ']) {
        return Some("it ends with a dot or a blank");
    }
    if part.chars().any(|letter| letter.is_control() || r#"\:<>"|?*"#.contains(letter)) {
        return Some("it has a character that names cannot have");
    }
    is_device(part).then_some("Windows keeps it for a device")
}

/// `CON`, `nul.txt`, `COM1`, ...
/// <https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file>
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    number.is_some_and(|number| matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tricks_in_names_are_refused() {
        let folder = Path::new("/data/s3/bucket");
        let long = "x".repeat(KEY_PART_BYTES + 1);
        for trick in [
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
            assert!(inside(folder, trick).is_err(), "{trick:?}");
        }
        assert!(inside(folder, &"a/".repeat(600)).is_err());
        assert!(directly_inside(folder, "a/b").is_err());
    }

    #[test]
    fn honest_keys_keep_their_folders() {
        let folder = Path::new("/data/s3/bucket");
        let key = "gate/6_111122223333_demo.stream-1_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg";
        assert_eq!(inside(folder, key).unwrap(), folder.join(key));
        assert!(inside(folder, "Tür/日本_comet").is_ok());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_the_folder(key in "\\PC{0,40}|[./\\\\a:\\x00]{0,20}") {
            let folder = Path::new("/data/s3/bucket");
            if let Ok(path) = inside(folder, &key) {
                prop_assert!(path.starts_with(folder) && path != folder);
                let plain = path.components().all(|part| !matches!(part, std::path::Component::ParentDir));
                prop_assert!(plain, "{path:?}");
            }
        }
    }
}
