//! Migrations against real databases, applied and taken back by sqlx's own migrator.

mod adoption;
mod baseline;
mod busy;
mod chains;
mod cut_offs;
mod deployments;
mod emitted;
mod extras;
mod folders;
mod green;
mod halves;
mod leaving;
mod live;
mod pairs;
mod postgres;
mod rebuilds;
mod refusals;
mod releases;
mod renames;
mod replacement;
mod scene;
mod scratch;
mod sessions;
mod squawk;
mod tables;
mod values;
