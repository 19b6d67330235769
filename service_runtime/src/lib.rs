//! Settings, logs, shutdown and the PostgreSQL supervisor: no business rule.
