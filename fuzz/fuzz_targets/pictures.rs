//! Coded pictures of any shape: an image or an error for each, no read outside of memory, and panics only inside the decoders, which
//! are contained and counted.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static HOOK: Once = Once::new();
    // The hook of libFuzzer ends the run at every panic, contained or not. One that is not contained still ends it, when it leaves here.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
    let panics = kvs_local::__internal::fuzz::pictures(data);
    if panics > 0 {
        eprintln!("contained panics: {panics}");
    }
});
