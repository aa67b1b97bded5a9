//! What breaks the engine or the API server for everybody: run alone in a world of its own, one test at a time.

#[path = "../real/harness/mod.rs"]
mod harness;
