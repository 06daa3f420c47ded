//! The figures of the guide are those of the code.

use kvs_types::limits;

use super::repository;

#[test]
fn limits_in_the_guide_are_those_of_the_crates() {
    let seconds = |duration: std::time::Duration| duration.as_secs();
    let costs = [
        format!("| length of a fragment | {} s |", seconds(limits::FRAGMENT_DURATION_MAX)),
        format!("| size of a fragment | {} MB |", limits::FRAGMENT_BYTES / 1_000_000),
        format!("| fragments per second of a stream | {} |", limits::FRAGMENTS_PER_SECOND),
        format!("| media of a stream | {:.1} MB/s |", limits::INGRESS_BYTES_PER_SECOND as f64 / 1e6),
        format!("| life of a connection | {} min |", seconds(limits::CONNECTION_DURATION) / 60),
        format!("| silence on a connection | {} s |", seconds(limits::CONNECTION_IDLE)),
        format!("| tracks | {} |", limits::TRACKS),
        format!(
            "| tags of a fragment | {}, name {} bytes, value {} bytes |",
            limits::TAGS_PER_FRAGMENT,
            limits::TAG_NAME_BYTES,
            limits::TAG_VALUE_BYTES
        ),
        format!("| GetMedia connections of a stream | {} |", limits::GET_MEDIA_CONNECTIONS),
        format!("of a range of at most {} s |", seconds(limits::GET_IMAGES_RANGE)),
    ];
    let others = [
        ("images.md", format!("is in milliseconds, {} or more", limits::SAMPLING_INTERVAL_MILLIS)),
        ("images.md", format!("accepts {} tags on a fragment", limits::TAGS_PER_FRAGMENT)),
        ("unconfirmed.md", format!("| {} ms, as documented in 2023. |", limits::SAMPLING_INTERVAL_MILLIS_DEFAULT)),
        ("introduction.md", format!("At most {} s and", seconds(limits::FRAGMENT_DURATION_MAX))),
    ];
    let all = costs.into_iter().map(|figure| ("costs.md", figure)).chain(others);
    for (page, figure) in all {
        let text = std::fs::read_to_string(repository().join("guide/src").join(page)).unwrap();
        assert!(text.contains(&figure), "{page} does not say: {figure}");
    }
}
