//! The arguments of the command line.

use std::path::PathBuf;

use batched_svd::{Cutoff, Options, Shrinkage, Triangle};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::cli::engine_args::{EngineArgs, Precision, SubspaceArg};
use crate::cli::numbers::{self, Numbers, Rcond};

/// Singular value decompositions, pseudoinverses, least-squares solutions and related results of many matrices at
/// once.
///
/// The input is a .npy file with one matrix or a stack of matrices, or a .npz file with stacks of any shapes.
/// Results are written to files of the same kinds. A dash in place of a file means standard input or output.
#[derive(Parser)]
#[command(version, bin_name = "batched-svd", max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub engine: EngineArgs,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Pseudoinverses of a stack of matrices.
    Pinv(PinvArgs),
    /// Least-squares solutions of a stack of systems, of any rank and shape.
    Lstsq(LstsqArgs),
    /// Singular value decompositions of a stack of matrices.
    Svd(SvdArgs),
    /// Ranks, condition numbers and norms of a stack of matrices.
    Measures(MeasuresArgs),
    /// Best approximations of low rank, or of a given error or energy.
    LowRank(LowRankArgs),
    /// Removal of white noise from a stack of matrices, by the best shrinkage of singular values.
    Shrink(ShrinkArgs),
    /// Orthogonal projectors onto a subspace of every matrix.
    Projector(ProjectorArgs),
    /// Orthonormal bases of a subspace of every matrix.
    Basis(BasisArgs),
    /// Polar decompositions A = Q H: the nearest orthogonal matrices, or rotations.
    Polar(PolarArgs),
    /// Eigenvalues and eigenvectors of a stack of symmetric or Hermitian matrices.
    ///
    /// Singular values, in the options below, are the sizes of eigenvalues here. The cutoff changes the ranks that are
    /// reported, not the results. Its default is the bound on the error of an eigenvalue.
    Eigh(EighArgs),
    /// Principal components of a stack of data: a sample a row, a feature a column.
    Pca(PcaArgs),
    /// Symmetric whitening of a stack of data: a sample a row, a feature a column.
    Whiten(WhitenArgs),
    /// Residuals of existing pseudoinverses or factors, from any program, compared with the bounds that this program
    /// promises.
    Verify(VerifyArgs),
    /// List the devices of this machine that can compute.
    Devices,
    /// Explain how a GPU would solve matrices of a shape, and why: the kernel, the sizes, and the shader text.
    #[cfg(feature = "gpu")]
    Explain(crate::cli::explain::ExplainArgs),
    /// Explain how a GPU would solve matrices of a shape: not in this build, which lacks the feature gpu.
    #[cfg(not(feature = "gpu"))]
    #[command(disable_help_flag = true)]
    Explain {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Measure the speed on this machine, compared with other libraries and with the limits of the machine.
    #[cfg(feature = "bench")]
    Bench(crate::cli::bench::BenchArgs),
    /// Measure the speed on this machine: not in this build, which lacks the feature bench.
    #[cfg(not(feature = "bench"))]
    #[command(disable_help_flag = true)]
    Bench {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

#[derive(ClapArgs)]
pub(crate) struct PinvArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// Output file for the pseudoinverses, of shape (..., n, m): a .npz file if the input is one.
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct LstsqArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "A.npy")]
    pub input: PathBuf,
    /// The right-hand sides: vectors (..., m) or matrices (..., m, p), as many as there are matrices; or one for all
    /// matrices, (m) or (m, p). In a .npz file they have the same keys as the matrices.
    #[arg(value_name = "B.npy")]
    pub sides: PathBuf,
    /// Output file for the solutions, of shape (..., n) for vectors, else (..., n, p).
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    /// Output file for the singular values of the matrices, of shape (..., k), k = min(m, n).
    #[arg(long, value_name = "FILE")]
    pub values: Option<PathBuf>,
    /// Output file for the residuals |b - A x| of the right-hand sides, of shape (...) or (..., p), in f64.
    #[arg(long, value_name = "FILE")]
    pub residuals: Option<PathBuf>,
    /// Refine the solutions once. This takes twice the time and fits exact data to a few tenths of eps |b|.
    #[arg(long)]
    pub refine: bool,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct MeasuresArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for rank.npy, condition.npy, kept_condition.npy (of the part that counts), spectral.npy, nuclear.npy
    /// and frobenius.npy; it is created if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct LowRankArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// Output file for the approximations, of the same shape. With --factors: the folder for left.npy (..., m, r),
    /// right.npy (..., n, r) and s.npy (..., r); it is created if it does not exist.
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    /// Write the factors of the approximations (left right') instead of their product, and the singular values that
    /// count; r is the largest rank.
    #[arg(long)]
    pub factors: bool,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct ShrinkArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// Output file for the matrices without noise, of the same shape.
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    /// What is made of singular values. frobenius, operator, nuclear: the distance to the signal is smallest in this
    /// norm. hard-threshold: singular values are kept as they are, or they become zero.
    #[arg(long, value_enum, default_value_t = RuleArg::Frobenius)]
    pub rule: RuleArg,
    /// The noise level: the standard deviation of an entry of the noise, in the unit of the entries (of complex entries,
    /// the root of the mean of |z|^2). L is a number, a list with one number for each matrix (0.1,0.2), or a .npy file of
    /// such numbers [default: the level of each matrix is estimated from the median of its singular values].
    #[arg(long, value_name = "L", value_parser = numbers::per_matrix, allow_hyphen_values = true)]
    pub noise: Option<Numbers>,
    /// All matrices of one shape have the same noise level: the median of those that are estimated.
    #[arg(long, conflicts_with = "noise")]
    pub shared_noise: bool,
    /// Output file for the noise level of each matrix, given or estimated, of shape (...), in f64.
    #[arg(long, value_name = "FILE")]
    pub levels: Option<PathBuf>,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleArg {
    Frobenius,
    Operator,
    Nuclear,
    HardThreshold,
}

