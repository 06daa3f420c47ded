//! Any bytes as hvcC and avcC: no panic, and parsed records round trip.
#![no_main]

use kvs_mkv::codec::{h264, h265};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((sets, _)) = h265::ParameterSets::from_hvcc(data)
        && let Ok(hvcc) = sets.to_hvcc()
    {
        assert_eq!(h265::ParameterSets::from_hvcc(&hvcc).expect("our own record").0, sets);
    }
    if let Ok((sets, _)) = h264::ParameterSets::from_avcc(data)
        && let Ok(avcc) = sets.to_avcc()
    {
        let (again, _) = h264::ParameterSets::from_avcc(&avcc).expect("our own record");
        assert_eq!((again.sequence(), again.picture()), (sets.sequence(), sets.picture()));
    }
});
