//! Migrations against real databases, applied and taken back by sqlx's own migrator.

mod adoption;
mod baseline;
mod dice;
mod emitted;
mod extras;
mod folders;
mod green;
mod live;
mod pairs;
mod refusals;
mod replacement;
mod scratch;
mod tables;
