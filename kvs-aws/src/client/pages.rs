//! Reads lists page by page.

use crate::client::Client;
use crate::ops::archived::{FragmentPage, ListFragments};
use crate::ops::control::{ListStreams, ListTagsForStream, StreamPage, TagPage};
use crate::ops::images::get_images::{GetImages, ImagePage};
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::Operation;

/// An operation whose result has pages.
///
/// The trait is sealed, as [`Operation`] is.
pub trait PagedOperation: Operation + Clone {
    /// Requests the page after the one that returned `token`.
    #[must_use]
    fn after(self, token: String) -> Self;

    /// The token of the page after this one; `None` on the last page.
    fn token(page: &Self::Output) -> Option<&str>;
}

/// The pages of a list; created by [`Client::pages`].
///
/// A service that returns a token again would be asked for ever: that ends with an error, at the latest when twice as many
/// pages were read as come before the token's first return. Memory: two tokens.
#[derive(Debug)]
pub struct Pages<O> {
    client: Client,
    first: O,
    next: Next,
    watch: TokenWatch,
}

#[derive(Debug)]
enum Next {
    First,
    After(String),
    Nothing,
}

/// Notices that tokens repeat, in any cycle, with one of them in memory (Brent's algorithm).
#[derive(Debug, Default)]
struct TokenWatch {
    known: Option<String>,
    /// Tokens since the known one, and how many there may be before another one is remembered.
    since: u64,
    most: u64,
}

impl Client {
    /// Calls an operation page by page.
    ///
    /// ```no_run
    /// use kvs_aws::{Client, ListStreams};
    ///
    /// # async fn example(client: Client) -> Result<(), kvs_aws::Error> {
    /// let mut pages = client.pages(ListStreams::new());
    /// while let Some(page) = pages.next().await? {
    ///     for stream in page.streams {
    ///         println!("{}", stream.stream_name.unwrap_or_default());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pages<O: PagedOperation>(&self, first: O) -> Pages<O> {
        Pages { client: self.clone(), first, next: Next::First, watch: TokenWatch::default() }
    }
}

impl<O: PagedOperation> Pages<O> {
    /// Returns whether there is no further page, so that [`next`](Self::next) makes no call.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        matches!(self.next, Next::Nothing)
    }

    /// Returns the next page, or `None` after the last one.
    ///
    /// # Errors
    /// Returns the errors of the call, and [`ResponseProblem::RepeatedToken`] if the service returned a token again. The
    /// pages end with an error of either kind.
    pub async fn next(&mut self) -> Result<Option<O::Output>, Error> {
        let call = match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::First => self.first.clone(),
            Next::After(token) => self.first.clone().after(token),
            Next::Nothing => return Ok(None),
        };
        let page = self.client.send(call).await?;
        if let Some(token) = O::token(&page) {
            if self.watch.repeats(token) {
                let problem = ResponseProblem::RepeatedToken { token: token.chars().take(SHOWN).collect() };
                return Err(Error::Response { operation: O::NAME, problem });
            }
            self.next = Next::After(token.to_owned());
        }
        Ok(Some(page))
    }
}

impl TokenWatch {
    fn repeats(&mut self, token: &str) -> bool {
        if self.known.as_deref() == Some(token) {
            return true;
        }
        if self.since == self.most {
            self.known = Some(token.to_owned());
            self.most = (self.most * 2).max(1);
            self.since = 0;
        }
        self.since += 1;
        false
    }
}

/// Most characters of a token in an error: enough to find it in a log.
const SHOWN: usize = 64;

macro_rules! paged {
    ($($operation:ty => $page:ty),*) => {
        $(impl PagedOperation for $operation {
            fn after(self, token: String) -> Self {
                self.next_token(token)
            }

            fn token(page: &$page) -> Option<&str> {
                page.next_token.as_deref()
            }
        })*
    };
}

paged!(
    ListStreams => StreamPage,
    ListTagsForStream => TagPage,
    ListFragments => FragmentPage,
    GetImages => ImagePage
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cycle_of_tokens_is_found_and_nothing_else() {
        for before in 0..20 {
            for cycle in 1..20_u64 {
                let mut watch = TokenWatch::default();
                let token = |at: u64| if at < before { at } else { before + (at - before) % cycle };
                let found = (0..1000).find(|&at| watch.repeats(&token(at).to_string()));
                let found = found.expect("a cycle is found");
                assert!(found >= before + cycle && found <= 4 * (before + cycle), "{before} {cycle} {found}");
            }
        }
        let mut watch = TokenWatch::default();
        assert!((0..10_000).all(|at| !watch.repeats(&at.to_string())));
    }
}
