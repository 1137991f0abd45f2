//! What a user would pick instead, in the same process: one matrix at a time, rayon over the batch.

mod faer;
mod nalgebra;
pub(crate) mod python;

use std::time::Instant;

use batched_svd::{Batch, Complex, Error, Scalar};
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::cli::bench::case::{Case, Op};
use crate::cli::bench::contender::{Answer, Contender, Facts, Timing};

/// A number that every peer in this process computes with.
pub(crate) trait Number:
    Scalar
    + ::nalgebra::ComplexField<RealField = Part<Self>>
    + ::faer::traits::ComplexField<Real = Part<Self>>
{
    /// A standard normal number, or of complex ones two.
    fn normal(rng: &mut StdRng) -> Self;

    /// nalgebra with sizes that are known when this is compiled, each of which takes a while.
    fn nalgebra_static() -> Vec<Box<dyn Contender<Self>>>;
}

/// What a number has one or two of.
pub(crate) type Part<T> = <T as Scalar>::Real;

macro_rules! number {
    ($real:ident) => {
        impl Number for $real {
            fn normal(rng: &mut StdRng) -> Self {
                StandardNormal.sample(rng)
            }

            fn nalgebra_static() -> Vec<Box<dyn Contender<Self>>> {
                nalgebra::of_known_sizes()
            }
        }

        impl Number for Complex<$real> {
            fn normal(rng: &mut StdRng) -> Self {
                Complex::new(StandardNormal.sample(rng), StandardNormal.sample(rng))
            }

            fn nalgebra_static() -> Vec<Box<dyn Contender<Self>>> {
                nalgebra::of_few_known_sizes()
            }
        }
    };
}

number!(f32);
number!(f64);

/// The entries, column by column, of what [`Case::results`] lists.
struct Entries<T: Scalar> {
    matrices: Vec<Vec<T>>,
    values: Option<Vec<T::Real>>,
}

/// A library that solves one matrix at a time: `A` is its matrix, `R` its result.
struct Library<A, R, T: Scalar> {
    name: &'static str,
    takes: fn(&Case) -> bool,
    load: fn(&[T], usize, usize) -> A,
    solve: fn(&A, Op) -> R,
    entries: fn(&R) -> Result<Entries<T>, String>,
    matrices: Vec<A>,
    results: Vec<R>,
    case: Option<Case>,
}

impl<A: Send + Sync, R: Send, T: Number> Contender<T> for Library<A, R, T> {
    fn name(&self) -> &str {
        self.name
    }

    fn takes(&self, case: &Case) -> bool {
        (self.takes)(case)
    }

    fn load(&mut self, case: &Case, data: &Batch<T>, count: usize) -> Result<(), String> {
        self.clear();
        let load = |index| (self.load)(data.matrix(index), case.rows, case.cols);
        self.matrices = (0..count).map(load).collect();
        self.case = Some(*case);
        Ok(())
    }

    fn run(&mut self) -> Result<Timing, String> {
        let op = self.case.ok_or("nothing was loaded")?.op;
        self.results = Vec::new();
        let solve = self.solve;
        let start = Instant::now();
        self.results = self.matrices.par_iter().map(|a| solve(a, op)).collect();
        Ok(Timing {
            seconds: start.elapsed().as_secs_f64(),
            device_seconds: None,
        })
    }

    fn answer(&mut self, count: usize) -> Result<Answer<T>, String> {
        let case = self.case.ok_or("nothing was loaded")?;
        let shapes = case.results();
        let mut all = vec![Vec::new(); shapes.matrices.len()];
        let mut values = Vec::new();
        for result in &self.results[..count] {
            let found = (self.entries)(result)?;
            for (all, entries) in all.iter_mut().zip(found.matrices) {
                all.extend(entries);
            }
            values.extend(found.values.into_iter().flatten());
        }
        let batches = shapes
            .matrices
            .into_iter()
            .zip(all)
            .map(|((rows, cols), entries)| Batch::from_col_major(count, rows, cols, entries));
        let answer = || -> Result<Answer<T>, Error> {
            let k = case.rows.min(case.cols);
            let values = || Batch::from_col_major(count, k, 1, values);
            Ok(Answer::Results {
                matrices: batches.collect::<Result<_, _>>()?,
                values: shapes.values.then(values).transpose()?,
            })
        };
        answer().map_err(|e| e.to_string())
    }

    fn facts(&self) -> Facts {
        Facts {
            device: format!("CPU, {} threads", rayon::current_num_threads()),
            ..Facts::default()
        }
    }

    fn clear(&mut self) {
        self.matrices = Vec::new();
        self.results = Vec::new();
        self.case = None;
    }
}

/// The names that peers have, here or in a Python somewhere.
pub(crate) const NAMES: &[&str] = &[
    "nalgebra",
    "nalgebra-static",
    "faer",
    "numpy",
    "torch-cpu",
    "torch-gesvdj",
    "torch-gesvda",
    "torch-gesvd",
    "cupy",
    "jax-cpu",
    "jax-gpu",
];

/// The name of a peer, if it is one.
pub(crate) fn known(text: &str) -> Result<String, String> {
    match NAMES.contains(&text) {
        true => Ok(text.into()),
        false => Err(format!("there is none, only {}", NAMES.join(", "))),
    }
}

/// The peers in this process, all or those that are named.
pub(crate) fn all<T: Number>(names: &[String]) -> Vec<Box<dyn Contender<T>>> {
    let mut all = nalgebra::all();
    all.push(faer::new());
    all.retain(|peer| wanted(names, peer.name()));
    all
}

/// Whether a peer is among those that were named, or none was.
fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}
