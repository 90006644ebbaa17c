//! The conformance suite tests something: it fails on stores that are broken on purpose.

use anchor::conformance::{self, Extended, Payload};
use anchor_tests::batching::{BatchingStore, Confusion};
use anchor_tests::careless::{CarelessStore, Carelessness};
use anchor_tests::late::{self, Lateness};
use anchor_tests::naive::{Fault, NaiveStore};

/// The broken stores without their faults, so that a fault alone is what fails below.
mod passes_the_same_store_without_a_fault {
    anchor::__conformance_plain!(async || super::NaiveStore::new(super::Fault::Nothing));
}

mod passes_the_same_extended_store_without_a_fault {
    anchor::__conformance_extended!(async || super::CarelessStore::new(
        super::Carelessness::Nothing
    ));
}

mod passes_the_same_late_store_without_a_fault {
    anchor::conformance!(async || super::late::store(super::Lateness::Nothing).await);
}

mod passes_the_same_batching_store_without_a_fault {
    anchor::__conformance_plain!(async || super::BatchingStore::new(super::Confusion::Nothing));
}

async fn naive(fault: Fault) -> NaiveStore {
    NaiveStore::new(fault)
}

async fn batching(fault: Confusion) -> BatchingStore {
    BatchingStore::new(fault)
}

async fn careless<const KEEP: u64>(fault: Carelessness) -> CarelessStore<KEEP> {
    CarelessStore::new(fault)
}

/// `Fault => file::case, ..;`: each case must fail on a store with that fault.
macro_rules! catches {
    ($store:path, $faults:ident, $payload:ty:
        $($fault:ident => $($file:ident::$case:ident),+;)*
    ) => {
        catches!(@ ($store) $faults ($payload) $($fault [$($file::$case)+])*);
    };
    (@ ($store:path) $faults:ident ($payload:ty)
        $($fault:ident [$($file:ident::$case:ident)+])*
    ) => {
        $(
            #[allow(non_snake_case, reason = "the fault's own name")]
            mod $fault {
                use super::*;

                $(
                    #[test]
                    #[should_panic]
                    fn $case() {
                        conformance::run::<$payload, _>(
                            async || $store($faults::$fault).await,
                            conformance::cases::$file::$case,
                        );
                    }
                )+
            }
        )*
    };
}

