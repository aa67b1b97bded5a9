//! The engine as a file: lines that every process appends and every process folds for itself.
//!
//! What was appended by whom does not matter: the file outlives its writers, and its order decides. Blocks for
//! a few microseconds on a file in the page cache; `open` blocks for as long as the whole file takes.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::fold::{Fold, Place};
use super::line::Line;
use crate::session::facts::{Engine, EngineId};

/// Bytes that are read at once: a long journal is not to stand in memory as a whole.
const CHUNK: u64 = 64 * 1024;

/// One open journal, and what this process has read of it.
pub(super) struct Journal {
    file: Arc<File>,
    pub(super) engine: Engine,
    pub(super) fold: Fold,
    /// Length of the file when it was last looked at.
    length: u64,
    /// Up to here its lines are folded; behind it stands at most a line that is not whole.
    folded: u64,
    /// Sessions that lines of others changed, until somebody takes them.
    pub(super) changed: Vec<String>,
}

impl Journal {
    /// Opens the journal, making it where there is none, and reads all of it.
    pub(super) fn open(path: &Path) -> io::Result<Journal> {
        let open = || OpenOptions::new().read(true).append(true).open(path);
        let file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                begin(path)?;
                open()?
            }
            opened => opened?,
        };
        let mut journal = Journal {
            engine: engine(&file)?,
            file: Arc::new(file),
            fold: Fold::default(),
            length: 0,
            folded: 0,
            changed: Vec::new(),
        };
        journal.catch_up()?;
        journal.changed = Vec::new();
        Ok(journal)
    }

    /// Folds what was appended since the last time: one fstat where nothing was.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        self.read_on(None).map(|_| ())
    }

    /// Appends one line, as one write, after a `catch_up`. True: it holds; false: a line that came before it says
    /// otherwise.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<bool> {
        let mut text = serde_json::to_vec(line)?;
        let own = text.clone();
        text.push(b'\n');
        if self.folded < self.length {
            // Somebody died within his line: ours begins on its own.
            text.insert(0, b'\n');
        }
        let wrote = loop {
            match (&*self.file).write(&text) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                wrote => break wrote?,
            }
        };
        if wrote < text.len() {
            return Err(io::Error::new(
                ErrorKind::WriteZero,
                "it took only a part of a line",
            ));
        }
        self.read_on(Some(&own))
    }

    /// To read lines that were folded before, which never change.
    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Whether the line that we appended ourselves holds.
    fn read_on(&mut self, own: Option<&[u8]>) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is shorter than it was",
            ));
        }
        if length == self.length {
            return Ok(false);
        }
        let (mut holds, mut chunk, mut buffer) = (false, CHUNK, Vec::new());
        while self.folded < length {
            let left = length - self.folded;
            let read = left.min(chunk);
            buffer.resize(usize::try_from(read).unwrap_or(usize::MAX), 0);
            self.file.read_exact_at(&mut buffer, self.folded)?;
            let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') else {
                if read == left {
                    break;
                }
                chunk *= 2;
                continue;
            };
            for line in buffer[..=end].split_inclusive(|byte| *byte == b'\n') {
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                let uid = self.take_in(text);
                match (uid, own == Some(text)) {
                    (Some(_), true) => holds = true,
                    (Some(uid), false) => self.changed.push(uid),
                    (None, _) => {}
                }
                self.folded += line.len() as u64;
            }
        }
        self.length = length;
        Ok(holds)
    }

    fn take_in(&mut self, text: &[u8]) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let place = Place {
            offset: self.folded,
            length: u32::try_from(text.len()).ok()?,
        };
        match serde_json::from_slice(text) {
            Ok(line) => self.fold.apply(line, place),
            Err(error) => {
                tracing::warn!(
                    offset = place.offset, %error, "a line of the journal is not understood and passed over"
                );
                None
            }
        }
    }
}

/// Reads a line again.
pub(super) fn line_at(file: &File, place: Place) -> io::Result<Line> {
    let mut text = vec![0; usize::try_from(place.length).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut text, place.offset)?;
    Ok(serde_json::from_slice(&text)?)
}

/// The engine that the first line names.
fn engine(file: &File) -> io::Result<Engine> {
    let mut start = vec![0; 4096];
    let read = file.read_at(&mut start, 0)?;
    let first = start[..read].split(|byte| *byte == b'\n').next();
    match serde_json::from_slice(first.unwrap_or_default()) {
        Ok(Line::Engine { id, name }) => Ok(Engine {
            id: EngineId(id),
            name: Some(name),
        }),
        Ok(_) | Err(_) => Err(io::Error::new(
            ErrorKind::InvalidData,
            "it is no journal of a simulated engine: its first line does not name one",
        )),
    }
}

/// Makes the file with its first line in it, unless another process makes it first.
fn begin(path: &Path) -> io::Result<()> {
    let line = serde_json::to_string(&Line::Engine {
        id: random_id()?,
        name: host(),
    })?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", random_id()?));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&draft)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        // A link appears with all of its content, and only where nothing is yet.
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    };
    let written = write();
    let removed = std::fs::remove_file(&draft);
    written.and(removed)
}

/// 32 hex digits.
pub(super) fn random_id() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "host".to_owned(), |name| name.trim().to_owned())
}
