//! Writes a list of pieces.

use std::io::{self, IoSlice, Write};

/// Writes all pieces in order, with few system calls and without a copy.
///
/// # Errors
/// Those of the writer; any part may be written then.
pub fn write_pieces<P: AsRef<[u8]>>(to: &mut impl Write, pieces: &[P]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece.as_ref())).collect();
    let mut left = &mut slices[..];
    // Empty pieces at the front would look like a writer that takes nothing.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match to.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes per call, and is interrupted in between.
    struct Slow {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls % 2 == 0 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = bytes.len().min(3);
            self.taken.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_pieces_are_written_in_order() {
        let mut slow = Slow { taken: Vec::new(), calls: 0 };
        write_pieces(&mut slow, &[&b""[..], b"abcd", b"", b"e", b"fghijkl", b""]).unwrap();
        assert_eq!(slow.taken, b"abcdefghijkl");
        let mut room = [0; 4];
        let mut full = &mut room[..];
        let error = write_pieces(&mut full, &[b"abc", b"def"]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
