//! The wire types: request bodies read into checked values, answers written from them.

pub mod time;
