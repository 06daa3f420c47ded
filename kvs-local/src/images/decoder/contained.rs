//! A decoder whose panics become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use super::picture::Picture;
use super::{AccessUnit, AccessUnitDecoder};

/// Contains the panics of a decoder library: third-party code that reads untrusted bytes. After a panic the decoder is not used any
/// more, and decoding goes on with a new one at the next key frame.
pub(in crate::images) struct Contained<D> {
    decoder: D,
    codec: &'static str,
    has_panicked: bool,
}

/// Panics of all decoders since the process started.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Returns how many panics of decoders were contained since the process started.
pub fn contained_panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

impl<D: AccessUnitDecoder> Contained<D> {
    pub(in crate::images) const fn new(decoder: D, codec: &'static str) -> Self {
        Self { decoder, codec, has_panicked: false }
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut D) -> T) -> Result<T, String> {
        if self.has_panicked {
            return Err(REASON.to_owned());
        }
        catch_unwind(AssertUnwindSafe(|| work(&mut self.decoder))).map_err(|_panic| {
            self.has_panicked = true;
            let panics = PANICS.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            tracing::error!(codec = self.codec, panics, "decoder panicked; images up to the next key frame fail");
            REASON.to_owned()
        })
    }
}

impl<D: AccessUnitDecoder> AccessUnitDecoder for Contained<D> {
    fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String> {
        self.run(|decoder| decoder.decode(unit)).flatten()
    }

    fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String> {
        self.run(AccessUnitDecoder::finish).flatten()
    }
}

const REASON: &str = "the decoder panicked";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Panics at the access unit `b"panic"`.
    struct Fragile;

    impl AccessUnitDecoder for Fragile {
        fn decode(&mut self, unit: &AccessUnit<'_>) -> Result<Vec<(i64, Picture)>, String> {
            assert!(unit.data != b"panic", "hostile access unit");
            Ok(Vec::new())
        }

        fn finish(&mut self) -> Result<Vec<(i64, Picture)>, String> {
            Ok(Vec::new())
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_an_error_and_is_counted_in_the_log() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                let mut decoder = Contained::new(Fragile, "H.264");
                let mut decode = |data| decoder.decode(&AccessUnit { data, ..AccessUnit::default() });
                assert_eq!(decode(b"picture"), Ok(Vec::new()));
                assert_eq!(decode(b"panic"), Err(REASON.to_owned()));
                assert_eq!(decode(b"picture"), Err(REASON.to_owned()), "its state is unknown");
                assert_eq!(decoder.finish(), Err(REASON.to_owned()));
            }
        });
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        // All decoders of the process are counted, those of other tests too.
        let counts: Vec<u64> =
            text.split("panics=").skip(1).map(|rest| rest.trim().lines().next().unwrap().parse().unwrap()).collect();
        assert!(counts.len() == 2 && counts[0] < counts[1], "{text}");
    }
}
