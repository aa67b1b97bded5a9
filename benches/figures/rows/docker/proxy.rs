//! A socket before the engine's: notes every call that passes, with the body of a create, and changes nothing.
//!
//! The controller of a row that counts calls is pointed at it; rows that measure time are not. Each connection
//! has a task, which ends with the connection or with the proxy.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Longest head of a request; bollard's are some hundred bytes.
const LONGEST_HEAD: usize = 64 << 10;
/// Longest body of a request: creates are some kilobytes.
const LONGEST_BODY: usize = 8 << 20;

/// One call that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    /// With its query, without the version.
    pub path: String,
    pub body: Vec<u8>,
}

impl Call {
    /// What is called, whatever it is called on: `GET /containers/{}/json`.
    pub fn kind(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let words: Vec<&str> = path
            .split('/')
            .enumerate()
            .map(|(place, word)| match (place, word) {
                // After the noun comes a name, unless it is one of the engine's own verbs.
                (2, "json" | "create" | "prune" | "search") => word,
                (2, _) => "{}",
                (_, word) => word,
            })
            .collect();
        format!("{} {}", self.method, words.join("/"))
    }
}

/// How many calls of each kind; in words the most frequent first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls(BTreeMap<String, usize>);

impl Calls {
    pub fn of(calls: &[Call]) -> Calls {
        let mut kinds = BTreeMap::new();
        for call in calls {
            *kinds.entry(call.kind()).or_default() += 1;
        }
        Calls(kinds)
    }

    /// All together.
    pub fn count(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(kind, count)| (Reverse(**count), *kind));
        for (place, (kind, count)) in kinds.into_iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {kind}")?;
        }
        Ok(())
    }
}

/// The calls that passed since the last look at them.
type Passed = Arc<Mutex<Vec<Call>>>;

pub struct Proxy {
    socket: PathBuf,
    passed: Passed,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// Listens at `socket` and passes on to the engine's own.
    pub fn listen(socket: &Path, engine: &Path) -> Result<Proxy> {
        match std::fs::remove_file(socket) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| socket.display().to_string()),
        }
        let listener = UnixListener::bind(socket)
            .with_context(|| format!("the proxy's socket {}", socket.display()))?;
        let passed = Passed::default();
        let task = tokio::spawn(accept(listener, engine.to_owned(), Arc::clone(&passed)));
        Ok(Proxy {
            socket: socket.to_owned(),
            passed,
            _task: AbortOnDropHandle::new(task),
        })
    }

    /// As `--docker-host` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Every call since the last time, in the order in which they came.
    pub fn take(&self) -> Vec<Call> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut passed)
    }
}

async fn accept(listener: UnixListener, engine: PathBuf, passed: Passed) {
    // They end with this set, so that nothing of the proxy outlives it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let (engine, passed) = (engine.clone(), Arc::clone(&passed));
                    connections.spawn(async move {
                        if let Err(error) = pass(client, &engine, &passed).await {
                            eprintln!("proxy before the engine: {error}");
                        }
                    });
                }
                Err(error) => eprintln!("proxy before the engine: {error}"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side hangs up.
async fn pass(client: UnixStream, engine: &Path, passed: &Passed) -> io::Result<()> {
    let engine = UnixStream::connect(engine).await?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_engine, to_engine) = engine.into_split();
    let ended = tokio::select! {
        asked = ask(BufReader::new(from_client), to_engine, passed) => asked,
        answered = tokio::io::copy(&mut from_engine, &mut to_client) => answered.map(|_| ()),
    };
    match ended {
        // A client that hangs up in the middle of an answer is a client's right.
        Err(error) if is_hang_up(error.kind()) => Ok(()),
        ended => ended,
    }
}

fn is_hang_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    [
        Kind::BrokenPipe,
        Kind::ConnectionReset,
        Kind::UnexpectedEof,
        Kind::NotConnected,
    ]
    .contains(&kind)
}

/// Notes and passes on one request after the other.
async fn ask(
    mut client: BufReader<impl AsyncRead + Unpin>,
    mut engine: impl AsyncWrite + Unpin,
    passed: &Passed,
) -> io::Result<()> {
    while let Some(head) = read_head(&mut client).await? {
        let request = Head::parse(&head)?;
        let body = match request.framing {
            Framing::Sized(length) => {
                let mut body = vec![0; length];
                client.read_exact(&mut body).await?;
                body
            }
            Framing::Upgrade => Vec::new(),
        };
        engine.write_all(&head).await?;
        engine.write_all(&body).await?;
        engine.flush().await?;
        let upgrade = matches!(request.framing, Framing::Upgrade);
        passed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Call {
                method: request.method,
                path: request.path,
                body,
            });
        if upgrade {
            tokio::io::copy_buf(&mut client, &mut engine).await?;
            return Ok(());
        }
    }
    Ok(())
}

/// Up to and with the empty line; None: the client hung up between two requests.
async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // From the reader's own buffer: no system call a byte.
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && head.is_empty() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        if head.len() > LONGEST_HEAD {
            return Err(io::Error::other("a request's head without an end"));
        }
    }
    Ok(Some(head))
}

struct Head {
    method: String,
    path: String,
    framing: Framing,
}

enum Framing {
    Sized(usize),
    /// What follows is no HTTP any more.
    Upgrade,
}

impl Head {
    fn parse(head: &[u8]) -> io::Result<Head> {
        let odd = |what: &str| io::Error::other(format!("a request with {what}"));
        let text = std::str::from_utf8(head).map_err(|_| odd("a head that is no text"))?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(odd("no path"));
        };
        let mut framing = Framing::Sized(0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let length = value.parse().map_err(|_| odd("no length"))?;
                    if length > LONGEST_BODY {
                        return Err(odd("a body of many megabytes"));
                    }
                    framing = Framing::Sized(length);
                }
                "transfer-encoding" => return Err(odd("a body in chunks: the proxy counts none")),
                "upgrade" => framing = Framing::Upgrade,
                _ => {}
            }
            if matches!(framing, Framing::Upgrade) {
                break;
            }
        }
        Ok(Head {
            method: method.to_owned(),
            path: unversioned(path).to_owned(),
            framing,
        })
    }
}

/// `/v1.47/containers/json` is `/containers/json`.
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").unwrap_or(path);
    match rest.split_once('/') {
        Some((version, _))
            if rest.len() < path.len() && version.bytes().all(|b| b.is_ascii_digit()) =>
        {
            &rest[version.len()..]
        }
        _ => path,
    }
}
