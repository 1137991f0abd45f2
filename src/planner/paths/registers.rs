//! Matrices in registers: the fastest kernels, of small ones.
//!
//! Every entry of A and of U, of R', of J and of a partner's column is a register, known by its name:
//! the text of a kernel grows with them.
//!
//! # Without checks
//!
//! - A dispatch covers matrices up to P.end, of which several share a workgroup. Lanes whose matrix is beyond it neither
//!   read nor write a buffer, or look at the last matrix.
//! - `rows` and `place` are how many rows or values come before one's own, where the number decides between equal ones.
//!   So each is a permutation, and at most the last place.
//! - A kernel that composes has the composition bound as `u`: LEFT_ROWS x RIGHT_ROWS a matrix, or LEFT_ROWS x P.rhs where
//!   it solves (`fused`). Then it has right-hand sides of RIGHT_ROWS x P.rhs bound as `rhs`, whose strides are dense too;
//!   rows beyond RIGHT_ROWS look at the last one.
//! - Singular values go behind the weights only where the buffer was made for both (`beside`, `Problem::value_sets`).

use crate::data::factor::Factor;
use crate::planner::limits::Limits;
use crate::planner::paths::plan::{Ask, SMALLEST_WORKGROUP};
use crate::planner::problem::Problem;
use crate::shader::{Sizes, Unrolled};

/// One dispatch does all sweeps: a caller who allows more gets a kernel that can be resumed.
const MOST_SWEEPS: u32 = 256;

/// Right-hand sides that a kernel which holds matrices in registers solves for, one after the other. More are solved
/// for side by side, by kernels of their own.
pub(super) const FEW_RHS: usize = 16;

/// Whether a matrix in registers is composed where it is decomposed.
pub(super) fn fuses(problem: &Problem) -> bool {
    problem.composed.is_some() && problem.rhs.is_none_or(|rhs| rhs <= FEW_RHS)
}

/// Whether there are too many sweeps for one dispatch.
pub(super) fn sweeps(ask: &Ask<'_>) -> Result<u32, String> {
    match ask.convergence.max_sweeps {
        sweeps if sweeps > MOST_SWEEPS => {
            Err(format!("does {MOST_SWEEPS} sweeps at most, of {sweeps}"))
        }
        sweeps => Ok(sweeps),
    }
}

/// Refuses what takes more than there is of it.
pub(super) fn at_most(needs: usize, most: usize, what: &str) -> Result<(), String> {
    match needs > most {
        true => Err(format!("takes {needs} {what}, of {most} an invocation")),
        false => Ok(()),
    }
}

/// Refuses a kernel that goes round so often.
pub(super) fn in_time(steps: u64, limits: &Limits) -> Result<(), String> {
    let most = limits.iterations;
    match steps > most {
        true => Err(format!(
            "goes round loops {steps} times, but the driver may leave them after {most}"
        )),
        false => Ok(()),
    }
}

/// The largest workgroup of teams, up to what is wanted, whose memory fits. A smaller one than the smallest
/// leaves lanes of the hardware idle, or cannot hold a team.
pub(super) fn workgroup(
    team: u32,
    ask: &Ask<'_>,
    bytes: impl Fn(usize) -> usize,
) -> Result<u32, String> {
    let storage = ask.storage();
    let most = ask
        .tuning
        .workgroup_invocations
        .min(ask.limits.workgroup_invocations);
    let wanted = ask.tuning.columns_workgroup.max(SMALLEST_WORKGROUP);
    let largest = (1 << wanted.ilog2()).max(team);
    let smallest = team.max(SMALLEST_WORKGROUP);
    if smallest > most {
        return Err(format!(
            "takes {smallest} invocations a workgroup, of {most}"
        ));
    }
    std::iter::successors(Some(largest), |workgroup| Some(workgroup / 2))
        .take_while(|&workgroup| workgroup >= smallest)
        .find(|&workgroup| workgroup <= most && bytes(workgroup as usize) <= storage as usize)
        .ok_or_else(|| {
            let bytes = bytes(smallest as usize);
            format!("takes {bytes} bytes of workgroup memory, of {storage}")
        })
}

/// The sides of the composition that the kernel forms, if it does.
pub(super) fn composes(problem: &Problem, fused: bool) -> Option<(Factor, Factor)> {
    problem.composed.filter(|_| fused)
}

/// What a text knows of a matrix in registers. `wide` are how many entries of U and of V are written at once,
/// `holder` the constants of who holds it, in words besides.
pub(super) fn sizes(
    problem: &Problem,
    fused: bool,
    wide: [u32; 2],
    holder: &[(&'static str, u32)],
    words: &str,
) -> Sizes {
    let (rows, cols) = (problem.rows as u32, problem.cols as u32);
    let u_cols = problem.formed_u_cols() as u32;
    let with_v = problem.forms_v();
    let composed = composes(problem, fused);
    // What is not fused looks at neither.
    let (left, right) = composed.unwrap_or((Factor::V, Factor::V));
    let composes = problem.composed.is_some();
    let v = if with_v { ", v" } else { "" };
    let too = if composed.is_some() { ", composed" } else { "" };
    let mut sizes = Sizes {
        words: format!("{rows}x{cols}, {u_cols} of u{v}{too}, {words}"),
        text: piece("U", "u", wide[0]) + &piece("V", "v", wide[1]),
        unrolled: Unrolled {
            rows,
            cols,
            u_cols,
            held: 0,
        },
        ..Sizes::default()
    };
    let mut number = |name, value: u32| sizes.constant(name, value);
    number("M", rows);
    number("N", cols);
    number("U_COLS", u_cols);
    number("LEFT_ROWS", problem.side(left) as u32);
    number("RIGHT_ROWS", problem.side(right) as u32);
    number("U_WIDE", wide[0]);
    number("V_WIDE", wide[1]);
    for &(name, value) in holder {
        number(name, value);
    }
    for (name, value) in [
        ("TRANSPOSED", problem.transposed),
        ("SIGNS_BY_U", problem.signs_by_u),
        ("WITH_V", with_v),
        ("COMPOSES", composes),
        ("FUSED", composed.is_some()),
        ("PACKED", composed.is_some() || !composes),
        ("LEFT_U", left == Factor::U),
        ("RIGHT_U", right == Factor::U),
        ("SOLVES", composed.is_some() && problem.rhs.is_some()),
    ] {
        sizes.constant(name, value);
    }
    sizes
}

/// The type of what is written at once of a factor, and how the tiny kernel takes it from its places.
fn piece(factor: &str, name: &str, wide: u32) -> String {
    let (kind, entries) = match wide {
        1 => ("E".to_string(), "places[at]".to_string()),
        _ => {
            let entries: Vec<String> = (0..wide).map(|k| format!("places[at + {k}u]")).collect();
            (format!("vec{wide}<T>"), entries.join(", "))
        }
    };
    format!(
        "alias {factor}Piece = {kind};\n\
         fn {name}_piece(at: u32) -> {factor}Piece {{\n    return {factor}Piece({entries});\n}}\n"
    )
}
