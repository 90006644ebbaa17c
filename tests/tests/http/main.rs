//! What an application sees over HTTP: a real server, a real client, every store.
//!
//! Each theme has a file, each behaviour one function, and [`on_every_store`] makes a test of it for each store.

/// Makes a test of each of these functions for each store.
macro_rules! on_every_store {
    ($($behaviour:ident),+ $(,)?) => {
        on_every_store! { @store memory $($behaviour)+ }
        on_every_store! { @store sqlite $($behaviour)+ }
        on_every_store! { @store postgres $($behaviour)+ }
        on_every_store! { @store mysql $($behaviour)+ }
    };
    (@store $store:ident $($behaviour:ident)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    if let Some(backend) = anchor_tests::Backend::$store().await {
                        super::$behaviour(backend).await;
                    }
                }
            )+
        }
    };
}

mod application;
mod logs;
mod tokens;

mod devices;
mod endings;
mod extractors;
mod faults;
mod frontends;
mod guards;
mod keys;
mod layers;
mod lifetimes;
mod lives;
mod log_lines;
mod login;
mod logout;
mod old_tokens;
mod payloads;
mod policies;
mod refusals;
mod rejections;
mod rotation;
mod updates;
mod verifier;
