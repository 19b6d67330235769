//! A loopback chain endpoint that serves recorded transactions, for demo, tests and load runs.
