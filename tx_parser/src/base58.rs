//! Base58 text, several digits at a time.
//!
//! A text is a big-endian figure in the alphabet below; every leading `1` stands for a zero byte.
//! Ten digits fit into 64 bits, so a figure is built ten digits by ten, and taken apart five by five:
//! a key costs a few dozen multiplications instead of more than a thousand.

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// No digit of the alphabet.
const NO_DIGIT: u8 = u8::MAX;
/// The value of each byte of a text.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < ALPHABET.len() {
        digits[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// Digits that are read at once, and the figure they count up to.
const READ_AT_ONCE: usize = 10;
const READ_BASE: u128 = 58_u128.pow(READ_AT_ONCE as u32);
/// Digits that are written at once, and the figure they count up to.
const WRITE_AT_ONCE: usize = 5;
const WRITE_BASE: u64 = 58_u64.pow(WRITE_AT_ONCE as u32);

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// The longest text of a key, in whole groups.
const KEY_DIGITS: usize = 45;

/// Reads a text of exactly 32 bytes.
pub(crate) fn decode_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    // 32 bytes are 32 to 44 characters; the bound also keeps hostile texts cheap.
    if !(32..=44).contains(&text.len()) {
        return None;
    }
    // Leading ones are zeros of the figure.
    let mut digits = [ALPHABET[0]; 5 * READ_AT_ONCE];
    let start = digits.len() - text.len();
    digits[start..].copy_from_slice(text.as_bytes());
    // Least significant first.
    let mut limbs = [0_u64; KEY_BYTES / 8];
    for (place, group) in digits.as_chunks::<READ_AT_ONCE>().0.iter().enumerate() {
        // So many groups fit into as many limbs, but for the last one.
        let (used, unused) = limbs.split_at_mut(place.min(KEY_BYTES / 8));
        let carry = shift_in(used, figure(group)?);
        match unused.first_mut() {
            Some(next) => *next = carry,
            None if carry != 0 => return None,
            None => {}
        }
    }
    let mut bytes = [0; KEY_BYTES];
    for (place, limb) in bytes.chunks_exact_mut(8).zip(limbs.iter().rev()) {
        place.copy_from_slice(&limb.to_be_bytes());
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    (zeros == leading_ones(text)).then_some(bytes)
}

/// Reads texts of any length, in memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Least significant first.
    limbs: Vec<u64>,
    bytes: Vec<u8>,
}

impl Decoder {
    /// Reads a text. The time grows with the square of its length.
    pub(crate) fn decode(&mut self, text: &str) -> Option<&[u8]> {
        self.limbs.clear();
        let (head, groups) = text.as_bytes().as_rchunks::<READ_AT_ONCE>();
        let mut first = [ALPHABET[0]; READ_AT_ONCE];
        first[READ_AT_ONCE - head.len()..].copy_from_slice(head);
        for group in std::iter::once(&first).chain(groups) {
            let carry = shift_in(&mut self.limbs, figure(group)?);
            if carry != 0 {
                self.limbs.push(carry);
            }
        }
        self.bytes.clear();
        self.bytes.resize(leading_ones(text), 0);
        let figure = self.limbs.iter().rev().flat_map(|limb| limb.to_be_bytes());
        self.bytes.extend(figure.skip_while(|byte| *byte == 0));
        Some(&self.bytes)
    }
}

/// The figure of a group of digits; `None` when a character is no digit.
fn figure(group: &[u8; READ_AT_ONCE]) -> Option<u64> {
    let digits = group.map(|byte| DIGITS[usize::from(byte)]);
    // Digits have six bits.
    if digits.iter().fold(0, |all, digit| all | digit) >= 64 {
        return None;
    }
    // Halves do not wait for each other.
    let half = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 58 + u64::from(*digit));
    let (high, low) = digits.split_at(READ_AT_ONCE / 2);
    Some(half(high) * 58_u64.pow(READ_AT_ONCE as u32 / 2) + half(low))
}

