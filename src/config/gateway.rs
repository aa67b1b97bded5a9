//! The flags of `gateway` and of `run`, and what they resolve to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{ConfigError, Flags, LogFlags, POD_NAMESPACE, check_name, own_namespace};

/// The flags that `gateway` and `run` share, as written.
#[derive(Clone, Debug, Args)]
pub struct GatewayFlags {
    /// Address of the REST service. Any but a loopback address needs --auth. Port 0 takes a free one.
    #[arg(
        long,
        env = "DILLINGER_GATEWAY_ADDRESS",
        default_value = "127.0.0.1:3002",
        value_name = "ADDRESS:PORT"
    )]
    pub gateway_address: SocketAddr,

    /// Namespace whose sessions and Games the service shows. Default: the Pod's own, outside a Pod "default".
    #[arg(long, env = "DILLINGER_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Who may do what. none: whoever reaches a loopback address; kubernetes: the bearer token is reviewed (TokenReview), and
    /// each right asked for (SubjectAccessReview); passthrough: the caller's own token does everything.
    #[arg(long, env = "DILLINGER_AUTH", value_enum, default_value = "none")]
    pub auth: AuthMode,

    /// Audience that tokens must be made for, with --auth=kubernetes.
    #[arg(
        long,
        env = "DILLINGER_AUDIENCE",
        default_value = "dillinger-gateway",
        value_name = "NAME"
    )]
    pub audience: String,

    /// Callers see and stop their own sessions alone, and play in their own name. Needs --auth.
    #[arg(long, env = "DILLINGER_OWN_SESSIONS_ONLY")]
    pub own_sessions_only: bool,

    /// Origins of web pages that may use the service, separated by commas.
    #[arg(
        long,
        env = "DILLINGER_CORS_ORIGINS",
        value_delimiter = ',',
        default_value = "http://localhost:3001",
        value_name = "ORIGIN,…"
    )]
    pub cors_origins: Vec<String>,

    /// Longest that POST /sessions waits until the game runs, in seconds; then it answers with what there is.
    #[arg(
        long,
        env = "DILLINGER_CREATE_WAIT",
        default_value_t = 60,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(0..=600)
    )]
    pub create_wait: u32,

    /// Requests a second from one client, twice as many at once; 0: no limit. A client is an address, with --auth a user.
    #[arg(
        long,
        env = "DILLINGER_RATE_LIMIT",
        default_value_t = 100,
        value_name = "REQUESTS",
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub rate_limit: u32,
}

/// The flags of `gateway`, as written.
#[derive(Clone, Debug, Args)]
pub struct AloneFlags {
    #[command(flatten)]
    pub gateway: GatewayFlags,

    /// The controller's admin port, http://host:port: for logs of games on its engine, and for GET /health. Default: none.
    #[arg(long, env = "DILLINGER_CONTROLLER_URL", value_name = "URL")]
    pub controller_url: Option<String>,

    /// File with the token that the controller knows this gateway by (its --gateway-token-file). Without it there are no logs of
    /// games on a Docker Engine.
    #[arg(
        long,
        env = "DILLINGER_CONTROLLER_TOKEN_FILE",
        value_name = "FILE",
        requires = "controller_url"
    )]
    pub controller_token_file: Option<PathBuf>,

    #[command(flatten)]
    pub logs: LogFlags,
}

/// The flags of `run`: those of the controller and of the gateway.
#[derive(Clone, Debug, Args)]
pub struct BothFlags {
    #[command(flatten)]
    pub controller: Flags,
    #[command(flatten)]
    pub gateway: GatewayFlags,
}

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    None,
    Kubernetes,
    Passthrough,
}

impl AuthMode {
    pub fn as_str(self) -> &'static str {
        match self {
            AuthMode::None => "none",
            AuthMode::Kubernetes => "kubernetes",
            AuthMode::Passthrough => "passthrough",
        }
    }
}

/// The flags, checked and resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    pub address: SocketAddr,
    pub namespace: String,
    pub auth: AuthMode,
    pub audience: String,
    pub own_sessions_only: bool,
    pub cors_origins: Vec<String>,
    pub create_wait: Duration,
    /// 0: none.
    pub rate_limit: u32,
}

impl GatewayFlags {
    /// Checks and resolves the flags; the file of the Pod's namespace is the only thing read.
    pub fn resolve(self) -> Result<GatewayConfig, ConfigError> {
        self.resolve_in(own_namespace(Path::new(POD_NAMESPACE)))
    }

    fn resolve_in(self, own_namespace: Option<String>) -> Result<GatewayConfig, ConfigError> {
        let GatewayFlags {
            gateway_address,
            namespace,
            auth,
            audience,
            own_sessions_only,
            cors_origins,
            create_wait,
            rate_limit,
        } = self;
        let open = auth == AuthMode::None;
        if open && !gateway_address.ip().is_loopback() {
            return Err(ConfigError::OpenGateway(gateway_address));
        }
        if open && own_sessions_only {
            return Err(ConfigError::WhoseSessions);
        }
        let namespace = namespace.or(own_namespace);
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        check_name("--namespace", &namespace)?;
        Ok(GatewayConfig {
            address: gateway_address,
            namespace,
            auth,
            audience,
            own_sessions_only,
            cors_origins: origins(cors_origins)?,
            create_wait: Duration::from_secs(create_wait.into()),
            rate_limit,
        })
    }
}

