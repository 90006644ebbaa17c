//! The contract of [`SessionStore`], as tests that run against any store.
//!
//! [`conformance!`](crate::conformance!) expands to one test per case. The cases are ordinary
//! functions in `cases/`, with one file per verb or concern. Each case fails on a store that
//! breaks the sentence in its name.

#[doc(hidden)]
pub mod cases;
mod payload;

use std::sync::Arc;
use std::time::Duration;

pub use payload::{Extended, Payload};

use crate::payload::SessionData;
use crate::store::SessionStore;

/// Tests that a session store fulfils the contract of [`SessionStore`](crate::store::SessionStore),
/// with one `#[test]` per case. The name of each test is a sentence.
///
/// The argument is an async closure that returns an empty store for any payload. It is called once
/// per test, and it is compiled for each payload of the suite:
/// [`Payload`](crate::conformance::Payload), and [`Extended`](crate::conformance::Extended), whose
/// table has every optional part. If the store needs a table, the payload's `schema()` describes
/// it. The tests run in parallel, so each store must have a table of its own. The closure may
/// return `Option<Store>`: `None` skips the test, for example if a server is not available.
///
/// Call it in a module of its own, in a test crate. It needs anchor's feature `conformance`.
///
/// ```
/// mod memory {
///     anchor::conformance!(async || anchor::MemoryStore::new());
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    ($fresh_store:expr) => {
        $crate::__conformance_plain!($fresh_store);
        $crate::__conformance_extended!($fresh_store);
    };
}

