//! [`on_every_store!`](crate::on_every_store) and [`on_every_server!`](crate::on_every_server): a
//! test of each behaviour for each store.

/// Makes a test of each of these functions for each store. Each takes a
/// [`Backend`](crate::Backend).
#[macro_export]
macro_rules! on_every_store {
    ($($behaviour:ident),+ $(,)?) => {
        $crate::on_every_store! { @store memory $($behaviour)+ }
        $crate::on_every_store! { @store sqlite $($behaviour)+ }
        $crate::on_every_store! { @store postgres $($behaviour)+ }
        $crate::on_every_store! { @store mysql $($behaviour)+ }
        $crate::on_every_store! { @store redis $($behaviour)+ }
    };
    (@store $store:ident $($behaviour:ident)+) => {
        mod $store {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    if let Some(backend) = $crate::Backend::$store().await {
                        super::$behaviour(backend).await;
                    }
                }
            )+
        }
    };
}

/// As [`on_every_store!`](crate::on_every_store), for the stores that are on the other end of a
/// connection. What follows a semicolon is not tested on Redis Cluster.
#[macro_export]
macro_rules! on_every_server {
    ($($behaviour:ident),+ $(,)? $(; not_in_a_cluster: $($other:ident),+ $(,)?)?) => {
        $crate::on_every_store! { @store postgres $($behaviour)+ $($($other)+)? }
        $crate::on_every_store! { @store mysql $($behaviour)+ $($($other)+)? }
        $crate::on_every_store! { @store redis $($behaviour)+ $($($other)+)? }
        $crate::on_every_store! { @store redis_cluster $($behaviour)+ }
    };
}
