//! What operators ask of a running process: how it performs, what is asked of it, whether it is large enough,
//! what it costs.
//!
//! All of it is of one process and in bounded memory: nothing here is stored.

pub mod capacity;
pub mod cost;
pub mod memory;
pub mod profile;
pub mod ratio;
pub mod traffic;
pub mod vitals;
pub mod windows;
