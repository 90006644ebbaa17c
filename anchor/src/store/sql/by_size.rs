//! [`BySize`]: a statement that comes in several sizes, of which most applications need few.

use std::array::from_fn;
use std::sync::OnceLock;

/// What a statement is for each of `N` sizes. Each one is made when it is first needed: the text
/// for 64 sessions has more than a thousand placeholders.
pub(super) struct BySize<S, const N: usize> {
    made: [OnceLock<S>; N],
    make: Box<dyn Fn(usize) -> S + Send + Sync>,
}

impl<S, const N: usize> BySize<S, N> {
    /// Takes the sizes, and what makes the statement for one of them.
    pub(super) fn new(
        sizes: [usize; N],
        make: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> Self {
        let make = move |place: usize| make(sizes[place]);
        Self { made: from_fn(|_| OnceLock::new()), make: Box::new(make) }
    }

    /// Returns the statement for the size at this place.
    pub(super) fn at(&self, place: usize) -> &S {
        self.made[place].get_or_init(|| (self.make)(place))
    }
}
