//! `report.json` for programs and `index.html` for people.

use std::io;
use std::path::Path;

use crate::journal::Journal;
use crate::page;

/// Writes both into `out`.
pub(crate) fn write(out: &Path, journal: &Journal, missing: &[String], timelapse: Option<&str>) -> io::Result<()> {
    std::fs::write(out.join("report.json"), serde_json::to_vec_pretty(journal)?)?;
    std::fs::write(out.join("index.html"), page::render(journal, missing, timelapse))
}
