//! The lines of a file that anybody can have written.

use std::io::{self, BufRead, Read};

/// The most bytes in a line: nothing that is stored is larger.
const LONGEST: u64 = 1 << 30;

/// Reads lines one by one, each into the place of the one before.
pub(super) struct Lines<R> {
    reader: R,
    line: String,
    longest: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn of(reader: R) -> Self {
        Self { reader, line: String::new(), longest: LONGEST }
    }

    /// The next line without its end; `None` behind the last one.
    ///
    /// # Errors
    /// When it cannot be read, is no text, or is too long.
    pub fn next(&mut self) -> io::Result<Option<&str>> {
        self.line.clear();
        let read = self.reader.by_ref().take(self.longest + 1).read_line(&mut self.line)?;
        if read as u64 > self.longest {
            let detail = format!("a line is longer than {} bytes", self.longest);
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
        let mut lines = Lines { longest: 4, ..Lines::of(&b"abc\nde\r\n\nabcde\n"[..]) };
        assert_eq!(lines.next().unwrap(), Some("abc"));
        assert_eq!(lines.next().unwrap(), Some("de"));
        assert_eq!(lines.next().unwrap(), Some(""));
        assert!(lines.next().unwrap_err().to_string().contains("longer than 4 bytes"));
        assert_eq!(Lines::of(&b""[..]).next().unwrap(), None);
    }
}
