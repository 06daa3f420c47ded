//! A TOML document that is read field by field, and what is wrong with it: file, line, field and reason.
//!
//! Every value is taken by name; what was not taken at the end is unknown and refused. A refusal never shows the value of a secret.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    file: String,
    line: usize,
    field: String,
    reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, field, reason } = self;
        if field.is_empty() {
            write!(f, "{file}:{line}: {reason}")
        } else {
            write!(f, "{file}:{line}: {field}: {reason}")
        }
    }
}

/// The text of a document, and what was refused so far.
pub(super) struct Report<'d> {
    file: &'d Path,
    text: &'d str,
    refusals: RefCell<Vec<Refusal>>,
}

impl<'d> Report<'d> {
    pub(super) const fn new(file: &'d Path, text: &'d str) -> Self {
        Self { file, text, refusals: RefCell::new(Vec::new()) }
    }

    /// Parses the document. An error of syntax is the only refusal then.
    pub(super) fn parse(&self) -> Option<Spanned<DeTable<'d>>> {
        match DeTable::parse(self.text) {
            Ok(table) => Some(table),
            Err(error) => {
                // Only the message: the error itself prints the line, which may hold a password.
                self.refuse(&error.span().unwrap_or_default(), String::new(), error.message().to_owned());
                None
            }
        }
    }

    fn refuse(&self, at: &Range<usize>, field: String, reason: String) {
        let before = self.text.as_bytes().get(..at.start).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.refusals.borrow_mut().push(Refusal { file: self.file.display().to_string(), line, field, reason });
    }

    pub(super) fn into_refusals(self) -> Vec<Refusal> {
        let mut refusals = self.refusals.into_inner();
        refusals.sort_by_key(|refusal| refusal.line);
        refusals
    }
}

/// A table of the document.
pub(super) struct Section<'d> {
    report: &'d Report<'d>,
    path: String,
    at: Range<usize>,
    table: &'d DeTable<'d>,
    taken: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(super) fn root(report: &'d Report<'d>, table: &'d Spanned<DeTable<'d>>) -> Self {
        Self { report, path: String::new(), at: 0..0, table: table.get_ref(), taken: Vec::new() }
    }

    /// Text. Nothing of the value is in a refusal.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            other => {
                self.refuse(key, format!("must be text in quotes, not {} {}", article(other), other.type_str()));
                None
            }
        }
    }

    /// Text or a number, as `parse` reads it. The reason quotes the value, so it is not for secrets.
    pub(super) fn parsed<T>(&mut self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = match self.value(key)?.get_ref() {
            DeValue::String(text) => parse(text),
            DeValue::Integer(number) if number.radix() == 10 => parse(number.as_str()),
            DeValue::Float(number) => parse(number.as_str()),
            other => Err(format!("must be text or a number, not {} {}", article(other), other.type_str())),
        };
        parsed.map_err(|reason| self.refuse(key, reason)).ok()
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?.get_ref();
        if value.as_bool().is_none() {
            self.refuse(key, "must be true or false".to_owned());
        }
        value.as_bool()
    }

    /// A table of names and texts, in the order of the names.
    pub(super) fn pairs(&mut self, key: &'static str) -> Vec<(String, String)> {
        let Some(table) = self.section(key) else { return Vec::new() };
        let mut pairs = Vec::new();
        for (name, value) in table.table {
            match value.get_ref().as_str() {
                Some(text) => pairs.push((name.get_ref().to_string(), text.to_owned())),
                None => {
                    let field = format!("{}.{}", table.path, name.get_ref());
                    self.report.refuse(&value.span(), field, "must be text in quotes".to_owned());
                }
            }
        }
        pairs
    }

    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let value = self.value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.refuse(key, format!("must be a table: [{}]", self.field(key)));
            return None;
        };
        Some(self.child(key, &value.span(), table))
    }

    /// The tables below a key with their names, such as `[camera.door]`.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<(String, Self)> {
        let Some(parent) = self.section(key) else { return Vec::new() };
        let mut sections = Vec::new();
        for (name, value) in parent.table {
            let name = name.get_ref().to_string();
            match value.get_ref().as_table() {
                Some(table) => {
                    let section = parent.child(&name, &value.span(), table);
                    sections.push((name, section));
                }
                None => {
                    let reason = format!("must be a table: [{key}.NAME]");
                    self.report.refuse(&value.span(), format!("{key}.{name}"), reason);
                }
            }
        }
        sections
    }

    fn child(&self, name: &str, at: &Range<usize>, table: &'d DeTable<'d>) -> Self {
        Self { report: self.report, path: self.field(name), at: at.clone(), table, taken: Vec::new() }
    }

    fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.taken.push(key);
        self.table.get(key)
    }

    /// Whether the document has the field.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Refuses a field: at its line, or where it is missing at the line of its table.
    pub(super) fn refuse(&self, key: &str, reason: String) {
        let at = self.table.get(key).map_or_else(|| self.at.clone(), Spanned::span);
        self.report.refuse(&at, self.field(key), reason);
    }

    /// Refuses the table itself.
    pub(super) fn refuse_all(&self, reason: String) {
        self.report.refuse(&self.at, self.path.clone(), reason);
    }

    fn field(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) {
        for (name, _) in self.table.iter().filter(|(name, _)| !self.taken.contains(&name.get_ref().as_ref())) {
            let reason = format!("unknown field; known are {}", self.taken.join(", "));
            self.report.refuse(&name.span(), self.field(name.get_ref()), reason);
        }
    }
}

fn article(value: &DeValue<'_>) -> &'static str {
    if matches!(value, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" }
}
