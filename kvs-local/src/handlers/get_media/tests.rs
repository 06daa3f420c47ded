//! GetMedia, GetMediaForFragmentList and ListFragments against a store, read back by a parser.

use std::time::{Instant, SystemTime};

use kvs_mkv::{Chunks, Event, Limits, Parser};
use kvs_types::{FragmentNumber, StartSelector, TimestampOrigin, tag_names};

use super::reader::*;
use super::selector::{self, InvalidSelector};
use crate::handlers::get_media_for_fragment_list::FragmentList;
use crate::handlers::list_fragments::{InvalidListing, Listing, Visibility};
use crate::handlers::media_response::service_tags;
use crate::ingest::{IngestedFragment, Now, NumberParts};
use crate::store::testing::{MS, at, fragment};
use crate::store::{Keep, Selection, Store, StorePolicy};

struct StoredStream {
    store: Store,
    put: Vec<IngestedFragment>,
    dir: tempfile::TempDir,
}

/// Fragments 1 to 5 of one second each, a gap of one second, and fragment 6.
fn stored_stream() -> StoredStream {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StorePolicy::default()).unwrap();
    let put: Vec<_> = [0, 1, 2, 3, 4, 6].into_iter().zip(1..).map(|(s, n)| fragment(n, s * 1000, 5000)).collect();
    for fragment in &put {
        store.append("door", fragment).unwrap();
    }
    StoredStream { store, put, dir }
}

fn now() -> Now {
    Now { at: Instant::now(), wall: at(10_000) }
}

/// Reads a body up to the live edge.
fn body(store: &Store, start: StartSelector) -> (Vec<u64>, Chunks) {
    let (mut reader, mut numbers, mut all) = (MediaReader::new(start), Vec::new(), Chunks::new());
    while let Read::Media { number, bytes } = reader.read(store, "door", now()).unwrap() {
        numbers.push(NumberParts::of(&number).unwrap().sequence);
        all.append(bytes);
    }
    (numbers, all)
}

fn tags_of(bytes: &Chunks) -> Vec<(String, String)> {
    let mut parser = Parser::new(Limits::default());
    for piece in bytes {
        parser.push(piece.clone());
    }
    let mut tags = Vec::new();
    while let Some(event) = parser.next_event().unwrap() {
        if let Event::Tags(group) = event {
            tags.extend(group.into_iter().map(|tag| (tag.name, tag.value)));
        }
    }
    parser.finish().unwrap();
    tags
}

#[test]
fn each_selector_starts_at_its_fragment() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let numbers = |start| body(&store, start).0;
    assert_eq!(numbers(StartSelector::Now), [6]);
    assert_eq!(numbers(StartSelector::Earliest), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(StartSelector::AfterFragment(put[3].number.clone())), [5, 6]);
    assert_eq!(numbers(StartSelector::AfterFragment(put[5].number.clone())), [0; 0]);
    assert_eq!(numbers(StartSelector::ProducerTimestamp(at(3800))), [4, 5, 6]);
    // A fragment ends with its last frame.
    assert_eq!(numbers(StartSelector::ProducerTimestamp(at(3801))), [5, 6]);
    assert_eq!(numbers(StartSelector::ProducerTimestamp(at(4000))), [5, 6]);
    assert_eq!(numbers(StartSelector::ProducerTimestamp(at(5500))), [6]);
    assert_eq!(numbers(StartSelector::ServerTimestamp(at(4299))), [4, 5, 6]);
    assert_eq!(numbers(StartSelector::ProducerTimestamp(SystemTime::UNIX_EPOCH)), [1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(StartSelector::ProducerTimestamp(at(7000))), [0; 0]);
}

#[test]
fn unknown_fragment_number_is_error_4000_in_the_body() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let trimmed = NumberParts::of(&put[0].number).unwrap();
    let other = NumberParts::new(trimmed.sequence, trimmed.server_ms, trimmed.random ^ 1).number();
    for number in ["1".parse().unwrap(), other] {
        let mut reader = MediaReader::new(StartSelector::AfterFragment(FragmentNumber::clone(&number)));
        let Read::Media { bytes, .. } = reader.read(&store, "door", now()).unwrap() else { panic!("no error") };
        let tags = tags_of(&bytes);
        let values: Vec<_> = tags.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["FRAGMENT_NOT_FOUND", "4000", number.as_str()]);
        assert_eq!(reader.read(&store, "door", now()).unwrap(), Read::End);
    }
}

