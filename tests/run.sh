#!/bin/sh
# Runs the tests, on every engine that can be had. What the GPU's tests need and is not there is
# installed where that is possible: on Debian and its like, by root, Mesa's software Vulkan.
#
# BATCHED_SVD_REQUIRE_GPU=1 (or =f64) makes tests that find no adapter fail instead of being
# ignored; BATCHED_SVD_SECOND_DRIVER=1 also installs and requires SwiftShader, whose arithmetic
# differs, and runs many of the GPU's tests on it once more. BATCHED_SVD_VALIDATION=1 also installs and requires the
# Vulkan validation layers, and runs some of every kernel's tests under them: not a word may come.
# BATCHED_SVD_ALL=1 is all of that with all of the GPU engine's tests on both drivers, bare and under the layers, also
# those that are slow and rarely find more than others, but for the widest kernels on SwiftShader. An hour on two cores.
set -eu
cd "$(dirname "$0")/.."

has_driver() {
    [ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] && return 0
    for folder in /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d; do
        for file in "$folder"/*.json; do
            [ -e "$file" ] && ldconfig -p | grep -q libvulkan.so.1 && return 0
        done
    done
    return 1
}

can_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]
}

if [ "$(uname)" = Linux ] && ! has_driver; then
    if can_install; then
        echo "tests: no Vulkan driver found, installing Mesa's"
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends mesa-vulkan-drivers libvulkan1 >/dev/null
    else
        echo "tests: no Vulkan driver found; install mesa-vulkan-drivers and libvulkan1 to test the GPU engine"
    fi
fi

# Mesa complains on standard error without it.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"

if [ "${BATCHED_SVD_ALL:-}" = 1 ]; then
    export BATCHED_SVD_REQUIRE_GPU=f64 BATCHED_SVD_SECOND_DRIVER=1 BATCHED_SVD_VALIDATION=1
fi

# The unit tests unoptimised: the library compiles in a fifth of the time, and overflows are seen.
cargo test --features bench --lib --bins
cargo test --release --features bench --test '*'
cargo test --release --features bench --doc

# The GPU's tests on SwiftShader. Never the widest kernels, which it takes hours to compile.
on_swiftshader() {
    VK_DRIVER_FILES="$swiftshader" BATCHED_SVD_ADAPTER=SwiftShader BATCHED_SVD_REQUIRE_GPU=1 \
        cargo test --release --features bench --test engines -- --skip cpu --skip widest "$@"
}

swiftshader=/usr/lib/chromium/vk_swiftshader_icd.json
if [ "${BATCHED_SVD_SECOND_DRIVER:-}" = 1 ]; then
    if [ ! -e "$swiftshader" ] && can_install; then
        echo "tests: installing SwiftShader (with Chromium)"
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends chromium >/dev/null
    fi
    [ -e "$swiftshader" ] || { echo "tests: SwiftShader is required, but not there"; exit 1; }
fi
if [ -e "$swiftshader" ]; then
    echo "tests: the GPU engine once more, on SwiftShader (without f64)"
    if [ "${BATCHED_SVD_ALL:-}" = 1 ]; then
        on_swiftshader
    else
        on_swiftshader --skip random-512x512 --skip random-256x256 driver
    fi
fi

if [ "${BATCHED_SVD_VALIDATION:-}" = 1 ]; then
    layer=/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json
    if [ ! -e "$layer" ] && can_install; then
        echo "tests: installing the Vulkan validation layers"
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends vulkan-validationlayers >/dev/null
    fi
    settings="$(pwd)/target/validation"
    mkdir -p "$settings"
    heard="$settings/heard.txt"
    cat >"$settings/vk_layer_settings.txt" <<SETTINGS
khronos_validation.report_flags = error,warn,perf
khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG
khronos_validation.log_filename = $heard
khronos_validation.enables = ${BATCHED_SVD_VALIDATE:-VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT}
SETTINGS
    # Runs a command under the layers, of which not a word may come.
    validated() {
        rm -f "$heard"
        VK_LAYER_SETTINGS_PATH="$settings" VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation \
            "$@" >"$settings/ran.txt" || { cat "$settings/ran.txt"; exit 1; }
        grep "^test result: ok. [1-9]" "$settings/ran.txt" || { echo "tests: none was run: $*"; exit 1; }
        # The layers make the file; what they say goes there.
        [ -e "$heard" ] || { echo "tests: the validation layers were not loaded"; exit 1; }
        if [ -s "$heard" ]; then
            echo "tests: the validation layers say:"
            head -c 2000 "$heard"
            exit 1
        fi
    }
    engines() {
        cargo test --release --features bench --test engines -- --skip cpu "$@"
    }
    if [ "${BATCHED_SVD_ALL:-}" = 1 ]; then
        echo "tests: the GPU engine's under the Vulkan validation layers"
        validated engines
        validated on_swiftshader
    else
        echo "tests: some of the GPU engine's under the Vulkan validation layers"
        # Every path, in one chunk and in many, compositions, right-hand sides, resident and recorded calls.
        for test in kernel- lstsq-places truncation own-device; do
            validated engines "$test"
        done
    fi
fi
echo "tests: all passed"
