//! What an operator sees: metrics, and the spans of the store's calls.

/// Makes a test of a behaviour for each of these stores, with a runtime of one thread: a recorder
/// and a subscriber of the test are those of its thread.
macro_rules! on_stores {
    ($behaviour:ident: $($store:ident),+) => {
        mod $behaviour {
            $(
                #[tokio::test]
                async fn $store() {
                    if let Some(backend) = anchor_tests::Backend::$store().await {
                        super::$behaviour(backend).await;
                    }
                }
            )+
        }
    };
}

mod application;

mod events;
mod failures;
mod live_count;
mod names;
mod spans;
mod store_calls;
