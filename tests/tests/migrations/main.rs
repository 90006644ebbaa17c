//! Migrations against real databases, applied and taken back by sqlx's own migrator.

mod adoption;
mod dice;
mod emitted;
mod extras;
mod folders;
mod live;
mod pairs;
mod refusals;
mod scratch;
mod tables;
