//! Every link, anchor and include of the texts leads somewhere.

use std::collections::HashSet;
use std::path::Path;

use super::api::sources;
use super::{pages, repository, shown, texts};

/// Returns the anchors of a text: those of its headings as Git hosts and mdBook make them, and those that are written out.
fn anchors(text: &str) -> HashSet<String> {
    let mut anchors = HashSet::new();
    for line in outside_code(text) {
        if let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) {
            let slug: String = title
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect();
            assert!(anchors.insert(slug.clone()), "two headings give the anchor #{slug}");
        }
        anchors.extend(line.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    anchors
}

/// Returns the lines that are not in code blocks.
fn outside_code(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    })
}

/// Returns the targets of `[text](target)` outside code.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in outside_code(text) {
        // What stands between backticks is no link.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        targets.extend(plain.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    targets
}

/// Says what is wrong with a link, or `None`.
fn fault(page: &Path, text: &str, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = page.parent().unwrap().join(file);
    let linked = match file {
        "" => text.to_owned(),
        // Folders show their README on Git hosts.
        _ if path.is_dir() => return None,
        _ if path.extension().is_some_and(|kind| kind == "md") => match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_) => return Some("no such file".to_owned()),
        },
        _ if path.is_file() => return None,
        _ => return Some("no such file".to_owned()),
    };
    let book = repository().join("guide/src");
    if page.starts_with(&book)
        && !file.is_empty()
        && !path.canonicalize().unwrap().starts_with(book.canonicalize().unwrap())
    {
        return Some("leads out of the guide, so the book that is built does not have it".to_owned());
    }
    match anchor {
        Some(anchor) if !anchors(&linked).contains(anchor) => Some(format!("no anchor #{anchor}")),
        _ => None,
    }
}

#[test]
fn every_link_leads_somewhere() {
    let (mut checked, mut elsewhere, mut wrong) = (0, 0, Vec::new());
    for page in texts() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                elsewhere += 1;
            } else {
                checked += 1;
                wrong.extend(fault(&page, &text, &target).map(|fault| format!("{}: {target}: {fault}", shown(&page))));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} links found");
    println!("{checked} links checked; {elsewhere} lead to other sites and are not");
}

#[test]
fn every_page_that_a_message_names_exists() {
    let mut found = HashSet::new();
    let texts = texts().into_iter().map(|page| std::fs::read_to_string(page).unwrap());
    for text in sources().into_iter().chain(texts) {
        for (at, _) in text.match_indices("guide/src/") {
            let name = text[at..].split(|c: char| !c.is_alphanumeric() && !"/-._".contains(c)).next().unwrap();
            found.insert(name.trim_end_matches('.').to_owned());
        }
    }
    let missing: Vec<_> = found.iter().filter(|page| !repository().join(page).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(found.contains("guide/src/errors.md") && found.contains("guide/src/iot.md"), "{found:?}");
}

#[test]
fn the_check_of_links_finds_what_is_wrong() {
    let page = repository().join("guide/src/introduction.md");
    let text =
        "# A title: with signs\n[a](#a-title-with-signs) `[no](link)`\n```sh\n# no heading\n```\n<a id=\"own\"></a>\n";
    assert_eq!(targets(text), ["#a-title-with-signs"]);
    for good in ["#a-title-with-signs", "#own", "SUMMARY.md"] {
        assert_eq!(fault(&page, text, good), None, "{good}");
    }
    for bad in ["#no-heading", "#no", "nowhere.md", "../../README.md", "SUMMARY.md#nothing"] {
        assert!(fault(&page, text, bad).is_some(), "{bad}");
    }
}

#[test]
fn every_include_exists() {
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("{{#include ").skip(1) {
            let (target, _) =
                rest.split_once("}}").unwrap_or_else(|| panic!("{}: an include has no end", shown(&page)));
            let (file, anchor) = target.split_once(':').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
            let included = std::fs::read_to_string(page.parent().unwrap().join(file))
                .unwrap_or_else(|error| panic!("{}: {file}: {error}", shown(&page)));
            for mark in anchor.iter().flat_map(|anchor| [format!("ANCHOR: {anchor}"), format!("ANCHOR_END: {anchor}")])
            {
                let found = included.lines().filter(|line| line.trim_end().ends_with(&mark)).count();
                assert_eq!(found, 1, "{}: {mark} in {file}", shown(&page));
            }
            count += 1;
        }
    }
    assert!(count > 5, "only {count} includes found");
}

#[test]
fn the_summary_names_every_page() {
    let book = repository().join("guide/src");
    let summary = std::fs::read_to_string(book.join("SUMMARY.md")).unwrap();
    let listed: HashSet<_> = targets(&summary).into_iter().map(|target| book.join(target)).collect();
    let there: HashSet<_> = pages().into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
    assert_eq!(listed, there);
}

#[test]
fn crate_pages_are_short() {
    // A screen and a half; what is longer belongs into the guide or the documentation of the crate.
    const LINES: usize = 110;
    for page in
        texts().into_iter().filter(|page| page.ends_with("README.md") && !page.starts_with(repository().join("guide")))
    {
        let lines = std::fs::read_to_string(&page).unwrap().lines().count();
        assert!(lines <= LINES, "{} has {lines} lines", shown(&page));
    }
}
