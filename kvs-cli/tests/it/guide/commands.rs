//! Every option of a `kvs` command line in the texts exists.

use std::collections::HashMap;
use std::process::Command;

use super::blocks;
use super::texts;

/// The subcommands that have subcommands of their own.
const GROUPS: [&str; 3] = ["streams", "config", "iot"];

/// Returns the help of a command, such as `streams create`.
fn help(command: &str) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kvs")).args(command.split(' ')).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Returns the command lines of `kvs` in shell text: lines are joined at `\`, and cut at pipes, quotes and comments.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let pieces = joined
        .lines()
        .flat_map(|line| line.split(" #").next().unwrap_or_default().split(['|', ';', '&', '(', '"', '\'']));
    let words = pieces.map(|piece| piece.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words
        .filter(|words| words.first().is_some_and(|program| program == "kvs"))
        .map(|words| words[1..].to_vec())
        .collect()
}

#[test]
fn every_option_in_the_texts_exists() {
    let (mut helps, mut wrong, mut count) = (HashMap::new(), Vec::new(), 0);
    for block in texts().iter().flat_map(|page| blocks::of(page)).filter(|block| block.shell().is_some()) {
        for words in command_lines(&block.text) {
            count += 1;
            // Global options may stand in front of the command.
            let names: Vec<_> = words.iter().filter(|word| word.chars().all(|c| c.is_ascii_lowercase())).collect();
            let Some(first) = names.first() else { continue };
            let depth = if GROUPS.contains(&first.as_str()) { if *first == "config" { 3 } else { 2 } } else { 1 };
            let command = names.iter().take(depth).map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
            let Some(help) = helps.entry(command.clone()).or_insert_with(|| help(&command)) else {
                wrong.push(format!("{}: there is no `kvs {command}`", block.place()));
                continue;
            };
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or_default();
                let known = help.lines().any(|line| line.split([' ', ',', '=', '[']).any(|word| word == name));
                if !known {
                    wrong.push(format!("{}: `kvs {command}` has no option {name}", block.place()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 40, "only {count} command lines found");
}
