//! Credentials for private images, from the user's own Docker credentials file and its helpers.
//!
//! Blocks: files are read and helpers run. Call it where blocking is allowed.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bollard::auth::DockerCredentials;
use serde::Deserialize;

/// Docker Hub's key in credentials files: not its address.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A helper may ask a key ring; one that hangs must not hold a pull.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Why credentials that the file promises could not be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum CredentialsError {
    #[error("the Docker credentials file {path} cannot be read")]
    Unreadable {
        path: String,
        source: std::io::Error,
    },
    /// Without the parser's own words, which show the value that it met.
    #[error("the Docker credentials file {path} is not understood at line {line}, column {column}")]
    NotUnderstood {
        path: String,
        line: usize,
        column: usize,
    },
    #[error(
        "the entry of {registry} in the Docker credentials file is not base64 of user:password"
    )]
    Entry { registry: String },
    #[error("{helper} gives no credentials for {registry}: {why}")]
    Helper {
        helper: String,
        registry: String,
        why: String,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: HashMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The registry that an image reference names: its first part where that can be a host, else Docker Hub.
pub(super) fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => match host {
            "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
            host => host,
        },
        Some(_) | None => DOCKER_HUB,
    }
}

/// What the file in `folder` has for this image's registry; None where it has nothing.
pub(super) fn find(
    folder: &Path,
    image: &str,
) -> Result<Option<DockerCredentials>, CredentialsError> {
    let path = folder.join("config.json");
    let shown = || path.display().to_string();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(CredentialsError::Unreadable {
                path: shown(),
                source,
            });
        }
    };
    let file: File =
        serde_json::from_slice(&bytes).map_err(|error| CredentialsError::NotUnderstood {
            path: shown(),
            line: error.line(),
            column: error.column(),
        })?;
    let registry = registry(image);
    if let Some(helper) = file
        .cred_helpers
        .get(registry)
        .or(file.creds_store.as_ref())
        && let Some(found) = ask(&format!("docker-credential-{helper}"), registry)?
    {
        return Ok(Some(found));
    }
    file.auths
        .iter()
        .find(|(key, _)| names(key, registry))
        .map(|(_, entry)| from_entry(entry, registry))
        .transpose()
        .map(Option::flatten)
}

/// Keys of the file may carry a scheme and a path.
fn names(key: &str, registry: &str) -> bool {
    let bare = |text: &str| {
        let text = text
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        text.split('/').next().unwrap_or(text).to_owned()
    };
    key == registry || bare(key) == bare(registry)
}

fn from_entry(
    entry: &Entry,
    registry: &str,
) -> Result<Option<DockerCredentials>, CredentialsError> {
    let broken = || CredentialsError::Entry {
        registry: registry.to_owned(),
    };
    let (mut username, mut password) = (entry.username.clone(), entry.password.clone());
    if let Some(auth) = entry.auth.as_deref().filter(|a| !a.is_empty()) {
        let decoded = STANDARD.decode(auth).map_err(|_| broken())?;
        let text = String::from_utf8(decoded).map_err(|_| broken())?;
        let (user, secret) = text.split_once(':').ok_or_else(broken)?;
        username = Some(user.to_owned());
        password = Some(secret.trim_end_matches('\0').to_owned());
    }
    let identitytoken = entry.identitytoken.clone().filter(|t| !t.is_empty());
    let registrytoken = entry.registrytoken.clone().filter(|t| !t.is_empty());
    if username.is_none() && identitytoken.is_none() && registrytoken.is_none() {
        // `docker login` with a helper leaves an empty entry.
        return Ok(None);
    }
    Ok(Some(DockerCredentials {
        username,
        password,
        identitytoken,
        registrytoken,
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }))
}

