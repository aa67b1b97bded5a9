//! Scratch and storage: where they are mounted, and how large.

use super::resources::size;
use super::{Refusal, ScratchMount, StorageMount};
use crate::api::GameSpec;
use crate::session::quoted::quoted;

/// The mounts of a Game.
pub(super) struct Files {
    pub(super) scratch: Vec<ScratchMount>,
    pub(super) storage: Vec<StorageMount>,
}

impl Files {
    /// Paths are absolute, each one mounted once.
    pub(super) fn of(game: &GameSpec) -> Result<Files, Refusal> {
        let mut mounted: Vec<String> = Vec::new();
        let mut mount = |field: &str, path: &str| {
            let clean = clean_path(field, path)?;
            if mounted.contains(&clean) {
                return Err(Refusal::game(format!(
                    "{field}: mountPath {} is mounted twice",
                    quoted(path)
                )));
            }
            mounted.push(clean.clone());
            Ok(clean)
        };
        let mut files = Files {
            scratch: Vec::with_capacity(game.scratch.len()),
            storage: Vec::with_capacity(game.storage.len()),
        };
        for one in &game.scratch {
            let field = format!("scratch {}", quoted(&one.mount_path));
            files.scratch.push(ScratchMount {
                path: mount("scratch", &one.mount_path)?,
                size_bytes: size(&format!("{field}: sizeLimit"), &one.size_limit)?,
            });
        }
        for one in &game.storage {
            let field = format!("storage {}", quoted(&one.name));
            if files.storage.iter().any(|other| other.name == one.name) {
                return Err(Refusal::game(format!("{field} is declared twice")));
            }
            if !is_name(&one.name) {
                return Err(Refusal::game(format!(
                    "{field}: the name must be at most 15 lower-case letters, digits and '-'"
                )));
            }
            files.storage.push(StorageMount {
                name: one.name.clone(),
                path: mount(&field, &one.mount_path)?,
                size_bytes: size(&format!("{field}: size"), &one.size)?,
            });
        }
        Ok(files)
    }
}

/// The name becomes a part of the volume's name.
fn is_name(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty()
        && name.len() <= 15
        && name.bytes().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Without empty and `.` parts. The characters that engines split mount options at are refused, as is `..`.
fn clean_path(field: &str, path: &str) -> Result<String, Refusal> {
    let bad = path.contains("..")
        || !path.starts_with('/')
        || !path.bytes().all(|b| b.is_ascii_graphic())
        || path.contains([':', ',']);
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if bad || parts.is_empty() {
        return Err(Refusal::game(format!(
            "{field}: mountPath {} must be an absolute path below \"/\" without '..', ':' or ','",
            quoted(path)
        )));
    }
    Ok(format!("/{}", parts.join("/")))
}
