//! Sessions for axum, declared by one struct.

mod column;
mod data;
mod error;
mod id;
mod keys;
mod schema;
mod store;
mod timestamp;
mod token;
mod value;