#[test]
fn fragments_that_retention_removed_before_they_were_read_are_skipped() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let mut reader = MediaReader::new(StartSelector::Earliest);
    let mut next = || match reader.read(&store, "door", now()).unwrap() {
        Read::Media { number, .. } => NumberParts::of(&number).unwrap().sequence,
        other => panic!("{other:?}"),
    };
    assert_eq!(next(), 1);
    store.trim("door", Keep { since: put[3].server_timestamp, bytes: u64::MAX }).unwrap();
    assert_eq!((next(), next(), next()), (4, 5, 6));
}

#[test]
fn now_on_an_empty_stream_starts_at_the_first_fragment_stored_later() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let mut reader = MediaReader::new(StartSelector::Now);
    assert!(matches!(reader.read(&store, "window", now()).unwrap(), Read::Wait { .. }));
    store.append("window", &put[0]).unwrap();
    store.append("window", &put[1]).unwrap();
    let Read::Media { number, .. } = reader.read(&store, "window", now()).unwrap() else { panic!("no media") };
    assert_eq!(number, put[0].number);
}

#[test]
fn returns_media_byte_for_byte_between_service_tags() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let mut reader = MediaReader::new(StartSelector::Earliest);
    let Read::Media { number, bytes } = reader.read(&store, "door", now()).unwrap() else { panic!("no media") };
    let put = &put[0];
    assert_eq!(number, put.number);
    let names = |parts: &[(&str, &str)]| service_tags::tags(parts);
    let in_front = names(&[
        ("AWS_KINESISVIDEO_FRAGMENT_NUMBER", number.as_str()),
        ("AWS_KINESISVIDEO_SERVER_TIMESTAMP", "1700000000.500"),
        ("AWS_KINESISVIDEO_PRODUCER_TIMESTAMP", "1700000000.000"),
    ]);
    let behind = names(&[
        ("AWS_KINESISVIDEO_MILLIS_BEHIND_NOW", "8700"),
        ("AWS_KINESISVIDEO_CONTINUATION_TOKEN", number.as_str()),
    ]);
    let mut expected = put.header.clone();
    expected.push(in_front);
    expected.append(put.cluster.clone());
    expected.append(put.trailing.clone());
    expected.push(behind);
    assert_eq!(bytes, expected);
}

#[test]
fn body_contains_all_frames_that_were_put() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let (_, bytes) = body(&store, StartSelector::Earliest);
    let mut parser = Parser::new(Limits::default());
    let mut frames = Vec::new();
    for piece in &bytes {
        parser.push(piece.clone());
        while let Some(event) = parser.next_event().unwrap() {
            if let Event::Frame(frame) = event {
                frames.push(frame);
            }
        }
    }
    assert!(frames.into_iter().eq(put.iter().flat_map(IngestedFragment::frames)));
}

#[test]
fn live_edge_waits_three_seconds_and_continues_with_a_new_fragment() {
    let StoredStream { store, dir: _dir, .. } = stored_stream();
    let mut reader = MediaReader::new(StartSelector::Now);
    let start = now();
    let after = |ms: u64| Now { at: start.at + MS(ms), ..start };
    assert!(matches!(reader.read(&store, "door", after(0)).unwrap(), Read::Media { .. }));
    // The 3 s start when a slow client has read the fragment, here after 10 s.
    assert_eq!(reader.read(&store, "door", after(10_000)).unwrap(), Read::Wait { until: after(13_000).at });
    assert_eq!(reader.read(&store, "door", after(12_000)).unwrap(), Read::Wait { until: after(13_000).at });
    store.append("door", &fragment(7, 7000, 10)).unwrap();
    assert!(matches!(reader.read(&store, "door", after(12_500)).unwrap(), Read::Media { .. }));
    assert_eq!(reader.read(&store, "door", after(12_600)).unwrap(), Read::Wait { until: after(15_600).at });
    assert_eq!(reader.read(&store, "door", after(15_600)).unwrap(), Read::End);
    store.append("door", &fragment(8, 8000, 10)).unwrap();
    assert_eq!(reader.read(&store, "door", after(15_700)).unwrap(), Read::End);
}

