//! Any bytes as the response of PutMedia: the same acks in any pieces, and no more memory than one ack may have.
#![no_main]

use kvs_producer::AckParser;
use kvs_types::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, answer) = input;
    let mut whole = AckParser::new();
    whole.push(answer);
    let mut cut = AckParser::new();
    for piece in answer.chunks(usize::from(size) + 1) {
        cut.push(piece);
        assert!(cut.held() <= limits::ACK_BYTES);
    }
    loop {
        let (one, other) = (whole.poll(), cut.poll());
        assert_eq!(one, other);
        if one.is_none() {
            break;
        }
    }
    assert_eq!(whole.held(), cut.held());
});
