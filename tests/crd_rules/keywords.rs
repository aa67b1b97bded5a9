//! The words of a schema, and which of them bound a value.

/// The keywords that bound a value. A keyword that is none of these and none of `UNBOUND` fails the test.
pub const BOUNDS: &[&str] = &[
    "minimum",
    "maximum",
    "maxLength",
    "minLength",
    "pattern",
    "enum",
    "maxItems",
    "minItems",
    "minProperties",
    "maxProperties",
    "required",
];

/// Fields whose words say which other fields stand beside them.
pub const DECIDE: &[&str] = &[
    ".portPolicy",
    "spec.exposure",
    "tolerations[].operator",
    "tolerations[].effect",
    "matchExpressions[].operator",
];

pub const UNBOUND: &[&str] = &[
    "type",
    "format",
    "description",
    "default",
    "properties",
    "additionalProperties",
    "items",
    "anyOf",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
];
