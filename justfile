# The commands we type daily; `just` lists them.

_list:
    @just --list --unsorted

# Compile everything, tests too, and show what clippy says
check:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Run the tests (those whose name contains FILTER)
test *FILTER:
    cargo test --workspace --profile dev-fast --locked -- {{FILTER}}

# Serve from ./madang-data
serve *ARGUMENTS:
    cargo run --profile dev-fast --locked -- serve {{ARGUMENTS}}

# Measure, built for release
bench *ARGUMENTS:
    cargo run --release --locked -- bench {{ARGUMENTS}}

# Format everything
fmt:
    cargo fmt --all

# Run what is too long for every change, with the program as it is shipped: fifty crashes, a hundred upgrades, twenty
# seconds of churn, the soak (MADANG_SOAK_SECONDS)
long *FILTER:
    cargo build --release --locked
    MADANG_TESTED_PROGRAM="{{justfile_directory()}}/target/release/madang" cargo test --locked --test program -- --ignored --nocapture --test-threads=1 {{FILTER}}

# Look for inputs that break a parser's promise (config, conversation, facts, frame, import, index, line, link, names, proxy, record, segment, snapshot, telnet)
fuzz TARGET SECONDS="60":
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run {{TARGET}} -- -max_total_time={{SECONDS}} -max_len=6000 -timeout=10

# What a package holds besides the binary, into target/package
package-files:
    mkdir -p target/package
    target/release/madang config default > target/package/madang.toml
    target/release/madang man --to target/package/man
    target/release/madang completions bash > target/package/madang.bash
    target/release/madang completions zsh > target/package/madang.zsh
    target/release/madang completions fish > target/package/madang.fish

# A Debian package, into target/debian (cargo install cargo-deb)
deb:
    cargo build --release --locked
    just package-files
    cargo deb --no-build
    for package in target/debian/madang_*.deb; do systemd/debian/add-md5sums "$package"; done

# What we depend on, advisories too
deny:
    cargo deny --workspace check

# What CI does
ci:
    .ci/run
