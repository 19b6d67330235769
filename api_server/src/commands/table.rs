//! Results as a table for people: cents, aligned columns. Exact figures are in the other formats.

use std::fmt::Write;

/// Which side a column keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// A table with a head; `rows` have as many cells as there are columns.
pub fn render(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(n, (name, _))| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(name.chars().count())
        })
        .collect();
    let head: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut text = String::new();
    for row in [&head, &rule].into_iter().chain(rows) {
        let mut line = String::new();
        for ((cell, width), (_, align)) in row.iter().zip(&widths).zip(columns) {
            let space = " ".repeat(width - cell.chars().count());
            let (before, after) = match align {
                Align::Left => ("", space.as_str()),
                Align::Right => (space.as_str(), ""),
            };
            let _ = write!(line, "{before}{cell}{after}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Decimal text rounded to cents, half to even, with thousands set apart: `-1234.565` is
/// `-1,234.56`. Text that is no plain decimal number stays as it is.
pub fn cents(decimal: &str) -> String {
    let (sign, digits) = match decimal.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", decimal),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number =
        !whole.is_empty() && whole.bytes().chain(part.bytes()).all(|b| b.is_ascii_digit());
    if !is_number {
        return decimal.to_owned();
    }
    let kept: String = part.chars().chain(std::iter::repeat('0')).take(2).collect();
    let rest = part.get(2..).unwrap_or("").trim_end_matches('0');
    let mut number: Vec<u8> = whole.bytes().chain(kept.bytes()).collect();
    let last_is_odd = number.last().is_some_and(|digit| (digit - b'0') % 2 == 1);
    let round_up = match rest.as_bytes() {
        [] => false,
        [b'5'] => last_is_odd,
        [first, ..] => *first >= b'5',
    };
    if round_up {
        increment(&mut number);
    }
    let text = String::from_utf8(number).expect("digits are ASCII");
    let (whole, kept) = text.split_at(text.len() - 2);
    let is_zero = text.bytes().all(|digit| digit == b'0');
    format!("{}{}.{kept}", if is_zero { "" } else { sign }, grouped(whole))
}

fn increment(number: &mut Vec<u8>) {
    for digit in number.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    number.insert(0, b'1');
}

fn grouped(whole: &str) -> String {
    let mut text = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_rounded_to_cents_half_to_even() {
        for (exact, shown) in [
            ("0", "0.00"),
            ("1.5", "1.50"),
            ("-1234.565", "-1,234.56"),
            ("1234.575", "1,234.58"),
            ("0.0050000001", "0.01"),
            ("-0.004", "0.00"),
            ("999999.995", "1,000,000.00"),
            ("123456789012345678901234567890.125", "123,456,789,012,345,678,901,234,567,890.12"),
            ("n/a", "n/a"),
            ("", ""),
        ] {
            assert_eq!(cents(exact), shown, "{exact}");
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["W1".into(), "1.00".into()], vec!["Wallet2".into(), "-20.00".into()]];
        assert_eq!(
            render(&[("wallet", Align::Left), ("usd", Align::Right)], &rows),
            "wallet      usd\n-------  ------\nW1         1.00\nWallet2  -20.00\n"
        );
    }
}
