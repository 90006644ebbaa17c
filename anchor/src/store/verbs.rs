//! The verbs of [`SessionStore`](super::SessionStore) as a table, for what passes every verb on to
//! another store. `load` is not among them, because a store may also answer it without waiting.

/// Passes the signature of each verb to the macro `$forward`, and which sessions a call may change.
macro_rules! for_each_verb {
    ($forward:ident) => {
        $forward! {
            create(new: NewSession<T>) -> Created<T> => Stale::login(&new);
            update(change: Change<T>) -> Updated => Stale::session(change.id);
            touch(touch: Touch) -> Touched => Stale::used(touch.id);
            reauthenticate(rotation: Rotation) -> Reauthenticated => Stale::session(rotation.id);
            rotate(rotation: Rotation) -> Rotated => Stale::session(rotation.id);
            consume(id: SessionId, secret: SecretHash) -> Consumed<T> => Stale::session(id);
            revoke(id: SessionId, proof: Option<LastingHash>, reason: EndReason) -> Ending
                => Stale::session(id);
            revoke_of(subject: &'a T::Subject, id: SessionId, reason: EndReason) -> Ending
                => Stale::session(id);
            revoke_subject(subject: &'a T::Subject, reason: EndReason) -> u64
                => Stale::subject::<T>(subject);
            revoke_others(subject: &'a T::Subject, keep: SessionId, reason: EndReason) -> u64
                => Stale::subject::<T>(subject);
            revoke_everyone(reason: EndReason) -> u64 => Stale::everyone();
            cut_off(subject: &'a T::Subject, reason: EndReason) -> u64 where CutOff
                => Stale::subject::<T>(subject);
            list(subject: &'a T::Subject, page: Page) -> Listed<Record<T>> => Stale::nothing();
            history(subject: &'a T::Subject, page: Page) -> Listed<EndedRecord<T>>
                => Stale::nothing();
            sweep(batch: u32) -> u64 => Stale::nothing();
        }
    };
}

pub(crate) use for_each_verb;