/// The base of the controller's URL.
pub fn controller_url(url: &str) -> Result<String, ConfigError> {
    let refuse = || ConfigError::ControllerUrl(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| refuse())?;
    let plain = uri.scheme_str() == Some("http") && uri.authority().is_some();
    if !plain || !["", "/"].contains(&uri.path()) || uri.query().is_some() {
        return Err(refuse());
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Where a process finds its own admin port.
pub fn own_url(admin: SocketAddr) -> String {
    let mut address = admin;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

fn origins(values: Vec<String>) -> Result<Vec<String>, ConfigError> {
    let mut origins = Vec::new();
    for value in values {
        let origin = value.trim();
        if origin.is_empty() {
            continue;
        }
        let rest = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        let whole = rest.is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"/?#@*".contains(&b))
        });
        if !whole {
            return Err(ConfigError::Origin(origin.to_owned()));
        }
        origins.push(origin.to_owned());
    }
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::{Cli, Command};
    use super::*;

    fn resolve(args: &[&str]) -> Result<GatewayConfig, String> {
        let args = ["dillinger-runner", "gateway"]
            .into_iter()
            .chain(args.iter().copied());
        match Cli::parse_from(args).command {
            Command::Gateway(flags) => flags.gateway.resolve_in(None).map_err(|e| e.to_string()),
            other => panic!("not the gateway: {other:?}"),
        }
    }

    #[test]
    fn without_flags_it_answers_on_loopback_and_asks_nobody() {
        let config = resolve(&[]).unwrap();
        assert_eq!(config.address, "127.0.0.1:3002".parse().unwrap());
        assert_eq!(
            (config.auth, config.namespace.as_str()),
            (AuthMode::None, "default")
        );
        assert_eq!(config.cors_origins, ["http://localhost:3001"]);
    }

    #[test]
    fn any_other_address_needs_to_know_who_calls() {
        for address in ["0.0.0.0:3002", "192.0.2.1:3002", "[::]:3002"] {
            let refused = resolve(&["--gateway-address", address]).unwrap_err();
            assert!(
                refused.contains(address) && refused.contains("--auth"),
                "{refused}"
            );
            for auth in ["kubernetes", "passthrough"] {
                assert!(resolve(&["--gateway-address", address, "--auth", auth]).is_ok());
            }
        }
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(
                resolve(&["--gateway-address", address]).is_ok(),
                "{address}"
            );
        }
    }

    #[test]
    fn who_is_nobody_has_no_own_sessions() {
        assert!(
            resolve(&["--own-sessions-only"])
                .unwrap_err()
                .contains("--auth")
        );
        assert!(resolve(&["--own-sessions-only", "--auth=kubernetes"]).is_ok());
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for text in [
            "*",
            "localhost:3001",
            "http://",
            "http://a/b",
            "http://*.example",
        ] {
            let refused = resolve(&["--cors-origins", text]).unwrap_err();
            assert!(refused.contains(&format!("\"{text}\"")), "{refused}");
        }
        let config =
            resolve(&["--cors-origins", "https://a.example,http://b.example:8080"]).unwrap();
        assert_eq!(config.cors_origins.len(), 2);
        assert!(
            resolve(&["--cors-origins", ""])
                .unwrap()
                .cors_origins
                .is_empty()
        );
    }

    #[test]
    fn a_controller_is_named_by_the_base_of_its_url() {
        for url in ["http://127.0.0.1:3003", "http://controller.games.svc:3003/"] {
            assert!(controller_url(url).is_ok(), "{url}");
        }
        for url in [
            "127.0.0.1:3003",
            "https://a:3003",
            "http://a:3003/metrics",
            "http://a:3003?x",
            "",
        ] {
            assert!(controller_url(url).is_err(), "{url}");
        }
        assert_eq!(
            own_url("0.0.0.0:3003".parse().unwrap()),
            "http://127.0.0.1:3003"
        );
        assert_eq!(own_url("[::]:3003".parse().unwrap()), "http://[::1]:3003");
        assert_eq!(
            own_url("127.0.0.2:3003".parse().unwrap()),
            "http://127.0.0.2:3003"
        );
    }

    #[test]
    fn every_flag_of_both_commands_has_its_environment_variable() {
        let command = Cli::command();
        for name in ["gateway", "run"] {
            for flag in command.find_subcommand(name).unwrap().get_arguments() {
                let Some(long) = flag.get_long().filter(|long| *long != "help") else {
                    continue;
                };
                let variable = format!("DILLINGER_{}", long.to_uppercase().replace('-', "_"));
                let found = flag
                    .get_env()
                    .map(|name| name.to_string_lossy().into_owned());
                assert_eq!(found.as_deref(), Some(&*variable), "{name} --{long}");
            }
        }
    }
}