/// The cases on tables without optional parts.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_plain {
    ($fresh_store:expr) => {
        $crate::__conformance_tests! { ($fresh_store)
            create {
                a_created_session_loads_as_it_was_created
                create_over_an_existing_id_is_refused
                create_over_an_expired_row_is_refused
                create_ends_the_session_that_it_replaces
                create_ends_nothing_without_the_proof
                create_may_replace_a_session_that_is_not_there
                a_refused_create_leaves_the_session_to_replace_alive
                of_many_creates_with_one_id_one_wins
                sessions_of_one_subject_live_side_by_side
                a_session_remembers_whether_its_cookie_outlives_the_browser
                a_login_counts_as_authenticated_when_it_began
            }
            limit {
                a_login_over_the_limit_ends_the_oldest_sessions
                a_login_over_the_limit_is_refused_where_the_limit_says_so
                the_session_that_a_login_replaces_leaves_room
                sessions_that_have_ended_leave_room
                logins_at_once_never_exceed_a_limit_that_ends_the_oldest
                logins_at_once_never_exceed_a_limit_that_refuses
            }
            load {
                an_unknown_id_is_absent
                an_unknown_session_is_gone_to_every_verb
                loading_writes_nothing
                a_load_sees_every_write_that_was_answered_before_it_began
            }
            clock {
                lifetimes_are_counted_from_the_creation
                an_idle_timeout_longer_than_the_absolute_one_ends_at_the_deadline
                time_comes_from_one_clock_that_moves_forward
            }
            expiry {
                a_session_ends_when_it_was_idle_too_long
                a_session_ends_at_its_deadline_however_often_it_is_touched
                an_expired_session_is_gone_to_every_verb
            }
            update {
                an_update_writes_the_payload_and_its_use_and_nothing_else
                an_update_extends_the_idle_expiry_up_to_the_deadline
                an_update_from_a_stale_version_conflicts_and_writes_nothing
                a_conflicting_update_succeeds_when_run_again_on_fresh_data
                an_update_without_a_difference_changes_nothing
                an_update_can_hand_a_session_to_another_subject
                an_update_with_a_replaced_secret_conflicts_and_writes_nothing
                a_touch_and_a_rotation_do_not_make_an_update_conflict
                of_many_updates_of_one_version_one_wins
                a_counter_raised_by_many_tasks_loses_no_count
            }
            touch {
                a_touch_extends_the_idle_expiry
                a_touch_settles_a_rotation_with_the_current_secret_alone
                a_touched_session_outlives_its_first_expiry
                a_touch_never_goes_past_the_deadline
            }
            uses {
                a_use_counts_from_when_it_happened
                a_use_never_extends_past_the_deadline
                a_use_before_the_last_one_changes_nothing
                a_use_of_an_ended_session_revives_nothing
                many_uses_each_reach_their_own_session
                uses_recorded_at_once_each_reach_their_own_session
            }
            reauthenticate {
                a_reauthentication_sets_its_time_and_use_and_rotates_and_nothing_else
                a_reauthentication_extends_the_idle_expiry_up_to_the_deadline
                a_reauthentication_from_another_secret_conflicts_and_writes_nothing
                a_lost_rotation_does_not_keep_anybody_from_a_reauthentication
                of_many_reauthentications_of_one_secret_one_wins
            }
            rotate {
                a_rotation_changes_the_secret_and_remembers_the_previous_one
                a_rotation_extends_the_idle_expiry_up_to_the_deadline
                what_becomes_of_the_old_secret_is_as_the_rotation_says
                the_grace_of_a_previous_secret_is_counted_from_the_rotation
                a_second_rotation_forgets_the_first_secret
                a_lost_rotation_is_repeated_from_the_old_secret
                a_rotation_that_is_not_lost_is_not_repeated_from_the_old_secret
                of_many_repetitions_of_a_lost_rotation_one_wins
                a_rotation_from_another_secret_conflicts_and_writes_nothing
                of_many_rotations_of_one_secret_one_wins
            }
            consume {
                a_consumption_ends_the_session_and_returns_its_last_payload
                a_consumption_with_another_secret_conflicts_and_ends_nothing
                the_secret_of_a_lost_rotation_does_not_stop_a_consumption
                of_many_consumptions_of_one_session_one_gets_the_payload
                of_a_consumption_and_a_revoke_at_once_one_ends_the_session
                of_a_consumption_and_a_rotation_at_once_one_wins
                a_consumption_returns_every_update_that_was_answered
            }
            revoke {
                a_revoked_session_is_not_live_and_the_second_revoke_counts_none
                a_revoked_session_is_gone_to_every_verb
                revoking_an_unknown_session_counts_none
                revoking_a_session_leaves_the_others_alive
                a_revoke_with_the_proof_ends_the_session_however_often_it_was_rotated
                a_revoke_without_the_proof_ends_nothing_and_says_so
                what_looks_expired_is_ended_for_good
                of_many_revokes_of_one_session_one_counts_it
                revokes_at_once_each_learn_their_own_outcome
            }
            revoke_many {
                revoking_a_session_of_a_subject_ends_that_one
                the_session_of_another_subject_is_not_ended_by_its_id
                revoking_a_subject_ends_all_its_sessions_and_no_other
                revoking_a_subject_counts_only_sessions_that_were_live
                revoking_the_others_keeps_one_and_every_other_subject
                revoking_the_others_of_a_session_that_is_not_theirs_ends_all_of_the_subject
                revoking_everyone_ends_every_session_and_counts_them
            }
            list {
                a_list_has_the_subjects_sessions_newest_first
                a_list_leaves_out_revoked_and_expired_sessions
                a_list_shows_what_was_written_last
                a_subject_without_sessions_has_an_empty_list
                a_list_comes_in_pages_that_neither_miss_nor_repeat
            }
            sweep {
                a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them
                a_sweep_leaves_live_sessions
                a_sweep_leaves_a_session_that_was_touched_in_time
                concurrent_sweeps_count_every_row_once
            }
            logout_races {
                logout_beats_a_late_update
                logout_beats_a_late_touch
                logout_beats_a_late_rotation
                logout_beats_a_late_reauthentication
                logout_everywhere_beats_late_writes
                a_login_over_a_session_beats_its_late_writes
            }
            round_trip {
                ordinary_payloads_come_back_equal
                unicode_comes_back_equal
                empty_values_come_back_equal_and_distinct_from_none
                sixty_four_kilobytes_come_back_equal
                extreme_numbers_come_back_equal
                microseconds_come_back_equal
                what_a_table_may_not_hold_comes_back_equal_or_is_refused
                a_payload_read_is_a_copy
                a_payload_given_is_a_copy
            }
            client_info {
                a_table_without_extras_keeps_neither
            }
            batches {
                lookups_at_once_each_get_their_own_session
                a_load_is_not_older_than_its_call_while_others_load_the_same_session
                a_create_that_is_refused_among_many_is_refused_alone
                callers_that_leave_disturb_no_other
                touches_at_once_each_reach_their_own_session
            }
        }
    };
}

