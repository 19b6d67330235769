//! The program as a process, tested from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod commands;
mod continuous;
mod database;
mod exposure;
mod keys;
mod operator;
mod pooler;
mod profile;
mod redis;
mod replica;
mod serve;
mod signing;
mod slow_log;
mod status;
mod support;
mod webhooks;
