//! A robot arm that passes a singular pose: joint speeds for 4001 poses of a seven-joint arm (Franka Emika Panda),
//! undamped, with one damping for all, and with one a pose that sets in only near the singularity. Draws
//! speeds, the smallest singular value, and what damping costs. Run with
//! `cargo run --release --features bench --example arm`.

use std::error::Error;
use std::f64::consts::FRAC_PI_2;
use std::time::Instant;

use batched_svd::{Batch, Call, Engine, Lstsq, Subspace, View};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

const N: usize = 7;
/// The arm, as Franka publishes it: Denavit and Hartenberg's lengths in metres and angles in rad, as modified
/// by Craig; the flange beyond the last joint; the joints' ranges in rad, and their limits of speed in rad/s.
const A: [f64; N] = [0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088];
const D: [f64; N] = [0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0];
const ALPHA: [f64; N] = [
    0.0, -FRAC_PI_2, FRAC_PI_2, FRAC_PI_2, -FRAC_PI_2, FRAC_PI_2, FRAC_PI_2,
];
const FLANGE: f64 = 0.107;
const RANGES: [[f64; 2]; N] = [
    [-2.8973, 2.8973],
    [-1.7628, 1.7628],
    [-2.8973, 2.8973],
    [-3.0718, -0.0698],
    [-2.8973, 2.8973],
    [-0.0175, 3.7525],
    [-2.8973, 2.8973],
];
const LIMITS: [f64; N] = [2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61];

/// A pose a millisecond, the time of such an arm's controller; the singular one is in the middle.
const POSES: usize = 4001;
/// Here the arm lies in a plane. In it the hand has three ways to go, two of moving and one of turning, but
/// only the fourth and the sixth joint move it there: the axes of the five others lie in the plane themselves.
const SINGULAR: Joints = [0.0, 0.0, FRAC_PI_2, -2.0, 0.0, 2.0, 0.785];
/// From there to the end of the path, and backwards to its start.
const WAY: Joints = [0.4, 1.2, 0.8, 0.4, 0.3, 0.0, 0.0];
/// What the hand shall do in every pose: 0.1 m/s away from the base, without turning.
const HAND: [f64; 6] = [0.0, 0.1, 0.0, 0.0, 0.0, 0.0];
/// Where damping of each pose sets in: at a singular value of so many times the largest lambda.
const REACH: f64 = 3.0;
const PLOT: &str = "target/arm.svg";

type Joints = [f64; N];
type Point = [f64; 3];
/// A call that solves for the joint speeds of all poses, and a choice of its damping.
type Poses<'a> = Call<'a, 'a, Lstsq<f64>>;
type Damp<'f> = &'f dyn for<'a> Fn(Poses<'a>) -> Poses<'a>;

/// Where a link is, and how it is turned: rows of a rotation.
#[derive(Clone, Copy)]
struct Frame {
    turn: [Point; 3],
    at: Point,
}

/// Joint speeds of all poses, and what became of them.
struct Solved {
    name: &'static str,
    colour: RGBColor,
    speeds: Batch<f64>,
    /// The fastest joint of each pose, in rad/s.
    fastest: Vec<f64>,
    /// |J q - v| / |v|.
    errors: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let path: Vec<Joints> = (0..POSES)
        .map(|pose| {
            let part = pose as f64 / (POSES / 2) as f64 - 1.0;
            std::array::from_fn(|i| SINGULAR[i] + part * WAY[i])
        })
        .collect();
    let inside = |q: &Joints| q.iter().zip(RANGES).all(|(q, [l, h])| (l..=h).contains(q));
    if !path.iter().all(inside) {
        return Err("a pose is out of the joints' ranges".into());
    }
    let entries = path.iter().flat_map(jacobian).collect();
    let jacobians = Batch::from_col_major(POSES, 6, N, entries)?;
    let apart = path.iter().enumerate().step_by(100);
    let apart = apart.map(|(pose, q)| from_differences(q, jacobians.matrix(pose)));
    let apart = apart.fold(0.0, f64::max);
    println!("Jacobians: within {apart:.0e} of finite differences, relatively");

    // A metre counts as much as a radian: singular values are of both.
    let sigma = engine.singular_values(&jacobians).run()?;
    let smallest: Vec<f64> = (0..POSES).map(|pose| sigma.sigma.matrix(pose)[5]).collect();
    let middle = POSES / 2;
    println!(
        "smallest singular value: {:.3} at the start, {:.0e} in the middle (rank {}), {:.3} at the end\n",
        smallest[0],
        smallest[middle],
        sigma.report.outcomes[middle].rank,
        smallest[POSES - 1]
    );

