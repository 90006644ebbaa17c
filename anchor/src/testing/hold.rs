//! [`Hold`]: a place where calls wait until the test lets them go on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// A place where calls wait until the test lets them go on, made by [`Faulty::hold`]. For a test of
/// what happens while a call is under way. Clones are the same place.
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
    /// Panics after ten seconds without a call.
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
