//! Measures what the controller costs, on a real API server: `make bench`.

mod figure;

fn main() {}