/// Runs `<helper> get`; None where it knows nothing of the registry.
#[expect(
    clippy::disallowed_methods,
    reason = "std has no wait with a limit; this thread is there to block"
)]
fn ask(helper: &str, registry: &str) -> Result<Option<DockerCredentials>, CredentialsError> {
    let failed = |why: String| CredentialsError::Helper {
        helper: helper.to_owned(),
        registry: registry.to_owned(),
        why,
    };
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| failed(e.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input answers by its exit code.
        let _ = stdin.write_all(registry.as_bytes());
    }
    let until = Instant::now() + ANSWER_WITHIN;
    let status = loop {
        match child.try_wait().map_err(|e| failed(e.to_string()))? {
            Some(status) => break status,
            None if Instant::now() >= until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(format!(
                    "no answer within {} s",
                    ANSWER_WITHIN.as_secs()
                )));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout
            .take(64 * 1024)
            .read_to_end(&mut answer)
            .map_err(|e| failed(e.to_string()))?;
    }
    if !status.success() {
        let words = String::from_utf8_lossy(&answer);
        if words.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(words.trim().to_owned()));
    }
    // Never with the answer's text: it holds the secret.
    let answer: HelperAnswer = serde_json::from_slice(&answer)
        .map_err(|_| failed("its answer is not understood".to_owned()))?;
    let mut credentials = DockerCredentials {
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    };
    if answer.username == "<token>" {
        credentials.identitytoken = Some(answer.secret);
    } else {
        credentials.username = Some(answer.username);
        credentials.password = Some(answer.secret);
    }
    Ok(Some(credentials))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::hostile::{cases, edited, edits, text};

    /// A credentials folder that goes with its test.
    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn folder(name: &str, config: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("config.json"), config).expect("a file");
        Folder(folder)
    }

    #[test]
    fn the_registry_is_the_first_part_where_that_can_be_a_host() {
        assert_eq!(registry("ghcr.io/owner/game:1"), "ghcr.io");
        assert_eq!(registry("localhost/game"), "localhost");
        assert_eq!(registry("box:5000/game@sha256:00"), "box:5000");
        for hub in ["game", "game:1", "owner/game", "docker.io/owner/game"] {
            assert_eq!(registry(hub), DOCKER_HUB, "{hub}");
        }
    }

    #[test]
    fn no_file_means_no_credentials() {
        let none = find(Path::new("/nowhere"), "game").expect("no file is no error");
        assert_eq!(none, None);
    }

    #[test]
    fn an_entry_of_the_file_is_used_for_its_registry_alone() {
        let auth = STANDARD.encode("alice:pa:ss");
        let folder = folder(
            "entry",
            &format!(r#"{{"auths":{{"https://ghcr.io/v2/":{{"auth":"{auth}"}}}},"psFormat":"x"}}"#),
        );
        let found = find(&folder.0, "ghcr.io/owner/game")
            .expect("readable")
            .expect("an entry");
        assert_eq!(found.username.as_deref(), Some("alice"));
        assert_eq!(found.password.as_deref(), Some("pa:ss"));
        assert_eq!(found.serveraddress.as_deref(), Some("ghcr.io"));
        assert_eq!(find(&folder.0, "owner/game").expect("readable"), None);
    }

    #[test]
    fn an_empty_entry_is_no_entry() {
        let folder = folder("empty", r#"{"auths":{"ghcr.io":{}}}"#);
        assert_eq!(find(&folder.0, "ghcr.io/a/b").expect("readable"), None);
    }

    #[test]
    fn a_broken_entry_is_named_without_its_secret() {
        let auth = STANDARD.encode("no colon here");
        let folder = folder(
            "broken",
            &format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{auth}"}}}}}}"#),
        );
        let error = find(&folder.0, "ghcr.io/a/b")
            .expect_err("broken")
            .to_string();
        assert!(
            error.contains("ghcr.io") && !error.contains("no colon"),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(cases(128))]

        #[test]
        fn whatever_a_credentials_file_holds_its_secrets_are_found_or_kept(edits in edits(3), registry in text()) {
            const SECRET: &str = "c2VjcmV0LTE3OnBhc3M=";
            let good = json!({
                "auths": {
                    "https://ghcr.io/v2/": {"auth": SECRET},
                    "quay.io": {"username": "alice", "password": "secret-17", "identitytoken": "secret-17"},
                },
                "psFormat": "x", "HttpHeaders": {},
            });
            let mut file = edited(good, "", &edits);
            // Programs of this machine are no part of it.
            if let Some(fields) = file.as_object_mut() {
                fields.retain(|key, _| !key.starts_with("cred"));
            }
            let folder = folder("hostile", &file.to_string());
            for image in ["ghcr.io/a/b", "quay.io/a/b", "a/b", &format!("{registry}/a")] {
                if let Err(error) = find(&folder.0, image) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    let told = format!("{error}: {cause:?}");
                    prop_assert!(!told.contains("secret-17") && !told.contains(SECRET), "{}", told);
                }
            }
        }

        #[test]
        fn whatever_stands_for_user_and_password_both_come_out_or_neither(user in "[^:]{0,20}", password in ".{0,20}") {
            let entry = Entry {
                auth: Some(STANDARD.encode(format!("{user}:{password}"))),
                ..Entry::default()
            };
            let found = from_entry(&entry, "ghcr.io").expect("an entry").expect("credentials");
            prop_assert_eq!(found.username.as_deref(), Some(user.as_str()));
            prop_assert_eq!(found.password.as_deref(), Some(password.trim_end_matches('\0')));
        }
    }

    #[test]
    fn a_file_that_is_not_understood_is_named_without_what_stands_there() {
        let folder = folder("not-understood", r#"{"auths":{"ghcr.io":"secret-17"}}"#);
        let error = find(&folder.0, "ghcr.io/a/b").expect_err("no entry");
        assert!(std::error::Error::source(&error).is_none());
        let told = error.to_string();
        assert!(
            told.contains("line 1") && !told.contains("secret-17"),
            "{told}"
        );
    }

    #[test]
    fn a_helper_that_is_not_there_is_named() {
        let folder = folder(
            "helper",
            r#"{"credHelpers":{"ghcr.io":"not-installed-anywhere"}}"#,
        );
        let error = find(&folder.0, "ghcr.io/a/b")
            .expect_err("no such program")
            .to_string();
        assert!(
            error.contains("docker-credential-not-installed-anywhere"),
            "{error}"
        );
        assert_eq!(
            find(&folder.0, "quay.io/a/b").expect("another registry"),
            None
        );
    }

    fn ask_script(name: &str, script: &str) -> Result<Option<DockerCredentials>, CredentialsError> {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = folder(name, "{}");
        let path = folder.0.join("helper");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        ask(path.to_str().expect("a path"), "ghcr.io")
    }

    #[test]
    fn a_helper_is_asked_for_the_registry_on_its_standard_input() {
        let script = r#"echo "{\"ServerURL\":\"x\",\"Username\":\"$1\",\"Secret\":\"$(cat)\"}""#;
        let found = ask_script("asks", script)
            .expect("it answers")
            .expect("it knows");
        assert_eq!(found.username.as_deref(), Some("get"));
        assert_eq!(found.password.as_deref(), Some("ghcr.io"));
    }

    #[test]
    fn a_helpers_token_is_an_identity_token() {
        let script = r#"echo '{"ServerURL":"x","Username":"<token>","Secret":"t"}'"#;
        let found = ask_script("token", script)
            .expect("it answers")
            .expect("it knows");
        assert_eq!(
            (found.username, found.identitytoken.as_deref()),
            (None, Some("t"))
        );
    }

    #[test]
    fn a_helper_that_knows_nothing_is_no_failure_and_one_that_fails_is() {
        let script = "echo credentials not found in native keychain; exit 1";
        assert_eq!(
            ask_script("knows-nothing", script).expect("no failure"),
            None
        );
        let error = ask_script("fails", "echo locked; exit 1").expect_err("it fails");
        assert!(error.to_string().contains("locked"), "{error}");
        let error = ask_script("babbles", "echo s3cret").expect_err("no JSON");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
