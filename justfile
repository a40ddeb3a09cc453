# The commands we type daily; `just` lists them.

_list:
    @just --list --unsorted

# Compile everything, tests too, and show what clippy says
check:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run the tests (those whose name contains FILTER)
test *FILTER:
    cargo test --workspace --release --locked -- {{FILTER}}

# Serve from ./madang-data, built for release
serve *ARGUMENTS:
    cargo run --release --locked -- serve {{ARGUMENTS}}

# Measure, built for release
bench *ARGUMENTS:
    cargo run --release --locked -- bench {{ARGUMENTS}}

# Format everything
fmt:
    cargo fmt --all

# What we depend on, advisories too
deny:
    cargo deny --workspace check

# What CI does
ci:
    .ci/run
