//! Users of Redis who may not do everything that the store does.

use tokio::task::JoinSet;

use super::*;

/// A store whose user may not send one command.
async fn store_without(server: &Redis, command: &str) -> RedisStore<UserSession> {
    let name = format!("without-{command}");
    let user_may = ["ACL", "SETUSER", &name, "on", ">hunter2", "~*", "&*", "+@all"];
    server.run::<String>(&[&user_may[..], &[&format!("-{command}")]].concat()).await;
    let url = server.url.replace("redis://", &format!("redis://{name}:hunter2@"));
    RedisStore::connect(&url).await.unwrap().prefix(&server.prefix)
}

#[tokio::test]
async fn each_command_that_is_forbidden_is_named_at_start_up() {
    let Some(server) = databases::own_redis() else { return };
    let commands = "del evalsha exec exists get hdel hget hmget hset info multi pexpireat pttl \
                    renamenx scan set time zadd zcount zrandmember zrange zrangebyscore zrem \
                    zremrangebyscore zscore";
    for command in commands.split_whitespace() {
        let store = store_without(&server, command).await;
        let error = store.verify().await.expect_err(command).to_string();
        assert!(error.contains("`RENAMENX`, `MULTI` and `EXEC`"), "{command}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let left: Vec<String> = server.run(&["KEYS", "*"]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_a_script_may_not_do_is_named() {
    let Some(server) = databases::own_redis() else { return };
    let store = store_without(&server, "hset").await;
    let error = store.create(login(&store, user("ferris"))).await.unwrap_err().to_string();
    assert!(error.contains("its ACL does not permit what the store does"), "{error}");
}

/// The server then carries out each command alone.
#[tokio::test]
async fn logouts_without_a_transaction_say_what_they_have_done() {
    #[derive(Debug, Clone, PartialEq, SessionData)]
    #[session(table = "visits", idle = "2h", absolute = "14d", migrations = false)]
    struct Visit {
        #[session(subject)]
        name: String,
    }
    let Some(server) = databases::own_redis() else { return };
    let all = server.store::<Visit>().await;
    store_without(&server, "multi").await;
    let url = server.url.replace("redis://", "redis://without-multi:hunter2@");
    let store = RedisStore::<Visit>::connect(&url).await.unwrap().prefix(&server.prefix);
    let mut logins = JoinSet::new();
    for number in 0..24 {
        let store = store.clone();
        logins.spawn(async move {
            let new = login(&store, Visit { name: format!("user {number}") });
            store.create(new.clone()).await.map(|_| new)
        });
    }
    let mut logouts = JoinSet::new();
    for new in logins.join_all().await {
        let (store, new) = (store.clone(), new.unwrap());
        assert!(is_live(&all, new.id).await);
        logouts.spawn(async move {
            let ending = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await;
            (new.id, ending)
        });
    }
    for (id, ending) in logouts.join_all().await {
        assert_eq!(ending.unwrap(), Ending::Ended);
        assert!(!is_live(&all, id).await);
    }
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let Some(server) = databases::own_redis() else { return };
    let url = server.url.replace("redis://", "redis://nobody:hunter2@");
    let error = RedisStore::<UserSession>::connect(&url).await.unwrap_err().to_string();
    assert!(error.contains("does not accept the user name or the password"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn another_programs_key_in_the_place_of_the_log_is_named_at_start_up() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    store.verify().await.unwrap();
    let log = format!("{{{}:{TABLE}:ends}}", server.prefix);
    server.run::<String>(&["SET", &log, "x"]).await;
    let error = store.verify().await.unwrap_err().to_string();
    assert!(error.contains("give the store a name of its own"), "{error}");
}

#[tokio::test]
async fn one_server_of_a_cluster_is_refused_at_start_up() {
    let Some(cluster) = databases::redis_cluster().await else { return };
    let one = cluster.url.split(',').next().unwrap();
    let store = RedisStore::<UserSession>::connect(one).await.unwrap().prefix(&cluster.prefix);
    let error = store.verify().await.unwrap_err().to_string();
    assert!(error.contains("connect with `RedisStore::connect_cluster`"), "{error}");
}
