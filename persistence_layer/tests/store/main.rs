//! The store on a real PostgreSQL server; each test has a database of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod support;

mod queue;