impl From<RuleArg> for Shrinkage {
    fn from(arg: RuleArg) -> Self {
        match arg {
            RuleArg::Frobenius => Shrinkage::Frobenius,
            RuleArg::Operator => Shrinkage::Operator,
            RuleArg::Nuclear => Shrinkage::Nuclear,
            RuleArg::HardThreshold => Shrinkage::HardThreshold,
        }
    }
}

#[derive(ClapArgs)]
pub(crate) struct ProjectorArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// Output file for the projectors, of shape (..., m, m) for column spaces and left null spaces, else (..., n, n).
    #[arg(short, long, value_name = "OUT.npy")]
    pub output: PathBuf,
    /// The subspace: ran(A), ran(A'), null(A) or null(A').
    #[arg(long, value_enum, default_value_t = SubspaceArg::Column)]
    pub onto: SubspaceArg,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct BasisArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for vectors.npy (as columns, followed by zero columns) and dimensions.npy; it is created if it does
    /// not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The subspace: ran(A), ran(A'), null(A) or null(A').
    #[arg(long, value_enum, default_value_t = SubspaceArg::Null)]
    pub of: SubspaceArg,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct PolarArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for q.npy (..., m, n) and h.npy (..., n, n); it is created if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Make every Q a rotation, of determinant 1 (square real matrices).
    #[arg(long)]
    pub rotation: bool,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct EighArgs {
    /// A .npy file of shape (..., n, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for w.npy (..., n), the eigenvalues in ascending order, and v.npy (..., n, n), the eigenvectors as
    /// columns; it is created if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Which eigenvectors to compute. Eigenvalues alone take less time.
    #[arg(long, value_enum, default_value_t = EigenvectorsArg::All)]
    pub vectors: EigenvectorsArg,
    /// Which entries to read. mean: all, as (A + A') / 2; a matrix that is not symmetric is reported. lower, upper: the
    /// diagonal and what is below or above it; the other entries may be anything.
    #[arg(long, value_enum, default_value_t = TriangleArg::Mean)]
    pub triangle: TriangleArg,
    /// The matrices are positive definite (covariances, Gram matrices). Then small eigenvalues are as accurate as large
    /// ones. A matrix with a negative eigenvalue is reported, and its results are NaN.
    #[arg(long)]
    pub definite: bool,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EigenvectorsArg {
    None,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TriangleArg {
    Mean,
    Lower,
    Upper,
}

impl From<TriangleArg> for Triangle {
    fn from(arg: TriangleArg) -> Self {
        match arg {
            TriangleArg::Mean => Triangle::Mean,
            TriangleArg::Lower => Triangle::Lower,
            TriangleArg::Upper => Triangle::Upper,
        }
    }
}

#[derive(ClapArgs)]
pub(crate) struct PcaArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays: m samples of n features.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for mean.npy (..., n), components.npy (..., n, k) as columns, scores.npy (..., m, k), deviations.npy
    /// (..., k), explained_variance.npy and explained_variance_ratio.npy (..., k); it is created if it does not exist.
    /// k is min(m, n). If --rank, --energy or a similar option limits what counts, k is the largest number that counts.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct WhitenArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays: m samples of n features.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for mean.npy (..., n) and transform.npy (..., n, n), the matrices W for which (A - mean) W is white;
    /// it is created if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Regularise as usual for ZCA: 1 / sqrt(s^2 + E) instead of 1 / s, where s is the standard deviation along a
    /// principal component.
    #[arg(long, value_name = "E", value_parser = numbers::not_negative, allow_hyphen_values = true)]
    pub epsilon: Option<f64>,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(ClapArgs)]
pub(crate) struct VerifyArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "A.npy")]
    pub input: PathBuf,
    /// Pseudoinverses to verify, of shape (..., n, m), by the four Moore-Penrose conditions.
    #[arg(long, value_name = "X.npy", conflicts_with = "factors")]
    pub inverse: Option<PathBuf>,
    /// A folder with u.npy, s.npy and vt.npy (vh.npy of complex matrices), thin or full, to verify by reconstruction and
    /// orthogonality. Results that are above the bounds of this library but within the thresholds of LAPACK's own tests
    /// are named, but they are no failure.
    #[arg(long, value_name = "DIR")]
    pub factors: Option<PathBuf>,
    /// Verify in this type, whatever the type of the files; of complex numbers it is the type of the parts [default: the
    /// type that holds them all].
    #[arg(long, value_enum)]
    pub dtype: Option<Precision>,
}

