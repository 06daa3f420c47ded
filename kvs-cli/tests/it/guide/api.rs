//! Names of the API that stand in sentences and tables exist. Code blocks are compiled; these are not.

use std::path::{Path, PathBuf};

use super::{repository, shown, texts};

/// Types of the standard library.
const OF_RUST: [&str; 3] = ["Duration", "Instant", "SystemTime"];

/// Returns the sources of the published crates.
pub(super) fn sources() -> Vec<String> {
    let root = repository();
    let crates = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = crates.map(|folder| folder.join("src")).filter(|src| src.is_dir()).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                sources.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    sources
}

/// Returns the paths such as `ProducerConfig::new` and the calls such as `producer.stop(` between backticks, as pairs; a call
/// has no type.
fn names(text: &str) -> Vec<(String, String)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut names, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        if inside || fence {
            continue;
        }
        for span in line.split('`').skip(1).step_by(2) {
            for (at, _) in span.match_indices("::") {
                let of = span[..at].rsplit(|c| !is_name(c)).next().unwrap_or_default();
                let name = span[at + 2..].split(|c| !is_name(c)).next().unwrap_or_default();
                // Modules are lower case.
                if of.starts_with(char::is_uppercase) && !name.is_empty() {
                    names.push((of.to_owned(), name.to_owned()));
                }
            }
            for variable in ["producer.", "client."] {
                if let Some((call, _)) = span.strip_prefix(variable).and_then(|rest| rest.split_once('(')) {
                    names.push((String::new(), call.to_owned()));
                }
            }
        }
    }
    names
}

/// Whether a source defines the type, or a part of its methods, and the name.
fn defines(source: &str, of: &str, name: &str) -> bool {
    let starts = |line: &str, word: &str| {
        line.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    if !source.contains(of) || !source.contains(name) {
        return false;
    }
    let has_type = of.is_empty()
        || source.lines().any(|line| {
            let plain = line.trim_start().trim_start_matches("pub ");
            ["struct ", "enum ", "trait ", "type "]
                .iter()
                .any(|kind| plain.strip_prefix(kind).is_some_and(|rest| starts(rest, of)))
                || plain.starts_with("impl") && line.split(|c: char| !c.is_alphanumeric()).any(|word| word == of)
        });
    has_type
        && source.lines().any(|line| {
            let line = line.trim_start().trim_start_matches("pub ");
            // A function, a field, a variant, or a setter that a macro writes from `name: Type`.
            line.split_once("fn ").is_some_and(|(before, rest)| !before.contains("//") && starts(rest, name))
                || !of.is_empty() && starts(line, name) && line[name.len()..].starts_with([',', '(', ':', ' ', ';'])
        })
}

#[test]
fn names_of_the_api_in_the_texts_exist() {
    let (sources, mut count, mut wrong) = (sources(), 0, Vec::new());
    let is_read = |page: &&PathBuf| !page.ends_with(Path::new("CHANGELOG.md"));
    for page in texts().iter().filter(is_read) {
        for (of, name) in names(&std::fs::read_to_string(page).unwrap()) {
            count += 1;
            if !OF_RUST.contains(&of.as_str()) && !sources.iter().any(|source| defines(source, &of, &name)) {
                wrong.push(format!("{}: there is no {of}::{name}", shown(page)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} names found");
}

#[test]
fn the_lines_of_cargo_toml_are_enough_for_the_programs_beside_them() {
    let root = repository();
    let lines = std::fs::read_to_string(root.join("guide/src/dependencies.toml")).unwrap();
    let (of_program, of_test) = lines.split_once("[dev-dependencies]").unwrap();
    let names = |part: &str| -> Vec<String> {
        part.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
    };
    let (of_program, of_test) = (names(of_program), names(of_test));
    for name in of_program.iter().chain(&of_test).filter(|name| name.starts_with("kvs-")) {
        assert!(lines.contains(&format!("\n{name} = {{ path = \"../kinesis-video/{name}\" }}\n")), "{name}");
        assert!(root.join(name).join("Cargo.toml").is_file(), "{name}");
    }
    let programs = ["examples/camera.rs", "examples/pipe.rs", "examples/images.rs", "tests/it/with_kvs_local.rs"];
    for program in programs {
        let text = std::fs::read_to_string(root.join("examples").join(program)).unwrap();
        for used in text.lines().filter_map(|line| line.strip_prefix("use ")?.split("::").next()) {
            let name = used.replace('_', "-");
            // The encoder of camera.rs is named beside it.
            let known = used == "std" || name.starts_with("rusty-h264") || of_program.contains(&name);
            assert!(known || program.starts_with("tests/") && of_test.contains(&name), "{program} uses {used}");
        }
    }
}

#[test]
fn the_check_of_names_finds_what_is_wrong() {
    let text = "`Tag::new(a)` `producer.put_tag(tag)` `Event::Lost` `module::function`\n```rust\nTag::other()\n```\n";
    let expected =
        [("Tag", "new"), ("Event", "Lost"), ("", "put_tag")].map(|(of, name)| (of.to_owned(), name.to_owned()));
    let mut found = names(text);
    found.sort_by_key(|(of, _)| std::cmp::Reverse(of.clone()));
    assert_eq!(found, expected);
    let source = "pub struct Tag;\nimpl Tag {\n    pub fn once() {}\n    // fn new()\n    retry: bool;\n}\n";
    assert!(defines(source, "Tag", "once") && defines(source, "Tag", "retry") && defines(source, "", "once"));
    for (of, name) in [("Tag", "new"), ("Ta", "once"), ("Tag", "onc"), ("", "retry")] {
        assert!(!defines(source, of, name), "{of}::{name}");
    }
}
