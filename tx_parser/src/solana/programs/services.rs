//! Accounts that collect fees for relays, bots and platforms.
//!
//! What a wallet pays there stays in its net change; the parse line names it as an of-which item.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::super::pubkey::Pubkey;

/// (service, its fee accounts)
const SERVICES: &[(&str, &[Pubkey])] = &[];

static BY_ACCOUNT: LazyLock<HashMap<Pubkey, &'static str>> = LazyLock::new(|| {
    SERVICES
        .iter()
        .flat_map(|(service, accounts)| accounts.iter().map(move |account| (*account, *service)))
        .collect()
});

/// The service that collects fees with this account.
pub(crate) fn by_account(account: &Pubkey) -> Option<&'static str> {
    BY_ACCOUNT.get(account).copied()
}
