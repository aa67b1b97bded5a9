//! The cluster that is there, and a free part of its host ports.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Where everything is; fails loudly without a cluster.
#[derive(Clone, Debug)]
pub struct World {
    pub folder: PathBuf,
    pub kubeconfig: PathBuf,
}

impl World {
    pub fn here() -> World {
        let cluster = std::env::var_os("DILLINGER_CLUSTER").map(PathBuf::from);
        let folder = cluster.expect(
            "DILLINGER_CLUSTER is not set: these tests need deploy/local/cluster, see DEVELOPMENT.md",
        );
        World {
            kubeconfig: folder.join("kubeconfig"),
            folder,
        }
    }

    pub async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(&self.kubeconfig).expect("the kubeconfig is read");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
            .await
            .expect("the kubeconfig is complete");
        Client::try_from(config).expect("the certificates are good")
    }

    /// The custom resource definitions as the binary under test prints them; once a process.
    pub async fn apply_definitions_once(&self) {
        static APPLIED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        APPLIED
            .get_or_init(|| async { self.apply_definitions() })
            .await;
    }

    fn apply_definitions(&self) {
        let printed = Command::new(env!("CARGO_BIN_EXE_dillinger-runner"))
            .arg("crd")
            .output()
            .expect("dillinger-runner crd runs");
        let file = self.folder.join("definitions.yaml");
        std::fs::write(&file, printed.stdout).expect("the cluster's folder takes a file");
        let file = file.to_str().expect("a plain path");
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", file]);
        let established = "--for=condition=Established";
        self.kubectl(&["wait", established, "--timeout=60s", "-f", file]);
    }

    fn kubectl(&self, args: &[&str]) {
        let output = Command::new(self.folder.join("bin/kubectl"))
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .output()
            .expect("kubectl runs");
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// A range of host ports that nobody else in this process got; those of Services begin at 30000.
pub fn own_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    let first = NEXT.fetch_add(count, Ordering::Relaxed);
    assert!(
        first + count < 20_000,
        "the tests of this process use up all ports"
    );
    first..=first + count - 1
}
