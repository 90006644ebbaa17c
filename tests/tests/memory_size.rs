//! What a session in memory costs in bytes, counted, and what no login has to wait for.
//!
//! A binary of its own, with one test, because the counting allocator counts for the whole process.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor::prelude::*;
use anchor::store::{NewSession, SessionStore};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionId};
use uuid::Uuid;

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it came; `realloc` is the trait's
// own, which calls these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
struct UserSession {
    #[session(subject)]
    user_id: i64,
}

/// Where a table that doubles has just doubled, and so is at its emptiest.
const SESSIONS: usize = 250_000;

#[tokio::test(flavor = "current_thread")]
async fn a_session_in_memory_is_small_and_no_login_moves_many() {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let store = MemoryStore::new();
    LARGEST.store(0, Ordering::Relaxed);
    for number in 0..SESSIONS {
        let id = SessionId::from_uuid(Uuid::from_u128(number as u128));
        let (lasting, secret) = (LastingHash::from_bytes([0; 32]), SecretHash::from_bytes([1; 32]));
        // Each session is another user's: what costs the index of subjects most.
        let data = Arc::new(UserSession { user_id: number as i64 });
        store.create(NewSession::new(id, lasting, secret, data)).await.unwrap();
    }
    let bytes = (LIVE_BYTES.load(Ordering::Relaxed) - before) as f64 / SESSIONS as f64;
    // The payload, and the two counters of its `Arc`, are the caller's.
    let payload = size_of::<UserSession>() + 2 * size_of::<usize>();
    let beyond = bytes - payload as f64;
    println!("{beyond:.1} bytes a session beyond the payload's own {payload}");
    let largest = LARGEST.load(Ordering::Relaxed);
    println!("the largest allocation while the table grew: {largest} bytes");
    assert!(beyond <= 250.0, "a session costs {beyond:.1} bytes beyond its payload");
    // What grows by copying, or by a rehash, does so within an allocation: its size bounds the
    // wait.
    assert!(largest <= 64 * 1024, "a login waits for {largest} bytes to be filled");
}
