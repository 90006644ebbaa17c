//! anchor and its peers, measured in one run: the code that the programs in `bin/` share.

pub mod apps;
pub mod args;
pub mod commands;
pub mod counting;
pub mod databases;
pub mod fill;
pub mod load;
pub mod plot;
pub mod server;
pub mod statements;
pub mod statistics;
pub mod table;
