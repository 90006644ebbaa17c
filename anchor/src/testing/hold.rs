//! [`Hold`]: a place where calls wait until the test lets them go on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// A place where calls wait until the test lets them go on, made by [`Faulty::hold`]. For a test of
/// what happens while a call is under way. Clones are the same place.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use anchor::testing::Hold;
///
/// // In the application's own code, as well as in a store.
/// let hold = Hold::new();
/// let passing = tokio::spawn({
///     let hold = hold.clone();
///     async move { hold.pass().await }
/// });
/// hold.reached().await;
/// assert!(!passing.is_finished());
/// hold.release();
/// passing.await.unwrap();
/// # }
/// ```
///
/// [`Faulty::hold`]: super::Faulty::hold
#[derive(Clone)]
pub struct Hold {
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Hold {
    /// Creates a place that calls reach by [`pass`](Self::pass).
    pub fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }

    /// Waits here until [`release`](Self::release).
    pub async fn pass(&self) {
        self.arrived.add_permits(1);
        // Closing it is the release.
        let _ = self.released.acquire().await;
    }

    /// Returns when a call waits here: once for each call that has come.
    ///
    /// # Panics
    ///
    /// Panics after 30 seconds without a call.
    pub async fn reached(&self) {
        let arrived = tokio::time::timeout(Duration::from_secs(30), self.arrived.acquire()).await;
        let arrived = arrived.expect("no call came here within 30 seconds");
        arrived.expect("the semaphore is never closed").forget();
    }

    /// Lets every call go on that waits here, and every later one.
    pub fn release(&self) {
        self.released.close();
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("is_released", &self.released.is_closed()).finish()
    }
}