/// Options of every command that computes and writes files.
#[derive(ClapArgs)]
pub(crate) struct RunArgs {
    /// Compute in this type, and write results in it; of complex numbers it is the type of the parts [default: f32 for
    /// f32, f16, complex64, booleans and integers of up to 16 bits; else f64].
    #[arg(long, value_enum)]
    pub dtype: Option<Precision>,
    /// Write the outcome of every matrix to a .npy file (a structured array, of the shape of the stack), a .npz or a
    /// .json file: status, rank, sweeps, condition numbers, residual.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Do not check the results: no residuals, and no condition numbers if these take extra work.
    #[arg(long)]
    pub no_check: bool,
    /// Allow a result to replace an input file.
    #[arg(long)]
    pub replace_input: bool,
}

/// The options that change singular values.
#[derive(ClapArgs)]
pub(crate) struct FilterArgs {
    #[command(flatten)]
    pub cutoff: CutoffArgs,
    /// Damping (ridge, Tikhonov): s / (s^2 + L^2) instead of 1 / s, where L is in the unit of the entries. L is a
    /// number, a list with one number for each matrix (0.1,0.2), or a .npy file of such numbers.
    #[arg(long, value_name = "L", value_parser = numbers::per_matrix, allow_hyphen_values = true)]
    pub damping: Option<Numbers>,
}

/// Which singular values count.
#[derive(ClapArgs)]
pub(crate) struct CutoffArgs {
    /// Relative cutoff: singular values above X * sigma_max count [default: 4 * eps * sqrt(k), k = min(m, n), the bound
    /// on rounding errors of a zero]. X is a number, or numpy: eps * max(m, n), the default of NumPy.
    #[arg(long, value_name = "X", value_parser = numbers::rcond, allow_hyphen_values = true)]
    pub rcond: Option<Rcond>,
    /// Absolute cutoff: singular values above X count. Alone, it replaces the relative cutoff.
    #[arg(long, value_name = "X", value_parser = numbers::not_negative, allow_hyphen_values = true)]
    pub atol: Option<f64>,
    /// At most the K largest singular values count; if a matrix has no more than K, all of them.
    #[arg(long, value_name = "K", value_parser = numbers::count, allow_hyphen_values = true)]
    pub rank: Option<usize>,
    /// No more singular values count than are needed for an error of at most E |A| in the Frobenius norm.
    #[arg(
        long,
        value_name = "E",
        value_parser = numbers::not_negative,
        allow_hyphen_values = true,
        conflicts_with = "energy"
    )]
    pub error: Option<f64>,
    /// No more singular values count than are needed for this part of the energy, the sum of all squares.
    #[arg(long, value_name = "PART", value_parser = numbers::part, allow_hyphen_values = true)]
    pub energy: Option<f64>,
}

