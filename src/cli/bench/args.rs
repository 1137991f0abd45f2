//! What may be said to `batched-svd bench`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::cli::bench::case::{Op, QUICK_SHAPES, Shape};
use crate::cli::bench::measure::Budget;
use crate::cli::bench::peers;
use crate::cli::bench::shapes::SHAPES;
use crate::cli::engine_args::DtypeArg;
use crate::cli::thresholds::{self, Setting};

const REPETITIONS: usize = 5;
const QUICK_REPETITIONS: usize = 3;

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Operations: with commas, spaces, or one at a time.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1.., default_values_t = [Op::Svd, Op::Pinv])]
    pub ops: Vec<Op>,
    /// Types, likewise. c32 and c64 are complex.
    #[arg(long, value_enum, value_delimiter = ',', num_args = 1.., default_values_t = [DtypeArg::F32])]
    pub dtypes: Vec<DtypeArg>,
    /// Shapes, likewise, ROWSxCOLS or ROWSxCOLS:BATCH [default: twenty, from 2x2 to 512x512 and 1024x64; of these the
    /// square ones for eigh and eigvalsh].
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub shapes: Vec<Shape>,
    /// Matrices in a batch, where the shape names none [default: as many as fill 12 MiB with their results, or
    /// with a GPU 64 MiB, 256 MiB up to 4x4]; a contender that is slow gets as many as fill its time.
    #[arg(long, value_name = "N", value_parser = batch, allow_hyphen_values = true)]
    pub batch: Option<u64>,
    /// Seconds for each contender in each case [default: 0.7; quick: 0.1].
    #[arg(long, value_name = "S", value_parser = seconds, allow_hyphen_values = true)]
    pub seconds: Option<f64>,
    /// Calls of each contender in each case, which share its seconds [default: 5; quick: 3].
    #[arg(long, value_name = "N", value_parser = repetitions, allow_hyphen_values = true)]
    pub repetitions: Option<usize>,
    /// Four shapes, svd, in less than a minute.
    #[arg(long)]
    pub quick: bool,
    /// Leaves out nalgebra and faer.
    #[arg(long)]
    pub no_peers: bool,
    /// Leaves out the table of small batches.
    #[arg(long)]
    pub no_latency: bool,
    /// The only peers to measure, of those that are here: with commas, spaces, or one at a time.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1.., value_parser = peers::known)]
    pub peers: Vec<String>,
    /// Measures this project's engine alone, with one threshold of its planner changed at a time: those that are
    /// named, to each of the values (with k, m or g for 2^10, 2^20 or 2^30), or a fixed list.
    #[arg(long, value_name = "NAME=V1,V2", num_args = 0.., conflicts_with_all = ["python_peers", "plot", "merge"])]
    pub tune: Option<Vec<Setting>>,
    /// Sets thresholds of the planner, for all else that is asked for.
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = thresholds::single, conflicts_with = "merge")]
    pub set: Vec<Setting>,
    /// Shows what each kernel of the GPU takes in a call, and to compile. Every dispatch is timed by itself.
    #[arg(long, conflicts_with_all = ["tune", "python_peers", "peers", "plot", "merge"])]
    pub profile: bool,
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
    /// Shows them in at most 5500 characters, what failed first. A last line that was cut off is left out.
    #[arg(long, requires = "merge", conflicts_with = "plot")]
    pub brief: bool,
}

fn batch(text: &str) -> Result<u64, String> {
    const MOST: u64 = 1 << 28;
    match text.parse() {
        Ok(batch) if (1..=MOST).contains(&batch) => Ok(batch),
        _ => Err(format!("it must be a whole number from 1 to {MOST}")),
    }
}

fn repetitions(text: &str) -> Result<usize, String> {
    const MOST: usize = 1000;
    match text.parse() {
        Ok(repetitions) if (1..=MOST).contains(&repetitions) => Ok(repetitions),
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
    /// What is measured: every operation on every shape. Of the default shapes, those that it can take.
    pub fn work(&self) -> Result<Vec<(Op, Shape)>, String> {
        let (ops, fixed) = match self.quick {
            true => (&[Op::Svd][..], QUICK_SHAPES),
            false => (&self.ops[..], SHAPES),
        };
        let shape = |&(rows, cols)| Shape {
            rows,
            cols,
            batch: None,
        };
        let named = !self.shapes.is_empty();
        let shapes: Vec<Shape> = match named {
            true => self.shapes.clone(),
            false => fixed.iter().map(shape).collect(),
        };
        let mut work = Vec::new();
        for &op in ops {
            for &shape in &shapes {
                let Shape { rows, cols, .. } = shape;
                if rows == cols || !op.symmetric() {
                    work.push((op, shape));
                } else if named {
                    let op = op.name();
                    return Err(format!(
                        "{op} takes square matrices, and {rows}x{cols} is not square"
                    ));
                }
            }
        }
        Ok(work)
    }

    pub fn budget(&self) -> Budget {
        let usual = match self.quick {
            true => QUICK_REPETITIONS,
            false => REPETITIONS,
        };
        Budget {
            seconds: self.seconds(),
            repetitions: self.repetitions.unwrap_or(usual),
        }
    }

    fn seconds(&self) -> f64 {
        self.seconds.unwrap_or(if self.quick { 0.1 } else { 0.7 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn work(line: &str) -> Result<Vec<(Op, Shape)>, String> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().bench.work()
    }

    #[test]
    fn operations_on_symmetric_matrices_have_square_shapes() {
        let square = SHAPES.iter().filter(|(rows, cols)| rows == cols).count();
        assert!(square < SHAPES.len());
        let all = work("--ops svd,eigh,eigvalsh").unwrap();
        assert_eq!(all.len(), SHAPES.len() + 2 * square);
        assert_eq!(work("").unwrap().len(), 2 * SHAPES.len());
        assert_eq!(work("--ops eigh --shapes 3x3,5x5:9").unwrap().len(), 2);
        assert_eq!(
            work("--ops svd,eigh --shapes 3x3,4x2").unwrap_err(),
            "eigh takes square matrices, and 4x2 is not square"
        );
        assert_eq!(work("--ops svd,pinv --shapes 3x3,4x2").unwrap().len(), 4);
    }
}
