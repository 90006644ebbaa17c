//! A memory store that grows to a million sessions: how many bytes a session takes, how long each
//! login takes, and how long a lookup takes at the end.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anchor::prelude::*;
use anchor::store::{Load, NewSession, SessionStore};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionId};
use tokio::runtime::{Builder, Runtime};
use tower_sessions::SessionStore as _;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use uuid::Uuid;

/// Counts the bytes that are requested.
struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE_BYTES.fetch_add(size, Ordering::Relaxed);
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SESSIONS: usize = 1_000_000;
const LOOKUPS: usize = 1_000_000;
const THREADS: usize = 2;

#[derive(Clone, SessionData)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
}

/// Returns a number that is as far from its neighbours as random ids are.
fn scattered(number: usize) -> u128 {
    (number as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
}

/// A store to measure, and the bytes of a session that are the payload's and not the store's.
trait Candidate: Sync {
    const NAME: &str;
    /// The bytes that a payload of one `i64` takes by itself.
    const PAYLOAD: usize;

    fn login(&self, runtime: &Runtime, number: usize);
    fn lookup(&self, runtime: &Runtime, number: usize);
}

impl Candidate for MemoryStore<UserSession> {
    const NAME: &str = "anchor";
    /// The payload, and the two counters of its `Arc`.
    const PAYLOAD: usize = size_of::<UserSession>() + 2 * size_of::<usize>();

    fn login(&self, runtime: &Runtime, number: usize) {
        let id = SessionId::from_uuid(Uuid::from_u128(scattered(number)));
        let (lasting, secret) = (LastingHash::from_bytes([0; 32]), SecretHash::from_bytes([1; 32]));
        // Each session belongs to a different user: this costs the index of subjects most.
        let data = Arc::new(UserSession { user_id: number as i64 });
        let created = self.create(NewSession::new(id, lasting, secret, data));
        drop(runtime.block_on(created).expect("a session"));
    }

    fn lookup(&self, runtime: &Runtime, number: usize) {
        let id = SessionId::from_uuid(Uuid::from_u128(scattered(number)));
        let found = runtime.block_on(self.load(id)).expect("an answer");
        assert!(matches!(black_box(found), Load::Live(_)));
    }
}

impl Candidate for tower_sessions::MemoryStore {
    const NAME: &str = "tower-sessions";
    const PAYLOAD: usize = size_of::<i64>();

    fn login(&self, runtime: &Runtime, number: usize) {
        let mut record = Record {
            id: Id(scattered(number) as i128),
            data: [("user_id".to_owned(), number.into())].into(),
            expiry_date: OffsetDateTime::now_utc() + Duration::from_secs(7_200),
        };
        runtime.block_on(self.create(&mut record)).expect("a session");
    }

    fn lookup(&self, runtime: &Runtime, number: usize) {
        let id = Id(scattered(number) as i128);
        let found = runtime.block_on(self.load(&id)).expect("an answer");
        assert!(black_box(found).is_some());
    }
}

/// Calls `act` for `count` numbers, which the threads share, and returns how long each call took,
/// sorted.
fn timed<S: Candidate>(store: &S, count: usize, act: fn(&S, &Runtime, usize)) -> Vec<Duration> {
    let share = count / THREADS;
    let mut times = vec![Duration::ZERO; share * THREADS];
    std::thread::scope(|scope| {
        for (thread, times) in times.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                let runtime = Builder::new_current_thread().build().expect("a runtime");
                for (step, time) in times.iter_mut().enumerate() {
                    let began = Instant::now();
                    act(store, &runtime, step * THREADS + thread);
                    *time = began.elapsed();
                }
            });
        }
    });
    times.sort_unstable();
    times
}

fn measure<S: Candidate>(store: S) {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let logins = timed(&store, SESSIONS, S::login);
    // The times are still in memory, too.
    let own = logins.capacity() * size_of::<Duration>();
    let bytes = LIVE_BYTES.load(Ordering::Relaxed) - before - own;
    let beyond = bytes as f64 / SESSIONS as f64 - S::PAYLOAD as f64;
    let lookups = timed(&store, LOOKUPS, S::lookup);
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "| {} | {beyond:.0} | {:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.1?} | {:.1?} |",
        S::NAME,
        at(&logins, 0.5),
        at(&logins, 0.99),
        at(&logins, 0.9999),
        at(&logins, 1.0),
        at(&lookups, 0.5),
        at(&lookups, 0.99),
    );
    // Dropping a million sessions is not measured.
    std::mem::forget(store);
}

fn main() {
    println!("{SESSIONS} sessions of one i64 each, by {THREADS} threads that log in at once");
    println!(
        "| store | bytes beyond the payload | login p50 | p99 | p99.99 | max | lookup p50 | p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    measure(MemoryStore::<UserSession>::new());
    measure(tower_sessions::MemoryStore::default());
}
