//! `batched-svd shrink`

use std::path::Path;

use batched_svd::{Error, View, verify};

use crate::cli::args::{CutoffArgs, RunArgs, ShrinkArgs};
use crate::cli::call::Call;
use crate::cli::entry::Entry;
use crate::cli::judge::{Kind, Residual};
use crate::cli::npy::Data;
use crate::cli::numbers::Numbers;
use crate::cli::output::{Computed, Output, Place};
use crate::cli::task::Task;

impl Task<1> for ShrinkArgs {
    fn op(&self) -> &'static str {
        "shrink"
    }

    fn common(&self) -> &RunArgs {
        &self.run
    }

    fn cutoff(&self) -> Option<&CutoffArgs> {
        Some(&self.cutoff)
    }

    fn per_matrix(&self) -> Option<(&'static str, &Numbers)> {
        self.noise.as_ref().map(|noise| ("noise", noise))
    }

    fn inputs(&self) -> [&Path; 1] {
        [&self.input]
    }

    fn output(&self) -> &Path {
        &self.output
    }

    fn others(&self) -> Vec<&Path> {
        self.levels.iter().map(AsRef::as_ref).collect()
    }

    fn unjudged(&self) -> Option<&'static str> {
        Some("what is taken for noise is left out on purpose")
    }

    fn compute<T: Entry>(
        &self,
        call: &mut Call<'_>,
        [a]: [View<'_, T>; 1],
    ) -> Result<Computed, Error> {
        let found = call.timed([a], |engine, [a], asked| {
            let call = engine.shrink(a).rule(self.rule.into());
            let call = call.options(asked.options);
            let call = match self.shared_noise {
                true => call.shared_noise(),
                false => call,
            };
            asked
                .with_per_matrix(call, |call, levels| call.noise(levels))
                .run()
        })?;
        let checked = call.checked(|call| {
            let left = verify::distances(a, &found.signal)?;
            let spreads = call.spreads(a, &found.report.outcomes, None)?;
            Ok((Residual::new("|A-B| / |A|", Kind::Error, left), spreads))
        })?;
        let (left, spreads) = checked.unzip();
        let mut outputs = vec![Output::matrices(Place::File, &found.signal)?];
        if let Some(path) = &self.levels {
            let levels = Data::F64(found.noise.clone());
            outputs.push(Output::new(Place::Beside(path.clone()), &[], levels));
        }
        let noise = Residual::new("noise", Kind::Noise, found.noise);
        Ok(Computed {
            outputs,
            residuals: left.into_iter().chain([noise]).collect(),
            spreads,
            report: found.report,
        })
    }
}
