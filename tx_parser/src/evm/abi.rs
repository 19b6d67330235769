//! The words of a log's data.

use alloy_primitives::U256;

use super::Account;

/// Bytes of one word.
const WORD: usize = 32;

/// The word at this index.
pub(super) fn word(data: &[u8], index: usize) -> Option<U256> {
    let start = index.checked_mul(WORD)?;
    data.get(start..start.checked_add(WORD)?).map(U256::from_be_slice)
}

/// A word that is an address: the twelve bytes in front of it are zero.
pub(super) fn account(word: U256) -> Option<Account> {
    let bytes: [u8; WORD] = word.to_be_bytes();
    let (padding, account) = bytes.split_at(12);
    padding.iter().all(|byte| *byte == 0).then(|| Account::from_slice(account))
}

/// The list whose offset is the word at this index. It cannot be longer than the data, so it is
/// bounded by the input.
pub(super) fn list(data: &[u8], index: usize) -> Option<Vec<U256>> {
    let offset = usize::try_from(word(data, index)?).ok()?;
    let list = data.get(offset..)?;
    let length = usize::try_from(word(list, 0)?).ok()?;
    let items = list.get(WORD..)?.get(..length.checked_mul(WORD)?)?;
    Some(items.chunks_exact(WORD).map(U256::from_be_slice).collect())
}
