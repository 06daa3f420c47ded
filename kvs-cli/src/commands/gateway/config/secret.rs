//! Passwords and keys: never printed, and read from files too.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever signs or logs in with it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Reads the first line of a file. `path` may begin with `$CREDENTIALS_DIRECTORY` or another variable of the environment; a
    /// relative one counts from the folder of the configuration.
    pub(super) fn read(path: &str, folder: &Path) -> Result<Self, String> {
        let path = expand(path, folder)?;
        let refuse = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
        let mut text = String::new();
        let file = File::open(&path).map_err(refuse)?;
        file.take(BYTES + 1).read_to_string(&mut text).map_err(refuse)?;
        if text.len() as u64 > BYTES {
            return Err(format!("{} has more than {BYTES} bytes", path.display()));
        }
        match text.lines().next().unwrap_or_default() {
            "" => Err(format!("{} is empty", path.display())),
            line => Ok(Self(line.to_owned())),
        }
    }
}

/// Longest file with a secret.
const BYTES: u64 = 4096;

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Replaces a variable at the beginning of a path, and puts the folder in front of a relative one.
pub(super) fn expand(path: &str, folder: &Path) -> Result<PathBuf, String> {
    let Some(rest) = path.strip_prefix('$') else { return Ok(folder.join(path)) };
    let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    match std::env::var_os(name).filter(|value| !value.is_empty()) {
        Some(value) => Ok(Path::new(&value).join(rest)),
        None => {
            let hint = if name == "CREDENTIALS_DIRECTORY" { "; systemd sets it for LoadCredential=" } else { "" };
            Err(format!("the environment has no variable {name}{hint}"))
        }
    }
}