#[test]
fn stream_without_fragments_ends_after_three_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), StorePolicy::default()).unwrap();
    let start = now();
    let mut reader = MediaReader::new(StartSelector::Earliest);
    assert_eq!(reader.read(&store, "door", start).unwrap(), Read::Wait { until: start.at + MS(3000) });
    let later = Now { at: start.at + MS(3000), ..start };
    assert_eq!(reader.read(&store, "door", later).unwrap(), Read::End);
}

#[test]
fn deleting_the_stream_ends_the_body() {
    let StoredStream { store, dir: _dir, .. } = stored_stream();
    let mut reader = MediaReader::new(StartSelector::Earliest);
    assert!(matches!(reader.read(&store, "door", now()).unwrap(), Read::Media { .. }));
    store.delete("door").unwrap();
    let start = now();
    assert!(matches!(reader.read(&store, "door", start).unwrap(), Read::Wait { .. }));
    assert_eq!(reader.read(&store, "door", Now { at: start.at + MS(3000), ..start }).unwrap(), Read::End);
}

#[test]
fn reports_missing_fragment_in_the_body() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let missing: FragmentNumber = "91343852333181432392682062607743920146159169392".parse().unwrap();
    let mut media = FragmentList::new(vec![put[4].number.clone(), missing.clone(), put[0].number.clone()]).unwrap();
    let pieces: Vec<_> = std::iter::from_fn(|| media.read(&store, "door").unwrap()).collect();
    assert_eq!(pieces.len(), 3);
    assert_eq!(tags_of(&pieces[0])[0], (tag_names::FRAGMENT_NUMBER.to_owned(), put[4].number.to_string()));
    let error = tags_of(&pieces[1]);
    let names = [tag_names::ERROR_CODE, tag_names::ERROR_ID, tag_names::FRAGMENT_NUMBER];
    let values = ["FRAGMENT_NOT_FOUND", "3000", missing.as_str()];
    assert!(error.iter().map(|(name, _)| name.as_str()).eq(names));
    assert!(error.iter().map(|(_, value)| value.as_str()).eq(values));
    // Three tags of the service, two of the producer and its end-of-fragment tag; none of the tags that only GetMedia adds.
    assert_eq!(tags_of(&pieces[2]).len(), 3 + 2 + 1);
    for count in [0, 1001] {
        let error = FragmentList::new(vec![missing.clone(); count]).unwrap_err();
        assert_eq!(error.message, format!("Fragments has 1 to 1000 entries, not {count}"));
    }
}

#[test]
fn parses_selectors_strictly() {
    let parse = |kind| selector::parse(kind, Some("17"), Some(at(0)), Some("18"));
    assert_eq!(parse("NOW"), Ok(StartSelector::Now));
    assert_eq!(parse("EARLIEST"), Ok(StartSelector::Earliest));
    assert_eq!(parse("FRAGMENT_NUMBER"), Ok(StartSelector::AfterFragment("17".parse().unwrap())));
    assert_eq!(parse("CONTINUATION_TOKEN"), Ok(StartSelector::AfterFragment("18".parse().unwrap())));
    assert_eq!(parse("PRODUCER_TIMESTAMP"), Ok(StartSelector::ProducerTimestamp(at(0))));
    assert_eq!(parse("SERVER_TIMESTAMP"), Ok(StartSelector::ServerTimestamp(at(0))));
    assert_eq!(parse("now"), Err(InvalidSelector::Type { given: "now".into() }));
    for kind in ["FRAGMENT_NUMBER", "CONTINUATION_TOKEN", "PRODUCER_TIMESTAMP", "SERVER_TIMESTAMP"] {
        let bare = selector::parse(kind, None, None, None);
        assert!(matches!(bare, Err(InvalidSelector::Missing { .. })), "{kind}");
    }
    let wrong = selector::parse("FRAGMENT_NUMBER", Some("x"), None, None);
    assert_eq!(wrong, Err(InvalidSelector::FragmentNumber));
    let wrong = selector::parse("CONTINUATION_TOKEN", None, None, Some("../../etc/passwd"));
    assert_eq!(wrong, Err(InvalidSelector::ContinuationToken));
}

