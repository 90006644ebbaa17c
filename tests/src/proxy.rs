//! [`Proxy`]: a server in front of a database, which cuts, holds or delays what passes.
//!
//! It understands no protocol, except that it recognizes the replicas of Redis. It counts the
//! pieces in which bytes arrive, so a test can lose each of them in turn, and does not need to know
//! which one is the statement, and which its answer.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// What a replica of Redis says to its primary.
const REPLICA: &[u8] = b"PSYNC";

/// Which way bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The client's questions: lost, the server has not carried them out.
    ToServer,
    /// The server's answers: lost, the server has carried the questions out.
    ToClient,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// One connection is cut. The next one works.
    OneConnection,
    /// One connection is cut in the middle: half of the bytes still arrive. The next one works.
    OneInTheMiddle,
    /// One connection is cut, and so are this many after it, as soon as they are made.
    OneAndTheNext(usize),
    /// Every connection is cut, and so is every new one, until [`Proxy::heal`].
    EveryConnection,
    /// One connection stays open, and nothing passes on it any more. The next one works.
    /// [`Proxy::heal`] cuts it.
    OneHangs,
    /// One connection stays open, and what is sent on it arrives after [`Proxy::heal`].
    OneIsLate,
    /// Connections stay open, and nothing passes until [`Proxy::heal`].
    Silence,
}

/// A proxy on a loopback port for each server, on a thread of its own, until it is dropped.
#[derive(Clone)]
pub struct Proxy {
    addresses: Arc<[SocketAddr]>,
    network: Arc<Network>,
    _stop: Arc<oneshot::Sender<()>>,
}

impl Proxy {
    /// Stands in front of the server at `host:port`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub fn before(server: String) -> Self {
        Self::before_each(vec![server])
    }

    /// Stands in front of several servers. What is lost, is lost of what passes to and from any of
    /// them.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub fn before_each(servers: Vec<String>) -> Self {
        let mut listeners = Vec::new();
        for server in servers {
            let listener = StdListener::bind(("127.0.0.1", 0)).expect("a free port");
            listener.set_nonblocking(true).expect("a socket that does not block");
            listeners.push((listener, server));
        }
        let address = |(listener, _): &(StdListener, String)| listener.local_addr();
        let addresses: Result<_, _> = listeners.iter().map(address).collect();
        let addresses = addresses.expect("a bound address");
        let (state, connections) = (watch::Sender::new(State::default()), AtomicUsize::new(0));
        let swallowed = listeners.iter().map(|_| watch::Sender::new(0)).collect();
        let network = Arc::new(Network { state, connections, swallowed });
        let (stop, stopped) = oneshot::channel();
        let passing = Arc::clone(&network);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                for (number, (listener, server)) in listeners.into_iter().enumerate() {
                    tokio::spawn(accept(listener, server, number, Arc::clone(&passing)));
                }
                let _ = stopped.await;
            });
        });
        Self { addresses, network, _stop: Arc::new(stop) }
    }

    /// Where it listens; the first one of several addresses.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where it listens for each server.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.network.connections.load(Ordering::SeqCst)
    }

    /// Swallows all that comes on the connections that are open now: nothing acknowledges it any
    /// more, as when a machine has lost its power. New connections work.
    pub fn swallow(&self) {
        for number in 0..self.addresses.len() {
            self.swallow_those_to(number);
        }
    }

    /// The same for the connections to one of the servers, by its number.
    pub fn swallow_those_to(&self, number: usize) {
        self.network.swallowed[number].send_modify(|times| *times += 1);
    }

    /// Loses what passes next in this direction, or, after so many pieces, what follows them.
    pub fn lose(&self, direction: Direction, after: usize, loss: Loss) {
        self.network.state.send_modify(|state| {
            state.has_lost = false;
            state.planned = Some(Planned { direction, after, loss });
        });
    }

    /// Stands in front of another server from now on, and lets everything pass. The connections to
    /// the first one are cut.
    pub fn redirect(&self, server: String) {
        self.network.state.send_modify(|state| {
            *state = State { instead: Some(server.into()), ..state.healed() };
        });
    }

    /// Lets nothing pass in either direction, from now on.
    pub fn silence(&self) {
        self.network.state.send_modify(|state| state.is_silent = true);
    }

    /// Lets nothing pass between replicas of Redis and their primaries, from now on.
    pub fn silence_replicas(&self) {
        self.network.state.send_modify(|state| state.are_replicas_silent = true);
    }

    /// Lets everything that the client sends arrive this much later.
    pub fn delay(&self, delay: Duration) {
        self.network.state.send_modify(|state| state.delay = delay);
    }

    /// Returns whether the planned loss has happened. If not, it no longer will.
    pub fn has_lost(&self) -> bool {
        let mut has_lost = false;
        self.network.state.send_modify(|state| {
            state.planned = None;
            has_lost = state.has_lost;
        });
        has_lost
    }

    /// Lets everything pass again, at once. Returns whether a planned loss has happened.
    pub fn heal(&self) -> bool {
        let mut has_lost = false;
        self.network.state.send_modify(|state| {
            has_lost = state.has_lost;
            *state = state.healed();
        });
        has_lost
    }
}

