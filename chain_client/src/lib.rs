//! The only crate that calls out: chain endpoints and price sources.
