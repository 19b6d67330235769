//! What the fuzz targets share: mutation of JSON, and models of what a transaction moved that know
//! nothing of the parser.
//!
//! Each target takes bytes and lets a reader loose on them. Whatever the bytes are, the answer is a
//! value or an error; of a transaction that is accepted, every line must be what the model says.

pub mod evm;
pub mod lines;
pub mod mutate;
pub mod solana;

/// A target: what it is fed to, and the mutation of its inputs.
#[macro_export]
macro_rules! target {
    ($check:expr) => {
        ::libfuzzer_sys::fuzz_target!(|input: &[u8]| {
            $check(input);
        });
        ::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                        size: usize,
                                        max_size: usize,
                                        seed: u32| {
            $crate::mutate::mutate(data, size, max_size, seed)
        });
    };
}
