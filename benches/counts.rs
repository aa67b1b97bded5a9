//! Instructions and allocations of single decisions and looks, by exact count.

fn main() {}
