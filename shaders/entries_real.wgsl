//! uses: numbers
// Entries that are real numbers. entries_complex.wgsl has the same functions.

// An entry of a matrix.
alias E = T;

// The real numbers in it.
const PARTS: u32 = 1u;

const E_ZERO: E = ZERO;
const E_ONE: E = ONE;

fn entry_of(re: T, im: T) -> E {
    return re;
}

fn part(e: E, which: u32) -> T {
    return e;
}

fn conjugate(e: E) -> E {
    return e;
}

fn product(x: E, y: E) -> E {
    return x * y;
}

// x y + sum
fn add_product(x: E, y: E, sum: E) -> E {
    return fma(x, y, sum);
}

// x'y + sum
fn add_inner(x: E, y: E, sum: E) -> E {
    return fma(x, y, sum);
}

// The magnitudes of the terms of x'y, and sum.
fn add_terms(x: E, y: E, sum: T) -> T {
    return fma(abs(x), abs(y), sum);
}

fn square(e: E) -> T {
    return e * e;
}

// |e|^2 + sum
fn add_square(e: E, sum: T) -> T {
    return fma(e, e, sum);
}

// The size of the larger part.
fn larger_part(e: E) -> T {
    return abs(e);
}

// What puts entries in order by their magnitudes, and the ratio of two that are nearly the same.
fn prominence(e: E) -> T {
    return abs(e);
}

const NEARLY_PROMINENT: T = NEARLY;

// 1 / e
fn inverse(e: E) -> E {
    return reciprocal(e);
}

struct Polar {
    size: T,
    phase: E,
}

// The size of a product of columns, and its phase: a real one is its own size, with its sign.
fn polar(e: E) -> Polar {
    return Polar(e, E_ONE);
}

// How columns are turned whose leading entry is this.
struct Straight {
    needed: bool,
}

fn straight_of(leading: E) -> Straight {
    return Straight(leading < ZERO);
}

// An entry of such a column, or of its partner.
fn straightened(e: E, by: Straight, leads: bool) -> E {
    return select(e, -e, by.needed);
}

// The same, times a real number.
fn straightened_times(e: E, factor: T, by: Straight, leads: bool) -> E {
    return e * select(factor, -factor, by.needed);
}

// The first entry of a column of this norm after its reflection, on the other side of zero.
fn away(e: E, norm: T) -> E {
    return select(norm, -norm, e > ZERO);
}

// An entry of a column of this length, made a unit column's.
fn unit_entry(e: E, length: T, inverse: T) -> E {
    return unit(e, length, inverse);
}

// The terms of x'y in two sums, for lanes of which one has x'y and the other y'x: theirs are conjugates to the last
// bit.
fn add_real(x: E, y: E, sum: T) -> T {
    return fma(x, y, sum);
}

fn add_cross(x: E, y: E, sum: E) -> E {
    return sum;
}

fn of_sums(real: T, cross: E) -> E {
    return real;
}

// One's own entry of two columns after their rotation, where the other lane takes the opposite of s and tau and the
// conjugate of the phase.
fn turned_own(s: T, tau: T, phase: E, own: E, other: E) -> E {
    return fma(-s, fma(tau, own, other), own);
}

struct Pair {
    p: E,
    q: E,
}

// A row of two columns after their rotation by an angle with the sine s and tau = s / (1 + c), in Rutishauser's form,
// which does not drift as p' = c p - s q does.
fn turned_pair(s: T, tau: T, phase: E, p: E, q: E) -> Pair {
    return Pair(p - s * (q + tau * p), q + s * (p - tau * q));
}