#[test]
fn pages_cover_the_range_exactly_once() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let selector = Some((TimestampOrigin::Producer, at(1000), at(4000)));
    let (mut token, mut numbers, mut pages) = (None::<String>, Vec::new(), 0);
    loop {
        // Pages after the first need no selector.
        let selector = if pages == 0 { selector } else { None };
        let listing = Listing::parse("door", selector, Some(3), token.as_deref()).unwrap();
        let page = listing.page(&store, "door", Visibility::default()).unwrap();
        assert!(!page.fragments.is_sorted_by_key(|info| &info.number) || page.fragments.len() == 1);
        numbers.extend(page.fragments.into_iter().map(|info| info.number));
        pages += 1;
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, 2);
    numbers.sort();
    assert!(numbers.iter().eq(put[1..5].iter().map(|fragment| &fragment.number)));
    let mut all =
        Listing::parse("door", None, None, None).unwrap().page(&store, "door", Visibility::default()).unwrap();
    all.fragments.sort_by(|one, other| one.number.cmp(&other.number));
    assert_eq!((all.fragments, all.next_token), (store.list("door", &Selection::All).unwrap(), None));
}

#[test]
fn unordered_pages_cover_the_stream_exactly_once_and_late_fragments_are_missing() {
    let StoredStream { store, put, dir: _dir } = stored_stream();
    let numbers = |visibility: Visibility| {
        let (mut token, mut numbers) = (None::<String>, Vec::new());
        loop {
            let listing = Listing::parse("door", None, Some(2), token.as_deref()).unwrap();
            let page = listing.page(&store, "door", visibility).unwrap();
            numbers.extend(page.fragments.into_iter().map(|info| info.number));
            token = page.next_token;
            if token.is_none() {
                return numbers;
            }
        }
    };
    let mut unordered = numbers(Visibility { unordered_pages: true, until: None });
    assert!(unordered.chunks(2).map(|page| page.iter().max()).is_sorted().then_some(()).is_none(), "{unordered:?}");
    unordered.sort();
    assert!(unordered.iter().eq(put.iter().map(|fragment| &fragment.number)));
    let until = Some(put[3].server_timestamp);
    let mut early = numbers(Visibility { unordered_pages: false, until });
    early.sort();
    assert!(early.iter().eq(put[..4].iter().map(|fragment| &fragment.number)));
}

#[test]
fn token_is_bound_to_its_stream_and_query() {
    let StoredStream { store, dir: _dir, .. } = stored_stream();
    let range = Some((TimestampOrigin::Producer, at(0), at(9000)));
    let token = Listing::parse("door", range, Some(1), None).unwrap();
    let token = token.page(&store, "door", Visibility::default()).unwrap().next_token.unwrap();
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)));
    assert!(Listing::parse("door", range, Some(2), Some(&token)).is_ok());
    let other = Some((TimestampOrigin::Server, at(0), at(9000)));
    assert_eq!(Listing::parse("door", other, None, Some(&token)), Err(InvalidListing::Token));
    assert_eq!(Listing::parse("window", range, None, Some(&token)), Err(InvalidListing::Token));
    for garbage in ["", "AAAA", "!", &"A".repeat(5000), &token[..token.len() - 4]] {
        assert_eq!(Listing::parse("door", None, None, Some(garbage)), Err(InvalidListing::Token), "{garbage}");
    }
    assert_eq!(Listing::parse("door", None, Some(0), None), Err(InvalidListing::MaxResults { given: 0 }));
    assert_eq!(Listing::parse("door", None, Some(1001), None), Err(InvalidListing::MaxResults { given: 1001 }));
    let backwards = Some((TimestampOrigin::Server, at(1), at(0)));
    assert_eq!(Listing::parse("door", backwards, None, None), Err(InvalidListing::Range));
}
