//! What white noise makes of singular values, and what is best made of those in turn: numbers alone.
//!
//! A matrix of m x n is the sum of a signal of low rank and of noise with independent entries of variance sigma^2. Here
//! singular values are in units of sigma sqrt(max(m, n)), and beta = min(m, n) / max(m, n).

/// What is made of singular values of noisy matrices: for each the function that is the best one as matrices become large
/// (Gavish and Donoho 2014, 2017). All are zero for singular values that noise alone has in large matrices. In a finite one,
/// the largest singular value of the noise can be slightly above that edge: `Frobenius` then makes it slightly more than
/// zero, `Operator` keeps most of it, and the others make it zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shrinkage {
    /// The distance to the signal is smallest in the Frobenius norm: the mean squared error of the entries.
    #[default]
    Frobenius,
    /// The distance to the signal is smallest in the spectral norm. The singular values of the result are consistent
    /// estimates of those of the signal.
    Operator,
    /// The distance to the signal is smallest in the nuclear norm.
    Nuclear,
    /// Singular values above a threshold are kept as they are, the others are zero: the best threshold for the mean squared
    /// error, which is 4 / sqrt(3) for square matrices.
    HardThreshold,
}

impl Shrinkage {
    /// What a singular value becomes: y is the singular value over noise sqrt(max(m, n)), and beta is
    /// min(m, n) / max(m, n), from 0 to 1.
    pub fn shrink(self, y: f64, beta: f64) -> f64 {
        let root = beta.sqrt();
        let edge = 1.0 + root;
        if self == Shrinkage::HardThreshold {
            return if y > hard_threshold(beta) { y } else { 0.0 };
        }
        // The largest singular value of noise. A NaN is below it.
        if y.is_nan() || y <= edge {
            return 0.0;
        }
        if y.is_infinite() {
            return y;
        }
        // sqrt((y^2 - beta - 1)^2 - 4 beta) / y^2, without cancellation.
        let (a, b) = (edge / y, (1.0 - root) / y);
        let factor = ((1.0 - a) * (1.0 + a) * (1.0 - b) * (1.0 + b)).sqrt();
        // The singular value of the signal that becomes y (Gavish and Donoho 2017, (14)).
        let signal = y * (0.5 * (1.0 - (1.0 + beta) / y / y + factor)).sqrt();
        match self {
            Shrinkage::Operator => signal,
            Shrinkage::Nuclear => {
                let kept = signal / y * signal - beta / signal / signal / y - root / signal;
                kept.max(0.0)
            }
            _ => y * factor,
        }
    }
}

/// The best threshold (Gavish and Donoho 2014, (11)).
fn hard_threshold(beta: f64) -> f64 {
    let sum = beta + 1.0;
    let root = (beta * beta + 14.0 * beta + 1.0).sqrt();
    (2.0 * sum + 8.0 * beta / (sum + root)).sqrt()
}

/// The median of the squares of the singular values of noise: of the distribution of Marchenko and Pastur.
pub(super) fn median(beta: f64) -> f64 {
    // Singular values are [1 - sqrt(beta), 1 + sqrt(beta)]. The square is 1 + beta - 2 sqrt(beta) cos(t), and t has the
    // density 2 sin(t)^2 / (pi (1 + beta - 2 sqrt(beta) cos(t))), t = 0..pi, which is smooth.
    let root = beta.sqrt();
    let square = |t: f64| (1.0 - root).powi(2) + 4.0 * root * (0.5 * t).sin().powi(2);
    let density = |t: f64| 2.0 * t.sin().powi(2) / (std::f64::consts::PI * square(t));
    // Newton's iteration on the integral, which is increasing; by Gauss's rule on short intervals.
    let nodes = [-0.6f64.sqrt(), 0.0, 0.6f64.sqrt()];
    let weights = [5.0 / 18.0, 4.0 / 9.0, 5.0 / 18.0];
    let integral = |t: f64| -> f64 {
        let step = t / PANELS as f64;
        let panel = |i: usize| {
            let at = |x: f64| step * (i as f64 + 0.5 + 0.5 * x);
            let terms = nodes.iter().zip(weights);
            terms.map(|(&x, w)| w * density(at(x))).sum::<f64>()
        };
        step * (0..PANELS).map(panel).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, std::f64::consts::PI);
    let mut t = 0.5 * (low + high);
    for _ in 0..60 {
        let excess = integral(t) - 0.5;
        if excess > 0.0 {
            high = t;
        } else {
            low = t;
        }
        let newton = t - excess / density(t);
        let next = if newton > low && newton < high {
            newton
        } else {
            0.5 * (low + high)
        };
        if (next - t).abs() <= 1e-14 {
            break;
        }
        t = next;
    }
    square(t)
}

