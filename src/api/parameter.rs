//! What a Game lets its sessions set.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// One parameter that a session may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(has(self.pattern) && has(self.enum))").message("pattern and enum exclude each other"),
    validation = Rule::new("!(has(self.default) && self.required)").message("a required parameter has no default"),
    validation = Rule::new("!has(self.enum) || !has(self.default) || self.default in self.enum").message("default must be one of enum"),
    validation = Rule::new("!(self.name in ['SESSION_ID', 'USER_ID']) && !self.name.startsWith('PORT_')").message("name is reserved"),
)]
pub struct ParameterDeclaration {
    /// Name of the parameter: upper-case letters, digits and '_', a letter first. A parameter called GAME_ID
    /// takes the place of the Game's name in the environment variable of that name. SESSION_ID, USER_ID and
    /// names that begin with PORT_ are reserved.
    #[schemars(length(max = 63), regex(pattern = "^[A-Z][A-Z0-9_]*$"))]
    pub name: String,

    /// What the parameter does, for the people who set it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,

    /// Value where the session sets none. It must fit enum or pattern. Default: none; the parameter is then
    /// empty where args or env name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub default: Option<String>,

    /// A session must set this parameter; without it the session is not accepted (ParametersInvalid).
    /// Default: false.
    #[serde(default)]
    pub required: bool,

    /// Regular expression (Rust's syntax) that the whole value must match: "[0-9]{1,4}". It counts bytes; (?u)
    /// at its beginning makes it count characters: "(?u)[^\p{Cc}]{1,32}". One that does not compile makes the
    /// Game invalid. Excludes enum. Default: none; any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub pattern: Option<String>,

    /// The values that are allowed. Excludes pattern. Default: none; any text.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed: Option<Vec<String>>,
}
