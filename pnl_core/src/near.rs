//! Memory that will be needed soon is asked for before: the processor goes on while it comes.

use prefetch_index::prefetch_index;

/// Asks for the line of a cache in which a value begins.
#[inline(always)]
pub(crate) fn fetch<T>(value: &T) {
    fetch_at(std::slice::from_ref(value), 0);
}

/// The same for a place of a slice, or behind it.
#[inline(always)]
pub(crate) fn fetch_at<T>(values: &[T], place: usize) {
    prefetch_index(values, place);
}

/// Which way something goes that will be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It comes in.
    In,
    /// It leaves.
    Out,
}
