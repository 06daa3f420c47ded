//! `report.json` for programs and `index.html` for people.

use std::io;
use std::path::Path;

use minijinja::{Environment, Value, context};
use serde::Serialize;

use crate::journal::Journal;

/// Writes both into `out`.
pub(crate) fn write(out: &Path, journal: &Journal, missing: &[String], timelapse: Option<&str>) -> io::Result<()> {
    std::fs::write(out.join("report.json"), serde_json::to_vec_pretty(journal)?)?;
    std::fs::write(out.join("index.html"), page(journal, missing, timelapse).map_err(io::Error::other)?)
}

fn page(journal: &Journal, missing: &[String], timelapse: Option<&str>) -> Result<String, minijinja::Error> {
    let mut templates = Environment::new();
    // The name's ending turns escaping on.
    templates.add_template("index.html", include_str!("report.html"))?;
    let offset = |timestamp: u64| seconds_between(journal.start_ms, timestamp);
    let fragments: Vec<Value> = journal
        .fragments
        .values()
        .map(|one| with(one, context! { offset => offset(one.timecode), lost => !one.is_persisted() }))
        .collect();
    let images: Vec<Value> = journal
        .images
        .iter()
        .map(|one| with(one, context! { offset => offset(one.timecode), url => url_of(&one.path) }))
        .collect();
    let notifications: Vec<Value> = journal
        .notifications
        .iter()
        .map(|one| with(one, context! { offset => offset(one.producer_timestamp) }))
        .collect();
    let pictures: Vec<Value> = journal
        .pictures
        .iter()
        .map(|one| with(one, context! { offset => offset(one.timestamp), url => one.path.as_deref().map(url_of) }))
        .collect();
    templates
        .get_template("index.html")?
        .render(context! { journal, missing, timelapse, fragments, images, notifications, pictures })
}

/// The fields of `record` and those of `more` as one.
fn with(record: &impl Serialize, more: Value) -> Value {
    let record = Value::from_serialize(record);
    context! { ..more, ..record }
}

/// A relative path as a relative URL.
fn url_of(path: &str) -> String {
    path.replace('%', "%25").replace('#', "%23").replace('?', "%3F")
}

fn seconds_between(start_ms: u64, at_ms: u64) -> String {
    let ms = at_ms.saturating_sub(start_ms);
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Picture;

    #[test]
    fn text_from_outside_is_escaped() {
        let mut journal = Journal { stream: "<script>".to_owned(), start_ms: 500, ..Journal::default() };
        journal.pictures.push(Picture { timestamp: 7540, path: Some("images/7#540.jpg".to_owned()), error: None });
        let html = page(&journal, &["<b>".to_owned()], Some("timelapse.mp4")).unwrap();
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("&lt;b&gt;"));
        assert!(html.contains("7.040") && html.contains("images&#x2f;7%23540.jpg"), "{html}");
    }
}
