//! Raw transactions in, a wallet's net movements out: pure.