catches! { naive, Fault, Payload:
    CreateOverwrites => create::create_over_an_existing_id_is_refused,
        create::of_many_creates_with_one_id_one_wins;
    CreateOverwritesExpired => create::create_over_an_expired_row_is_refused;
    CreateForgetsWhatItReplaces => create::create_ends_the_session_that_it_replaces,
        logout_races::a_login_over_a_session_beats_its_late_writes;
    CreateIgnoresTheProof => create::create_ends_nothing_without_the_proof;
    CreateEndsBeforeItInserts => create::a_refused_create_leaves_the_session_to_replace_alive;
    CreateChecksBeforeItWrites => create::of_many_creates_with_one_id_one_wins;
    CreateAllowsOneSessionOfASubject => create::sessions_of_one_subject_live_side_by_side,
        revoke::revoking_a_session_leaves_the_others_alive;
    CreateIgnoresTheDeadline =>
        clock::an_idle_timeout_longer_than_the_absolute_one_ends_at_the_deadline;
    CreateCountsInSeconds => clock::lifetimes_are_counted_from_the_creation;
    CreateTellsOtherTimes => create::a_created_session_loads_as_it_was_created;
    CreateNeedsWhatItReplaces => create::create_may_replace_a_session_that_is_not_there;
    LoadReturnsExpired => expiry::a_session_ends_when_it_was_idle_too_long;
    LoadExtends => load::loading_writes_nothing;
    TryLoadIsCached => load::a_load_sees_every_write_that_was_answered_before_it_began;
    LoadIsCached => load::a_load_sees_every_write_that_was_answered_before_it_began,
        update::an_update_writes_the_payload_and_its_use_and_nothing_else;
    LoadFindsAnything => load::an_unknown_id_is_absent;
    UpdateRevives => revoke::a_revoked_session_is_gone_to_every_verb,
        load::an_unknown_session_is_gone_to_every_verb,
        logout_races::logout_beats_a_late_update,
        logout_races::logout_everywhere_beats_late_writes,
        logout_races::a_login_over_a_session_beats_its_late_writes,
        expiry::an_expired_session_is_gone_to_every_verb;
    UpdateOverwritesAStaleVersion =>
        update::an_update_from_a_stale_version_conflicts_and_writes_nothing,
        update::of_many_updates_of_one_version_one_wins,
        update::a_counter_raised_by_many_tasks_loses_no_count;
    UpdateChecksBeforeItWrites => update::of_many_updates_of_one_version_one_wins,
        update::a_counter_raised_by_many_tasks_loses_no_count;
    UpdateTakesANewerVersion => update::an_update_from_a_stale_version_conflicts_and_writes_nothing;
    UpdateLies => update::an_update_writes_the_payload_and_its_use_and_nothing_else,
        update::a_conflicting_update_succeeds_when_run_again_on_fresh_data,
        update::an_update_without_a_difference_changes_nothing;
    UpdateIsNoUse => update::an_update_writes_the_payload_and_its_use_and_nothing_else,
        update::an_update_extends_the_idle_expiry_up_to_the_deadline;
    UpdateWithoutADifferenceIsNoUse => update::an_update_extends_the_idle_expiry_up_to_the_deadline;
    UpdatePassesTheDeadline => update::an_update_extends_the_idle_expiry_up_to_the_deadline;
    UpdateIgnoresTheSecret => update::an_update_with_a_replaced_secret_conflicts_and_writes_nothing;
    UpdateNeedsTheCurrentSecret =>
        update::an_update_with_a_replaced_secret_conflicts_and_writes_nothing;
    UpdateForgetsTheOldSubject => update::an_update_can_hand_a_session_to_another_subject;
    TouchRevives => revoke::a_revoked_session_is_gone_to_every_verb,
        load::an_unknown_session_is_gone_to_every_verb,
        logout_races::logout_beats_a_late_touch,
        logout_races::logout_everywhere_beats_late_writes,
        expiry::an_expired_session_is_gone_to_every_verb;
    TouchPassesTheDeadline => touch::a_touch_never_goes_past_the_deadline,
        expiry::a_session_ends_at_its_deadline_however_often_it_is_touched;
    TouchLies => touch::a_touch_extends_the_idle_expiry,
        touch::a_touched_session_outlives_its_first_expiry;
    TouchRaisesTheVersion => update::a_touch_and_a_rotation_do_not_make_an_update_conflict;
    TouchSettlesWhateverIsPresented =>
        touch::a_touch_settles_a_rotation_with_the_current_secret_alone;
    TouchNeverSettles => touch::a_touch_settles_a_rotation_with_the_current_secret_alone;
    RotateRevives => revoke::a_revoked_session_is_gone_to_every_verb,
        load::an_unknown_session_is_gone_to_every_verb,
        logout_races::logout_beats_a_late_rotation,
        logout_races::logout_everywhere_beats_late_writes,
        expiry::an_expired_session_is_gone_to_every_verb;
    RotateIgnoresTheSecret => rotate::a_rotation_from_another_secret_conflicts_and_writes_nothing,
        rotate::of_many_rotations_of_one_secret_one_wins;
    RotateChecksBeforeItWrites => rotate::of_many_rotations_of_one_secret_one_wins,
        rotate::of_many_repetitions_of_a_lost_rotation_one_wins;
    RotateIsNoUse => rotate::a_rotation_changes_the_secret_and_remembers_the_previous_one,
        rotate::a_rotation_extends_the_idle_expiry_up_to_the_deadline;
    RotatePassesTheDeadline => rotate::a_rotation_extends_the_idle_expiry_up_to_the_deadline;
    RotateReplacesTheLastingHash =>
        rotate::a_rotation_changes_the_secret_and_remembers_the_previous_one;
    RotateRemembersWhatIsRefused => rotate::what_becomes_of_the_old_secret_is_as_the_rotation_says;
    RotateRepeatsNothing => rotate::a_lost_rotation_is_repeated_from_the_old_secret;
    RotateRepeatsWhatIsNotLost =>
        rotate::a_rotation_that_is_not_lost_is_not_repeated_from_the_old_secret;
    RotateForgetsThePreviousSecret =>
        rotate::a_rotation_changes_the_secret_and_remembers_the_previous_one;
    RotateKeepsTheFirstSecret => rotate::a_second_rotation_forgets_the_first_secret;
    RotateGivesNoGrace => rotate::the_grace_of_a_previous_secret_is_counted_from_the_rotation;
    ConsumeEndsNothing =>
        consume::a_consumption_ends_the_session_and_returns_its_last_payload,
        consume::of_many_consumptions_of_one_session_one_gets_the_payload;
    ConsumeIgnoresTheSecret =>
        consume::a_consumption_with_another_secret_conflicts_and_ends_nothing;
    ConsumeNeedsTheCurrentSecret =>
        consume::the_secret_of_a_lost_rotation_does_not_stop_a_consumption;
    ConsumeChecksBeforeItEnds =>
        consume::of_many_consumptions_of_one_session_one_gets_the_payload,
        consume::of_a_consumption_and_a_revoke_at_once_one_ends_the_session,
        consume::of_a_consumption_and_a_rotation_at_once_one_wins,
        consume::a_consumption_returns_every_update_that_was_answered;
    ConsumeIgnoresWhoEndedIt =>
        consume::of_a_consumption_and_a_revoke_at_once_one_ends_the_session;
    ConsumeReturnsWhatWasLoadedBefore =>
        consume::a_consumption_returns_every_update_that_was_answered;
    ConsumeEndsTheSubject =>
        consume::a_consumption_ends_the_session_and_returns_its_last_payload;
    RevokeLies => revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none,
        revoke::revoking_an_unknown_session_counts_none, logout_races::logout_beats_a_late_update,
        logout_races::logout_beats_a_late_touch, logout_races::logout_beats_a_late_rotation,
        load::a_load_sees_every_write_that_was_answered_before_it_began;
    RevokeIsSlow => revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none,
        revoke::of_many_revokes_of_one_session_one_counts_it,
        logout_races::logout_beats_a_late_update;
    RevokeIgnoresTheProof => revoke::a_revoke_without_the_proof_ends_nothing_and_says_so;
    RevokeHidesThatItWasNotProven => revoke::a_revoke_without_the_proof_ends_nothing_and_says_so;
    RevokeNeedsTheFirstSecret =>
        revoke::a_revoke_with_the_proof_ends_the_session_however_often_it_was_rotated;
    RevokeLeavesWhatLooksExpired => revoke::what_looks_expired_is_ended_for_good;
    RevokeCountsTwice => revoke::of_many_revokes_of_one_session_one_counts_it;
    RevokeAcceptsTheProofOfAnother => revoke::revokes_at_once_each_learn_their_own_outcome;
    RevokeMixesUpItsCallers => revoke::revokes_at_once_each_learn_their_own_outcome;
    RevokeFailsOnAnAbsentRow => revoke::revoking_an_unknown_session_counts_none,
        revoke::a_revoked_session_is_not_live_and_the_second_revoke_counts_none;
    RevokeEndsTheSubject => revoke::revoking_a_session_leaves_the_others_alive;
    RevokeOfIgnoresTheSubject => revoke_many::the_session_of_another_subject_is_not_ended_by_its_id;
    RevokeOfEndsTheSubject => revoke_many::revoking_a_session_of_a_subject_ends_that_one,
        revoke_many::the_session_of_another_subject_is_not_ended_by_its_id;
    RevokeOfLies => revoke_many::revoking_a_session_of_a_subject_ends_that_one,
        revoke_many::the_session_of_another_subject_is_not_ended_by_its_id;
    RevokeOfLeavesWhatLooksExpired => revoke::what_looks_expired_is_ended_for_good;
    RevokeSubjectEndsEveryone => revoke_many::revoking_a_subject_ends_all_its_sessions_and_no_other;
    RevokeSubjectSparesOne => revoke_many::revoking_a_subject_ends_all_its_sessions_and_no_other,
        logout_races::logout_everywhere_beats_late_writes;
    RevokeSubjectCountsExpired =>
        revoke_many::revoking_a_subject_counts_only_sessions_that_were_live;
    RevokeOthersKeepsNone => revoke_many::revoking_the_others_keeps_one_and_every_other_subject;
    RevokeOthersEndsEveryone => revoke_many::revoking_the_others_keeps_one_and_every_other_subject;
    RevokeOthersNeedsTheirOwn =>
        revoke_many::revoking_the_others_of_a_session_that_is_not_theirs_ends_all_of_the_subject;
    ListShowsOthers => list::a_list_has_the_subjects_sessions_newest_first,
        list::a_subject_without_sessions_has_an_empty_list;
    ListShowsEnded => list::a_list_leaves_out_revoked_and_expired_sessions,
        expiry::an_expired_session_is_gone_to_every_verb;
    ListIsOldestFirst => list::a_list_has_the_subjects_sessions_newest_first;
    ListIsStale => list::a_list_shows_what_was_written_last;
    ListIgnoresTheLimit => list::a_list_comes_in_pages_that_neither_miss_nor_repeat;
    ListIgnoresTheCursor => list::a_list_comes_in_pages_that_neither_miss_nor_repeat;
    ListEndsEarly => list::a_list_comes_in_pages_that_neither_miss_nor_repeat;
    ListNeverEnds => list::a_list_comes_in_pages_that_neither_miss_nor_repeat;
    SweepRemovesLiveRows => sweep::a_sweep_leaves_live_sessions,
        sweep::a_sweep_leaves_a_session_that_was_touched_in_time;
    SweepForgetsTouches => sweep::a_sweep_leaves_a_session_that_was_touched_in_time;
    SweepIgnoresTheBatch => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them;
    SweepDoesNothing => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them;
    SweepCountsItsBatch => sweep::a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them,
        sweep::concurrent_sweeps_count_every_row_once;
    ClockStandsStill => clock::time_comes_from_one_clock_that_moves_forward;
    ClockOfAnotherNode => clock::time_comes_from_one_clock_that_moves_forward,
        touch::a_touch_extends_the_idle_expiry;
    BooleansAreTrue => round_trip::ordinary_payloads_come_back_equal;
    TextIsTrimmed => round_trip::empty_values_come_back_equal_and_distinct_from_none;
    TextIsNormalised => round_trip::unicode_comes_back_equal;
    TextIsCutAt255 => round_trip::sixty_four_kilobytes_come_back_equal;
    EmptyTextIsNull => round_trip::empty_values_come_back_equal_and_distinct_from_none;
    IntegersAreFloats => round_trip::extreme_numbers_come_back_equal;
    InstantsAreMilliseconds => round_trip::microseconds_come_back_equal;
    NulEndsTheText => round_trip::what_a_table_may_not_hold_comes_back_equal_or_is_refused;
    CreateRemembersEveryone => create::a_session_remembers_whether_its_cookie_outlives_the_browser;
    CreateForgetsWhenTheLoginBegan => create::a_login_counts_as_authenticated_when_it_began;
    CreateKeepsWhatTheTableDoesNot => client_info::a_table_without_extras_keeps_neither;
    LimitIsIgnored => limit::a_login_over_the_limit_ends_the_oldest_sessions,
        limit::a_login_over_the_limit_is_refused_where_the_limit_says_so,
        limit::logins_at_once_never_exceed_a_limit_that_ends_the_oldest;
    LimitChecksBeforeItWrites => limit::logins_at_once_never_exceed_a_limit_that_ends_the_oldest,
        limit::logins_at_once_never_exceed_a_limit_that_refuses;
    LimitEndsTheNewest => limit::a_login_over_the_limit_ends_the_oldest_sessions;
    LimitEndsAll => limit::a_login_over_the_limit_ends_the_oldest_sessions;
    LimitNeverRefuses => limit::a_login_over_the_limit_is_refused_where_the_limit_says_so,
        limit::logins_at_once_never_exceed_a_limit_that_refuses;
    LimitCountsTheReplaced => limit::the_session_that_a_login_replaces_leaves_room;
    LimitCountsEnded => limit::sessions_that_have_ended_leave_room;
    LimitEndsInSilence => limit::a_login_over_the_limit_ends_the_oldest_sessions,
        limit::logins_at_once_never_exceed_a_limit_that_ends_the_oldest;
    LimitIsTheWholeTables => limit::a_login_over_the_limit_ends_the_oldest_sessions;
    RefusedLoginEndsWhatItReplaces =>
        limit::a_login_over_the_limit_is_refused_where_the_limit_says_so;
    ReauthenticateLies =>
        reauthenticate::a_reauthentication_sets_its_time_and_use_and_rotates_and_nothing_else,
        revoke::a_revoked_session_is_gone_to_every_verb;
    ReauthenticateRevives =>
        revoke::a_revoked_session_is_gone_to_every_verb,
        logout_races::logout_beats_a_late_reauthentication;
    ReauthenticateIsNoUse =>
        reauthenticate::a_reauthentication_sets_its_time_and_use_and_rotates_and_nothing_else,
        reauthenticate::a_reauthentication_extends_the_idle_expiry_up_to_the_deadline;
    ReauthenticatePassesTheDeadline =>
        reauthenticate::a_reauthentication_extends_the_idle_expiry_up_to_the_deadline;
    ReauthenticateIsTwoSteps =>
        reauthenticate::a_reauthentication_from_another_secret_conflicts_and_writes_nothing;
    ReauthenticateKeepsTheSecret =>
        reauthenticate::a_reauthentication_sets_its_time_and_use_and_rotates_and_nothing_else;
    ReauthenticateIgnoresTheSecret =>
        reauthenticate::a_reauthentication_from_another_secret_conflicts_and_writes_nothing,
        reauthenticate::of_many_reauthentications_of_one_secret_one_wins;
    ReauthenticateChecksBeforeItWrites =>
        reauthenticate::of_many_reauthentications_of_one_secret_one_wins;
    ReauthenticateNeedsTheCurrentSecret =>
        reauthenticate::a_lost_rotation_does_not_keep_anybody_from_a_reauthentication;
    RevokeEveryoneSparesOne => revoke_many::revoking_everyone_ends_every_session_and_counts_them;
    RevokeEveryoneCountsEnded => revoke_many::revoking_everyone_ends_every_session_and_counts_them;
}

