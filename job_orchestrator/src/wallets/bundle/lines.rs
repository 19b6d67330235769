//! The lines of a file that anybody can have written.

use std::io::{self, BufRead, Read};

/// The most bytes in the first line, which has sums and prices of each asset and the result.
pub(super) const LONGEST_FIRST: u64 = 256 << 20;

/// The most bytes in another line, and in the events of one transaction: no longer answer of an endpoint is read, and
/// chains allow far smaller transactions.
pub(super) const LONGEST: u64 = 64 << 20;

/// Reads lines one by one, each into the place of the one before.
pub(super) struct Lines<R> {
    reader: R,
    line: String,
}

impl<R: BufRead> Lines<R> {
    pub fn of(reader: R) -> Self {
        Self { reader, line: String::new() }
    }

    /// The next line without its end, of `longest` bytes at most; `None` behind the last one.
    ///
    /// # Errors
    /// When it cannot be read, is no text, or is too long.
    pub fn next(&mut self, longest: u64) -> io::Result<Option<&str>> {
        self.line.clear();
        let read = self.reader.by_ref().take(longest + 1).read_line(&mut self.line)?;
        if read as u64 > longest {
            let detail = format!("a line is longer than {longest} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, detail));
        }
        Ok((read > 0).then(|| self.line.trim_end_matches(['\n', '\r'])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_one_that_is_too_long_is_refused() {
        let mut lines = Lines::of(&b"abc\nde\r\n\nabcde\n"[..]);
        assert_eq!(lines.next(4).unwrap(), Some("abc"));
        assert_eq!(lines.next(4).unwrap(), Some("de"));
        assert_eq!(lines.next(4).unwrap(), Some(""));
        assert!(lines.next(4).unwrap_err().to_string().contains("longer than 4 bytes"));
        assert_eq!(Lines::of(&b""[..]).next(4).unwrap(), None);
    }
}
