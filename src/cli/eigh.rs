//! `batched-svd eigh`

use std::path::Path;

use batched_svd::{Batch, Dtype, Error, Scalar, Triangle, View};

use crate::cli::args::{CutoffArgs, EigenvectorsArg, EighArgs, RunArgs};
use crate::cli::call::Call;
use crate::cli::entry::{Entry, Number, in_f64, nearest};
use crate::cli::judge;
use crate::cli::output::{Computed, Output, Place};
use crate::cli::spread::spreads;
use crate::cli::task::Task;

impl Task<1> for EighArgs {
    fn op(&self) -> &'static str {
        "eigh"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn files(&self, _: Dtype) -> Vec<&'static str> {
        vec!["w", "v"]
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.cutoff)
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn leftovers(&self, _: Dtype) -> Vec<&'static str> {
        // Vectors would not belong to these values.
        match self.vectors {
            EigenvectorsArg::None => vec!["v"],
            EigenvectorsArg::All => Vec::new(),
        }
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let (triangle, definite) = (self.triangle.into(), self.definite);
        let (values, vectors, report) = match self.vectors {
            EigenvectorsArg::None => {
                let found = call.timed([a], |engine, [a], asked| {
                    let call = engine.eigvalsh(a).options(asked.options);
                    call.triangle(triangle).definite(definite).run()
                })?;
                (found.values, None, found.report)
            }
            EigenvectorsArg::All => {
                let found = call.timed([a], |engine, [a], asked| {
                    let call = engine.eigh(a).options(asked.options);
                    call.triangle(triangle).definite(definite).run()
                })?;
                (found.values, Some(found.vectors), found.report)
            }
        };
        let checked = call.checked(|_| {
            let a = symmetric(a, triangle)?;
            match &vectors {
                Some(vectors) => judge::eigenvectors(a.view(), &values, vectors),
                None => Ok(vec![judge::eigenvalues(
                    a.view(),
                    &values,
                    &report.outcomes,
                )?]),
            }
        })?;
        let spreads = spreads(sizes(&values).view(), &report.outcomes);
        let mut outputs = vec![Output::vectors(Place::In("w"), values)];
        if let Some(vectors) = &vectors {
            outputs.push(Output::matrices(Place::In("v"), vectors)?);
        }
        Ok(Computed {
            outputs,
            residuals: checked.unwrap_or_default(),
            spreads: Some(spreads),
            report,
        })
    }
}

/// The mean of two numbers, part by part.
fn mean<T: Scalar>(one: T, other: T) -> T {
    let [one, other] = [one, other].map(|number| number.parts().map(in_f64));
    T::of_parts([0, 1].map(|part| nearest(one[part].midpoint(other[part]))))
}

/// The symmetric or Hermitian matrices that were read.
fn symmetric<T: Scalar>(a: View<'_, T>, triangle: Triangle) -> Result<Batch<T>, Error> {
    let n = a.cols();
    let mut matrices = a.to_batch()?;
    for matrix in matrices.as_mut_slice().chunks_exact_mut((n * n).max(1)) {
        for j in 0..n {
            for i in 0..j {
                let (upper, lower) = (matrix[j * n + i], matrix[i * n + j]);
                let entry = match triangle {
                    Triangle::Mean => mean(upper, lower.conjugate()),
                    Triangle::Lower => lower.conjugate(),
                    Triangle::Upper => upper,
                };
                (matrix[j * n + i], matrix[i * n + j]) = (entry, entry.conjugate());
            }
            matrix[j * n + j] = T::of_real(matrix[j * n + j].parts()[0]);
        }
    }
    Ok(matrices)
}

/// The sizes of eigenvalues in descending order, which are the singular values.
fn sizes<T: Number>(values: &Batch<T>) -> Batch<T> {
    let mut sizes = values.clone();
    for sizes in sizes.as_mut_slice().chunks_exact_mut(values.rows().max(1)) {
        sizes.iter_mut().for_each(|size| *size = size.abs());
        sizes.sort_by(|one, next| next.f64().total_cmp(&one.f64()));
    }
    sizes
}
