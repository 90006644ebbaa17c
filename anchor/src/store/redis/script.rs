//! The scripts, each of which is one verb. Redis runs a script as a whole: nothing comes between
//! its commands.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            const PRELUDE: &str = include_str!("scripts/prelude.lua");
            Script::new(&[PRELUDE, include_str!(concat!("scripts/", $file))].concat())
        });
    )+};
}

scripts! {
    AWAY = "away.lua";
    CREATE = "create.lua";
    END = "end.lua";
    END_SUBJECT = "end_subject.lua";
    LIST = "list.lua";
    LOAD = "load.lua";
    NOW = "now.lua";
    ROTATE = "rotate.lua";
    SWEEP = "sweep.lua";
    TOUCH = "touch.lua";
    UNDO = "undo.lua";
    UPDATE = "update.lua";
    USE = "use.lua";
}
