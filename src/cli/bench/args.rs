//! What may be said to `batched-svd bench`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::cli::bench::case::{DtypeArg, Op, QUICK_SHAPES, Shape};
use crate::cli::bench::shapes::SHAPES;

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Operations: with commas, spaces, or one at a time.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1.., default_values_t = [Op::Svd, Op::Pinv])]
    pub ops: Vec<Op>,
    /// Types, likewise.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1.., default_values_t = [DtypeArg::F32])]
    pub dtypes: Vec<DtypeArg>,
    /// Shapes, likewise, ROWSxCOLS or ROWSxCOLS:BATCH [default: twenty, from 2x2 to 512x512 and 1024x64].
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub shapes: Vec<Shape>,
    /// Matrices in a batch, where the shape names none [default: as many as fill 4 MiB, or 256 MiB
    /// with a GPU]; a contender that is slow gets as many as fill its time.
    #[arg(long, value_name = "N", value_parser = batch, allow_hyphen_values = true)]
    pub batch: Option<u64>,
    /// Seconds for each contender in each case [default: 0.7; quick: 0.1].
    #[arg(long, value_name = "S", value_parser = seconds, allow_hyphen_values = true)]
    pub seconds: Option<f64>,
    /// Four shapes, svd, in less than a minute.
    #[arg(long)]
    pub quick: bool,
    /// Leaves out nalgebra and faer.
    #[arg(long)]
    pub no_peers: bool,
    /// Leaves out the table of small batches.
    #[arg(long)]
    pub no_latency: bool,
    /// Measures this project's engine alone, with one threshold of its planner changed at a time.
    #[arg(long, conflicts_with_all = ["python_peers", "plot", "merge"])]
    pub tune: bool,
    /// Runs NumPy, PyTorch, CuPy and JAX, whichever are there, in turn with the rest.
    #[arg(long)]
    pub python_peers: bool,
    /// The Python that has them (benches/peers/peers.py makes an environment).
    #[arg(long, value_name = "PATH", default_value = "python3")]
    pub python: String,
    /// Draws matrices/s over n.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Measures nothing: shows the lines of these files in one table (and plot).
    #[arg(long, value_name = "FILE", num_args = 1.., action = ArgAction::Append)]
    pub merge: Vec<PathBuf>,
}

fn batch(text: &str) -> Result<u64, String> {
    const MOST: u64 = 1 << 28;
    match text.parse() {
        Ok(batch) if (1..=MOST).contains(&batch) => Ok(batch),
        _ => Err(format!("it must be a whole number from 1 to {MOST}")),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 600.0 => Ok(seconds),
        _ => Err("not a number of seconds above 0 and up to 600".into()),
    }
}

impl BenchArgs {
    pub fn shapes(&self) -> Vec<Shape> {
        let fixed = if self.quick { QUICK_SHAPES } else { SHAPES };
        if !self.shapes.is_empty() {
            return self.shapes.clone();
        }
        let shape = |&(rows, cols)| Shape {
            rows,
            cols,
            batch: None,
        };
        fixed.iter().map(shape).collect()
    }

    pub fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 0.1 } else { 0.7 })
    }
}
