//! A small HTTP client for the engine's socket and the controller's admin port.
//!
//! It speaks HTTP/1.0, to which servers answer without chunks and close at the end: the body is what comes until then.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

/// A server that does not answer in this time is taken for one that is away.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Reply {
    pub status: u16,
    pub body: String,
}

pub async fn over_unix(socket: &Path, method: &str, path: &str, body: &str) -> io::Result<Reply> {
    let stream = UnixStream::connect(socket).await?;
    bounded(exchange(stream, method, path, body)).await
}

pub async fn over_tcp(port: u16, method: &str, path: &str, body: &str) -> io::Result<Reply> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    bounded(exchange(stream, method, path, body)).await
}

async fn bounded(exchange: impl Future<Output = io::Result<Reply>>) -> io::Result<Reply> {
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer"))?
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<Reply> {
    let (status, mut rest) = send(stream, method, path, body).await?;
    let mut bytes = Vec::new();
    rest.read_to_end(&mut bytes).await?;
    Ok(Reply {
        status,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

/// Sends the request and reads the head; the body is left to be read.
pub async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(u16, BufReader<S>)> {
    let mut stream = BufReader::new(stream);
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await?;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no status line in {line:?}")))?;
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        if line.trim().is_empty() {
            return Ok((status, stream));
        }
    }
}
