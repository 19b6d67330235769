//! What was read from a chain: signature lists, raw transactions, balance snapshots,
//! final blocks and tokens of EVM chains.
//!
//! Every write is made under a lease and checks it in its own transaction. Writing the same twice
//! changes nothing; new rows count as progress of the task.

mod evm;
mod signatures;
mod snapshots;
mod transactions;
mod whole_lists;

pub use evm::{
    ChangedBlock, FinalBlock, StoredToken, changed_final_blocks, clear_final_blocks, final_block,
    mark_final_block, newest_final_block, put_final_block, put_token_facts, token_facts,
};
pub use signatures::{
    AddressScan, Listed, ListedView, ScanPass, ScanProgress, SignaturePage, SignatureRow,
    SlotSequence, Walked, listed, put_signature_page, scan, scans, sequences, signatures, walked,
};
pub use snapshots::{StoredSnapshot, put_snapshot, snapshot};
pub use transactions::{
    missing_transactions, put_transactions, replace_transactions, transactions,
};
pub(crate) use whole_lists::WholeList;
pub use whole_lists::{StoredList, put_whole_list};
