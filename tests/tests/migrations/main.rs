//! Migrations against real databases, applied and taken back by sqlx's own migrator.

mod dice;
mod extras;
mod live;
mod pairs;
mod tables;
