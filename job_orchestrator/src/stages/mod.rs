//! The steps of one wallet: pin, fetch, order, ledger, finish.
//!
//! Each step may run again after a crash or a time limit: what it stored before is found and not
//! asked for again.

pub(crate) mod catalogue;
pub(crate) mod fetch;
pub(crate) mod finish;
pub(crate) mod history;
pub(crate) mod ledger;
pub(crate) mod listing;
pub(crate) mod lists;
pub(crate) mod order;
pub(crate) mod pin;
pub(crate) mod prices;
