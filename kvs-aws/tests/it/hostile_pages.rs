//! Invalid pages of images: they are read or rejected, without a panic. Also the cost of a page.

use kvs_aws::__internal::parse_page;
use proptest::prelude::*;

fn entry() -> impl Strategy<Value = String> {
    let time =
        prop_oneof![Just("1.7E9".to_owned()), Just("-1".to_owned()), Just("null".to_owned()), Just("\"x\"".to_owned())];
    let content = prop_oneof![
        Just("null".to_owned()),
        Just("\"aGk=\"".to_owned()),
        Just("\"aGk\\/\"".to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let error = prop_oneof![Just("null"), Just("\"NO_MEDIA\""), Just("\"\""), Just("7")];
    (time, content, error).prop_map(|(time, content, error)| {
        format!(r#"{{"TimeStamp":{time},"ImageContent":{content},"Error":{error}}}"#)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_or_rejects_any_page(entries in prop::collection::vec(entry(), 0..5), cut in 0_usize..200) {
        let page = format!(r#"{{"Images":[{}],"NextToken":"t"}}"#, entries.join(","));
        if let Ok(page) = parse_page("GetImages", page.as_bytes()) {
            prop_assert_eq!(page.images.len(), entries.len());
        }
        let cut = cut.min(page.len());
        prop_assert!(cut == page.len() || cut == 0 || parse_page("GetImages", &page.as_bytes()[..cut]).is_err());
    }

    #[test]
    fn reads_or_rejects_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_page("GetImages", &bytes);
    }
}

#[test]
fn reads_escaped_base64() {
    let page = parse_page("GetImages", br#"{"Images":[{"TimeStamp":1,"ImageContent":"\/9j\/"}]}"#).unwrap();
    assert_eq!(page.images[0].content.as_deref(), Ok(&[0xff, 0xd8, 0xff][..]));
}

#[test]
fn rejects_an_array_as_a_page() {
    assert!(parse_page("GetImages", br#"[[],""]"#).is_err());
}

/// A page with images of 200 kB.
fn page_of(images: usize) -> String {
    let content = base64_simd::STANDARD.encode_to_string(vec![0x5a; 200_000]);
    let image = |number| format!(r#"{{"TimeStamp":{number},"ImageContent":"{content}","Error":null}}"#);
    format!(r#"{{"Images":[{}]}}"#, (0..images).map(image).collect::<Vec<_>>().join(","))
}

#[test]
fn an_image_costs_one_allocation_of_its_size() {
    let cost = |images| {
        let page = page_of(images);
        allocation_counter::measure(|| {
            assert_eq!(parse_page("GetImages", page.as_bytes()).unwrap().images.len(), images)
        })
    };
    let (some, more) = (cost(17), cost(25));
    // Between 17 and 25 images the lists do not grow, so the difference comes from the images alone.
    assert_eq!(more.count_total - some.count_total, 8);
    assert!(more.bytes_total < 25 * 201_000, "{} bytes", more.bytes_total);
}
