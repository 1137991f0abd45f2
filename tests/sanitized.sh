#!/bin/sh
# What needs a nightly Rust, with rustup: all tests under AddressSanitizer, the GPU's too, then the fuzzers for
# FUZZ_SECONDS each (60), under it too. 20 minutes.
set -eu
cd "$(dirname "$0")/.."

rustup toolchain list | grep -q '^nightly' || rustup toolchain install nightly --profile minimal
# What asks for more memory than there is gets none, and says so. Drivers leak.
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=0 XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
export BATCHED_SVD_ALL=1 BATCHED_SVD_REQUIRE_GPU="${BATCHED_SVD_REQUIRE_GPU:-1}"
host="$(rustc -vV | sed -n 's/^host: //p')"

echo "sanitized: tests"
RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target/asan \
    cargo +nightly test --release --target "$host" --features bench --lib --tests -- \
    --skip memory_stays_flat

command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz
for name in reader calls; do
    echo "sanitized: fuzzing $name for ${FUZZ_SECONDS:-60} s"
    found="target/fuzz/$name"
    mkdir -p "$found"
    # What is found anew goes to the first folder.
    cargo +nightly fuzz run "$name" "$found" "fuzz/corpus/$name" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -max_len=4096 -timeout=10 -rss_limit_mb=4096 -malloc_limit_mb=1000000000
done
echo "sanitized: all passed"
