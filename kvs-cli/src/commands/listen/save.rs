//! Saves messages as files.

use std::io;
use std::path::{Path, PathBuf};

use kvs_notify::Verified;

/// Writes `DIR/MESSAGE_ID.json`; a repeated message overwrites its file.
pub(super) async fn save(dir: &Path, message: &Verified<'_>) -> io::Result<PathBuf> {
    let id = message.message().message_id();
    // The id becomes a file name, so it must not name another directory.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the message id cannot be a file name"));
    }
    let json = serde_json::to_vec_pretty(message.message())?;
    tokio::fs::create_dir_all(dir).await?;
    let path = dir.join(format!("{id}.json"));
    tokio::fs::write(&path, json).await?;
    Ok(path)
}