/// The cases on tables with optional parts.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_extended {
    ($fresh_store:expr) => {
        $crate::__conformance_tests! { ($fresh_store)
            uses of $crate::conformance::Extended<0> {
                uses_keep_each_sessions_own_client
                a_cut_off_beats_a_late_use
            }
            client_info of $crate::conformance::Extended<0> {
                a_session_keeps_where_it_came_from
                a_touch_records_where_a_session_was_used_from
                a_session_keeps_what_it_is_bound_to
            }
            cut_off of $crate::conformance::Extended<0> {
                a_cut_off_ends_all_sessions_of_a_subject_and_no_other
                a_login_that_began_before_a_cut_off_and_arrives_after_it_is_dead
                a_login_that_arrives_dead_is_gone_to_every_verb
                a_login_that_begins_after_a_cut_off_lives
                a_cut_off_beats_the_logins_that_it_races_with
                a_cut_off_beats_a_late_reauthentication
                a_cut_off_beats_late_writes
                a_sweep_removes_what_was_dead_on_arrival
            }
            history of $crate::conformance::Extended<86_400> {
                the_history_says_why_each_session_ended
                the_history_has_no_live_session_and_no_other_subject
                a_kept_session_is_never_live_again
                an_expired_session_is_in_the_history_swept_or_not
                a_login_that_arrived_dead_is_in_the_history
                the_history_comes_in_pages_that_neither_miss_nor_repeat
            }
            history of $crate::conformance::Extended<1> {
                a_sweep_removes_ended_sessions_after_their_time
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (($fresh_store:expr) $($file:ident { $($case:ident)* })*) => {
        $($crate::__conformance_tests! {
            ($fresh_store) $file of $crate::conformance::Payload { $($case)* }
        })*
    };
    (($fresh_store:expr) $($file:ident of $payload:ty { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                $crate::conformance::run::<$payload, _>(
                    $fresh_store,
                    $crate::conformance::cases::$file::$case,
                );
            }
        )*)*
    };
}

/// What the closure of [`conformance!`](crate::conformance!) may return: a store, or an `Option` of
/// one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store that the conformance suite can test",
    label = "this is neither a `SessionStore<{T}>` nor an `Option` of one",
    note = "return a store for sessions of any payload, such as `MemoryStore::new()`"
)]
pub trait Candidate<T: SessionData> {
    /// The store.
    type Store: SessionStore<T>;

    /// Returns the store, or `None` to skip the test.
    fn store(self) -> Option<Self::Store>;
}

/// Implements [`Candidate`] for each payload separately. For a generic payload, an `Option` might
/// itself be a store.
macro_rules! candidates {
    ($([$($parameter:tt)*] $payload:ty),*) => {
        $(
            impl<$($parameter)* S: SessionStore<$payload>> Candidate<$payload> for S {
                type Store = S;

                fn store(self) -> Option<S> {
                    Some(self)
                }
            }

            impl<$($parameter)* S: SessionStore<$payload>> Candidate<$payload> for Option<S> {
                type Store = S;

                fn store(self) -> Option<S> {
                    self
                }
            }
        )*
    };
}

candidates!([] Payload, [const KEEP: u64,] Extended<KEEP>);

/// Runs one case on one fresh store, in a runtime of its own. The runtime has several threads, so
/// that races can happen.
///
/// # Panics
///
/// Panics if the store breaks the contract, or if the case takes more than two minutes.
pub fn run<T: SessionData, C: Candidate<T>>(
    fresh_store: impl AsyncFnOnce() -> C,
    case: impl AsyncFnOnce(cases::Store<T>),
) {
    const LIMIT: Duration = Duration::from_secs(120);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    runtime.block_on(async {
        let Some(store) = fresh_store().await.store() else { return };
        tokio::time::timeout(LIMIT, case(Arc::new(store)))
            .await
            .expect("the case ends within two minutes");
    });
}

#[cfg(test)]
mod tests {
    /// A case that the macro does not name would never run.
    #[test]
    fn the_macro_names_every_case() {
        let files = [
            include_str!("cases/batches.rs"),
            include_str!("cases/clock.rs"),
            include_str!("cases/consume.rs"),
            include_str!("cases/create.rs"),
            include_str!("cases/cut_off.rs"),
            include_str!("cases/expiry.rs"),
            include_str!("cases/history.rs"),
            include_str!("cases/limit.rs"),
            include_str!("cases/list.rs"),
            include_str!("cases/load.rs"),
            include_str!("cases/logout_races.rs"),
            include_str!("cases/client_info.rs"),
            include_str!("cases/reauthenticate.rs"),
            include_str!("cases/revoke.rs"),
            include_str!("cases/revoke_many.rs"),
            include_str!("cases/rotate.rs"),
            include_str!("cases/round_trip.rs"),
            include_str!("cases/sweep.rs"),
            include_str!("cases/touch.rs"),
            include_str!("cases/update.rs"),
            include_str!("cases/uses.rs"),
        ];
        let cases = files.iter().flat_map(|file| file.split("pub async fn ").skip(1));
        for case in cases.filter_map(|rest| rest.split(['<', '(']).next()) {
            let named = include_str!("mod.rs").lines().any(|line| line.trim() == case);
            assert!(named, "`conformance!` does not name the case `{case}`");
        }
    }
}
