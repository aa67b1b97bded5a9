//! The world that `tests/world` sets up around a test target.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::engine::Engine;

/// Where everything is; fails loudly outside a world.
#[derive(Clone, Debug)]
pub struct World {
    pub folder: PathBuf,
    pub kubeconfig: PathBuf,
    pub audit_log: PathBuf,
}

impl World {
    pub fn here() -> World {
        let path =
            |name: &str| {
                std::env::var_os(name).map(PathBuf::from).unwrap_or_else(|| {
                panic!("{name} is not set: these tests run inside tests/world, see DEVELOPMENT.md")
            })
            };
        World {
            folder: path("DILLINGER_WORLD"),
            kubeconfig: path("KUBECONFIG"),
            audit_log: path("DILLINGER_AUDIT_LOG"),
        }
    }

    pub async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(&self.kubeconfig).expect("the world's kubeconfig is read");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .expect("the world's kubeconfig is complete");
        Client::try_from(config).expect("the world's certificates are good")
    }

    pub fn engine(&self) -> Engine {
        Engine::from_env()
    }

    /// Runs one of the world's own programs (`engine`, `apiserver`, `kubectl`, `docker`), which must succeed.
    pub async fn run(&self, program: &str, args: &[&str]) -> String {
        let output = tokio::process::Command::new(program)
            .args(args)
            .output()
            .await
            .unwrap_or_else(|error| panic!("{program} {args:?}: {error}"));
        assert!(
            output.status.success(),
            "{program} {args:?} ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// [`World::apply_definitions`], once a process.
    pub async fn apply_definitions_once(&self) {
        static APPLIED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        APPLIED
            .get_or_init(|| async { self.apply_definitions().await })
            .await;
    }

    /// The custom resource definitions as the binary under test prints them.
    pub async fn apply_definitions(&self) {
        let file = self.print_definitions();
        self.kubectl(&["apply", "--server-side", "-f", &file]).await;
        let established = "--for=condition=Established";
        self.kubectl(&["wait", established, "--timeout=60s", "-f", &file])
            .await;
    }

    pub async fn delete_definitions(&self) {
        let file = self.print_definitions();
        self.kubectl(&["delete", "--wait", "-f", &file]).await;
    }

    fn print_definitions(&self) -> String {
        let printed = Command::new(env!("CARGO_BIN_EXE_dillinger-runner"))
            .arg("crd")
            .output()
            .expect("dillinger-runner crd runs");
        assert!(printed.status.success(), "dillinger-runner crd fails");
        let file = self.folder.join("definitions.yaml");
        std::fs::write(&file, printed.stdout).expect("the world's folder takes a file");
        file.to_str().expect("a plain path").to_owned()
    }

    /// kubectl on this world's cluster.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        let kubeconfig = self.kubeconfig.to_str().expect("a plain path");
        let args: Vec<&str> = ["--kubeconfig", kubeconfig]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        self.run("kubectl", &args).await
    }
}

/// A range of host ports that nobody else in this process got.
pub fn own_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    // Below the kernel's ephemeral range, so that no client socket takes one by chance.
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    assert!(
        first + count < 32_768,
        "the tests of this process use up all host ports"
    );
    first..=first + count - 1
}
