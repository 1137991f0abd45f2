#!/bin/sh
# What there is to know of a GPU in a few minutes, on a machine that has it and nothing else.
#
#   sh benches/gpu.sh pack DIR                  here: builds, and puts two binaries and this script into DIR
#   sh DIR/gpu.sh                               there: facts, first tests, figures, profiles, thresholds, small batches, peers, suite
#   sh DIR/gpu.sh second [NAME=VALUE...]        there, later: the thresholds that were best, in full
#
# It never takes longer than BUDGET seconds (default: 360, second: 180), which the steps share: one that would take
# longer is cut, and what it had by then is kept. The last thing it prints, in at most 8000 characters, is a summary,
# what failed first. All files are in the folder OUT (default: DIR/results, or DIR/results-second), at most eight, as
# soon as they are known: devices.json, tests.txt, bench.jsonl, profile.jsonl, tune.jsonl, peers.jsonl, log.txt,
# summary.txt. It fails if a step failed; one that was cut has not.
#
# There it takes a Vulkan loader, a driver, `timeout` and `gunzip`. PYTHON (default: python3) names the Python whose PyTorch,
# CuPy and JAX are compared, those that it has and that see the card. SHAPES (with commas) and OPS replace what is
# measured, STEPS (of: facts first figures profile thresholds small peers suite) what is done.
set -u

