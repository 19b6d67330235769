//! Whole numbers of 256 bits as decimal digits.
//!
//! Files and documents are mostly amounts, and stored ledgers too: both ways take 19 digits at a time, the most that
//! a word has room for.

/// Decimal digits of the largest number.
const MOST_DIGITS: usize = 78;

/// Digits that are taken at a time.
const PART_DIGITS: usize = 19;

/// Ten to the power of [`PART_DIGITS`].
const PART: u64 = 10_000_000_000_000_000_000;

/// The digits of a number.
pub(super) struct Digits {
    text: [u8; MOST_DIGITS],
    first: usize,
}

impl Digits {
    /// Of the number with these words, the lowest first; `0` has one digit.
    pub fn of(mut words: [u64; 4]) -> Self {
        let mut digits = Self { text: [b'0'; MOST_DIGITS], first: MOST_DIGITS };
        let mut length = words.iter().rposition(|word| *word != 0).map_or(1, |last| last + 1);
        while length > 1 {
            let mut rest = 0;
            for word in words[..length].iter_mut().rev() {
                let dividend = (u128::from(rest) << 64) | u128::from(*word);
                // The rest is below the divisor, so the quotient has one word.
                *word = (dividend / u128::from(PART)) as u64;
                rest = (dividend % u128::from(PART)) as u64;
            }
            let end = digits.first - PART_DIGITS;
            digits.put(rest);
            digits.first = end;
            length -= usize::from(words[length - 1] == 0);
        }
        digits.put(words[0]);
        digits.first = digits.first.min(MOST_DIGITS - 1);
        digits
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.first..]).expect("digits are ASCII")
    }

    /// Puts the digits of `number` before those that are there.
    fn put(&mut self, mut number: u64) {
        while number > 0 {
            self.first -= 1;
            self.text[self.first] = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

/// A number with places behind a point, without zeros at its end.
pub(super) struct Decimal {
    /// With room for a sign and a point.
    text: [u8; MOST_DIGITS + 2],
    first: usize,
    end: usize,
}

impl Decimal {
    /// Of the number with these words, the lowest first, in units of which one is the last of `places` places.
    pub fn of(negative: bool, words: [u64; 4], places: usize) -> Self {
        let Digits { text: digits, first } = Digits::of(words);
        let point = MOST_DIGITS - places;
        // What stands before the first digit is zeros.
        let first = first.min(point - 1);
        let mut text = [b'-'; MOST_DIGITS + 2];
        text[first + 1..=point].copy_from_slice(&digits[first..point]);
        text[point + 1] = b'.';
        text[point + 2..].copy_from_slice(&digits[point..]);
        let last = digits[point..].iter().rposition(|digit| *digit != b'0');
        let end = last.map_or(point + 1, |last| point + 2 + last + 1);
        Self { text, first: first + usize::from(!negative), end }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.first..self.end]).expect("digits are ASCII")
    }
}

/// The words of the number with these digits, the lowest first; `None` when it does not fit.
pub(super) fn read(digits: impl Iterator<Item = u8>) -> Option<[u64; 4]> {
    let mut words = [0; 4];
    let (mut part, mut scale) = (0, 1);
    for digit in digits {
        part = part * 10 + u64::from(digit - b'0');
        scale *= 10;
        if scale == PART {
            append(&mut words, scale, part)?;
            (part, scale) = (0, 1);
        }
    }
    append(&mut words, scale, part)?;
    Some(words)
}

/// The number times `scale`, and `part` more; `None` when it does not fit.
fn append(words: &mut [u64; 4], scale: u64, part: u64) -> Option<()> {
    let mut carry = part;
    for word in words {
        let product = u128::from(*word) * u128::from(scale) + u128::from(carry);
        *word = product as u64;
        carry = (product >> 64) as u64;
    }
    (carry == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    /// Numbers about every power of two and of ten.
    fn numbers() -> impl Iterator<Item = U256> {
        let twos = (0..256).map(|bit| U256::ONE << bit);
        let tens = (0..78u64).map(|power| U256::from(10).pow(U256::from(power)));
        let around = |number: U256| [number.wrapping_sub(U256::ONE), number, number + U256::ONE];
        twos.chain(tens).flat_map(around).chain([U256::ZERO, U256::MAX])
    }

    #[test]
    fn digits_are_those_of_the_number_and_read_back() {
        for number in numbers() {
            let digits = Digits::of(*number.as_limbs());
            assert_eq!(digits.as_str(), number.to_string());
            assert_eq!(read(digits.as_str().bytes()), Some(*number.as_limbs()), "{number}");
        }
    }

    #[test]
    fn places_are_cut_at_their_last_digit() {
        for number in numbers() {
            let text = format!("{number:0>37}");
            let (whole, places) = text.split_at(text.len() - 36);
            let expected = format!("{whole}.{places}");
            let expected = expected.trim_end_matches('0').trim_end_matches('.');
            let decimal = |negative| Decimal::of(negative, *number.as_limbs(), 36);
            assert_eq!(decimal(false).as_str(), expected);
            assert_eq!(decimal(true).as_str(), format!("-{expected}"));
        }
    }

    #[test]
    fn what_is_too_large_is_no_number() {
        let all = U256::MAX.to_string();
        assert_eq!(read(all.bytes().chain(*b"0")), None);
        assert_eq!(read(format!("{}6", &all[..77]).bytes()), None, "one more than the largest");
        assert_eq!(read(format!("00{all}").bytes()), Some([u64::MAX; 4]));
    }
}
