//! Measures a group of matrices, step by step.

use crate::data::scalar::Real;
use crate::data::scalar::sealed::Float;
use crate::data::view::View;
use crate::lanes::{Lanes, numbers};
use crate::verify::form::{Form, MOST_LANES};
use crate::verify::kernel::{Dots, Left, Right, Sink, dots, product};
use crate::verify::passes::{self, Matrix};
use crate::verify::step::{Brought, Measure, REGISTERS, Size, Step, Target, VIEWS, Views, Wanted};

/// The vectors of a buffer.
pub(super) fn vectors<F: Form, L: Lanes<f64>>(size: Size) -> usize {
    let shape = shape::<F, L>(size);
    shape.height.saturating_mul(shape.cols)
}

fn shape<F: Form, L: Lanes<f64>>(size: Size) -> Matrix {
    match size {
        Size::Matrix(rows, cols) => Matrix {
            rows,
            height: F::height::<L>(rows),
            cols,
        },
        Size::Sums(cols) => Matrix {
            rows: F::entries::<L>(),
            height: 1,
            cols,
        },
    }
}

/// A thread's memory: every buffer, what products copy to, and the results.
pub(super) struct Machine<'m, V> {
    pub buffers: Vec<&'m mut [V]>,
    pub panel: &'m mut [V],
    pub results: &'m mut [V],
}