/// Multiplies by the base of a group and adds the group; what does not fit is the answer.
fn shift_in(limbs: &mut [u64], group: u64) -> u64 {
    let mut carry = u128::from(group);
    for limb in limbs {
        let figure = u128::from(*limb) * READ_BASE + carry;
        *limb = figure as u64;
        carry = figure >> 64;
    }
    carry as u64
}

fn leading_ones(text: &str) -> usize {
    text.bytes().take_while(|byte| *byte == ALPHABET[0]).count()
}

/// The text of a key.
pub(crate) struct KeyText {
    digits: [u8; KEY_DIGITS],
    /// Where it begins.
    start: usize,
}

impl KeyText {
    pub(crate) fn of(key: &[u8; KEY_BYTES]) -> Self {
        // Most significant first.
        let mut limbs = [0_u32; KEY_BYTES / 4];
        for (limb, bytes) in limbs.iter_mut().zip(key.as_chunks().0) {
            *limb = u32::from_be_bytes(*bytes);
        }
        let mut digits = [0; KEY_DIGITS];
        for place in digits.rchunks_exact_mut(WRITE_AT_ONCE) {
            let mut group = divide(&mut limbs);
            for digit in place.iter_mut().rev() {
                *digit = ALPHABET[(group % 58) as usize];
                group /= 58;
            }
        }
        let written = digits.iter().take_while(|digit| **digit == ALPHABET[0]).count();
        let zeros = key.iter().take_while(|byte| **byte == 0).count();
        Self { digits, start: written - zeros }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[self.start..]).expect("the alphabet is ASCII")
    }
}

/// Divides by the base of a group; the rest is the answer.
fn divide(limbs: &mut [u32]) -> u64 {
    let mut rest = 0;
    for limb in limbs {
        let figure = (rest << 32) | u64::from(*limb);
        *limb = (figure / WRITE_BASE) as u32;
        rest = figure % WRITE_BASE;
    }
    rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> Option<Vec<u8>> {
        let mut decoder = Decoder { limbs: vec![7; 3], bytes: vec![7; 9] };
        decoder.decode(text).map(<[u8]>::to_vec)
    }

    fn by_digit(text: &str) -> Option<Vec<u8>> {
        bs58::decode(text).into_vec().ok()
    }

    proptest! {
        #[test]
        fn keys_are_written_and_read_as_digit_by_digit(
            zeros in prop_oneof![Just(0_usize), 0_usize..33],
            mut key in any::<[u8; 32]>(),
        ) {
            key[..zeros].fill(0);
            let text = bs58::encode(key).into_string();
            let written = KeyText::of(&key);
            prop_assert_eq!(written.as_str(), &text);
            prop_assert_eq!(decode_key(&text), Some(key));
        }

        #[test]
        fn texts_are_read_as_digit_by_digit(text in "1{0,3}[1-9A-HJ-NP-Za-km-z]{0,120}") {
            prop_assert_eq!(decode(&text), by_digit(&text));
        }

        #[test]
        fn only_texts_of_32_bytes_are_keys(text in "1{0,33}[1-9A-HJ-NP-Za-km-z]{0,45}") {
            let key = by_digit(&text).filter(|bytes| bytes.len() == 32);
            prop_assert_eq!(decode_key(&text).map(Vec::from), key);
        }

        #[test]
        fn other_characters_are_no_digits(text in ".{1,50}") {
            prop_assert_eq!(decode(&text), by_digit(&text));
        }
    }

    #[test]
    fn the_largest_key_is_one_and_the_next_figure_is_none() {
        let largest = bs58::encode([u8::MAX; 32]).into_string();
        assert_eq!(decode_key(&largest), Some([u8::MAX; 32]));
        let mut next = [0; 33];
        next[0] = 1;
        assert_eq!(decode_key(&bs58::encode(next).into_string()), None);
        assert_eq!(decode_key(&"z".repeat(44)), None);
    }
}