catches! { careless, Carelessness, Extended<_>:
    CutOffEndsRowsAlone =>
        cut_off::a_login_that_began_before_a_cut_off_and_arrives_after_it_is_dead,
        cut_off::a_login_that_arrives_dead_is_gone_to_every_verb,
        cut_off::a_cut_off_beats_the_logins_that_it_races_with,
        cut_off::a_sweep_removes_what_was_dead_on_arrival,
        history::a_login_that_arrived_dead_is_in_the_history;
    CutOffEndsEveryone => cut_off::a_cut_off_ends_all_sessions_of_a_subject_and_no_other;
    CutOffLies => cut_off::a_cut_off_ends_all_sessions_of_a_subject_and_no_other;
    CutOffIsForGood => cut_off::a_login_that_begins_after_a_cut_off_lives;
    CutOffIsForgottenBySweeps => cut_off::a_sweep_removes_what_was_dead_on_arrival;
    DeadLoginsAreListed =>
        cut_off::a_login_that_began_before_a_cut_off_and_arrives_after_it_is_dead;
    DeadLoginsAreRevived => cut_off::a_login_that_arrives_dead_is_gone_to_every_verb;
    DeadLoginsStay => cut_off::a_sweep_removes_what_was_dead_on_arrival;
    ReauthenticationEscapes => cut_off::a_cut_off_beats_a_late_reauthentication;
    ConsumptionsAreLogouts => history::the_history_says_why_each_session_ended;
    TouchEscapes => cut_off::a_cut_off_beats_late_writes;
    OriginIsForgotten => client_info::a_session_keeps_where_it_came_from;
    OriginIsNeverUpdated => client_info::a_touch_records_where_a_session_was_used_from;
    OriginIsOverwrittenByNone => client_info::a_touch_records_where_a_session_was_used_from;
    FingerprintIsForgotten => client_info::a_session_keeps_what_it_is_bound_to;
    HistoryIsEmpty => history::the_history_says_why_each_session_ended,
        history::an_expired_session_is_in_the_history_swept_or_not;
    HistoryHasNoReasons => history::the_history_says_why_each_session_ended,
        history::a_login_that_arrived_dead_is_in_the_history;
    HistoryIsOldestFirst => history::the_history_says_why_each_session_ended;
    HistoryShowsLiveSessions => history::the_history_has_no_live_session_and_no_other_subject;
    HistoryShowsOthers => history::the_history_has_no_live_session_and_no_other_subject;
    HistoryWaitsForTheSweep => history::an_expired_session_is_in_the_history_swept_or_not,
        history::a_login_that_arrived_dead_is_in_the_history;
    HistoryCallsExpiredRevoked => history::an_expired_session_is_in_the_history_swept_or_not;
    HistoryIgnoresTheLimit => history::the_history_comes_in_pages_that_neither_miss_nor_repeat;
    HistoryIgnoresTheCursor => history::the_history_comes_in_pages_that_neither_miss_nor_repeat;
    HistoryEndsEarly => history::the_history_comes_in_pages_that_neither_miss_nor_repeat;
    KeptSessionsAreListed => history::a_kept_session_is_never_live_again,
        history::the_history_has_no_live_session_and_no_other_subject;
    KeptSessionsAreLive => history::a_kept_session_is_never_live_again;
    KeptSessionsAreOverwritten => history::a_kept_session_is_never_live_again;
    KeptSessionsCountAgain => history::a_kept_session_is_never_live_again;
    KeptSessionsGoWithTheSweep => history::a_kept_session_is_never_live_again;
}

