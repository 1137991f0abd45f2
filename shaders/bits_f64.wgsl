// Numbers by their bits, see bits_f32.wgsl; WGSL cannot look at those of an f64, only at two words of
// memory.

alias Bits = vec2<u32>;

const WORDS: u32 = 2u;

fn bits(first: u32, last: u32) -> Bits {
    return vec2<u32>(first, last);
}

fn first_word(b: Bits) -> u32 {
    return b.x;
}

fn last_word(b: Bits) -> u32 {
    return b.y;
}

fn magnitude(b: Bits) -> Bits {
    return vec2<u32>(b.x, b.y & 0x7fffffffu);
}

fn larger(one: Bits, other: Bits) -> bool {
    return one.y > other.y || (one.y == other.y && one.x > other.x);
}

fn larger_size(size: Bits, b: Bits) -> Bits {
    let own = magnitude(b);
    return select(size, own, larger(own, size));
}

fn is_finite(b: Bits) -> bool {
    return (b.y & 0x7ff00000u) != 0x7ff00000u;
}

fn exponent(b: Bits) -> i32 {
    let biased = i32((b.y >> 20u) & 0x7ffu);
    let high = b.y & 0xfffffu;
    var small = select(i32(firstLeadingBit(b.x)) - 1074, NO_EXPONENT, b.x == 0u);
    small = select(small, i32(firstLeadingBit(high)) - 1042, high != 0u);
    return select(biased - 1023, small, biased == 0);
}

// 2^power, -1022 <= power <= 1023.
fn power_of_two(power: i32) -> T {
    let size = u32(abs(power));
    let down = power < 0;
    var p = ONE;
    p *= select(ONE, select(2.0lf, 0.5lf, down), (size & 1u) != 0u);
    p *= select(ONE, select(4.0lf, 0.25lf, down), (size & 2u) != 0u);
    p *= select(ONE, select(16.0lf, 0.0625lf, down), (size & 4u) != 0u);
    p *= select(ONE, select(256.0lf, 0.00390625lf, down), (size & 8u) != 0u);
    p *= select(ONE, select(65536.0lf, 1.52587890625e-05lf, down), (size & 16u) != 0u);
    p *= select(ONE, select(4294967296.0lf, 2.3283064365386963e-10lf, down), (size & 32u) != 0u);
    p *= select(ONE, select(1.8446744073709552e+19lf, 5.421010862427522e-20lf, down), (size & 64u) != 0u);
    p *= select(ONE, select(3.402823669209385e+38lf, 2.938735877055719e-39lf, down), (size & 128u) != 0u);
    p *= select(ONE, select(1.157920892373162e+77lf, 8.636168555094445e-78lf, down), (size & 256u) != 0u);
    p *= select(ONE, select(1.3407807929942597e+154lf, 7.458340731200207e-155lf, down), (size & 512u) != 0u);
    return p;
}

fn scaled(b: Bits, power: i32) -> T {
    let biased = i32((b.y >> 20u) & 0x7ffu);
    let high = b.y & 0xfffffu;
    let whole = f64(select(high | 0x100000u, high, biased == 0)) * 4294967296.0lf + f64(b.x);
    let place = max(biased, 1) - 1075 + power;
    let size = select(whole * power_of_two(clamp(place, -1022, 1023)), ZERO, place < -1022);
    return select(size, -size, (b.y >> 31u) != 0u);
}

// No device takes the two words of a number as one.
fn scaled_plain(b: Bits, power: i32, factor: T) -> T {
    return scaled(b, power);
}

// Rounded once: half of the power stays in the range, or all is lost.
fn unscaled(size: T, power: i32) -> T {
    let half = power / 2;
    return size * power_of_two(half) * power_of_two(power - half);
}

fn signed_as(size: T, negative: bool) -> T {
    return select(size, -size, negative);
}

fn overflowed(size: T) -> bool {
    return size > LARGEST;
}

fn vanished(size: T) -> bool {
    return size <= ZERO;
}
