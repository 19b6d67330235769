//! Batches and wallet tasks: submit, claim, work, finish.