#[derive(Debug, Default)]
struct State {
    planned: Option<Planned>,
    has_lost: bool,
    is_down: bool,
    /// How many connections are cut as soon as they are made.
    cut_next: usize,
    is_silent: bool,
    are_replicas_silent: bool,
    delay: Duration,
    /// How often it was healed.
    heals: u64,
    /// `host:port` of the server that takes the place of the first one.
    instead: Option<Arc<str>>,
}

impl State {
    fn healed(&self) -> Self {
        Self { heals: self.heals + 1, instead: self.instead.clone(), ..Self::default() }
    }
}

#[derive(Debug)]
struct Planned {
    direction: Direction,
    after: usize,
    loss: Loss,
}

/// How much of what has come on a connection passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passes {
    All,
    /// The first half, and then nothing more.
    Half,
}

struct Network {
    state: watch::Sender<State>,
    connections: AtomicUsize,
    /// How often the connections to each server were swallowed.
    swallowed: Vec<watch::Sender<u64>>,
}

impl Network {
    /// Lets the planned loss happen, if its turn has come, and returns how much of what has come
    /// passes before this connection ends. Fails if that is nothing.
    async fn meet(&self, direction: Direction) -> io::Result<Passes> {
        let (mut is_cut, mut hangs_until, mut passes) = (false, None, Passes::All);
        self.state.send_if_modified(|state| {
            is_cut = state.is_down;
            let Some(planned) = state.planned.as_mut().filter(|it| it.direction == direction)
            else {
                return false;
            };
            if planned.after > 0 {
                planned.after -= 1;
                return false;
            }
            match planned.loss {
                Loss::OneConnection => is_cut = true,
                Loss::OneInTheMiddle => passes = Passes::Half,
                Loss::OneAndTheNext(count) => (is_cut, state.cut_next) = (true, count),
                Loss::EveryConnection => (is_cut, state.is_down) = (true, true),
                Loss::OneHangs => (is_cut, hangs_until) = (true, Some(state.heals + 1)),
                Loss::OneIsLate => hangs_until = Some(state.heals + 1),
                Loss::Silence => state.is_silent = true,
            }
            (state.planned, state.has_lost) = (None, true);
            true
        });
        if let Some(heals) = hangs_until {
            let _ = self.state.subscribe().wait_for(|state| state.heals >= heals).await;
        }
        if is_cut { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(passes) }
    }

    /// Returns whether a new connection is cut at once.
    fn cuts_next(&self) -> bool {
        let mut is_cut = false;
        self.state.send_if_modified(|state| {
            is_cut = state.cut_next > 0;
            state.cut_next = state.cut_next.saturating_sub(1);
            false
        });
        is_cut
    }

