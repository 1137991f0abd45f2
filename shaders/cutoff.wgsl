// Which singular values count: the caller's numbers in `cutoffs`, P.cutoffs whether each matrix has
// its own.

// The value above which the singular values of a scaled matrix count.
fn threshold_of(matrix: u32, power: i32, highest: T) -> T {
    let cut = 1u + 3u * P.cutoffs * matrix;
    let exponent = i32(cutoffs[cut + 2u]) + power;
    var absolute = cutoffs[cut + 1u] * power_of_two(clamp(exponent, LEAST, MOST));
    absolute = select(absolute, ZERO, exponent < LEAST);
    return max(cutoffs[cut] * highest, absolute);
}
