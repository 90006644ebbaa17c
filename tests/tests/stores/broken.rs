//! The conformance suite tests something: it fails on stores that are broken on purpose.

use anchor::conformance;
use anchor_tests::naive::{Fault, NaiveStore};

/// The broken stores without their faults, so that a fault alone is what fails below.
mod passes_the_same_store_without_a_fault {
    anchor::conformance!(async || super::NaiveStore::new(super::Fault::Nothing));
}

/// `Fault => file::case, ..;`: each case must fail on a store with that fault.
macro_rules! catches {
    ($($fault:ident => $($file:ident::$case:ident),+;)*) => {
        $(
            #[allow(non_snake_case, reason = "the fault's own name")]
            mod $fault {
                $(
                    #[test]
                    #[should_panic]
                    fn $case() {
                        super::conformance::run(
                            async || super::NaiveStore::new(super::Fault::$fault),
                            super::conformance::$file::$case,
                        );
                    }
                )+
            }
        )*
    };
}

catches! {
    CreateOverwrites => create::create_over_an_existing_id_is_refused, create::of_many_creates_with_one_id_one_wins;
    CreateOverwritesExpired => create::create_over_an_expired_row_is_refused;
    CreateForgetsWhatItReplaces => create::create_ends_the_session_that_it_replaces, logout_races::a_login_over_a_session_beats_its_late_writes;
    CreateEndsBeforeItInserts => create::a_refused_create_leaves_the_session_to_replace_alive;
    CreateChecksBeforeItWrites => create::of_many_creates_with_one_id_one_wins;
    CreateAllowsOneSessionOfASubject => create::sessions_of_one_subject_live_side_by_side, revoke::revoking_a_session_leaves_the_others_alive;
    CreateIgnoresTheDeadline => clock::an_idle_timeout_longer_than_the_absolute_one_ends_at_the_deadline;
    CreateCountsInSeconds => clock::lifetimes_are_counted_from_the_creation;
    CreateTellsOtherTimes => create::a_created_session_loads_as_it_was_created;
    CreateNeedsWhatItReplaces => create::create_may_replace_a_session_that_is_not_there;
    LoadReturnsExpired => expiry::a_session_ends_when_it_was_idle_too_long;
    LoadExtends => load::loading_writes_nothing;
    LoadIsCached => load::a_load_sees_every_write_that_was_answered_before_it_began, update::an_update_writes_the_payload_and_nothing_else;
    LoadFindsAnything => load::an_unknown_id_is_absent;
    UpdateRevives => update::an_update_of_a_revoked_session_is_gone_and_revives_nothing, update::an_update_of_an_unknown_session_creates_nothing, logout_races::logout_beats_a_late_update, logout_races::logout_everywhere_beats_late_writes, logout_races::a_login_over_a_session_beats_its_late_writes, expiry::an_expired_session_is_gone_to_every_verb;
    UpdateOverwritesAStaleVersion => update::an_update_from_a_stale_version_conflicts_and_writes_nothing, update::of_many_updates_of_one_version_one_wins, update::a_counter_raised_by_many_tasks_loses_no_count;
    UpdateChecksBeforeItWrites => update::of_many_updates_of_one_version_one_wins, update::a_counter_raised_by_many_tasks_loses_no_count;
    UpdateTakesANewerVersion => update::an_update_from_a_stale_version_conflicts_and_writes_nothing;
    UpdateLies => update::an_update_writes_the_payload_and_nothing_else, update::a_conflicting_update_succeeds_when_run_again_on_fresh_data, update::an_update_without_a_difference_changes_nothing;
    UpdateTouches => update::an_update_writes_the_payload_and_nothing_else;
    UpdateForgetsTheOldSubject => update::an_update_can_hand_a_session_to_another_subject;
    TouchRevives => touch::a_touch_of_a_revoked_session_is_gone_and_revives_nothing, touch::a_touch_of_an_unknown_session_creates_nothing, logout_races::logout_beats_a_late_touch, logout_races::logout_everywhere_beats_late_writes, expiry::an_expired_session_is_gone_to_every_verb;
    TouchPassesTheDeadline => touch::a_touch_never_goes_past_the_deadline, expiry::a_session_ends_at_its_deadline_however_often_it_is_touched;
    TouchLies => touch::a_touch_extends_the_idle_expiry, touch::a_touched_session_outlives_its_first_expiry;
    TouchRaisesTheVersion => update::a_touch_and_a_rotation_do_not_make_an_update_conflict;
    RotateRevives => rotate::a_rotation_of_a_revoked_session_is_gone_and_revives_nothing, rotate::a_rotation_of_an_unknown_session_creates_nothing, logout_races::logout_beats_a_late_rotation, logout_races::logout_everywhere_beats_late_writes, expiry::an_expired_session_is_gone_to_every_verb;
    RotateIgnoresTheSecret => rotate::a_rotation_from_another_secret_conflicts_and_writes_nothing, rotate::of_many_rotations_of_one_secret_one_wins;
    RotateChecksBeforeItWrites => rotate::of_many_rotations_of_one_secret_one_wins;
    RotateForgetsThePreviousSecret => rotate::a_rotation_changes_the_secret_and_remembers_the_previous_one, rotate::the_grace_of_a_previous_secret_is_counted_from_the_rotation;
    RotateKeepsTheFirstSecret => rotate::a_second_rotation_forgets_the_first_secret;
    RotateGivesNoGrace => rotate::the_grace_of_a_previous_secret_is_counted_from_the_rotation;
    RevokeLies => revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none, revoke::revoking_an_unknown_session_counts_none, logout_races::logout_beats_a_late_update, logout_races::logout_beats_a_late_touch, logout_races::logout_beats_a_late_rotation, load::a_load_sees_every_write_that_was_answered_before_it_began;
    RevokeIsSlow => revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none, revoke::of_many_revokes_of_one_session_one_counts_it, logout_races::logout_beats_a_late_update;
    RevokeIgnoresTheProof => revoke::a_revoke_with_another_secret_ends_nothing;
    RevokeRefusesThePreviousSecret => revoke::a_revoke_with_the_current_or_the_previous_secret_ends_the_session;
    RevokeCountsTwice => revoke::of_many_revokes_of_one_session_one_counts_it;
    RevokeFailsOnAnAbsentRow => revoke::revoking_an_unknown_session_counts_none, revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none;
    RevokeEndsTheSubject => revoke::revoking_a_session_leaves_the_others_alive;
    RevokeSubjectEndsEveryone => revoke_many::revoking_a_subject_ends_all_its_sessions_and_no_other;
    RevokeSubjectSparesOne => revoke_many::revoking_a_subject_ends_all_its_sessions_and_no_other, logout_races::logout_everywhere_beats_late_writes;
    RevokeSubjectCountsExpired => revoke_many::revoking_a_subject_counts_only_sessions_that_were_live;
    RevokeOthersKeepsNone => revoke_many::revoking_the_others_keeps_one_and_every_other_subject;
    RevokeOthersEndsEveryone => revoke_many::revoking_the_others_keeps_one_and_every_other_subject;
    RevokeOthersNeedsTheirOwn => revoke_many::revoking_the_others_of_a_session_that_is_not_theirs_ends_all_of_the_subject;
    ListShowsOthers => list::a_list_has_the_subjects_sessions_newest_first, list::a_subject_without_sessions_has_an_empty_list;
    ListShowsEnded => list::a_list_leaves_out_revoked_and_expired_sessions, expiry::an_expired_session_is_gone_to_every_verb;
    ListIsOldestFirst => list::a_list_has_the_subjects_sessions_newest_first;
    ListIsStale => list::a_list_shows_what_was_written_last;
    SweepRemovesLiveRows => sweep::a_sweep_leaves_live_sessions, sweep::a_sweep_leaves_a_session_that_was_touched_in_time;
    SweepForgetsTouches => sweep::a_sweep_leaves_a_session_that_was_touched_in_time;
    SweepIgnoresTheBatch => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them;
    SweepDoesNothing => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them;
    SweepCountsItsBatch => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them, sweep::concurrent_sweeps_count_every_row_once;
    ClockStandsStill => clock::time_comes_from_one_clock_that_moves_forward;
    ClockOfAnotherNode => clock::time_comes_from_one_clock_that_moves_forward, touch::a_touch_extends_the_idle_expiry;
    BooleansAreTrue => round_trip::ordinary_payloads_come_back_equal;
    TextIsTrimmed => round_trip::empty_values_come_back_equal_and_distinct_from_none;
    TextIsNormalised => round_trip::unicode_comes_back_equal;
    TextIsCutAt255 => round_trip::sixty_four_kilobytes_come_back_equal;
    EmptyTextIsNull => round_trip::empty_values_come_back_equal_and_distinct_from_none;
    IntegersAreFloats => round_trip::extreme_numbers_come_back_equal;
    InstantsAreMilliseconds => round_trip::microseconds_come_back_equal;
    NulEndsTheText => round_trip::what_a_table_may_not_hold_comes_back_equal_or_is_refused;
}

#[test]
fn every_case_has_a_broken_store_that_it_catches() {
    // The type `Arc<Payload>` keeps these two; no safe store can break them.
    const KEPT_BY_THE_TYPES: [&str; 2] = ["a_payload_read_is_a_copy", "a_payload_given_is_a_copy"];
    let suite = include_str!("../../../anchor/src/conformance/mod.rs");
    let (_, list) = suite.split_once("$crate::__conformance_tests! { ($fresh_store)").unwrap();
    let (list, _) = list.split_once("#[doc(hidden)]").unwrap();
    let cases: Vec<&str> = list
        .lines()
        .map(str::trim)
        .filter(|line| line.contains('_') && !line.contains('{'))
        .collect();
    assert!(cases.len() > 60, "{cases:?}");
    for case in cases.into_iter().filter(|case| !KEPT_BY_THE_TYPES.contains(case)) {
        let caught = include_str!("broken.rs").contains(&format!("::{case}"));
        assert!(caught, "no broken store shows that `{case}` catches anything");
    }
}
