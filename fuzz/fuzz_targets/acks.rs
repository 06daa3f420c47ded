//! Any bytes as the answer of PutMedia: the same acks however it is cut, and never more held than one ack may have.
#![no_main]

use kvs_producer::AckParser;
use libfuzzer_sys::fuzz_target;
use kvs_types::limits;

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
