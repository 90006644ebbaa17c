//! A load generator: keep-alive connections on one thread, each with one request in flight.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to request, and until when.
pub struct Work<'a> {
    /// Method and path.
    pub line: &'a str,
    /// Values of the `Cookie` header; an empty value sends no header. The requests use them in
    /// turn.
    pub cookies: &'a [String],
    pub connections: usize,
    pub until: Until,
    /// Whether to keep the cookies of the responses.
    pub keeps_cookies: bool,
}

/// When a load ends.
#[derive(Clone, Copy)]
pub enum Until {
    /// After this time. Before it, a fifth of this time runs without being counted.
    Elapsed(Duration),
    /// After this many requests.
    Count(usize),
}

/// What a load measured.
pub struct Measured {
    pub per_second: f64,
    pub requests: usize,
    /// Those that were counted, and those before them.
    pub all_requests: usize,
    /// Sorted, in nanoseconds.
    latencies: Vec<u32>,
    pub cookies: Vec<String>,
}

impl Measured {
    /// Returns the latency in microseconds that this share of the requests did not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share) as usize;
        let nanoseconds = self.latencies.get(index.min(self.latencies.len().saturating_sub(1)));
        nanoseconds.map_or(f64::NAN, |nanoseconds| f64::from(*nanoseconds) / 1_000.0)
    }
}

/// What the connections share.
struct Shared {
    next: Cell<usize>,
    limit: usize,
    counts_from: Instant,
    ends: Option<Instant>,
    latencies: RefCell<Vec<u32>>,
    cookies: RefCell<Vec<String>>,
    keeps_cookies: bool,
    requests: Vec<Vec<u8>>,
    line: String,
}

/// Drives a server.
///
/// # Panics
///
/// Panics if the server cannot be reached or answers with anything other than 2xx.
pub fn drive(server: SocketAddr, work: Work<'_>) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let requests = |cookie: &String| {
        let cookie = match cookie.as_str() {
            "" => String::new(),
            cookie => format!("cookie: {cookie}\r\n"),
        };
        let length = if work.line.starts_with("POST") { "content-length: 0\r\n" } else { "" };
        format!("{} HTTP/1.1\r\nhost: localhost\r\n{length}{cookie}\r\n", work.line).into_bytes()
    };
    let requests: Vec<_> = work.cookies.iter().map(requests).collect();
    assert!(!requests.is_empty(), "{}: no cookie, not even an empty one", work.line);
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut streams = Vec::new();
        for _ in 0..work.connections {
            let stream = TcpStream::connect(server).await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            streams.push(stream);
        }
        let begins = Instant::now();
        let (limit, counts_from, ends) = match work.until {
            Until::Count(count) => (count, begins, None),
            Until::Elapsed(span) => (usize::MAX, begins + span / 5, Some(begins + span * 6 / 5)),
        };
        let shared = Rc::new(Shared {
            next: Cell::new(0),
            limit,
            counts_from,
            ends,
            latencies: RefCell::default(),
            cookies: RefCell::default(),
            keeps_cookies: work.keeps_cookies,
            requests,
            line: work.line.to_owned(),
        });
        let connections: Vec<_> = streams
            .into_iter()
            .map(|stream| tokio::task::spawn_local(connection(stream, Rc::clone(&shared))))
            .collect();
        for connection in connections {
            connection.await.expect("no panic");
        }
        let elapsed = counts_from.elapsed().as_secs_f64();
        let mut latencies = shared.latencies.take();
        latencies.sort_unstable();
        Measured {
            per_second: latencies.len() as f64 / elapsed,
            requests: latencies.len(),
            all_requests: shared.next.get(),
            latencies,
            cookies: shared.cookies.take(),
        }
    })
}

async fn connection(mut stream: TcpStream, shared: Rc<Shared>) {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let number = shared.next.get();
        let begins = Instant::now();
        if number >= shared.limit || shared.ends.is_some_and(|ends| begins >= ends) {
            return;
        }
        shared.next.set(number + 1);
        let request = &shared.requests[number % shared.requests.len()];
        stream.write_all(request).await.expect("the server reads");
        let head = response(&mut stream, &mut buffer, &shared.line).await;
        if begins >= shared.counts_from {
            let latency = u32::try_from(begins.elapsed().as_nanos()).unwrap_or(u32::MAX);
            shared.latencies.borrow_mut().push(latency);
        }
        if shared.keeps_cookies {
            shared.cookies.borrow_mut().push(cookies(&buffer[..head]));
        }
    }
}

/// Reads one response and returns the length of its head.
async fn response(stream: &mut TcpStream, buffer: &mut Vec<u8>, line: &str) -> usize {
    buffer.clear();
    let mut searched = 0;
    let head = loop {
        let read = stream.read_buf(buffer).await.expect("the server writes");
        assert!(read > 0, "{line}: the server closed the connection");
        let end = buffer[searched..].windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break searched + end + 4;
        }
        searched = buffer.len().saturating_sub(3);
    };
    assert!(
        buffer.get(9) == Some(&b'2'),
        "{line} was answered with {}",
        String::from_utf8_lossy(buffer)
    );
    let length = header(&buffer[..head], b"content-length").next();
    let length = length.map_or(0, |length| {
        length.iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
    });
    while buffer.len() < head + length {
        let read = stream.read_buf(buffer).await.expect("the server writes");
        assert!(read > 0, "{line}: the server closed the connection");
    }
    head
}

/// Returns the values of a header. hyper writes header names in lower case.
fn header<'a>(head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    head.split(|byte| *byte == b'\n').filter_map(move |line| {
        let value = line.strip_prefix(name)?.strip_prefix(b": ")?;
        value.strip_suffix(b"\r")
    })
}

/// Returns the cookies that a browser would send back.
fn cookies(head: &[u8]) -> String {
    let pairs = header(head, b"set-cookie").map(|cookie| {
        let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
        String::from_utf8_lossy(pair).into_owned()
    });
    pairs.collect::<Vec<_>>().join("; ")
}
