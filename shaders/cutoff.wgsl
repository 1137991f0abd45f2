// Which singular values count, and how they are damped: the caller's numbers in `cutoffs`, P.cutoffs
// whether each matrix has its own.

const CUTOFFS: u32 = 5u;

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