/// Intervals of the integral.
const PANELS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_and_medians_are_the_published_ones() {
        // Gavish and Donoho 2014: 4 / sqrt(3) and 2.858 for square matrices; a cubic that is off by at most 0.02 for all.
        assert!((hard_threshold(1.0) - 4.0 / 3f64.sqrt()).abs() < 1e-14);
        let omega = |beta: f64| hard_threshold(beta) / median(beta).sqrt();
        assert!((omega(1.0) - 2.858).abs() < 1e-3, "{}", omega(1.0));
        // Of square matrices the integral is (2 t + sin(2 t)) / pi, with the square 4 sin(t)^2: solved by bisection elsewhere.
        assert!((median(1.0) - 0.652_775_941_633_570_2).abs() < 1e-10);
        for at in 1..=20 {
            let beta = 0.05 * f64::from(at);
            let cubic = 0.56 * beta.powi(3) - 0.95 * beta.powi(2) + 1.82 * beta + 1.43;
            let off = (omega(beta) - cubic).abs();
            assert!(off < 0.02, "{beta}: {} and {cubic}", omega(beta));
        }
    }

    #[test]
    fn each_loss_has_the_best_value_that_is_known() {
        for beta in [0.01, 0.3, 1.0] {
            for x in [1.01, 1.5, 4.0, 1e3, 1e80] {
                // What becomes of a signal, and the cosines of its vectors (Gavish and Donoho 2017, (9) to (11)).
                let x: f64 = x * f64::powf(beta, 0.25);
                let y = ((x + 1.0 / x) * (x + beta / x)).sqrt();
                let cosine =
                    |gain: f64| ((1.0 - beta / x.powi(4)) / (1.0 + gain / x.powi(2))).sqrt();
                let (left, right) = (cosine(beta), cosine(1.0));
                let sines = ((1.0 - left * left) * (1.0 - right * right)).sqrt();
                for (rule, best) in [
                    (Shrinkage::Operator, x),
                    (Shrinkage::Frobenius, x * left * right),
                    (Shrinkage::Nuclear, (x * (left * right - sines)).max(0.0)),
                ] {
                    let found = rule.shrink(y, beta);
                    let off = (found - best).abs() / x;
                    assert!(off < 1e-6, "{rule:?}, {beta}, {x}: {found}, not {best}");
                }
            }
            for rule in [
                Shrinkage::Operator,
                Shrinkage::Frobenius,
                Shrinkage::Nuclear,
            ] {
                assert_eq!(rule.shrink(1.0 + f64::sqrt(beta), beta), 0.0);
                assert_eq!(rule.shrink(f64::NAN, beta), 0.0);
                assert_eq!(rule.shrink(0.0, beta), 0.0);
            }
            let threshold = hard_threshold(beta);
            assert_eq!(
                Shrinkage::HardThreshold.shrink(threshold * 1.01, beta),
                threshold * 1.01
            );
            assert_eq!(Shrinkage::HardThreshold.shrink(threshold * 0.99, beta), 0.0);
        }
    }
}
