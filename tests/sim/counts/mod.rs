//! Calls by exact count: to the API server and the runtime in virtual time, and to a Docker Engine over HTTP.

mod daemon;
mod engine;
mod idle;

use std::collections::BTreeMap;

/// How often each class of call was made.
type Calls = BTreeMap<String, u32>;

fn calls<const N: usize>(wanted: [(&str, u32); N]) -> Calls {
    wanted
        .map(|(class, times)| (class.to_owned(), times))
        .into()
}
