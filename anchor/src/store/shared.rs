//! A store behind an [`Arc`]. It may be a `dyn SessionStore<T>`, which is chosen at run time.

use std::sync::Arc;

use super::verbs::for_each_verb;
use super::*;

macro_rules! shared {
    ($(
        $verb:ident($($argument:ident: $ty:ty),*) -> $answer:ty $(where $bound:ident)?
            => $stale:expr;
    )+) => {
        impl<T: SessionData, S: SessionStore<T> + ?Sized> SessionStore<T> for Arc<S> {
            fn placement(&self, data: &T) -> Option<Placement> {
                (**self).placement(data)
            }

            fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
                (**self).load(id)
            }

            fn try_load(&self, id: SessionId) -> Option<Result<Load<T>, StoreError>> {
                (**self).try_load(id)
            }

            fn uses_recorder(&self) -> Option<&dyn RecordUses> {
                (**self).uses_recorder()
            }

            #[cfg(feature = "cache")]
            fn notices(&self) -> Option<Arc<dyn Notices>> {
                (**self).notices()
            }

            fn identity(&self) -> Option<StoreIdentity> {
                (**self).identity()
            }

            fn database_system(&self) -> Option<&'static str> {
                (**self).database_system()
            }

            #[cfg(feature = "metrics")]
            fn live_count(&self) -> Option<StoreFuture<'_, u64>> {
                (**self).live_count()
            }

            $(
                fn $verb<'a>(&'a self, $($argument: $ty),*) -> StoreFuture<'a, $answer>
                $(where T: $bound)?
                {
                    (**self).$verb($($argument),*)
                }
            )+
        }
    };
}

for_each_verb!(shared);