    /// Waits until the connections are swallowed, and lets nothing of this one arrive from then on.
    async fn swallow(&self, client: io::Result<socket2::Socket>, number: usize) {
        let mut swallowed = self.swallowed[number].subscribe();
        let before = *swallowed.borrow_and_update();
        let Ok(client) = client else { return };
        let _ = swallowed.wait_for(|times| *times > before).await;
        // A filter that keeps 0 bytes of each packet: the system drops it, and says nothing.
        let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
        client.attach_filter(&[nothing]).expect("a filter on a socket");
    }

    /// Waits until the network is healed.
    async fn healed(&self) {
        let mut state = self.state.subscribe();
        let heals = state.borrow_and_update().heals;
        let _ = state.wait_for(|state| state.heals > heals).await;
    }

    /// Waits until what arrived then may pass.
    async fn let_pass(&self, direction: Direction, arrived: Instant, is_replica: &AtomicBool) {
        let mut state = self.state.subscribe();
        loop {
            let (is_silent, due) = {
                let state = state.borrow_and_update();
                let delay = match direction {
                    Direction::ToServer => state.delay,
                    Direction::ToClient => Duration::ZERO,
                };
                let is_silenced = state.are_replicas_silent && is_replica.load(Ordering::SeqCst);
                (state.is_silent || is_silenced, arrived + delay)
            };
            if !is_silent && due <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(due), if !is_silent => {}
                _ = state.changed() => {}
            }
        }
    }
}

async fn accept(listener: StdListener, server: String, number: usize, network: Arc<Network>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((client, _)) = listener.accept().await {
        network.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(connect(client, server.clone(), number, Arc::clone(&network)));
    }
}

/// Passes on what one connection sends, until one side closes it or it is cut.
async fn connect(client: TcpStream, server: String, number: usize, network: Arc<Network>) {
    let mut state = network.state.subscribe();
    if state.borrow().is_down || network.cuts_next() {
        return;
    }
    let instead = state.borrow().instead.clone();
    let place = instead.as_deref().unwrap_or(&server);
    let Ok(server) = TcpStream::connect(place).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let swallowed = network.swallow(socket2::SockRef::from(&client).try_clone(), number);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let replica = AtomicBool::new(false);
    let to_server = pass(from_client, to_server, Direction::ToServer, &network, &replica);
    let to_client = pass(from_server, to_client, Direction::ToClient, &network, &replica);
    let (mut to_server, mut to_client) = (pin!(to_server), pin!(to_client));
    let is_swallowed = tokio::select! {
        _ = &mut to_server => false,
        _ = &mut to_client => false,
        _ = state.wait_for(|state| state.is_down || state.instead != instead) => false,
        () = swallowed => true,
    };
    if is_swallowed {
        // Both sockets stay open, and nothing is read or written any more.
        network.healed().await;
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    network: &Network,
    is_replica: &AtomicBool,
) -> io::Result<()> {
    let (sender, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut bytes = vec![0; 65_536];
        loop {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                return Ok(());
            }
            if bytes[..length].windows(REPLICA.len()).any(|word| word == REPLICA) {
                is_replica.store(true, Ordering::SeqCst);
            }
            let passes = network.meet(direction).await?;
            let passed = if passes == Passes::Half { length / 2 } else { length };
            let _ = sender.send((Instant::now(), bytes[..passed].to_vec()));
            if passes == Passes::Half {
                return Ok(());
            }
        }
    };
    let writing = async {
        while let Some((arrived, bytes)) = queue.recv().await {
            network.let_pass(direction, arrived, is_replica).await;
            to.write_all(&bytes).await?;
        }
        // In silence, nobody learns that the other side has closed the connection.
        network.let_pass(direction, Instant::now(), is_replica).await;
        Ok::<_, io::Error>(())
    };
    tokio::try_join!(reading, writing).map(drop)
}
