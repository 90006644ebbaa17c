//! The scripts, each of which is one verb. Redis runs a script as a whole: nothing comes between
//! its commands.

use std::ptr;
use std::sync::LazyLock;

use redis::Script;

use super::replaceable::WhenReplaced;

macro_rules! scripts {
    ($($name:ident = $file:literal;)+) => {$(
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            const PRELUDE: &str = include_str!("scripts/prelude.lua");
            Script::new(&[PRELUDE, include_str!(concat!("scripts/", $file))].concat())
        });
    )+};
}

/// The one script that works on no shard.
pub(super) static LOG_END: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/log_end.lua")));

scripts! {
    AWAY = "away.lua";
    CONSUME = "consume.lua";
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

/// The scripts that may come once more at any later time: they read, end one session, or only cost
/// time.
static HARMLESS: [&LazyLock<Script>; 6] = [&CONSUME, &END, &LIST, &LOAD, &LOG_END, &NOW];

/// Returns what becomes of a call of this script whose connection is replaced.
pub(super) fn when_replaced(script: &Script) -> WhenReplaced {
    match HARMLESS.iter().any(|harmless| ptr::eq(LazyLock::force(harmless), script)) {
        true => WhenReplaced::Repeat,
        false => WhenReplaced::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_may_come_late_is_not_repeated() {
        assert_eq!(when_replaced(&CREATE), WhenReplaced::Fail);
        assert_eq!(when_replaced(&UPDATE), WhenReplaced::Fail);
        assert_eq!(when_replaced(&LOAD), WhenReplaced::Repeat);
        assert_eq!(when_replaced(&END), WhenReplaced::Repeat);
    }
}