catches! { late::store, Lateness, Payload:
    UsesRevive => uses::a_use_of_an_ended_session_revives_nothing;
    UsesPassTheDeadline => uses::a_use_never_extends_past_the_deadline;
    UsesGoBackwards => uses::a_use_before_the_last_one_changes_nothing;
    UsesCountFromTheWrite => uses::a_use_counts_from_when_it_happened;
    UsesRaiseTheVersion => uses::a_use_counts_from_when_it_happened;
    UsesAreMixedUp => uses::many_uses_each_reach_their_own_session;
    UsesOfOthersAreLost => uses::many_uses_each_reach_their_own_session;
    UsesAtOnceAreLost => uses::uses_recorded_at_once_each_reach_their_own_session;
    UsesAtOnceReportEachOthers => uses::uses_recorded_at_once_each_reach_their_own_session;
    UsesReportTheEnded => uses::a_use_of_an_ended_session_revives_nothing;
    UsesReportNothing => uses::a_use_counts_from_when_it_happened;
}

catches! { late::store, Lateness, Extended<0>:
    UsesEscapeCutOffs => uses::a_cut_off_beats_a_late_use;
    ClientsAreMixedUp => uses::uses_keep_each_sessions_own_client;
    UsesForgetTheClient => uses::uses_keep_each_sessions_own_client;
    UsesForgetTheClientOfAnEarlierUse => uses::uses_keep_each_sessions_own_client;
    UsesEraseTheClient => uses::uses_keep_each_sessions_own_client;
}

