//! The page of error ids: an anchor for each, with the words that the producer prints.

use kvs_producer::{ErrorId, error_page};

use super::repository;

#[test]
fn every_error_id_has_its_place_in_the_guide() {
    for id in ErrorId::ALL.iter().copied().chain([ErrorId(4999)]) {
        let page = error_page(id);
        let (file, anchor) = page.split_once('#').unwrap();
        let text = std::fs::read_to_string(repository().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let begins =
            text.find(&format!("<a id=\"{anchor}\"></a>")).unwrap_or_else(|| panic!("{file} has no anchor {anchor}"));
        let section = &text[begins..];
        let section = section.split("\n<a id=").next().unwrap();
        let Some(code) = id.code() else { continue };
        for part in [code, "**Cause.**", "**What the producer does.**", "**Cure.**"] {
            assert!(section.contains(part), "{id}: {part} is missing in {section}");
        }
    }
}
