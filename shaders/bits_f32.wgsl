// Numbers by their bits: what a device does with subnormal numbers, infinities and NaN is its own
// affair.

alias Bits = u32;

// The words of memory that a number takes.
const WORDS: u32 = 1u;

// A number by its first and last word.
fn bits(first: u32, last: u32) -> Bits {
    return first;
}

fn first_word(b: Bits) -> u32 {
    return b;
}

fn last_word(b: Bits) -> u32 {
    return b;
}

// Without its sign.
fn magnitude(b: Bits) -> Bits {
    return b & 0x7fffffffu;
}

// Of magnitudes; what is not finite is larger than what is.
fn larger(one: Bits, other: Bits) -> bool {
    return one > other;
}

// The larger of a magnitude and that of a number.
fn larger_size(size: Bits, b: Bits) -> Bits {
    return max(size, magnitude(b));
}

fn is_finite(b: Bits) -> bool {
    return (b & 0x7f800000u) != 0x7f800000u;
}

// floor(log2) of the magnitude; far below any for zero.
fn exponent(b: Bits) -> i32 {
    let biased = i32((b >> 23u) & 0xffu);
    let fraction = b & 0x7fffffu;
    let small = select(i32(firstLeadingBit(fraction)) - 149, NO_EXPONENT, fraction == 0u);
    return select(biased - 127, small, biased == 0);
}

// 2^power, -126 <= power <= 127.
fn power_of_two(power: i32) -> T {
    return bitcast<f32>(u32(power + 127) << 23u);
}

// b 2^power exactly, of a finite number; zero where that is below the range.
fn scaled(b: Bits, power: i32) -> T {
    let biased = i32((b >> 23u) & 0xffu);
    let fraction = b & 0x7fffffu;
    let whole = f32(select(fraction | 0x800000u, fraction, biased == 0));
    let place = max(biased, 1) - 150 + power;
    let size = select(whole * power_of_two(clamp(place, -126, 127)), ZERO, place < -126);
    return select(size, -size, (b >> 31u) != 0u);
}

// The same by one multiplication with factor = 2^power, of a normal number that stays one, or zero; what a device does
// with others is its own affair.
fn scaled_plain(b: Bits, power: i32, factor: T) -> T {
    return bitcast<f32>(b) * factor;
}

// size 2^power of a normal number or zero, at least zero, rounded once.
fn unscaled(size: T, power: i32) -> T {
    let b = bitcast<u32>(size);
    let biased = i32(b >> 23u) + power;
    if (size <= ZERO || biased < -24) {
        return ZERO;
    }
    if (biased >= 255) {
        return bitcast<f32>((b & 0u) | 0x7f800000u);
    }
    if (biased > 0) {
        return bitcast<f32>((b & 0x7fffffu) | (u32(biased) << 23u));
    }
    let fraction = (b & 0x7fffffu) | 0x800000u;
    let shift = u32(1 - biased);
    let kept = fraction >> shift;
    let rest = fraction & ((1u << shift) - 1u);
    let half = 1u << (shift - 1u);
    let up = rest > half || (rest == half && (kept & 1u) == 1u);
    return bitcast<f32>(kept + select(0u, 1u, up));
}

// A result of unscaled(), or its opposite.
fn signed_as(size: T, negative: bool) -> T {
    return bitcast<f32>(bitcast<u32>(size) | select(0u, 0x80000000u, negative));
}

// Of a result of unscaled(): whether it left the range, or vanished.
fn overflowed(size: T) -> bool {
    return bitcast<u32>(size) >= 0x7f800000u;
}

fn vanished(size: T) -> bool {
    return bitcast<u32>(size) == 0u;
}
