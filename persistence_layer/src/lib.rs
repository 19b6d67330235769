//! The only crate with SQL: PostgreSQL and Redis.
