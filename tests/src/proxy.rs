//! [`Proxy`]: a server in front of a database, which cuts, holds or delays what passes.
//!
//! It understands no protocol. It counts the pieces in which bytes arrive, so a test can lose each
//! of them in turn, and does not need to know which one is the statement, and which its answer.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

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
    /// Every connection is cut, and so is every new one, until [`Proxy::heal`].
    EveryConnection,
    /// One connection stays open, and nothing passes on it any more. The next one works.
    /// [`Proxy::heal`] cuts it.
    OneHangs,
    /// Connections stay open, and nothing passes until [`Proxy::heal`].
    Silence,
}

/// A proxy on a loopback port, on a thread of its own, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    _stop: oneshot::Sender<()>,
}

impl Proxy {
    /// Stands in front of the server at `host:port`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub fn before(server: String) -> Self {
        let listener = StdListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("a bound address");
        let network = Arc::new(Network { state: watch::Sender::new(State::default()) });
        let (_stop, stopped) = oneshot::channel();
        let passing = Arc::clone(&network);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                tokio::select! {
                    () = accept(listener, server, passing) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, network, _stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses what passes next in this direction, or, after so many pieces, what follows them.
    pub fn lose(&self, direction: Direction, after: usize, loss: Loss) {
        self.network.state.send_modify(|state| {
            state.has_lost = false;
            state.planned = Some(Planned { direction, after, loss });
        });
    }

    /// Lets nothing pass in either direction, from now on.
    pub fn silence(&self) {
        self.network.state.send_modify(|state| state.is_silent = true);
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
            *state = State { heals: state.heals + 1, ..State::default() };
        });
        has_lost
    }
}

#[derive(Debug, Default)]
struct State {
    planned: Option<Planned>,
    has_lost: bool,
    is_down: bool,
    is_silent: bool,
    delay: Duration,
    /// How often it was healed.
    heals: u64,
}

#[derive(Debug)]
struct Planned {
    direction: Direction,
    after: usize,
    loss: Loss,
}

struct Network {
    state: watch::Sender<State>,
}

impl Network {
    /// Lets the planned loss happen, if its turn has come. Fails if that cuts this connection.
    async fn meet(&self, direction: Direction) -> io::Result<()> {
        let (mut is_cut, mut hangs_until) = (false, None);
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
                Loss::EveryConnection => (is_cut, state.is_down) = (true, true),
                Loss::OneHangs => (is_cut, hangs_until) = (true, Some(state.heals + 1)),
                Loss::Silence => state.is_silent = true,
            }
            (state.planned, state.has_lost) = (None, true);
            true
        });
        if let Some(heals) = hangs_until {
            let _ = self.state.subscribe().wait_for(|state| state.heals >= heals).await;
        }
        if is_cut { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// Waits until what arrived then may pass.
    async fn let_pass(&self, direction: Direction, arrived: Instant) {
        let mut state = self.state.subscribe();
        loop {
            let (is_silent, due) = {
                let state = state.borrow_and_update();
                let delay = match direction {
                    Direction::ToServer => state.delay,
                    Direction::ToClient => Duration::ZERO,
                };
                (state.is_silent, arrived + delay)
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

async fn accept(listener: StdListener, server: String, network: Arc<Network>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, server.clone(), Arc::clone(&network)));
    }
}

/// Passes on what one connection sends, until one side closes it or it is cut.
async fn connect(client: TcpStream, server: String, network: Arc<Network>) {
    let mut state = network.state.subscribe();
    if state.borrow().is_down {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        _ = pass(from_client, to_server, Direction::ToServer, &network) => {}
        _ = pass(from_server, to_client, Direction::ToClient, &network) => {}
        _ = state.wait_for(|state| state.is_down) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    network: &Network,
) -> io::Result<()> {
    let (sender, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut bytes = vec![0; 65_536];
        loop {
            let length = from.read(&mut bytes).await?;
            if length == 0 {
                return Ok(());
            }
            network.meet(direction).await?;
            let _ = sender.send((Instant::now(), bytes[..length].to_vec()));
        }
    };
    let writing = async {
        while let Some((arrived, bytes)) = queue.recv().await {
            network.let_pass(direction, arrived).await;
            to.write_all(&bytes).await?;
        }
        // In silence, nobody learns that the other side has closed the connection.
        network.let_pass(direction, Instant::now()).await;
        Ok::<_, io::Error>(())
    };
    tokio::try_join!(reading, writing).map(drop)
}