    // Damped, 1/sigma is sigma / (sigma^2 + lambda^2): 1 / (2 lambda) at most. With a lambda that falls to zero
    // at sigma = REACH lambda it is a little more. So the largest lambda keeps every joint below its limit.
    let size = norm(&HAND);
    let limit = LIMITS.iter().copied().fold(f64::INFINITY, f64::min);
    let lambda = size / (2.0 * limit * (1.0 - REACH.powi(-2)).sqrt());
    let threshold = REACH * lambda;
    let solve = |name, colour, damp: Damp| -> Result<(Solved, f64), Box<dyn Error>> {
        let velocity = View::new(&HAND, 0, [POSES, 6, 1], [0, 1, 1])?; // the same for all
        let start = Instant::now();
        let found = damp(engine.lstsq(&jacobians, velocity)).run()?;
        let seconds = start.elapsed().as_secs_f64();
        if !found.report.all_converged() {
            return Err("not every pose was solved".into());
        }
        let speeds = found.solution;
        let most = |x: &[f64]| x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        let fastest = (0..POSES).map(|pose| most(speeds.matrix(pose))).collect();
        let errors = (0..POSES)
            .map(|pose| norm(&less(&moved(&jacobians, &speeds, pose), &HAND)) / size)
            .collect();
        let solved = Solved {
            name,
            colour,
            speeds,
            fastest,
            errors,
        };
        Ok((solved, seconds))
    };
    let (undamped, _) = solve("undamped", RED, &|call| call)?;
    let (constant, _) = solve("lambda constant", BLUE, &|call| call.damping(lambda))?;
    let green = RGBColor(0, 140, 60);
    let (variable, seconds) = solve("lambda of each pose", green, &|call| {
        call.damping_near_singular(threshold, lambda)
    })?;
    println!(
        "{POSES} poses with a lambda each: {:.2} ms, {:.1} million poses a second\n",
        1e3 * seconds,
        1e-6 * POSES as f64 / seconds
    );

    println!("                      fastest joint   over a limit    error |J q - v| / |v|");
    println!("                              rad/s          poses    mean    worst   far away");
    let far: Vec<usize> = (0..POSES)
        .filter(|&pose| smallest[pose] >= threshold)
        .collect();
    for solved in [&undamped, &constant, &variable] {
        let mean = |errors: f64, count: usize| 100.0 * errors / count as f64;
        let count = |pose: &usize| over(solved.speeds.matrix(*pose));
        println!(
            "{:<21} {:13.2} {:14} {:5.2} % {:6.1} % {:8.2} %",
            solved.name,
            solved.fastest.iter().copied().fold(0.0, f64::max),
            (0..POSES).filter(count).count(),
            mean(solved.errors.iter().sum(), POSES),
            100.0 * solved.errors.iter().copied().fold(0.0, f64::max),
            mean(far.iter().map(|&pose| solved.errors[pose]).sum(), far.len())
        );
    }
    println!(
        "lambda: at most {lambda:.4}, which keeps every joint below {limit} rad/s; far away, where the smallest\n\
         singular value is above {threshold:.4}, that of each pose is zero. In the middle pose, where a direction is\n\
         lost, none can be right: the undamped solution drops it there, but beside it goes for it at any speed.\n"
    );

    // Seven joints for six directions: there is one way to move that leaves the hand alone, here towards the
    // middle of the joints' ranges, a radian a second for every radian off.
    let free = engine.projector(&jacobians, Subspace::NullSpace).run()?;
    let own = Batch::from_fn(POSES, N, 1, |pose, i, _| {
        let wish = |j: usize| 0.5 * (RANGES[j][0] + RANGES[j][1]) - path[pose][j];
        (0..N)
            .map(|j| free.projector.matrix(pose)[j * N + i] * wish(j))
            .sum()
    })?;
    let fastest = (0..POSES).map(|pose| norm(own.matrix(pose)));
    let fastest = fastest.fold(0.0, f64::max);
    let drift = (0..POSES).map(|pose| norm(&moved(&jacobians, &own, pose)));
    let drift = drift.fold(0.0, f64::max);
    println!(
        "the null space: joints at up to {fastest:.2} rad/s move the hand at {drift:.0e} m/s at most"
    );

