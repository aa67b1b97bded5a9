//! What a client of the gateway sends and gets. It speaks HTTP/1.0, to which servers answer without chunks.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::LIMIT;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in an answer {}: {}", self.status, self.body))
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A request as a client writes it down: method and path, then what else it has.
pub fn call(line: &str) -> Call {
    let (method, path) = line.split_once(' ').expect("METHOD PATH");
    Call {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: Vec::new(),
        body: String::new(),
    }
}

impl Call {
    pub fn header(mut self, name: &str, value: &str) -> Call {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(mut self, body: &Value) -> Call {
        self.body = body.to_string();
        self.header("Content-Type", "application/json")
    }

    pub fn text(mut self, body: &str) -> Call {
        self.body = body.to_owned();
        self
    }

    pub fn token(self, token: &str) -> Call {
        self.header("Authorization", &format!("Bearer {token}"))
    }
}

/// A stream whose head was read.
pub type Rest = BufReader<TcpStream>;

/// Sends it and reads the head of the answer; the rest is left to be read.
pub async fn begin(port: u16, call: &Call) -> io::Result<(Answer, Rest)> {
    begin_on(TcpStream::connect(("127.0.0.1", port)).await?, call).await
}

/// The same on a connection whose buffer here takes a few kilobytes alone.
pub async fn begin_narrow(port: u16, call: &Call) -> io::Result<(Answer, Rest)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4 * 1024)?;
    begin_on(socket.connect(([127, 0, 0, 1], port).into()).await?, call).await
}

async fn begin_on(stream: TcpStream, call: &Call) -> io::Result<(Answer, Rest)> {
    let mut stream = BufReader::new(stream);
    let mut head = format!("{} {} HTTP/1.0\r\n", call.method, call.path);
    let own_host = call
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if !own_host {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in &call.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", call.body.len()));
    stream.write_all(head.as_bytes()).await?;
    // A server that refuses a large body may close before all of it was sent.
    let _ = stream.write_all(call.body.as_bytes()).await;
    let _ = stream.flush().await;
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status line in {line:?}")))?;
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let answer = Answer {
        status,
        headers,
        body: String::new(),
    };
    Ok((answer, stream))
}

/// The whole answer.
pub async fn whole(port: u16, call: &Call) -> io::Result<Answer> {
    let asked = async {
        let (mut answer, mut rest) = begin(port, call).await?;
        let mut bytes = Vec::new();
        rest.read_to_end(&mut bytes).await?;
        answer.body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(answer)
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer"))?
}
