//! [`Tap`]: what a PostgreSQL server is really told to execute, read off the wire.
//!
//! A proxy between pool and server follows the frontend's messages (PostgreSQL documentation,
//! section 55.7): `Parse` names a statement, `Bind` a portal of it, `Execute` runs the portal,
//! `Query` runs text.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A proxy on a loopback port.
pub struct Tap {
    address: SocketAddr,
    executed: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    /// Stands in front of the server at `host:port`.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(server: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let executed: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&executed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server answers");
                let (from_client, mut to_client) = client.into_split();
                let (mut from_server, to_server) = server.into_split();
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
                tokio::spawn(follow(from_client, to_server, Arc::clone(&seen)));
            }
        });
        Self { address, executed }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The statements executed since the last call, in their order.
    ///
    /// # Panics
    ///
    /// When a task panicked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.executed.lock().expect("no panic"))
    }
}

/// Passes one connection's messages on, and notes what they execute before they are sent.
async fn follow(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    executed: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut statements: HashMap<String, String> = HashMap::new();
    let mut portals: HashMap<String, String> = HashMap::new();
    // The startup message has a length and no tag.
    let length = client.read_u32().await?;
    let mut startup = vec![0; length as usize - 4];
    client.read_exact(&mut startup).await?;
    server.write_u32(length).await?;
    server.write_all(&startup).await?;
    loop {
        let tag = client.read_u8().await?;
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        let mut strings =
            body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let mut next = || strings.next().unwrap_or_default();
        match tag {
            b'P' => {
                let name = next();
                statements.insert(name, next());
            }
            b'B' => {
                let portal = next();
                let statement = statements.get(&next()).cloned().unwrap_or_default();
                portals.insert(portal, statement);
            }
            b'E' => {
                let statement = portals.get(&next()).cloned().unwrap_or_default();
                executed.lock().expect("no panic").push(statement);
            }
            b'Q' => executed.lock().expect("no panic").push(next()),
            _ => {}
        }
        server.write_u8(tag).await?;
        server.write_u32(length).await?;
        server.write_all(&body).await?;
    }
}
