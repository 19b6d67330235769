//! The service as an operator runs it: processes of `pnl-tracker serve`, a PostgreSQL and a Redis
//! of their own, and a client of the HTTP interface. For runs that measure or disturb.
//!
//! Everything here is thrown away: servers listen on free ports of 127.0.0.1, files live in
//! temporary folders, and what was started is ended when its owner is dropped.

pub mod batch;
pub mod http;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod redis;
pub mod wait;

pub use batch::{Job, JobStatus, Row};
pub use http::{Answer, Client};
pub use pgbouncer::{PgBouncer, PgBouncerProgram};
pub use postgres::{PostgresServer, StopMode};
pub use process::{Service, ServiceSettings};
pub use programs::Signal;
pub use redis::RedisServer;
