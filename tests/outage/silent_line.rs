//! The line to the API server dies without a word: no FIN, no reset, nothing comes any more.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::alone;
use crate::harness::{Scene, World, session, testgame};

/// A line before the API server that can fall silent: what it carries by then is held for ever, and what is connected
/// later goes through.
struct Line {
    port: u16,
    opened: Arc<AtomicUsize>,
    silenced: watch::Sender<usize>,
    _accepting: AbortOnDropHandle<()>,
}

impl Line {
    async fn to(server: u16) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (opened, (silenced, _)) = (Arc::<AtomicUsize>::default(), watch::channel(0));
        let (count, silence) = (opened.clone(), silenced.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                let ((near_in, near_out), (far_in, far_out)) =
                    (near.into_split(), far.into_split());
                for (from, to) in [(near_in, far_out), (far_in, near_out)] {
                    tokio::spawn(carry(from, to, number, silence.subscribe()));
                }
            }
        });
        Line {
            port,
            opened,
            silenced,
            _accepting: AbortOnDropHandle::new(accepting),
        }
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    fn fall_silent(&self) {
        self.silenced.send_replace(self.opened());
    }
}

/// Carries one way until the connection is among the silenced, and then holds both ends open.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    mut silenced: watch::Receiver<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            biased;
            () = fell_silent(&mut silenced, number) => std::future::pending().await,
            read = from.read(&mut buffer) => match read? {
                0 => return to.shutdown().await,
                n => to.write_all(&buffer[..n]).await?,
            }
        }
    }
}

async fn fell_silent(silenced: &mut watch::Receiver<usize>, number: usize) {
    let said = silenced.wait_for(|below| number < *below).await.is_ok();
    if !said {
        std::future::pending().await
    }
}

/// The world's kubeconfig, through the line.
fn through(world: &World, line: &Line) -> PathBuf {
    let text = std::fs::read_to_string(&world.kubeconfig).expect("the world has a kubeconfig");
    let text = text.replace(&server(&text).to_string(), &line.port.to_string());
    let path = world.folder.join("silent-line.kubeconfig");
    std::fs::write(&path, text).expect("the world's folder takes a file");
    path
}

/// The port in `server: https://127.0.0.1:6443`.
fn server(kubeconfig: &str) -> u16 {
    let rest = kubeconfig.split_once("https://127.0.0.1:");
    let digits = |rest: &str| {
        rest.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    };
    let port = rest.map(|(_, rest)| digits(rest));
    port.and_then(|port| port.parse().ok())
        .expect("the world's API server is at a port of 127.0.0.1")
}

#[tokio::test]
async fn a_line_that_died_without_a_word_is_given_up_and_the_next_session_is_served() {
    let _alone = alone().await;
    let mut scene = Scene::open("silent-line").await;
    let text = std::fs::read_to_string(&scene.world.kubeconfig).expect("there is one");
    let line = Line::to(server(&text)).await;
    let kubeconfig = through(&scene.world, &line);
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    scene.options = scene.options.clone().env("KUBECONFIG", kubeconfig);
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let first = scene.session(&session("first", "arena")).await;
    first.until_ready().await;
    let id = first.container_id().await;

    let before = line.opened();
    line.fall_silent();
    let later = scene.session(&session("later", "arena")).await;
    later.until_ready().await;
    assert!(line.opened() > before, "it went through a new connection");
    assert_eq!(
        first.container_id().await,
        id,
        "the running game was touched"
    );
    scene.close(controller).await;
}

#[tokio::test]
async fn all_calls_and_watches_share_a_connection() {
    let _alone = alone().await;
    let mut scene = Scene::open("one-line").await;
    let text = std::fs::read_to_string(&scene.world.kubeconfig).expect("there is one");
    let line = Line::to(server(&text)).await;
    let kubeconfig = through(&scene.world, &line);
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    scene.options = scene.options.clone().env("KUBECONFIG", kubeconfig);
    let controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let at_rest = line.opened();
    let mut plays = Vec::new();
    for n in 0..8 {
        plays.push(scene.session(&session(&format!("s{n}"), "arena")).await);
    }
    for play in &plays {
        play.until_ready().await;
    }
    assert_eq!(
        line.opened(),
        at_rest,
        "8 sessions at once opened connections"
    );
    scene.close(controller).await;
}
