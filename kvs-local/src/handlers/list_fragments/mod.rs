//! ListFragments: which fragments a stream has, page by page.

mod page;

#[cfg(test)]
pub(crate) use page::InvalidListing;
pub(crate) use page::Listing;
