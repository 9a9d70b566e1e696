pub mod diagnostic;
pub mod inventory;
pub mod library;
pub mod model;
pub mod span;
pub mod syntax;
pub mod types;