catches! { batching, Confusion, Payload:
    LookupsAreMixedUp => batches::lookups_at_once_each_get_their_own_session;
    LookupsShiftPastUnknownOnes => batches::lookups_at_once_each_get_their_own_session;
    LookupsOfOneSessionAnswerOnce => batches::lookups_at_once_each_get_their_own_session;
    LookupsPastTheLargestBatchFindNothing => batches::lookups_at_once_each_get_their_own_session;
    LookupsJoinABatchThatWasSent =>
        batches::a_load_is_not_older_than_its_call_while_others_load_the_same_session;
    CreatesMixUpTheirPayloads => batches::a_create_that_is_refused_among_many_is_refused_alone;
    CreatesAreToldOfAnother => batches::a_create_that_is_refused_among_many_is_refused_alone;
    RefusedCreateFailsItsBatch => batches::a_create_that_is_refused_among_many_is_refused_alone;
    RefusalIsToldToAnother => batches::a_create_that_is_refused_among_many_is_refused_alone;
    RefusedCreateOverwrites => batches::a_create_that_is_refused_among_many_is_refused_alone;
    WrongProofSavesItsBatch => revoke::revokes_at_once_each_learn_their_own_outcome;
    TouchesAreMixedUp => batches::touches_at_once_each_reach_their_own_session;
    TouchesGetTheFirstIdleTimeout => batches::touches_at_once_each_reach_their_own_session;
    TouchesOfTheEndedFailTheirBatch => batches::touches_at_once_each_reach_their_own_session;
    CallerThatLeavesFailsItsBatch => batches::callers_that_leave_disturb_no_other;
    CallerThatLeavesShiftsTheAnswers => batches::callers_that_leave_disturb_no_other;
    FirstCallerTakesItsBatchAlong => batches::callers_that_leave_disturb_no_other;
}