    let all = [undamped, constant, variable];
    draw(&all, &smallest, lambda)?;
    println!("drawn: {PLOT}");

    let [undamped, constant, variable] = all;
    let scale = |pose: usize| norm(jacobians.matrix(pose)) * norm(undamped.speeds.matrix(pose));
    let rounding = |pose: usize| 1e-12 * (scale(pose) + size);
    let few = |solved: &Solved| (0..POSES).all(|pose| !over(solved.speeds.matrix(pose)));
    let same = |pose: usize| {
        let [x, y] = [&undamped, &variable].map(|solved| solved.speeds.matrix(pose));
        norm(&less(x, y)) <= 1e-11 * norm(x)
    };
    let checks = [
        ("the Jacobians are those of the arm", apart < 1e-8),
        (
            "the middle pose is singular, and it alone",
            (0..POSES)
                .all(|pose| sigma.report.outcomes[pose].rank == 6 - u32::from(pose == middle)),
        ),
        (
            "undamped, the hand does as it shall",
            (0..POSES)
                .filter(|&pose| pose != middle)
                .all(|pose| size * undamped.errors[pose] <= rounding(pose)),
        ),
        ("undamped, joints are over their limits", !few(&undamped)),
        ("damped, none is", few(&constant) && few(&variable)),
        (
            "far away, damping of each pose changes nothing",
            far.iter().all(|&pose| same(pose)),
        ),
        (
            "the null space leaves the hand alone",
            drift <= 1e-12 * fastest * norm(jacobians.matrix(0)),
        ),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}

fn frames(q: &Joints) -> [Frame; N] {
    let mut frame = Frame {
        turn: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        at: [0.0; 3],
    };
    std::array::from_fn(|i| {
        let ((sa, ca), (s, c)) = (ALPHA[i].sin_cos(), q[i].sin_cos());
        let turn = [[c, -s, 0.0], [s * ca, c * ca, -sa], [s * sa, c * sa, ca]];
        let at = times(&frame.turn, [A[i], -D[i] * sa, D[i] * ca]);
        frame.at = std::array::from_fn(|k| frame.at[k] + at[k]);
        frame.turn = frame.turn.map(|row| {
            std::array::from_fn(|column| (0..3).map(|k| row[k] * turn[k][column]).sum())
        });
        frame
    })
}

fn times(turn: &[Point; 3], p: Point) -> Point {
    turn.map(|row| row.iter().zip(p).map(|(r, p)| r * p).sum())
}

/// The flange, of the last link.
fn hand(links: &[Frame; N]) -> Point {
    let Frame { turn, at } = links[N - 1];
    std::array::from_fn(|i| at[i] + FLANGE * turn[i][2])
}

/// What a radian a second of each joint does to the hand, column by column: m/s, then rad/s. Each joint turns
/// about the z axis of its frame.
fn jacobian(q: &Joints) -> Vec<f64> {
    let links = frames(q);
    let hand = hand(&links);
    let column = |link: &Frame| {
        let [x, y, z] = link.turn.map(|row| row[2]);
        let arm: Point = std::array::from_fn(|i| hand[i] - link.at[i]);
        let speed = [
            y * arm[2] - z * arm[1],
            z * arm[0] - x * arm[2],
            x * arm[1] - y * arm[0],
        ];
        [speed[0], speed[1], speed[2], x, y, z]
    };
    links.iter().flat_map(column).collect()
}

/// How far a Jacobian is from central differences of where the hand is and how it is turned, over its size.
fn from_differences(q: &Joints, jacobian: &[f64]) -> f64 {
    const STEP: f64 = 1e-5;
    let turn = frames(q)[N - 1].turn;
    let differences: Vec<f64> = (0..N)
        .flat_map(|joint| {
            let [back, forth] = [-STEP, STEP].map(|step| {
                let mut moved = *q;
                moved[joint] += step;
                frames(&moved)
            });
            let (p, r) = (hand(&back), hand(&forth));
            // (R+ - R-) R' is skew, twice the step times the axis.
            let skew = |i: usize, j: usize| {
                let entries =
                    (0..3).map(|k| (forth[N - 1].turn[i][k] - back[N - 1].turn[i][k]) * turn[j][k]);
                entries.sum::<f64>()
            };
            let change = [
                r[0] - p[0],
                r[1] - p[1],
                r[2] - p[2],
                skew(2, 1),
                skew(0, 2),
                skew(1, 0),
            ];
            change.map(|change| change / (2.0 * STEP))
        })
        .collect();
    norm(&less(&differences, jacobian)) / norm(jacobian)
}

/// J q of a pose.
fn moved(jacobians: &Batch<f64>, speeds: &Batch<f64>, pose: usize) -> Vec<f64> {
    let columns = jacobians.matrix(pose).chunks_exact(6);
    let mut hand = vec![0.0; 6];
    for (column, speed) in columns.zip(speeds.matrix(pose)) {
        for (hand, entry) in hand.iter_mut().zip(column) {
            *hand += entry * speed;
        }
    }
    hand
}

fn over(speeds: &[f64]) -> bool {
    speeds.iter().zip(LIMITS).any(|(q, limit)| q.abs() > limit)
}

fn less(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x - y).collect()
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

struct Line<'a> {
    name: &'a str,
    style: ShapeStyle,
    values: Vec<f64>,
    /// Without the singular pose, which is a dot then.
    parted: bool,
}

