//! Asks the games themselves: the proof that one runs behind a port.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(3);

/// One line to the test game and its answer; None while it does not answer.
pub async fn line(address: &str, request: &str) -> Option<String> {
    timeout(PATIENCE, async {
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        // The saved world has many lines, and the game says no more after the last: what one read gives is all of it.
        let mut answer = vec![0; 65_536];
        let n = stream.read(&mut answer).await?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(String::from_utf8_lossy(&answer[..n]).trim_end().to_owned())
    })
    .await
    .ok()?
    .ok()
}

/// One line to the test game, whose answer may never come.
pub async fn tell(address: &str, request: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    // Closing before the game has read the line would race with it: wait for its answer or its end.
    let mut answer = String::new();
    let _ = timeout(PATIENCE, BufReader::new(stream).read_line(&mut answer)).await;
    Ok(())
}

/// One datagram to the test game and its answer.
pub async fn datagram(address: &str, request: &str) -> Option<String> {
    let socket = connected(address).await.ok()?;
    socket.send(request.as_bytes()).await.ok()?;
    let mut answer = vec![0; 2048];
    let n = timeout(PATIENCE, socket.recv(&mut answer))
        .await
        .ok()?
        .ok()?;
    Some(String::from_utf8_lossy(&answer[..n]).into_owned())
}

/// Wesnoth's greeting: its connection number and the size of its gzip'd document.
pub async fn wesnoth(address: &str) -> Option<(u32, usize)> {
    timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&[0; 4]).await?;
        let connection = stream.read_u32().await?;
        let length = stream.read_u32().await? as usize;
        let mut document = vec![0; length.min(1 << 20)];
        stream.read_exact(&mut document).await?;
        if !document.starts_with(&[0x1f, 0x8b]) {
            return Err(io::Error::other("the greeting is not gzip"));
        }
        Ok((connection, length))
    })
    .await
    .ok()?
    .ok()
}

/// The info packet of Teeworlds 0.7 as text, NULs shown as spaces: version, name, map and mode are in it.
pub async fn teeworlds(address: &str) -> Option<String> {
    const TOKEN: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let socket = connected(address).await.ok()?;
    let mut packet = vec![0x04, 0, 0, 0xff, 0xff, 0xff, 0xff, 5];
    packet.extend(TOKEN);
    packet.resize(524, 0);
    let reply = answer(&socket, &packet, |p| {
        p.len() >= 12 && p[0] & 0x04 != 0 && p[7] == 5 && p[3..7] == TOKEN
    })
    .await?;
    let mut request = vec![0x21];
    request.extend(&reply[8..12]);
    request.extend(TOKEN);
    request.extend([0xff, 0xff, 0xff, 0xff]);
    request.extend(b"gie3\0");
    let info = answer(&socket, &request, |p| p.len() > 17 && &p[13..17] == b"inf3").await?;
    Some(String::from_utf8_lossy(&info[17..]).replace('\0', " "))
}

async fn answer(
    socket: &UdpSocket,
    packet: &[u8],
    wanted: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    socket.send(packet).await.ok()?;
    let mut buffer = vec![0; 2048];
    timeout(PATIENCE, async {
        loop {
            let n = socket.recv(&mut buffer).await.ok()?;
            if wanted(&buffer[..n]) {
                return Some(buffer[..n].to_vec());
            }
        }
    })
    .await
    .ok()?
}

async fn connected(address: &str) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    socket.connect(address).await?;
    Ok(socket)
}
