//! What every process of the service needs around its work: settings, logs, shutdown, time and
//! the PostgreSQL supervisor. No business rule lives here, and none of the other crates is known
//! here.

pub mod clock;
pub mod config;
pub mod postgres;
pub mod shutdown;
pub mod telemetry;
pub mod trace;