#[derive(ClapArgs)]
pub(crate) struct SvdArgs {
    /// A .npy file of shape (..., m, n), or a .npz file of such arrays of any shapes.
    #[arg(value_name = "IN.npy")]
    pub input: PathBuf,
    /// The folder for u.npy, s.npy, vt.npy (vh.npy of complex matrices), status.npy and sweeps.npy; it is created if it
    /// does not exist.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Which singular vectors to compute.
    #[arg(long, value_enum, default_value_t = VectorsArg::Thin)]
    pub vectors: VectorsArg,
    /// Write the K largest singular values and their vectors; if a matrix has no more than K, all of them.
    #[arg(long, value_name = "K", value_parser = numbers::count, allow_hyphen_values = true)]
    pub rank: Option<usize>,
    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VectorsArg {
    /// Singular values only.
    None,
    /// U of m x k and V of n x k, k = min(m, n).
    Thin,
    /// U of m x m and V of n x n.
    Full,
    /// Thin U only. In each column the first entry of (nearly) the largest magnitude is positive.
    U,
    /// Thin V only.
    V,
}

impl CutoffArgs {
    /// Adds these options for matrices that have at most `most` singular values.
    pub fn add_to(&self, options: Options, most: usize) -> Options {
        let relative = self.rcond.map(|rcond| match rcond {
            Rcond::Number(rcond) => Cutoff::relative(rcond),
            Rcond::Numpy => Cutoff::numpy(),
        });
        let mut cutoff = match (relative, self.atol) {
            (None, None) => Cutoff::default(),
            (Some(relative), None) => relative,
            (None, Some(atol)) => Cutoff::absolute(atol),
            (Some(relative), Some(atol)) => relative.and_absolute(atol),
        };
        if let Some(rank) = self.rank {
            cutoff = cutoff.and_rank(rank.min(most));
        }
        if let Some(error) = self.error {
            cutoff = cutoff.and_error(error);
        }
        if let Some(energy) = self.energy {
            cutoff = cutoff.and_energy(energy);
        }
        options.cutoff(cutoff)
    }

    /// Whether an option was given that changes what counts.
    pub fn is_asked(&self) -> bool {
        let numbers = [self.atol, self.error, self.energy];
        self.rcond.is_some() || self.rank.is_some() || numbers.iter().any(Option::is_some)
    }

    /// The option that leaves no singular value of any matrix, and why.
    pub fn leaves_nothing(&self) -> Option<String> {
        let [error, energy] = [self.error, self.energy];
        if let Some(Rcond::Number(rcond)) = self.rcond
            && rcond >= 1.0
        {
            return Some(format!(
                "--rcond {rcond} leaves nothing: no singular value is above {rcond} times the largest"
            ));
        }
        if let Some(error) = error.filter(|error| *error >= 1.0) {
            return Some(format!(
                "--error {error} leaves nothing: without any singular value the error is 1"
            ));
        }
        if energy == Some(0.0) {
            return Some("--energy 0 leaves nothing: no part of the energy is asked for".into());
        }
        (self.rank == Some(0)).then(|| "--rank 0 leaves nothing".into())
    }
}

impl FilterArgs {
    /// The damping, with the name of its option.
    pub fn per_matrix(&self) -> Option<(&'static str, &Numbers)> {
        self.damping.as_ref().map(|damping| ("damping", damping))
    }

    /// Whether anything is damped, as far as the arguments show.
    pub fn is_damped(&self) -> bool {
        match &self.damping {
            None => false,
            Some(Numbers::List(numbers)) => numbers.iter().any(|lambda| *lambda > 0.0),
            Some(Numbers::File(_)) => true,
        }
    }
}
