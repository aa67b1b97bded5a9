//! The network questions against sockets of this machine.

use proptest::prelude::*;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::hostile::{cases, text};

const LIMIT: Duration = Duration::from_secs(5);

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

fn not_ready(answer: &Answer) -> &str {
    match answer {
        Answer::NotReady(why) => why,
        other => panic!("{other:?}"),
    }
}

fn exchange(address: SocketAddr, transport: Transport, send: &str, expect: &str) -> Exchange {
    Exchange {
        address,
        transport,
        send: send.into(),
        expect: crate::session::pattern::searched(expect).expect("a pattern"),
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_at_once_is_not_ready() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    assert!(not_ready(&tcp(address, LIMIT).await).contains("closed"));
    not_ready(&http(address, "/", LIMIT).await);
    let asked = exchange(address, Transport::Tcp, "", ".").ask(LIMIT).await;
    not_ready(&asked);
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_not_ready() {
    let (listener, address) = listener().await;
    drop(listener);
    assert!(not_ready(&tcp(address, LIMIT).await).contains(&address.to_string()));
}

#[tokio::test]
async fn a_connection_that_stays_open_is_ready() {
    let (listener, address) = listener().await;
    let (done, wait) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let held = listener.accept().await;
        wait.await.ok();
        drop(held);
    });
    assert_eq!(tcp(address, LIMIT).await, Answer::Ready);
    done.send(()).ok();
}

#[tokio::test]
async fn a_greeting_is_ready_without_waiting() {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        stream.write_all(b"hello").await.expect("sent");
    });
    assert_eq!(tcp(address, LIMIT).await, Answer::Ready);
}

async fn http_server(answer: &'static str) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.expect("a request");
        }
        stream.write_all(answer.as_bytes()).await.expect("sent");
    });
    address
}

#[tokio::test]
async fn http_is_ready_from_200_to_399() {
    for (answer, ready) in [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.0 302 Found\r\n\r\n", true),
        ("HTTP/1.1 404 Not Found\r\n\r\n", false),
        ("HTTP/1.1 503 Starting\r\n\r\n", false),
        ("SSH-2.0-OpenSSH\r\n", false),
    ] {
        let told = http(http_server(answer).await, "/health", LIMIT).await;
        assert_eq!(told == Answer::Ready, ready, "{answer}: {told:?}");
    }
}

#[tokio::test]
async fn an_exchange_over_tcp_waits_for_what_it_expects() {
    for (expect, ready) in [("pong [0-9]+!", true), ("other", false)] {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut asked = [0_u8; 4];
            stream.read_exact(&mut asked).await.expect("a question");
            assert_eq!(&asked, b"ping");
            stream.write_all(b"pong 1").await.expect("sent");
            stream.write_all(b"2!").await.expect("sent");
        });
        let told = exchange(address, Transport::Tcp, "ping", expect)
            .ask(LIMIT)
            .await;
        assert_eq!(told == Answer::Ready, ready, "{told:?}");
    }
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0_u8; 64];
        // The first two get lost.
        for _ in 0..2 {
            server.recv_from(&mut buffer).await.expect("a question");
        }
        let (len, from) = server.recv_from(&mut buffer).await.expect("a question");
        assert_eq!(&buffer[..len], b"info");
        server
            .send_to(b"\xff\xffnot this", from)
            .await
            .expect("sent");
        server.send_to(b"map dm1", from).await.expect("sent");
    });
    let asked = exchange(address, Transport::Udp, "info", "^map")
        .ask(LIMIT)
        .await;
    assert_eq!(asked, Answer::Ready);
}

#[tokio::test]
async fn a_datagram_to_nobody_is_not_ready_and_another_answer_is_shown() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    drop(server);
    let short = Duration::from_millis(100);
    not_ready(
        &exchange(address, Transport::Udp, "info", ".")
            .ask(short)
            .await,
    );

    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0_u8; 64];
        while let Ok((_, from)) = server.recv_from(&mut buffer).await {
            server.send_to(b"go away\x1b[2J", from).await.expect("sent");
        }
    });
    let told = exchange(address, Transport::Udp, "info", "^map")
        .ask(short)
        .await;
    assert!(not_ready(&told).contains("\"go away\""), "{told:?}");
}

#[test]
fn hex_is_sent_as_bytes_and_text_as_it_stands() {
    let probe = |send: Option<&str>, hex: Option<&str>| ExchangeProbe {
        port: "game".into(),
        send: send.map(str::to_owned),
        send_hex: hex.map(str::to_owned),
        expect: ".".into(),
    };
    assert_eq!(
        bytes_to_send(&probe(None, Some("00ff1A"))),
        Ok(vec![0, 255, 26])
    );
    assert_eq!(bytes_to_send(&probe(Some("hi"), None)), Ok(b"hi".to_vec()));
    assert_eq!(bytes_to_send(&probe(None, None)), Ok(vec![]));
    assert!(bytes_to_send(&probe(None, Some("0"))).is_err());
    assert!(bytes_to_send(&probe(None, Some("+1"))).is_err());
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_its_limit_and_no_further() {
    let (listener, address) = listener().await;
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a client");
            // Ends when the one who asks hangs up.
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    });
    let asked = exchange(address, Transport::Tcp, "", "never")
        .ask(LIMIT)
        .await;
    assert!(not_ready(&asked).contains("something else"), "{asked:?}");
    assert!(not_ready(&http(address, "/", LIMIT).await).contains("not HTTP"));
    serving.abort();
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn whatever_bytes_a_game_answers_the_words_for_them_can_be_shown(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        words in text(),
    ) {
        let asked = exchange(([127, 0, 0, 1], 1).into(), Transport::Tcp, "", ".");
        for came in [&bytes[..], words.as_bytes()] {
            let answer = asked.other(came);
            let shown = not_ready(&answer);
            prop_assert!(shown.chars().count() <= 200, "{}", shown);
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{:?}", shown);
        }
    }

    #[test]
    fn whatever_head_a_game_answers_its_status_is_the_one_of_its_first_line(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        code in 0..1200_u16,
        words in text(),
    ) {
        let _ = status(&bytes);
        let _ = status(words.as_bytes());
        let head = format!("HTTP/1.1 {code:03} {words}\r\nHTTP/1.1 599\r\n");
        prop_assert_eq!(status(head.as_bytes()), head[9..12].parse().ok());
    }

    #[test]
    fn whatever_a_game_is_to_be_sent_it_is_those_bytes_or_a_refusal(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        words in text(),
    ) {
        let probe = |send: Option<&str>, hex: Option<&str>| ExchangeProbe {
            port: "game".into(),
            send: send.map(str::to_owned),
            send_hex: hex.map(str::to_owned),
            expect: ".".into(),
        };
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        prop_assert_eq!(bytes_to_send(&probe(None, Some(&hex))), Ok(bytes.clone()));
        prop_assert_eq!(bytes_to_send(&probe(None, Some(&hex.to_uppercase()))), Ok(bytes));
        prop_assert_eq!(bytes_to_send(&probe(Some(&words), None)), Ok(words.clone().into_bytes()));
        let pairs = words.len() % 2 == 0 && words.bytes().all(|b| b.is_ascii_hexdigit());
        prop_assert_eq!(bytes_to_send(&probe(None, Some(&words))).is_ok(), pairs);
    }
}
