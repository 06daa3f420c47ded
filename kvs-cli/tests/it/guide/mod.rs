//! The guide, the READMEs and the crate pages: links, includes, command lines, and the shell blocks run as a reader runs them.
//!
//! A code block of the guide is one of these, so that nothing in it can be out of date:
//!
//! - an `{{#include}}` of a file that is compiled or tested;
//! - `sh`: run, all blocks of a page one after the other, in a folder that looks like a checkout;
//! - `sh,service`: run in the background until the page ends, such as `kvs-local`;
//! - `sh,needs-PROGRAM`: run if the program is there, else counted as skipped;
//! - `sh,moto`: calls of AWS, run against the emulator moto if that is there, else counted as skipped;
//! - `sh,REASON`: not run here, for one of [`NOT_RUN`]; its options are checked all the same;
//! - `text`: output, not for typing.

mod acks;
mod api;
mod blocks;
mod commands;
mod figures;
mod links;
#[cfg(unix)]
mod moto;
mod setups;
#[cfg(unix)]
mod shell;

use std::path::{Path, PathBuf};

/// Why a shell block is not run: it compiles programs, or needs an AWS account, a camera or a machine of another kind.
const NOT_RUN: [&str; 4] = ["build", "aws", "camera", "system"];

/// The top folder of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The pages of the guide.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<_> = markdown_in(&repository().join("guide/src"));
    assert!(pages.len() > 15, "{} pages", pages.len());
    pages.sort();
    pages
}

/// The pages of the guide and all other texts that a newcomer reads.
fn texts() -> Vec<PathBuf> {
    let root = repository();
    let mut texts = pages();
    texts.extend(markdown_in(&root));
    for folder in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("kvs-") || name == "examples" {
            texts.extend(markdown_in(&folder));
        }
    }
    texts.extend(["examples/alert", "examples/rekognition"].iter().map(|folder| root.join(folder).join("README.md")));
    texts.retain(|text| text.is_file());
    texts
}

fn markdown_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        .collect()
}

/// A path as messages show it.
fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}
