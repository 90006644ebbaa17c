//! Migrations against real databases, applied and taken back by sqlx's own migrator.

mod adoption;
mod busy;
mod cut_offs;
mod dice;
mod emitted;
mod extras;
mod folders;
mod live;
mod pairs;
mod rebuilds;
mod refusals;
mod releases;
mod renames;
mod scene;
mod scratch;
mod squawk;
mod tables;
mod values;
