//! Lines that are written some at a time.
//!
//! A line costs about as much to hand to the system as to make, and every request has one. What tells of the usual course
//! is held for a moment and written together; what tells of trouble is written at once, behind all that is held.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Longest time for which a line is held.
const HELD_FOR: Duration = Duration::from_millis(5);

/// Most bytes that are held. Whoever adds more writes all.
const MOST_BYTES: usize = 64 << 10;

/// Most bytes that are written at a time, unless a line is longer: as much as other processes that write to the same
/// pipe cannot break into (PIPE_BUF).
const AT_A_TIME: usize = 4096;

/// Where lines are held. A cheap clone.
pub(super) struct Held<W>(Arc<Inner<W>>);

struct Inner<W> {
    lines: Mutex<Vec<u8>>,
    /// There are lines where there were none.
    begun: Condvar,
    /// Taken for as long as lines are taken and written, so that they stay in their order.
    out: Mutex<W>,
}

impl<W> Clone for Held<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Held<W> {
    /// In front of `out`, with a thread that writes.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(out: W) -> io::Result<Self> {
        let inner = Inner { lines: Mutex::default(), begun: Condvar::new(), out: Mutex::new(out) };
        let held = Self(Arc::new(inner));
        let writing = held.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_for_ever())?;
        Ok(held)
    }

    fn write_for_ever(&self) {
        loop {
            let none = self.0.begun.wait_while(self.lines(), |lines| lines.is_empty());
            drop(none);
            thread::sleep(HELD_FOR);
            // Nobody is there to be told that the log cannot be written.
            let _ = self.flush();
        }
    }
}

impl<W: Write> Held<W> {
    /// Writes all that is held. What cannot be written is lost, and no more than that: the first error is told.
    pub fn flush(&self) -> io::Result<()> {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_to(&mut out)
    }

    /// The same unless somebody is writing, which a thread that panics may be itself.
    pub fn try_flush(&self) {
        if let Ok(mut out) = self.0.out.try_lock() {
            let _ = self.write_to(&mut out);
        }
    }

    fn write_to(&self, out: &mut W) -> io::Result<()> {
        let mut lines = std::mem::take(&mut *self.lines());
        let mut written = Ok(());
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(some_lines(rest));
            written = written.and(out.write_all(some));
            rest = behind;
        }
        // For the lines to come, unless there are some by now, or one of these was huge.
        lines.clear();
        let mut held = self.lines();
        if held.capacity() == 0 && lines.capacity() <= 2 * MOST_BYTES {
            *held = lines;
        }
        drop(held);
        written
    }

    fn push(&self, line: &[u8], at_once: bool) -> io::Result<()> {
        let mut lines = self.lines();
        let is_first = lines.is_empty();
        lines.extend_from_slice(line);
        let is_much = lines.len() > MOST_BYTES;
        drop(lines);
        if at_once || is_much {
            return self.flush();
        }
        if is_first {
            self.0.begun.notify_one();
        }
        Ok(())
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the lines end that are written together.
fn some_lines(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = &lines[..lines.len().min(AT_A_TIME)];
    let end = within.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.map_or(lines.len(), |end| end + 1)
}

/// Takes one line.
pub(super) struct HeldWriter<'w, W> {
    held: &'w Held<W>,
    at_once: bool,
}

impl<'w, W: Write + 'w> MakeWriter<'w> for Held<W> {
    type Writer = HeldWriter<'w, W>;

    fn make_writer(&'w self) -> Self::Writer {
        HeldWriter { held: self, at_once: true }
    }

    fn make_writer_for(&'w self, line: &Metadata<'_>) -> Self::Writer {
        HeldWriter { held: self, at_once: *line.level() <= Level::WARN }
    }
}

impl<W: Write> Write for HeldWriter<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.held.push(line, self.at_once)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.held.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Gives what is written at a time to a test.
    struct Writes(mpsc::Sender<String>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_by_itself_and_one_of_trouble_at_once_behind_those_before() {
        let (sender, writes) = mpsc::channel();
        let held = Held::start(Writes(sender)).unwrap();
        held.push(b"one\n", false).unwrap();
        assert_eq!(writes.recv().unwrap(), "one\n");
        held.push(b"two\n", false).unwrap();
        held.push(b"three\n", true).unwrap();
        let mut written = String::new();
        while written != "two\nthree\n" {
            written += &writes.try_recv().expect("all that was held is written");
        }
        held.push(b"four\n", false).unwrap();
        held.flush().unwrap();
        assert_eq!(writes.try_iter().collect::<String>(), "four\n");
    }

    #[test]
    fn no_line_is_torn_and_few_are_written_at_a_time() {
        let (sender, writes) = mpsc::channel();
        let held = Held::start(Writes(sender)).unwrap();
        let line = |length: usize| "x".repeat(length - 1) + "\n";
        let lines = [line(3000), line(1000), line(97), line(9000), line(10)];
        held.push(lines.concat().as_bytes(), true).unwrap();
        let lengths: Vec<_> = writes.try_iter().map(|text: String| text.len()).collect();
        assert_eq!(lengths, [4000, 97, 9000, 10]);
    }

    #[test]
    fn little_is_held() {
        let (sender, writes) = mpsc::channel();
        let held = Held::start(Writes(sender)).unwrap();
        held.push(&vec![b'x'; MOST_BYTES + 1], false).unwrap();
        assert_eq!(writes.try_iter().map(|text| text.len()).sum::<usize>(), MOST_BYTES + 1);
        held.push(&vec![b'x'; 10 * MOST_BYTES], false).unwrap();
        assert!(held.lines().capacity() <= 2 * MOST_BYTES, "a huge line leaves no room behind");
    }
}
