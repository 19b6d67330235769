//! What happens around every request.

pub mod auth;
pub mod cached;
pub mod context;
pub mod cors;
pub mod deadline;
pub mod encoding;
pub mod gate;
pub mod limits;
pub mod load;
pub mod panics;
pub mod rest_of_body;
pub mod shared;
pub mod validators;
