//! The verbs of [`SessionStore`](super::SessionStore) as a table, for what passes every verb on to
//! another store. `load` is not among them, because a store may also answer it without waiting.

/// Passes the signature of each verb to the macro `$forward`.
macro_rules! for_each_verb {
    ($forward:ident) => {
        $forward! {
            create(new: NewSession<T>) -> Created<T>;
            update(change: Change<T>) -> Updated;
            touch(touch: Touch) -> Touched;
            reauthenticate(rotation: Rotation) -> Reauthenticated;
            rotate(rotation: Rotation) -> Rotated;
            revoke(id: SessionId, proof: Option<LastingHash>, reason: EndReason) -> Ending;
            revoke_of(subject: &'a T::Subject, id: SessionId, reason: EndReason) -> Ending;
            revoke_subject(subject: &'a T::Subject, reason: EndReason) -> u64;
            revoke_others(subject: &'a T::Subject, keep: SessionId, reason: EndReason) -> u64;
            revoke_everyone(reason: EndReason) -> u64;
            cut_off(subject: &'a T::Subject, reason: EndReason) -> u64 where CutOff;
            list(subject: &'a T::Subject, page: Page) -> Listed<Record<T>>;
            history(subject: &'a T::Subject, page: Page) -> Listed<EndedRecord<T>>;
            sweep(batch: u32) -> u64;
        }
    };
}

pub(super) use for_each_verb;
