//! The pnl-tracker binary: HTTP interface and subcommands.
