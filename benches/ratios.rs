//! Ratios against a baseline measured in the same run.

fn main() {}
