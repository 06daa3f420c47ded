//! The code blocks of a text.

use std::path::{Path, PathBuf};

use super::{NOT_RUN, pages, shown};

/// A code block between fences.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) page: PathBuf,
    /// The line of the opening fence, from 1.
    pub(super) line: usize,
    /// What stands behind the opening fence.
    pub(super) info: String,
    pub(super) text: String,
}

impl Block {
    /// The parts of the info string behind `sh,`; `None` if the block is not for a shell.
    pub(super) fn shell(&self) -> Option<&str> {
        match self.info.split_once(',') {
            Some(("sh", how)) => Some(how),
            None if self.info == "sh" => Some(""),
            _ => None,
        }
    }

    pub(super) fn place(&self) -> String {
        format!("{}:{}", shown(&self.page), self.line)
    }
}

/// Returns the code blocks of a text.
pub(super) fn of(page: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(page).unwrap();
    let (mut blocks, mut open) = (Vec::new(), None::<Block>);
    for (number, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let (page, info) = (page.to_owned(), info.trim().to_owned());
                open = Some(Block { page, line: number + 1, info, text: String::new() });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{}: a code block has no end", shown(page));
    blocks
}

#[test]
fn code_of_the_guide_is_included_or_run() {
    let mut wrong = Vec::new();
    for block in pages().iter().flat_map(|page| of(page)) {
        let included = block.text.trim().starts_with("{{#include ") && block.text.trim().lines().count() == 1;
        let good = match block.shell() {
            Some(how) => {
                how.is_empty()
                    || how == "service"
                    || how == "moto"
                    || how.starts_with("needs-")
                    || NOT_RUN.contains(&how)
            }
            None => block.info == "text" || included,
        };
        if !good {
            wrong.push(format!("{}: a block of {:?} is neither an include nor run", block.place(), block.info));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
