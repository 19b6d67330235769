//! Accounts that collect fees for relays, bots and platforms.
//!
//! What a wallet pays there stays in its net change; the parse line names it as an of-which item.
//! An account that is not sure to belong to its service is not listed.

mod platforms;
mod relays;

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::solana::pubkey::Pubkey;

/// A service and the accounts that collect its fees.
type Service = (&'static str, &'static [Pubkey]);

static BY_ACCOUNT: LazyLock<HashMap<Pubkey, &'static str>> = LazyLock::new(|| {
    let all = relays::SERVICES.iter().chain(platforms::SERVICES);
    all.flat_map(|(name, accounts)| accounts.iter().map(move |account| (*account, *name))).collect()
});

/// The service that collects fees with this account.
pub(crate) fn by_account(account: &Pubkey) -> Option<&'static str> {
    BY_ACCOUNT.get(account).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solana::programs::tips;

    #[test]
    fn every_account_belongs_to_one_service_and_none_is_a_tip_account() {
        let all = relays::SERVICES.iter().chain(platforms::SERVICES);
        let count: usize = all.map(|(_, accounts)| accounts.len()).sum();
        assert_eq!(BY_ACCOUNT.len(), count);
        assert!(BY_ACCOUNT.keys().all(|account| !tips::is_tip_account(account)));
    }
}
