#!/bin/sh
# The accuracy suite and the table beside the peers, on a machine that has a GPU and nothing else.
#
#   sh benches/gpu.sh pack DIR      here: builds, and puts one binary and this script into DIR
#   sh DIR/gpu.sh [OPTION...]       there: runs them; options are `batched-svd bench`'s
#
# There it takes a Vulkan loader and a driver. PYTHON (default: python3) names the Python whose NumPy,
# PyTorch, CuPy and JAX are compared, those that it has; SUITE (default: gpu) is a part of the names of
# the tests to run; TUNE=1 also tries the planner's thresholds. Results are in DIR/results: devices.txt,
# suite.txt, bench.jsonl, table.txt, speed.svg, tune.jsonl.
set -eu

if [ "${1:-}" = pack ]; then
    [ -n "${2:-}" ] || { echo "gpu.sh: pack takes a folder" >&2; exit 2; }
    mkdir -p "$2"
    to=$(cd "$2" && pwd)
    cd "$(dirname "$0")/.."
    # The suite, which is the command too.
    cargo test --release --features bench --test engines --no-run
    # The path stands in brackets at the end of the line.
    suite=$(cargo test --release --features bench --test engines --no-run 2>&1 |
        sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    cp "$suite" "$to/engines"
    strip "$to/engines" 2>/dev/null || true
    cp benches/gpu.sh "$to/"
    echo "gpu.sh: packed; there: sh $(basename "$to")/gpu.sh"
    exit
fi

cd "$(dirname "$0")"
mkdir -p results
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
./engines --command devices | tee results/devices.txt
echo "gpu.sh: the accuracy suite"
failed=0
BATCHED_SVD_REQUIRE_GPU="${BATCHED_SVD_REQUIRE_GPU:-f64}" ./engines "${SUITE:-gpu}" >results/suite.txt 2>&1 || failed=1
grep -E "FAILED|^test result" results/suite.txt || true
echo "gpu.sh: the benchmark"
python=$(command -v "${PYTHON:-python3}" || true)
has_a_peer='import importlib.util as u, sys; sys.exit(not any(map(u.find_spec, ("numpy", "torch", "cupy", "jax"))))'
if [ -z "$python" ] || ! "$python" -c "$has_a_peer"; then
    echo "gpu.sh: ${PYTHON:-python3} has none of the peers: without them" >&2
    python=
fi
./engines --command bench --json ${python:+--python-peers --python "$python"} "$@" >results/bench.jsonl || failed=1
./engines --command bench --merge results/bench.jsonl --plot results/speed.svg >results/table.txt
cat results/table.txt
if [ "${TUNE:-}" = 1 ]; then
    echo "gpu.sh: thresholds"
    ./engines --command bench --tune --backend gpu --json "$@" >results/tune.jsonl || failed=1
fi
exit $failed
