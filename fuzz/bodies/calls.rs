//! Any shapes, strides, lengths and options: a result of the right shape, or an error.

use batched_svd::{Batch, Cutoff, Engine, Error, Options, PerMatrix, Subspace, View, ViewMut};

/// What calls are given.
#[derive(Default)]
struct Choices {
    options: Options,
    /// Where a call has one.
    damping: Option<PerMatrix>,
    /// Of least squares.
    singular_values: bool,
}

/// A call of an operation that may be damped.
macro_rules! damped {
    ($call:expr, $choices:expr) => {{
        let call = $call.options(&$choices.options);
        match &$choices.damping {
            Some(damping) => call.damping(damping.clone()),
            None => call,
        }
    }};
}

/// Numbers out of bytes; zeros once they are used up.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()].clone()
    }

    fn size(&mut self) -> usize {
        match self.byte() {
            small @ 0..=223 => usize::from(small % 9),
            224..=239 => self.one_of(&[17, 64, 65, 200]),
            _ => self.one_of(&[
                1 << 16,
                1 << 31,
                1 << (usize::BITS / 2),
                1 << (usize::BITS - 2),
                isize::MAX as usize,
                usize::MAX,
            ]),
        }
    }

    fn stride(&mut self) -> isize {
        let size = self.size() as isize;
        if self.byte().is_multiple_of(4) {
            size.wrapping_neg()
        } else {
            size
        }
    }

    fn number(&mut self) -> f64 {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            0.5,
            -1.0,
            1e-3,
            1e300,
            1e-320,
            f64::INFINITY,
            f64::NAN,
            1e10,
        ];
        self.one_of(&numbers)
    }

    fn per_matrix(&mut self, count: usize) -> PerMatrix {
        if self.byte().is_multiple_of(2) {
            return self.number().into();
        }
        let len = if self.byte().is_multiple_of(4) {
            self.size()
        } else {
            count
        };
        let numbers: Vec<f64> = (0..len.min(100)).map(|_| self.number()).collect();
        numbers.into()
    }

    fn choices(&mut self, count: usize) -> Choices {
        let mut cutoff = Cutoff::default();
        let mut choices = Choices::default();
        let mut options = Options::default();
        for _ in 0..self.byte() % 4 {
            match self.byte() % 9 {
                0 => cutoff = Cutoff::relative(self.per_matrix(count)),
                1 => cutoff = cutoff.and_absolute(self.per_matrix(count)),
                2 => cutoff = cutoff.and_rank(self.size()),
                3 => cutoff = cutoff.and_error(self.per_matrix(count)),
                4 => cutoff = cutoff.and_energy(self.per_matrix(count)),
                5 => choices.damping = Some(self.per_matrix(count)),
                6 => options = options.tolerance(self.number()),
                7 => options = options.max_sweeps(self.size().min(300) as u32),
                _ => {
                    options = options.strict(true);
                    choices.singular_values = true;
                }
            }
        }
        choices.options = options.cutoff(cutoff);
        choices
    }
}

/// What is small enough to be computed; of what is not, that it is refused before anything is allocated.
const MOST: usize = 4096;
const ENORMOUS: u128 = 1 << 50;

