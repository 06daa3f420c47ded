//! An error with its causes on one line, for log lines and reports.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources, separated by `: `.
///
/// The errors of this family leave the cause to `source()`. Some other crates repeat it in their own text: such a source is
/// not printed a second time.
#[expect(clippy::exhaustive_structs, reason = "a wrapper around one reference")]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !last.contains(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect to {0}")]
    struct Connect(&'static str, #[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Repeating(#[source] Connect);

    #[test]
    fn prints_each_cause_once() {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let connect = Connect("proxy:3128", refused());
        assert_eq!(ErrorChain(&connect).to_string(), "cannot connect to proxy:3128: connection refused");
        let repeating = Repeating(Connect("proxy:3128", refused()));
        assert_eq!(ErrorChain(&repeating).to_string(), "cannot connect to proxy:3128: connection refused");
    }
}
