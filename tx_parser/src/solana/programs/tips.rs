//! The tip accounts of the Jito block engine.
//!
//! Source: Jito's documentation lists eight accounts; a transfer to any of them is a tip.

use crate::solana::pubkey::Pubkey;

const TIP_ACCOUNTS: [Pubkey; 8] = [
    Pubkey::literal("96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5"),
    Pubkey::literal("HFqU5x63VTqvQss8hp11i4wVV8bD44PvwucfZ2bU7gRe"),
    Pubkey::literal("Cw8CFyM9FkoMi7K7Crf6HNQqf4uEMzpKw6QNghXLvLkY"),
    Pubkey::literal("ADaUMid9yfUytqMBgopwjb2DTLSokTSzL1zt6iGPaS49"),
    Pubkey::literal("DfXygSm4jCyNCybVYYK6DwvWqjKee8pbDmJGcLWNDXjh"),
    Pubkey::literal("ADuUkR4vqLUMWXxW9gh6D6L8pMSawimctcNZ5pGwDcEt"),
    Pubkey::literal("DttWaMuVvTiduZRnguLF7jNxTgiMBZ1hyAumKUiL2KRL"),
    Pubkey::literal("3AVi9Tg9Uo68tJfuvoKvqKNWKkC5wPdSSdeBnizKZ6jT"),
];

/// Whether lamports sent there are a tip.
pub(crate) fn is_tip_account(key: &Pubkey) -> bool {
    TIP_ACCOUNTS.contains(key)
}
