//! The wire types: request bodies read into checked values, answers written from them.

pub mod batch;
pub mod batch_lines;
pub mod csv;
pub mod estimate;
pub mod fleet;
pub mod job;
pub mod key;
pub mod latest;
pub mod options;
pub mod purge;
pub mod result;
pub mod time;
pub mod watched;
pub mod webhook;
