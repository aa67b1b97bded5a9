//! Questions over the network, always to a published port and never to a bridge address.
//!
//! The engine's userland proxy accepts connections with nothing listening behind it and closes them
//! a moment later: an open connection proves something only when it stays open.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use regex::bytes::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::log_text;
use crate::api::ExchangeProbe;
use crate::session::container::Transport;
use crate::session::seen::Answer;

/// A connection that stays open for so long has a game behind it.
const STAYS_OPEN: Duration = Duration::from_millis(500);

/// What is read of an answer at most.
const ANSWER_LIMIT: usize = 64 * 1024;

/// The first wait before a datagram is sent again; it doubles.
const RESEND: Duration = Duration::from_millis(25);

/// Ready: bytes came, or the connection stays open for 500 ms.
pub(super) async fn tcp(address: SocketAddr, limit: Duration) -> Answer {
    let mut stream = match connect(address, limit).await {
        Ok(stream) => stream,
        Err(answer) => return answer,
    };
    let mut byte = [0_u8; 1];
    match timeout(STAYS_OPEN, stream.read(&mut byte)).await {
        Err(_) => Answer::Ready,
        Ok(Ok(0)) => Answer::NotReady(format!("{address} closed the connection at once")),
        Ok(Ok(_)) => Answer::Ready,
        Ok(Err(error)) => Answer::NotReady(format!("{address}: {error}")),
    }
}

/// Ready: a status from 200 to 399.
pub(super) async fn http(address: SocketAddr, path: &str, limit: Duration) -> Answer {
    let by = Instant::now() + limit;
    let mut stream = match connect(address, limit).await {
        Ok(stream) => stream,
        Err(answer) => return answer,
    };
    let asked = timeout_at(by, async {
        // A path comes from an administrator; a line break in it must not begin a header.
        let path: String = path.chars().filter(|c| !c.is_control() && *c != ' ').collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: dillinger-runner\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.contains(&b'\n') && head.len() < 1024 {
            if stream.read_buf(&mut head).await? == 0 {
                break;
            }
        }
        Ok::<_, std::io::Error>(head)
    })
    .await;
    match asked {
        Err(_) => no_answer(address, limit),
        Ok(Err(error)) => Answer::NotReady(format!("{address}: {error}")),
        Ok(Ok(head)) => match status(&head) {
            Some(200..=399) => Answer::Ready,
            Some(code) => Answer::NotReady(format!("{address} answered with HTTP status {code}")),
            None if head.is_empty() => {
                Answer::NotReady(format!("{address} closed the connection without an answer"))
            }
            None => Answer::NotReady(format!("{address} answered what is not HTTP")),
        },
    }
}

/// The code of a status line.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    version.strip_prefix("HTTP/")?;
    rest.get(..3)?.parse().ok()
}

/// Bytes sent, bytes expected.
pub(super) struct Exchange {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    pub(super) send: Vec<u8>,
    pub(super) expect: Regex,
}

/// The bytes that a probe sends.
pub(super) fn bytes_to_send(probe: &ExchangeProbe) -> Result<Vec<u8>, String> {
    if let Some(hex) = &probe.send_hex {
        let digits: Option<Vec<u8>> = hex
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect();
        return match digits {
            Some(digits) if digits.len() % 2 == 0 => Ok(digits
                .chunks(2)
                .map(|pair| pair[0] << 4 | pair[1])
                .collect()),
            Some(_) | None => Err(format!("sendHex \"{hex}\" is not pairs of hex digits")),
        };
    }
    Ok(probe.send.clone().unwrap_or_default().into_bytes())
}

impl Exchange {
    /// Ready: what came matches.
    pub(super) async fn ask(&self, limit: Duration) -> Answer {
        match self.transport {
            Transport::Tcp => self.ask_tcp(limit).await,
            Transport::Udp => self.ask_udp(limit).await,
        }
    }

    async fn ask_tcp(&self, limit: Duration) -> Answer {
        let by = Instant::now() + limit;
        let mut stream = match connect(self.address, limit).await {
            Ok(stream) => stream,
            Err(answer) => return answer,
        };
        let mut came = Vec::new();
        let talk = timeout_at(by, async {
            stream.write_all(&self.send).await?;
            while came.len() < ANSWER_LIMIT {
                if stream.read_buf(&mut came).await? == 0 {
                    break;
                }
                if self.expect.is_match(&came) {
                    return Ok(true);
                }
            }
            Ok::<_, std::io::Error>(false)
        })
        .await;
        match talk {
            Ok(Ok(true)) => Answer::Ready,
            Ok(Err(error)) if came.is_empty() => {
                Answer::NotReady(format!("{}: {error}", self.address))
            }
            Err(_) if came.is_empty() => no_answer(self.address, limit),
            Ok(Ok(false)) if came.is_empty() => Answer::NotReady(format!(
                "{} closed the connection without an answer",
                self.address
            )),
            Ok(Ok(false) | Err(_)) | Err(_) => self.other(&came),
        }
    }

    /// Datagrams get lost, above all before the game listens: sent again within one question.
    async fn ask_udp(&self, limit: Duration) -> Answer {
        let by = Instant::now() + limit;
        let talk = timeout_at(by, async {
            let any: IpAddr = match self.address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0)).await?;
            socket.connect(self.address).await?;
            let mut resend = RESEND;
            let mut other = None;
            let mut came = vec![0_u8; ANSWER_LIMIT];
            loop {
                let again = Instant::now() + resend;
                resend *= 2;
                let answer = match socket.send(&self.send).await {
                    Err(error) => Err(error),
                    Ok(_) => loop {
                        match timeout_at(again.min(by), socket.recv(&mut came)).await {
                            // Silence: the best that came, if anything did.
                            Err(_) => break Ok(None),
                            Ok(Err(error)) => break Err(error),
                            Ok(Ok(len)) if self.expect.is_match(&came[..len]) => {
                                break Ok(Some(Answer::Ready));
                            }
                            Ok(Ok(len)) => other = Some(self.other(&came[..len])),
                        }
                    },
                };
                match answer {
                    Ok(Some(ready)) => return Ok(ready),
                    Ok(None) => {}
                    // Nobody listens yet.
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        tokio::time::sleep_until(again.min(by)).await;
                    }
                    Err(error) => return Err(error),
                }
                if Instant::now() >= by {
                    return Ok(other.unwrap_or_else(|| no_answer(self.address, limit)));
                }
            }
        })
        .await;
        match talk {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer::NotReady(format!("{}: {error}", self.address)),
            Err(_) => no_answer(self.address, limit),
        }
    }

    fn other(&self, came: &[u8]) -> Answer {
        let shown: String = log_text::safe(&came[..came.len().min(200)])
            .chars()
            .take(80)
            .collect();
        Answer::NotReady(format!(
            "{} answered something else than expected: \"{shown}\"",
            self.address
        ))
    }
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, Answer> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Answer::NotReady(format!("{address}: {error}"))),
        Err(_) => Err(no_answer(address, limit)),
    }
}

fn no_answer(address: SocketAddr, limit: Duration) -> Answer {
    Answer::NotReady(format!(
        "{address} did not answer within {} s",
        limit.as_secs()
    ))
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
