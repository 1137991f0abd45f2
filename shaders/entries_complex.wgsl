//! uses: numbers
// Entries that are complex numbers. entries_real.wgsl has the same functions. As src/cpu/complex.rs.

// An entry of a matrix: its real and its imaginary part.
alias E = vec2<T>;

// The real numbers in it.
const PARTS: u32 = 2u;

const E_ZERO: E = E(ZERO, ZERO);
const E_ONE: E = E(ONE, ZERO);

fn entry_of(re: T, im: T) -> E {
    return E(re, im);
}

fn part(e: E, which: u32) -> T {
    return select(e.x, e.y, which == 1u);
}

fn conjugate(e: E) -> E {
    return E(e.x, -e.y);
}

fn product(x: E, y: E) -> E {
    return E(fma(-x.y, y.y, x.x * y.x), fma(x.y, y.x, x.x * y.y));
}

// x y + sum
fn add_product(x: E, y: E, sum: E) -> E {
    return E(fma(-x.y, y.y, fma(x.x, y.x, sum.x)), fma(x.y, y.x, fma(x.x, y.y, sum.y)));
}

// x'y + sum
fn add_inner(x: E, y: E, sum: E) -> E {
    return E(fma(x.y, y.y, fma(x.x, y.x, sum.x)), fma(-x.y, y.x, fma(x.x, y.y, sum.y)));
}

// The magnitudes of the terms of x'y, and sum.
fn add_terms(x: E, y: E, sum: T) -> T {
    return fma(abs(x.x) + abs(x.y), abs(y.x) + abs(y.y), sum);
}

fn square(e: E) -> T {
    return fma(e.x, e.x, e.y * e.y);
}

// |e|^2 + sum
fn add_square(e: E, sum: T) -> T {
    return fma(e.x, e.x, fma(e.y, e.y, sum));
}

// The size of the larger part.
fn larger_part(e: E) -> T {
    return max(abs(e.x), abs(e.y));
}

// What puts entries in order by their magnitudes, and the ratio of two that are nearly the same.
fn prominence(e: E) -> T {
    return square(e);
}

const NEARLY_PROMINENT: T = NEARLY_SQUARE;

// 1 / e
fn inverse(e: E) -> E {
    return conjugate(e) * reciprocal(square(e));
}

struct Polar {
    size: T,
    phase: E,
}

// The size of an entry, or of a product of columns, and its phase. Neither the square of such a product nor that of a
// small entry stays in the range.
fn polar(e: E) -> Polar {
    let largest = larger_part(e);
    // Not a branch: lanes that exchange registers come here.
    let known = largest >= SMALLEST_NORMAL;
    let near = select(E_ONE, e * reciprocal(select(ONE, largest, known)), known);
    // From one to two, so that root() need not look.
    let squares = square(near);
    let estimate = sqrt(squares);
    let size = estimate + fma(-estimate, estimate, squares) * (HALF / estimate);
    return Polar(select(ZERO, largest * size, known), near * reciprocal(size));
}

// How columns are turned whose leading entry is this.
struct Straight {
    needed: bool,
    size: T,
    phase: E,
}

fn straight_of(leading: E) -> Straight {
    let found = polar(leading);
    return Straight((leading.y != ZERO) | (leading.x < ZERO), found.size, found.phase);
}

// An entry of such a column, or of its partner.
fn straightened(e: E, by: Straight, leads: bool) -> E {
    let turned = select(product(conjugate(by.phase), e), E(by.size, ZERO), leads);
    return select(e, turned, by.needed);
}

// The same, times a real number.
fn straightened_times(e: E, factor: T, by: Straight, leads: bool) -> E {
    return straightened(e, by, leads) * factor;
}

// The first entry of a column of this norm after its reflection, on the other side of zero.
fn away(e: E, norm: T) -> E {
    return polar(e).phase * -norm;
}

// An entry of a column of this length, made a unit column's: where it is all of it, with a part that is zero, exactly.
fn unit_entry(e: E, length: T, inverse: T) -> E {
    return E(unit(e.x, length, inverse), unit(e.y, length, inverse));
}

// The terms of x'y in two sums, for lanes of which one has x'y and the other y'x: theirs are conjugates to the last
// bit.
fn add_real(x: E, y: E, sum: T) -> T {
    return fma(x.x, y.x, fma(x.y, y.y, sum));
}

fn add_cross(x: E, y: E, sum: E) -> E {
    return E(fma(x.x, y.y, sum.x), fma(x.y, y.x, sum.y));
}

fn of_sums(real: T, cross: E) -> E {
    return E(real, cross.x - cross.y);
}

// One's own entry of two columns after their rotation, where the other lane takes the opposite of s and tau and the
// conjugate of the phase.
fn turned_own(s: T, tau: T, phase: E, own: E, other: E) -> E {
    let toward = add_inner(phase, other, tau * own);
    return E(fma(-s, toward.x, own.x), fma(-s, toward.y, own.y));
}

struct Pair {
    p: E,
    q: E,
}

// A row of two columns after their rotation by an angle with the sine s and tau = s / (1 + c), in Rutishauser's form:
// the second is turned back by the phase of their product, rotated, and turned again. Neither is multiplied by the phase
// as a whole: as long as the angle is small, so is what the phase's own rounding does.
fn turned_pair(s: T, tau: T, phase: E, p: E, q: E) -> Pair {
    return Pair(turned_own(s, tau, phase, p, q), turned_own(-s, -tau, conjugate(phase), q, p));
}
