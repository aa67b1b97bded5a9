//! A gateway under measurement: the release program as a child process, killed with this value, and a client that keeps its
//! connections. Every wait is bounded.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use axum::body::{Body, BodyDataStream, to_bytes};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::controller::{LIMIT, free_port};
use super::procfs::{Cpu, Memory};
use super::world::World;

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at whether it answers.
const STEP: Duration = Duration::from_millis(20);

/// One process of the gateway.
pub struct Gateway {
    child: Child,
    pub rest: Rest,
}

/// Its client; a copy has the same connections.
#[derive(Clone)]
pub struct Rest {
    client: Client<HttpConnector, Body>,
    port: u16,
}

impl Gateway {
    /// Starts it for a namespace, and waits until it has listed all there is.
    pub async fn start(world: &World, namespace: &str) -> anyhow::Result<Gateway> {
        let folder = world.folder.join("log/gateways");
        std::fs::create_dir_all(&folder)?;
        let output = File::create(folder.join(format!("{namespace}.log")))?;
        let port = free_port()?;
        let child = Command::new(&world.program)
            // With its access log: what that costs is part of what a request costs.
            .args(["gateway", "--namespace", namespace, "--rate-limit", "0"])
            .args(["--gateway-address", &format!("127.0.0.1:{port}")])
            .env("KUBECONFIG", &world.kubeconfig)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| world.program.display().to_string())?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let rest = Rest { client, port };
        let mut gateway = Gateway { child, rest };
        gateway.until_healthy().await?;
        Ok(gateway)
    }

    async fn until_healthy(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while self.rest.json("GET", "/health", None).await.is_err() {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "the gateway ended with {ended:?}");
            ensure!(began.elapsed() < LIMIT, "the gateway is never healthy");
            tokio::time::sleep(STEP).await;
        }
        Ok(())
    }

    pub fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.child.id())
    }

    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.child.id())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Rest {
    /// The whole answer, which must be a success.
    pub async fn bytes(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Vec<u8>> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
        let asked = async {
            let answer = self.client.request(request).await?;
            let status = answer.status();
            let bytes = to_bytes(Body::new(answer.into_body()), usize::MAX).await?;
            if !status.is_success() {
                let words = String::from_utf8_lossy(&bytes).into_owned();
                bail!("{method} {path}: {status}: {words}");
            }
            Ok(bytes.to_vec())
        };
        tokio::time::timeout(PATIENCE, asked).await?
    }

    pub async fn json(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let bytes = self.bytes(method, path, body).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Waits until so many sessions are shown.
    pub async fn until_shown(&self, count: usize) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let shown = self.json("GET", "/sessions", None).await?;
            let shown = shown.as_array().map_or(0, Vec::len);
            if shown == count {
                return Ok(());
            }
            ensure!(
                began.elapsed() < LIMIT,
                "{shown} of {count} sessions are shown"
            );
            tokio::time::sleep(STEP).await;
        }
    }

    /// What `GET /events` sends, from now on.
    pub async fn events(&self) -> anyhow::Result<BodyDataStream> {
        let uri = format!("http://127.0.0.1:{}/events", self.port);
        let request = http::Request::get(uri).body(Body::empty())?;
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await??;
        ensure!(answer.status().is_success(), "{}", answer.status());
        Ok(Body::new(answer.into_body()).into_data_stream())
    }

    /// One who asks for events and takes a few kilobytes of them: nothing more is read until somebody does.
    pub async fn narrow(&self) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4 * 1024)?;
        let mut stream = socket.connect(([127, 0, 0, 1], self.port).into()).await?;
        // To which servers answer without chunks.
        let ask = b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(ask).await?;
        Ok(stream)
    }
}