/// The one case whose payload is kept for a second only.
mod keeps_too_long {
    #[test]
    #[should_panic]
    fn a_sweep_removes_ended_sessions_after_their_time() {
        super::conformance::run::<super::conformance::Extended<1>, _>(
            async || super::CarelessStore::new(super::Carelessness::KeptSessionsStay),
            super::conformance::cases::history::a_sweep_removes_ended_sessions_after_their_time,
        );
    }
}

#[test]
fn every_case_has_a_broken_store_that_it_catches() {
    // The type `Arc<Payload>` keeps these two; no safe store can break them.
    const KEPT_BY_THE_TYPES: [&str; 2] = ["a_payload_read_is_a_copy", "a_payload_given_is_a_copy"];
    let suite = include_str!("../../../anchor/src/conformance/mod.rs");
    let lists = suite.split("$crate::__conformance_tests! { ($fresh_store)").skip(1);
    let cases: Vec<&str> = lists
        .flat_map(|list| list.split("#[doc(hidden)]").next().unwrap().lines())
        .map(str::trim)
        .filter(|line| line.contains('_') && !line.contains('{'))
        .collect();
    assert!(cases.len() > 85, "{cases:?}");
    for case in cases.into_iter().filter(|case| !KEPT_BY_THE_TYPES.contains(case)) {
        let caught = include_str!("broken.rs").contains(&format!("::{case}"));
        assert!(caught, "no broken store shows that `{case}` catches anything");
    }
}
