//! The verbs of the contract in SQL, one file per verb: its statements, their arguments, and how
//! the answer is read.

mod beginning;
mod consume;
mod create;
mod cut_off;
mod end;
pub(super) mod insert;
mod list;
#[cfg(feature = "metrics")]
mod live_count;
pub(super) mod load;
pub(super) mod logout;
mod rotate;
mod sweep;
mod touch;
mod update;
mod uses;
mod version;

use super::database::Database;
use super::driver::Driver;
use super::table::SqlTable;

/// The verbs of one table.
pub(super) struct Verbs {
    pub(super) create: create::Create,
    pub(super) update: update::Update,
    pub(super) touch: touch::TouchRow,
    pub(super) uses: uses::Uses,
    pub(super) rotate: rotate::Rotate,
    pub(super) consume: consume::Consume,
    pub(super) end: end::End,
    pub(super) cut_off: cut_off::CutOffSubject,
    pub(super) list: list::List,
    #[cfg(feature = "metrics")]
    pub(super) live_count: live_count::LiveCount,
    pub(super) sweep: sweep::Sweep,
}

impl Verbs {
    pub(super) fn new<D: Driver>(database: &Database<D>) -> Self {
        let table = SqlTable::of(database);
        Self {
            create: create::Create::new(&table),
            touch: touch::TouchRow::new(&table),
            uses: uses::Uses::new(&table),
            rotate: rotate::Rotate::new(&table),
            consume: consume::Consume::new(&table),
            end: end::End::new(&table),
            cut_off: cut_off::CutOffSubject::new(&table),
            list: list::List::new(&table),
            #[cfg(feature = "metrics")]
            live_count: live_count::LiveCount::new(&table),
            sweep: sweep::Sweep::new(&table),
            update: update::Update::new(table),
        }
    }
}