impl<V: bytemuck::Pod> Machine<'_, V> {
    /// Measures `count` matrices from `first` on; says which lanes ask for care.
    #[inline(always)]
    pub fn run<F: Form, L: Lanes<f64, Vector = V>>(
        &mut self,
        l: L,
        measure: &Measure<'_>,
        first: usize,
        count: usize,
    ) -> V {
        let zero = l.splat(0.0);
        let mut registers = [zero; REGISTERS];
        let mut care = zero;
        let mut exponents = [[0; MOST_LANES]; VIEWS];
        let buffers = &mut self.buffers;
        let results = &mut *self.results;
        for step in &measure.steps {
            match *step {
                Step::Exponents(view) => {
                    for (lane, own) in exponents[view][..count].iter_mut().enumerate() {
                        *own = match &measure.views {
                            Views::F32(views) => exponent(&views[view], first + lane),
                            Views::F64(views) => exponent(&views[view], first + lane),
                        };
                    }
                }
                Step::Load {
                    view,
                    to,
                    first: column,
                    brought,
                } => {
                    let mut powers = [0; MOST_LANES];
                    for (lane, power) in powers[..count].iter_mut().enumerate() {
                        *power = power_of(brought, &exponents, lane);
                    }
                    let powers = (!brought.is_empty()).then_some(&powers);
                    let height = shape::<F, L>(measure.buffers[to]).height;
                    let to = &mut buffers[to][column * height..];
                    let those = [first, count];
                    match &measure.views {
                        Views::F32(views) => F::load(l, &views[view], those, powers, to),
                        Views::F64(views) => F::load(l, &views[view], those, powers, to),
                    }
                }
                Step::Product { left, right, to } => {
                    let (target, other) = match to {
                        Target::Matrix(to) => (to, to),
                        Target::Residue { minus, sums } => (sums, minus),
                    };
                    let out = std::mem::take(&mut buffers[target]);
                    let of = [left, right.of, other].map(|at| shape::<F, L>(measure.buffers[at]));
                    let column = of[1].height * F::entries::<L>();
                    let steps = match right.transposed {
                        true => [column, 1],
                        false => [1, column],
                    };
                    let sink = match to {
                        Target::Matrix(_) => Sink::Store(&mut *out),
                        Target::Residue { minus, .. } => {
                            out.fill(zero);
                            Sink::Squares {
                                minus: &*buffers[minus],
                                sums: &mut *out,
                            }
                        }
                    };
                    let inner = match right.transposed {
                        true => of[1].cols - right.first,
                        false => of[1].rows,
                    };
                    let inner = inner.min(of[0].cols);
                    product::<F, L>(
                        l,
                        Left {
                            data: &*buffers[left],
                            height: of[0].height,
                        },
                        Right {
                            data: &buffers[right.of][right.first * of[1].height..],
                            steps,
                        },
                        [of[2].height, inner, of[2].cols],
                        self.panel,
                        sink,
                    );
                    buffers[target] = out;
                }
                Step::Dots { left, right, to } => {
                    let mut gap = zero;
                    let [x, y] = [left, right].map(|at| shape::<F, L>(measure.buffers[at]));
                    let taken = match to {
                        Wanted::Matrix(to) => to,
                        Wanted::Gap(_) => buffers.len(),
                    };
                    let out = buffers.get_mut(taken).map(std::mem::take);
                    let mut out = out.unwrap_or_default();
                    let target = match to {
                        Wanted::Matrix(to) => {
                            Dots::Store(&mut *out, shape::<F, L>(measure.buffers[to]).height)
                        }
                        Wanted::Gap(_) => Dots::Gap(&mut gap),
                    };
                    let (left, right) = (&*buffers[left], &*buffers[right]);
                    dots::<F, L>(l, left, right, x.height, [x.cols, y.cols], target);
                    match to {
                        Wanted::Matrix(to) => buffers[to] = std::mem::take(&mut out),
                        Wanted::Gap(at) => F::put::<L>(results, at, F::most(l, gap)),
                    }
                }
                Step::Subtract { from, of } => {
                    let out = std::mem::take(&mut buffers[of]);
                    passes::subtract(l, &*buffers[from], out);
                    buffers[of] = out;
                }
                Step::Copy { from, to } => {
                    let out = std::mem::take(&mut buffers[to]);
                    let from = &*buffers[from];
                    out[..from.len()].copy_from_slice(from);
                    buffers[to] = out;
                }
                Step::ColumnSquares { of, to } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    let out = std::mem::take(&mut buffers[to]);
                    passes::column_squares::<F, L>(l, &*buffers[of], shape, out);
                    buffers[to] = out;
                }
                Step::RowSquares { of, to } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    let out = std::mem::take(&mut buffers[to]);
                    passes::row_squares(l, &*buffers[of], shape, out);
                    buffers[to] = out;
                }
                Step::Powers { of, up, down } => {
                    let ups = std::mem::take(&mut buffers[up]);
                    let downs = std::mem::take(&mut buffers[down]);
                    passes::powers::<F, L>(l, &*buffers[of], [&mut *ups, &mut *downs]);
                    buffers[up] = ups;
                    buffers[down] = downs;
                }
                Step::CheckColumns { of, squares, apart } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    let both = [&*buffers[of], &*buffers[squares]];
                    let bad = passes::check_columns::<F, L>(l, both, shape, apart);
                    care = l.add(care, bad);
                }
                Step::Check { of, square } => {
                    let bad = passes::check::<F, L>(l, &*buffers[of], registers[square]);
                    care = l.add(care, bad);
                }
                Step::ScaleColumns {
                    of,
                    first: column,
                    by,
                } => {
                    let height = shape::<F, L>(measure.buffers[of]).height;
                    let out = std::mem::take(&mut buffers[of]);
                    let by = &*buffers[by];
                    passes::scale_columns::<F, L>(l, &mut out[column * height..], height, by);
                    buffers[of] = out;
                }
                Step::ScaleRows { of, by } => {
                    let height = shape::<F, L>(measure.buffers[of]).height;
                    let out = std::mem::take(&mut buffers[of]);
                    passes::scale_rows(l, out, height, &*buffers[by]);
                    buffers[of] = out;
                }
                Step::Multiply { of, by } => passes::multiply(l, &mut *buffers[of], by),
                Step::Sum { of, to } => {
                    registers[to] = F::total(l, passes::sum(l, &*buffers[of]));
                }
                Step::Squares { of, to } => {
                    registers[to] = F::total(l, passes::squares(l, &*buffers[of]));
                }
                Step::Weigh { of, by, to } => {
                    let sum = passes::weigh(l, &*buffers[of], &*buffers[by]);
                    registers[to] = F::total(l, sum);
                }
                Step::Trace { of, out } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    let trace = passes::trace::<F, L>(l, &*buffers[of], shape);
                    F::put::<L>(results, out, trace);
                }
                Step::Asymmetry { of, to } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    let both = passes::asymmetry::<F, L>(l, &*buffers[of], shape);
                    for (to, square) in to.into_iter().zip(both) {
                        registers[to] = F::total(l, square);
                    }
                }
                Step::Triangle(of) => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    passes::triangle::<F, L>(l, &mut *buffers[of], shape, self.panel);
                }
                Step::Centre { of, over } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    passes::centre::<F, L>(l, &mut *buffers[of], shape, over);
                }
                Step::Ratio { part, of, out } => {
                    let ratio = passes::ratio(l, registers[part], registers[of]);
                    F::put::<L>(results, out, l.sqrt(ratio));
                }
                Step::Root { of, out } => F::put::<L>(results, out, l.sqrt(registers[of])),
                Step::Difference { of, out } => {
                    let [a, b] = of.map(|of| l.sqrt(registers[of]));
                    let ratio = passes::ratio(l, l.abs(l.sub(a, b)), a);
                    F::put::<L>(results, out, ratio);
                }
                Step::Largest { sums, squares, out } => {
                    let most = passes::largest::<F, L>(l, &*buffers[sums], &*buffers[squares]);
                    F::put::<L>(results, out, l.sqrt(most));
                }
                Step::Condition { of, out } => {
                    let [a, x, ax] = of.map(|of| l.sqrt(registers[of]));
                    let one = l.splat(1.0);
                    let over = l.select(l.less(one, ax), ax, one);
                    F::put::<L>(results, out, l.div(l.mul(a, x), over));
                }
                Step::Lengths { of, brought } => {
                    let shape = shape::<F, L>(measure.buffers[of]);
                    passes::lengths::<F, L>(l, &*buffers[of], shape, results);
                    for lane in 0..count {
                        let power = -power_of(brought, &exponents, lane);
                        if power != 0 {
                            let entries = F::entries::<L>();
                            let all: &mut [f64] = bytemuck::cast_slice_mut(&mut *results);
                            for at in 0..shape.cols {
                                let at = at * (L::LANES / entries) + lane;
                                all[at] = all[at].ldexp(power);
                            }
                        }
                    }
                }
                Step::Normal {
                    dots,
                    lengths,
                    x,
                    b,
                    out,
                } => {
                    let [x_shape, b_shape] = [x, b].map(|at| shape::<F, L>(measure.buffers[at]));
                    let of = [dots, x, b].map(|at| &*buffers[at]);
                    let lengths = &*buffers[lengths];
                    let most = passes::normal::<F, L>(l, of, lengths, [x_shape, b_shape]);
                    F::put::<L>(results, out, most);
                }
                Step::Roots(of) => passes::roots(l, &mut *buffers[of]),
            }
        }
        care
    }

    /// Result `at` of the matrix in a lane.
    #[inline(always)]
    pub fn result<F: Form, L: Lanes<f64, Vector = V>>(&self, at: usize, lane: usize) -> f64 {
        let all: &[f64] = bytemuck::cast_slice(&*self.results);
        all[at * (L::LANES / F::entries::<L>()) + lane]
    }
}

/// Whether a lane asks for care.
#[inline(always)]
pub(super) fn asks<L: Lanes<f64>>(care: &L::Vector, lane: usize) -> bool {
    numbers::<f64, _>(care)[lane] != 0.0
}

fn power_of(brought: Brought, exponents: &[[i32; MOST_LANES]; VIEWS], lane: usize) -> i32 {
    let mut power = 0;
    for &(view, times) in brought {
        power += times * exponents[view][lane];
    }
    power
}

/// The binary exponent of the largest entry of matrix `index`, or 0 if there is none.
pub(super) fn exponent<T: Real>(view: &View<'_, T>, index: usize) -> i32 {
    let mut largest = 0.0f64;
    for j in 0..view.cols() {
        for entry in view.column(index, j) {
            largest = largest.max(entry.f64().abs());
        }
    }
    if largest > 0.0 && largest.is_finite() {
        largest.exponent()
    } else {
        0
    }
}
