//! What the checks found.

use std::fmt::Display;

use serde_json::json;

use super::trouble::Trouble;
use crate::failure::Failure;
use crate::output::Output;

/// What was found, link by link.
#[derive(Debug)]
pub(super) struct Findings {
    output: Output,
    /// What is checked, in one noun phrase: a link of it is a finding.
    chain: &'static str,
    bad: u32,
    notes: u32,
}

impl Findings {
    pub(super) const fn new(output: Output, chain: &'static str) -> Self {
        Self { output, chain, bad: 0, notes: 0 }
    }

    pub(super) fn good(&self, link: &str, message: impl Display) {
        if !self.output.is_quiet() {
            let object = json!({"event": "finding", "level": "ok", "link": link, "message": message.to_string()});
            self.output.result(format_args!("ok    {link}: {message}"), &object);
        }
    }

    /// Reports what is not wrong, but may surprise.
    pub(super) fn note(&mut self, link: &str, message: impl Display, fix: &str) {
        self.notes += 1;
        self.print("note", link, message, fix);
    }

    pub(super) fn bad(&mut self, link: &str, message: impl Display, fix: &str) {
        self.bad += 1;
        self.print("BAD", link, message, fix);
    }

    /// Reports what ended the examination.
    pub(super) fn trouble(&mut self, trouble: &Trouble) {
        self.bad(trouble.link, &trouble.message, &trouble.fix);
    }

    fn print(&self, level: &str, link: &str, message: impl Display, fix: &str) {
        let object = json!({
            "event": "finding", "level": level.to_ascii_lowercase(), "link": link, "message": message.to_string(),
            "fix": fix,
        });
        self.output.result_lines(&[format!("{level:<5} {link}: {message}"), format!("      -> {fix}")], &object);
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        let object = json!({"event": "report", "bad": self.bad, "notes": self.notes});
        if self.bad == 0 {
            let text = format!("every link {} is in order ({} notes)", self.chain, self.notes);
            self.output.result(text, &object);
            return Ok(());
        }
        if self.output.is_json() {
            self.output.result("", &object);
        }
        Err(Failure::run(match self.bad {
            1 => format!("a link {} is broken, see above", self.chain),
            bad => format!("{bad} links {} are broken, see above", self.chain),
        }))
    }
}