pub fn calls(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let len = numbers.size().min(MOST);
    let data: Vec<f64> = (0..len).map(|_| numbers.number()).collect();
    let shape = [numbers.size(), numbers.size(), numbers.size()];
    let [count, rows, cols] = shape;
    let kind = numbers.byte() % 4;
    let strides = [numbers.stride(), numbers.stride(), numbers.stride()];
    let offset = numbers.size();
    let mut own = data.clone();
    let _ = ViewMut::new(&mut own, offset, shape, strides);
    let view = match kind {
        0 => View::col_major(&data, count, rows, cols),
        1 => View::row_major(&data, count, rows, cols),
        _ => View::new(&data, offset, shape, strides),
    };
    let Ok(mut view) =
        view.inspect_err(|error| assert!(matches!(error, Error::Argument(_)), "{error}"))
    else {
        return;
    };
    // Every entry of a view that was made is there.
    let last = |size: usize| size.checked_sub(1);
    if let (Some(b), Some(i), Some(j)) = (last(count), last(rows), last(cols)) {
        assert!(view.get(b, i, j).is_some() && view.get(0, 0, 0).is_some());
        assert!(view.get(count, i, j).is_none());
    }
    if numbers.byte().is_multiple_of(2) {
        view = view.transpose();
    }
    if numbers.byte().is_multiple_of(4) {
        let [a, b, c, d] = [(); 4].map(|()| numbers.size());
        match view.submatrix(a..b, c..d) {
            Ok(window) => view = window,
            Err(error) => assert!(matches!(error, Error::Argument(_)), "{error}"),
        }
    }
    let (count, rows, cols) = (view.count(), view.rows(), view.cols());
    let entries = [count, rows, cols]
        .iter()
        .fold(1u128, |all, &size| all.saturating_mul(size as u128));
    // Counts of empty matrices are made too, and squares of what is asked for in full.
    let most = (count as u128).max(rows as u128).max(cols as u128);
    if entries > MOST as u128 || most > MOST as u128 / 8 {
        if entries > ENORMOUS {
            let error = view.to_batch().err();
            assert!(
                matches!(error, Some(Error::Memory { .. } | Error::Argument(_))),
                "{error:?}"
            );
        }
        return;
    }
    let engine = Engine::cpu();
    let choices = numbers.choices(count);
    let options = &choices.options;
    let outcome = match numbers.byte() % 9 {
        0 => {
            // None, thin, full.
            let found = match numbers.one_of(&[None, Some(false), Some(true)]) {
                None => engine
                    .singular_values(view)
                    .options(options)
                    .run()
                    .map(|found| (found.sigma, found.report)),
                Some(full) => engine
                    .svd(view)
                    .full(full)
                    .options(options)
                    .run()
                    .map(|svd| (svd.sigma, svd.report)),
            };
            found.map(|(sigma, report)| {
                assert_eq!((sigma.count(), sigma.rows()), (count, rows.min(cols)));
                report
            })
        }
        1 => damped!(engine.pinv(view), choices).run().map(|pinv| {
            let inverse = &pinv.inverse;
            assert_eq!(
                (inverse.count(), inverse.rows(), inverse.cols()),
                (count, cols, rows)
            );
            pinv.report
        }),
        2 => {
            let b = Batch::<f64>::zeros(numbers.one_of(&[count, 1]), numbers.one_of(&[rows, 2]), 3);
            let b = b.expect("a small batch");
            let call = damped!(engine.lstsq(view, &b), choices);
            let call = call.singular_values(choices.singular_values);
            call.run().map(|solved| solved.report)
        }
        3 => engine
            .low_rank(view)
            .options(options)
            .run()
            .map(|done| done.report),
        4 => engine
            .polar(view)
            .options(options)
            .run()
            .map(|done| done.report),
        5 => engine
            .principal_components(view)
            .options(options)
            .run()
            .map(|done| done.report),
        6 => damped!(engine.whitening(view), choices)
            .run()
            .map(|done| done.report),
        7 => engine
            .projector(view, Subspace::RowSpace)
            .options(options)
            .run()
            .map(|done| done.report),
        _ => {
            let (m, n) = (numbers.size(), numbers.size());
            let mut inverse = vec![0.0; (m % 10) * (n % 10) * count];
            match ViewMut::col_major(&mut inverse, count, m % 10, n % 10) {
                Ok(place) => damped!(engine.pinv(view), choices).run_into(place),
                Err(error) => Err(error),
            }
        }
    };
    match outcome {
        Ok(report) => assert_eq!(report.outcomes.len(), count),
        Err(error) => assert!(
            matches!(error, Error::Argument(_) | Error::Strict(_)),
            "{error} from {count} of {rows}x{cols}"
        ),
    }
}
