//! Which host ports a container gets: pure choice over what is taken.

use std::collections::BTreeMap;

/// Host number for each port of the Game, by name; a TCPUDP port has one number on both protocols.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenPorts(pub BTreeMap<String, u16>);

/// Nothing is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPort {
    /// Names the port, the range or the static number, and what to do.
    pub message: String,
}