if [ "${1:-}" = pack ]; then
    set -e
    [ -n "${2:-}" ] || { echo "gpu.sh: pack takes a folder" >&2; exit 2; }
    mkdir -p "$2"
    to=$(cd "$2" && pwd)
    cd "$(dirname "$0")/.."
    # The suite, and with it the command.
    cargo test --release --features bench --test engines --no-run
    # The path stands in brackets at the end of the line.
    suite=$(cargo test --release --features bench --test engines --no-run 2>&1 |
        sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    cp "$suite" "$to/engines"
    cp "$(dirname "$suite")/../batched-svd" "$to/"
    strip "$to/engines" "$to/batched-svd" 2>/dev/null || true
    # Two thirds less to carry.
    gzip -f "$to/engines" "$to/batched-svd"
    cp benches/gpu.sh "$to/"
    echo "gpu.sh: packed; there: sh $(basename "$to")/gpu.sh"
    exit
fi

start=$(date +%s)
first=yes
[ "${1:-}" = second ] && { first=; shift; }
if [ -n "$first" ]; then
    [ $# = 0 ] || { echo "gpu.sh: $1: only pack DIR and second [NAME=VALUE...] are known" >&2; exit 2; }
    budget=${BUDGET:-360}
    name=results
else
    budget=${BUDGET:-180}
    name=results-second
fi
case $budget in
'' | *[!0-9]* | ????????*) echo "gpu.sh: BUDGET is $budget, but it takes whole seconds" >&2; exit 2 ;;
esac
[ "$budget" -ge 15 ] || { echo "gpu.sh: BUDGET is $budget, but nothing is known in less than 15 s" >&2; exit 2; }
command -v timeout >/dev/null || { echo "gpu.sh: there is no timeout, without which no step ends in time" >&2; exit 2; }

here=$(cd "$(dirname "$0")" && pwd)
engines=$here/engines
command=$here/batched-svd
for program in "$engines" "$command"; do
    # Over what an earlier kit has left.
    gunzip -kf "$program.gz" && chmod +x "$program" || exit 2
done
out=${OUT:-$here/$name}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
work=$(mktemp -d) || exit 2

export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"
[ -n "${HOME:-}" ] && [ -w "$HOME" ] || export HOME="$work"
# JAX would take three quarters of the card's memory for itself.
export XLA_PYTHON_CLIENT_PREALLOCATE=false
# Compiled shaders are kept for the steps after, but not beyond: what a compilation takes is a result.
caches() {
    mkdir -p "$work/$1"
    export __GL_SHADER_DISK_CACHE_PATH="$work/$1" MESA_SHADER_CACHE_DIR="$work/$1"
}
caches shared

steps= failed= child=

# Seconds until the end, but for what the summary takes.
left() { echo $((start + budget - 4 - $(date +%s))); }

# The most bytes of a file.
bound() {
    for file in "$out"/*; do
        [ "$(wc -c <"$file")" -le 16000000 ] || { head -c 16000000 "$file" >"$work/bound" && mv "$work/bound" "$file"; }
    done
}

# All that is known so far, into summary.txt.
summarise() {
    {
        echo "gpu.sh: $(($(date +%s) - start)) of $budget s"
        [ -z "$failed" ] || echo "FAILED:$failed"
        echo "seconds:${steps#,}"
        if [ -s "$out/tests.txt" ]; then
            grep -E '^test .*FAILED' "$out/tests.txt" | sort -u | head -n 12 | cut -c 1-150
            # Why the first of them did.
            grep -A 3 '^---- ' "$out/tests.txt" | head -n 6 | cut -c 1-300
        fi
        [ ! -s "$work/said" ] || awk '!told[$0]++' "$work/said" | head -n 12 | cut -c 1-200
        [ ! -s "$work/devices" ] || grep -v '^auto' "$work/devices" | head -n 8 | cut -c 1-240
        if [ -s "$out/tests.txt" ]; then
            echo "tests: $(grep -cE '^test .* ok$' "$out/tests.txt") ok," \
                "$(grep -cE '^test .*FAILED' "$out/tests.txt") failed," \
                "$(grep -cE '^test .*ignored$' "$out/tests.txt") ignored;" \
                "the last: $(grep -E '^test .* (ok|FAILED)$' "$out/tests.txt" | tail -n 1 | cut -c 6-60 | tr -s " ")"
        fi
        set --
        for file in bench profile tune peers; do
            [ ! -s "$out/$file.jsonl" ] || set -- "$@" "$out/$file.jsonl"
        done
        [ $# = 0 ] || timeout -k 1 2 "$command" bench --brief --merge "$@" 2>&1
    } | head -c 7900 >"$work/summary"
    cp "$work/summary" "$out/summary.txt"
}

# Says a summary and leaves, however it came to that.
finish() {
    trap '' TERM INT HUP
    [ -z "$child" ] || kill -KILL "-$child" "$child" 2>/dev/null
    summarise
    bound
    cat "$out/summary.txt"
    rm -rf "$work"
    [ -z "$failed" ] || exit 1
    exit 0
}
trap 'failed="$failed interrupted"; finish' TERM INT HUP

# step NAME SECONDS FILE COMMAND...: runs it for at most so many seconds and no longer than there are; what it writes
# is added to the file, what it complains about to log.txt.
step() {
    label=$1
    most=$2
    file=$3
    shift 3
    case " ${STEPS:-$label} " in *" ${label%%-*} "* | *" $label "*) ;; *) return 0 ;; esac
    rest=$(left)
    [ "$most" -le "$rest" ] || most=$rest
    if [ "$most" -lt 2 ]; then
        steps="$steps, $label left out"
        return 0
    fi
    began=$(date +%s)
    # In a group of its own, with all that it starts: timeout sends its signals there.
    timeout -k 1 "$most" "$@" >>"$out/$file" 2>"$work/complaints" &
    child=$!
    # Not by waiting: a process that a driver holds may not even die.
    while kill -0 "$child" 2>/dev/null && [ $(($(date +%s) - began)) -le $((most + 1)) ]; do sleep 0.1; done
    if kill -0 "$child" 2>/dev/null; then
        kill -KILL "-$child" "$child" 2>/dev/null
        code=137
    else
        wait "$child"
        code=$?
    fi
    child=
    # A line that was cut off would spoil the next.
    case $file in *.jsonl)
        [ -z "$(tail -c 1 "$out/$file")" ] || { sed '$d' "$out/$file" >"$work/whole" && cp "$work/whole" "$out/$file"; } ;;
    esac
    took=$(($(date +%s) - began))
    { echo "== $label"; head -c 200000 "$work/complaints"; } >>"$out/log.txt"
    case $code in
    # Not an error, but to be known.
    0) how= && grep -h '^batched-svd: no ' "$work/complaints" >>"$work/said" ;;
    *)
        # One that was killed before its time is no better than one that failed.
        if [ $took -ge $((most - 1)) ] && { [ $code = 124 ] || [ $code = 137 ]; }; then
            how=" cut"
        else
            how=" FAILED with $code"
            failed="$failed $label"
            tail -n 3 "$work/complaints" >>"$work/said"
        fi
        ;;
    esac
    steps="$steps, $label $took$how"
    echo "gpu.sh: $label $took s$how, $(left) s left"
    summarise
}

# A part of the budget, in hundredths; anything takes three seconds.
part() { echo $((budget * $1 / 100 > 3 ? budget * $1 / 100 : 3)); }

rm -f "$out"/devices.json "$out"/tests.txt "$out"/bench.jsonl "$out"/profile.jsonl "$out"/tune.jsonl \
    "$out"/peers.jsonl "$out"/log.txt "$out"/summary.txt

# The shell splits its words.
bench="bench --json --backend gpu --no-latency --repetitions 3 --seconds 0.3"
# In the order of what one would miss most, with more matrices where 64 MiB of them leave a large card idle.
shapes=${SHAPES:-3x3,8x8,32x32,64x64,16x16,128x128,4x4,2x2,6x7,24x24,48x48,256x32,1024x64:660,256x256:264,512x512:64,64x16}
few=${SHAPES:-3x3,8x8,32x32,64x64,128x128,256x32,1024x64}
ops=${OPS:-svd,pinv}

facts='"$0" devices --json && "$0" devices >"$1" || exit
command -v nvidia-smi >/dev/null || exit 0
nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader >>"$1"'
step facts "$(part 2)" devices.json sh -c "$facts" "$command" "$work/devices"

if [ -z "$first" ]; then
    # What is set, and for comparison what is not, in the same run.
    set_to=
    for setting in "$@"; do set_to="$set_to --set $setting"; done
    step figures-set "$(part 45)" bench.jsonl "$command" $bench --no-peers --ops "$ops" --shapes "$shapes" $set_to
    [ -z "$set_to" ] ||
        step figures "$(part 25)" bench.jsonl "$command" $bench --no-peers --ops svd --shapes "$shapes"
    step profile "$(part 20)" profile.jsonl "$command" $bench --profile --ops svd --shapes "$few" $set_to
    step figures-f64 "$(left)" bench.jsonl \
        "$command" $bench --no-peers --dtypes f64 --ops svd --shapes "${SHAPES:-3x3,8x8,16x16,32x32,64x64}" $set_to
    finish
fi

export BATCHED_SVD_REQUIRE_GPU="${BATCHED_SVD_REQUIRE_GPU:-f64}"
# Each kernel in each type, then what the figures are of.
export BATCHED_SVD_TESTS="gpu/f32/digits gpu/f64/digits gpu/f32/kernel-* gpu/f64/kernel-* gpu-shrunk/*/kernel-80x80
gpu/f32/complex-kernel-*
gpu/f32/random-3x3 gpu/f32/random-8x8 gpu/f32/random-32x32 gpu/f32/random-64x64 gpu/f32/random-128x128
gpu/f32/random-256x32 gpu/f32/resident gpu/f32/subgroups gpu/f32/widest"
step first "$(part 5)" tests.txt "$engines"

step figures "$(part 32)" bench.jsonl "$command" $bench --no-peers --ops "$ops" --shapes "$shapes"
step figures-f64 "$(part 5)" bench.jsonl \
    "$command" $bench --no-peers --dtypes f64 --ops svd --shapes "${SHAPES:-8x8,3x3,32x32,64x64,16x16}"

# With caches of its own, which are empty.
caches profile
step profile "$(part 6)" profile.jsonl "$command" $bench --profile --ops svd --shapes "$few"
caches shared

# Each threshold with the shapes that it can change, and two of them together.
tune() {
    label=$1
    hundredths=$2
    its_shapes=$3
    shift 3
    step "thresholds-$label" "$(part "$hundredths")" tune.jsonl \
        "$command" $bench --ops svd --shapes "${SHAPES:-$its_shapes}" "$@"
}
tune words 5 64x64,48x48,40x40,24x24 --tune invocation_words=128,192,256
tune submits 5 64x64,32x32 --tune submit_flops=4g,32g,128g
tune both 3 64x64,48x48 --set submit_flops=128g --tune invocation_words=128,256
tune tiny 3 6x6,8x8 --set tiny_words=208 --tune tiny_columns=4,5,6,8
tune rows 3 64x64,128x128,256x32 --tune rows_per_lane=4,16
tune workgroup 3 32x32,8x8,16x16 --tune columns_workgroup=32,128

# What a call of few matrices takes.
step small "$(part 6)" bench.jsonl "$command" $bench --no-peers --ops svd \
    --shapes "${SHAPES:-8x8:1,32x32:1,64x64:1,8x8:16,32x32:16,64x64:16,8x8:256,32x32:256,64x64:256}"
step figures-complex "$(part 4)" bench.jsonl \
    "$command" $bench --no-peers --dtypes c32 --ops svd --shapes "${SHAPES:-4x4,16x16,64x64,8x8}"

python=$(command -v "${PYTHON:-python3}" || true)
has_one='import importlib.util as u, sys; sys.exit(not any(map(u.find_spec, ("torch", "cupy", "jax"))))'
if [ -n "$python" ] && timeout 10 "$python" -c "$has_one"; then
    step peers "$(part 16)" peers.jsonl "$command" $bench --no-peers --ops svd \
        --shapes "${SHAPES:-32x32,8x8,3x3,64x64,128x128,256x32}" \
        --python-peers --python "$python" --peers torch-gesvdj,torch-gesvda,cupy,jax-gpu
else
    steps="$steps, peers none (${PYTHON:-python3} has neither torch nor cupy nor jax)"
fi

# The most telling first; those of one shape before those that compile for many.
export BATCHED_SVD_TESTS="gpu/*/fixtures gpu/f32/hard-* gpu/*/lapack gpu/*/integer-ranks gpu/*/lstsq gpu/f64/hard-*
gpu/f32/random-* gpu/*/scaled-* gpu/*/counts gpu/*/many gpu/*"
step suite "$(left)" tests.txt "$engines" --skip tunings --skip laws
export BATCHED_SVD_TESTS="gpu-shrunk/*/kernel-* gpu-default-limits/*/kernel-* gpu-shrunk/* gpu-default-limits/*
gpu/*/laws-* gpu/f32/tunings"
step suite-rest "$(left)" tests.txt "$engines"
finish
