//! uses: bits_*
// Which singular values count, and how they are damped: the caller's numbers in `cutoffs`, NaN first, then
// for all matrices, or where P.cutoffs is 1 for each: the relative cutoff; mantissa and exponent of the absolute
// one; mantissa and exponent of the damping; how many singular values count at most; the share of the sum of
// squares that those which do not may have, negative where they need not.

const CUTOFFS: u32 = 7u;

// mantissa 2^exponent 2^power; zero where that is below the range.
fn absolute(at: u32, power: i32) -> T {
    let exponent = i32(cutoffs[at + 1u]) + power;
    let size = cutoffs[at] * power_of_two(clamp(exponent, LEAST, MOST));
    return select(size, ZERO, exponent < LEAST);
}

// The value above which the singular values of a scaled matrix count.
fn threshold_of(matrix: u32, power: i32, highest: T) -> T {
    let cut = 1u + CUTOFFS * P.cutoffs * matrix;
    return max(cutoffs[cut] * highest, absolute(cut + 1u, power));
}

// The word LARGEST_SIGMA.
fn size_of_sigma(highest: T) -> u32 {
    return bitcast<u32>(f32(highest * power_of_two(-TARGET)));
}

// What else limits those that count.
struct Limits {
    most: u32,
    share: T,
}

fn limits_of(matrix: u32) -> Limits {
    let at = 6u + CUTOFFS * P.cutoffs * matrix;
    return Limits(u32(cutoffs[at]), cutoffs[at + 1u]);
}

// Whether the singular value in this place counts that is above the threshold; `squares` is the sum of all
// squares, `tail` that of its own and of those behind. Neither is looked at where the share is negative.
fn within_limits(limits: Limits, place: u32, squares: T, tail: T) -> bool {
    return (place < limits.most) & ((limits.share < ZERO) | (tail > limits.share * squares));
}

// The damping of a scaled matrix, times 2^-beyond, such that weights with a lambda of any size neither
// overflow nor vanish.
struct Damping {
    lambda: T,
    beyond: i32,
}

fn damping_of(matrix: u32, power: i32) -> Damping {
    let at = 4u + CUTOFFS * P.cutoffs * matrix;
    let beyond = select(0, max(i32(cutoffs[at + 1u]) + power, 0), cutoffs[at] > ZERO);
    return Damping(absolute(at, power - beyond), beyond);
}