fn draw(solved: &[Solved; 3], smallest: &[f64], lambda: f64) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all("target")?;
    let area = SVGBackend::new(PLOT, (1000, 1020)).into_drawing_area();
    area.fill(&WHITE)?;
    let parts = area.split_evenly((3, 1));
    let level = |name, value: f64| Line {
        name,
        style: BLACK.mix(0.6).stroke_width(1),
        values: vec![value; POSES],
        parted: false,
    };
    let lines = |values: fn(&Solved) -> Vec<f64>| -> Vec<Line> {
        let line = |solved: &Solved| Line {
            name: solved.name,
            style: solved.colour.stroke_width(2),
            values: values(solved),
            parted: solved.colour == RED,
        };
        solved.each_ref().map(line).into()
    };

    let mut speeds = lines(|solved| solved.fastest.clone());
    speeds.push(level("limit of the joints 1 to 4", LIMITS[0]));
    let all = solved.iter().flat_map(|solved| &solved.fastest);
    let [low, high] = [f64::min, f64::max].map(|f| all.clone().copied().fold(LIMITS[0], f));
    let range = (0.5 * low..2.0 * high).log_scale();
    let caption = "The fastest joint; the dot is the undamped solution where a direction is lost";
    panel(&parts[0], caption, "rad/s", range, &speeds)?;

    let most = smallest.iter().copied().fold(0.0, f64::max);
    let values = Line {
        name: "smallest singular value",
        style: BLACK.stroke_width(2),
        values: smallest.to_vec(),
        parted: false,
    };
    let mut sigma = vec![
        values,
        level("below this, each pose is damped", REACH * lambda),
    ];
    sigma[1].style = solved[2].colour.stroke_width(1);
    let caption = "How near the singularity is";
    panel(
        &parts[1],
        caption,
        "m or rad, a rad",
        0.0..1.1 * most,
        &sigma,
    )?;

    let errors = lines(|solved| solved.errors.iter().map(|e| 100.0 * e).collect());
    let caption = "What damping costs: how far the hand's speed is off";
    panel(&parts[2], caption, "% of 0.1 m/s", 0.0..105.0, &errors)?;
    area.present()?;
    Ok(())
}

/// Lines by time.
fn panel<Y>(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    caption: &str,
    unit: &str,
    range: Y,
    lines: &[Line<'_>],
) -> Result<(), Box<dyn Error>>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let end = (POSES - 1) as f64 * 1e-3;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(caption, ("sans-serif", 18))
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, range)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .x_desc("seconds on the path; at 2 s the arm is singular")
        .y_desc(unit)
        .y_label_formatter(&|y| format!("{}", (1e6 * y).round() / 1e6))
        .draw()?;
    for line in lines {
        let points = line.values.iter().enumerate();
        let points = points.map(|(pose, &y)| (pose as f64 * 1e-3, y));
        let points: Vec<(f64, f64)> = points.collect();
        let style = line.style;
        let (start, end) = points.split_at(POSES / 2);
        if line.parted {
            chart.draw_series(LineSeries::new(start.to_vec(), style))?;
            chart.draw_series([Circle::new(end[0], 4, style.filled())])?;
        }
        let shown = if line.parted { &end[1..] } else { &points };
        chart
            .draw_series(LineSeries::new(shown.to_vec(), style))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
