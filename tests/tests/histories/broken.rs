//! The checker refuses stores that are broken on purpose, within as many histories as continuous
//! integration runs.

use std::sync::Arc;

use anchor::conformance::{Extended, Payload};
use anchor::store::SessionStore;
use anchor_tests::batching::{BatchingStore, Confusion};
use anchor_tests::careless::{CarelessStore, Carelessness};
use anchor_tests::histories::{IN_CI, Node, Numbered, Tally, run};
use anchor_tests::late::{self, Lateness};
use anchor_tests::naive::{Fault, NaiveStore};

async fn run_on<T: Numbered>(store: impl SessionStore<T>) -> Result<Tally, String> {
    let node: Node<T> = Arc::new(store);
    run([Arc::clone(&node), node], 1..=IN_CI).await
}

async fn naive(fault: Fault) -> Result<Tally, String> {
    run_on(NaiveStore::new(fault)).await
}

async fn batching(fault: Confusion) -> Result<Tally, String> {
    run_on(BatchingStore::new(fault)).await
}

async fn careless(fault: Carelessness) -> Result<Tally, String> {
    run_on::<Extended<0>>(CarelessStore::new(fault)).await
}

async fn keeping(fault: Carelessness) -> Result<Tally, String> {
    run_on::<Extended<86_400>>(CarelessStore::new(fault)).await
}

async fn late(fault: Lateness) -> Result<Tally, String> {
    run_on::<Payload>(late::store(fault).await).await
}

async fn late_to_be_cut_off(fault: Lateness) -> Result<Tally, String> {
    run_on::<Extended<0>>(late::store(fault).await).await
}

/// Without a fault each of them is accepted, so a fault alone is what is refused below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_stores_without_a_fault_are_accepted() {
    for accepted in [
        naive(Fault::Nothing).await,
        batching(Confusion::Nothing).await,
        careless(Carelessness::Nothing).await,
        keeping(Carelessness::Nothing).await,
        late(Lateness::Nothing).await,
        late_to_be_cut_off(Lateness::Nothing).await,
    ] {
        accepted.unwrap_or_else(|picture| panic!("{picture}"));
    }
}

macro_rules! refuses {
    ($($store:ident($faults:ident): $($fault:ident)+;)+) => {$($(
        #[allow(non_snake_case, reason = "the fault's own name")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fault() {
            match $store($faults::$fault).await {
                Err(picture) => println!("{picture}"),
                Ok(tally) => panic!("it is not refused: {tally:?}"),
            }
        }
    )+)+};
}

refuses! {
    naive(Fault):
        // A late write that brings a session back.
        UpdateRevives TouchRevives RotateRevives ReauthenticateRevives
        // A lookup answered from a state before its start.
        LoadIsCached ListIsStale
        // A compare-and-set that ignores the version, or compares apart from its write.
        UpdateOverwritesAStaleVersion UpdateChecksBeforeItWrites UpdateLies
        // A logout that is answered before it is done, or ends nothing, or something else.
        RevokeIsSlow RevokeLies RevokeIgnoresTheProof RevokeCountsTwice RevokeEndsTheSubject
        RevokeHidesThatItWasNotProven RevokeMixesUpItsCallers RevokeNeedsTheFirstSecret
        RevokeOfIgnoresTheSubject RevokeOfLies RevokeOfEndsTheSubject
        RevokeSubjectSparesOne RevokeSubjectCountsExpired RevokeOthersKeepsNone
        // A consumption that somebody else's end does not stop, or whose payload is not the last.
        ConsumeEndsNothing ConsumeIgnoresTheSecret ConsumeChecksBeforeItEnds
        ConsumeIgnoresWhoEndedIt ConsumeReturnsWhatWasLoadedBefore ConsumeEndsTheSubject
        // A rotation that leaves the old secret valid, or that several win.
        UpdateIgnoresTheSecret RotateIgnoresTheSecret RotateRemembersWhatIsRefused
        RotateChecksBeforeItWrites RotateGivesNoGrace RotateRepeatsNothing
        RotateRepeatsWhatIsNotLost ReauthenticateIgnoresTheSecret ReauthenticateKeepsTheSecret
        ReauthenticateChecksBeforeItWrites TouchNeverSettles TouchSettlesWhateverIsPresented
        // Lists and logins.
        ListShowsOthers ListShowsEnded UpdateForgetsTheOldSubject
        CreateForgetsWhatItReplaces CreateIgnoresTheProof
        LimitIsIgnored LimitChecksBeforeItWrites LimitEndsInSilence;
    batching(Confusion):
        LookupsJoinABatchThatWasSent LookupsAreMixedUp CreatesMixUpTheirPayloads
        WrongProofSavesItsBatch TouchesAreMixedUp;
    careless(Carelessness):
        CutOffEndsRowsAlone ReauthenticationEscapes TouchEscapes DeadLoginsAreRevived;
    keeping(Carelessness):
        KeptSessionsAreLive KeptSessionsCountAgain KeptSessionsAreListed;
    late(Lateness):
        UsesRevive UsesGoBackwards UsesReportTheEnded UsesRaiseTheVersion;
    late_to_be_cut_off(Lateness):
        UsesEscapeCutOffs;
}
