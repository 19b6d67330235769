//! What happens around every request.

pub mod context;
pub mod deadline;
pub mod gate;
pub mod panics;
pub mod rest_of_body;
