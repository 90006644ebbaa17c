//! What an application sees over HTTP: a real server, a real client, every store.
//!
//! Each theme has a file, each behaviour one function, and [`on_every_store`] makes a test of it for each store.

/// Makes a test of each of these functions for each store.
macro_rules! on_every_store {
    ($($behaviour:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$behaviour(anchor_tests::Backend::Memory).await;
                }
            )+
        }
    };
}

mod application;
mod logs;
mod tokens;

mod extractors;
mod faults;
mod frontends;
mod guards;
mod keys;
mod layers;
mod lifetimes;
mod login;
mod logout;
mod options;
mod payloads;
mod refusals;
mod rejections;
mod updates;
mod verifier;
