//! Six equations, twelve unknowns: which of the endless solutions? The minimum-norm one, by lstsq and by the
//! pseudoinverse; what the null space leaves free; and that no other solution is shorter. A thousand random
//! systems at once. Run with `cargo run --release --example underdetermined`.

use batched_svd::{Batch, Engine, Error, Subspace};

const COUNT: usize = 1000;
const EQUATIONS: usize = 6;
const UNKNOWNS: usize = 12;

fn main() -> Result<(), Error> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());
    let mut state = 1u64;
    let mut random = |_, _, _| {
        // A linear congruential generator (Knuth's constants), from -1 to 1.
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let a = Batch::from_fn(COUNT, EQUATIONS, UNKNOWNS, &mut random)?;
    let b = Batch::from_fn(COUNT, EQUATIONS, 1, &mut random)?;
    let steps = Batch::from_fn(COUNT, UNKNOWNS, 1, &mut random)?;

    let x = engine.lstsq(&a, &b).run()?.solution;
    let left = distance(&product(&a, &x)?, &b);
    println!("\n{COUNT} systems of {EQUATIONS} equations with {UNKNOWNS} unknowns, solved at once");
    println!("what a solution leaves of b, at most         {left:.1e}");

    let by_inverse = product(&engine.pinv(&a).run()?.inverse, &b)?;
    println!(
        "from the pseudoinverse's, at most            {:.1e}",
        distance(&x, &by_inverse)
    );

    let null = engine.basis(&a, Subspace::NullSpace).run()?;
    let six = null.dimensions.iter().all(|&d| d == UNKNOWNS - EQUATIONS);
    println!(
        "the null space has {} dimensions in each        {six}",
        null.dimensions[0]
    );

    // Somewhere else, as far as one likes, in the null space.
    let free = engine.projector(&a, Subspace::NullSpace).run()?.projector;
    let moved = product(&free, &steps)?;
    let other = Batch::from_fn(COUNT, UNKNOWNS, 1, |index, i, _| {
        x.matrix(index)[i] + moved.matrix(index)[i]
    })?;
    let predicted = distance(&product(&a, &x)?, &product(&a, &other)?);
    println!(
        "moving by {:.2} to {:.2} changes A x by at most  {predicted:.1e}",
        least(&moved),
        most(&moved)
    );

    let shortest = (0..COUNT).all(|index| norm(other.matrix(index)) > norm(x.matrix(index)));
    println!("and makes every solution longer              {shortest}");
    // Orthogonal, so squares add up (Pythagoras).
    let pythagoras = (0..COUNT).map(|index| {
        let [x, moved, other] = [&x, &moved, &other].map(|v| norm(v.matrix(index)).powi(2));
        (x + moved - other).abs() / other
    });
    println!(
        "|x|^2 + |step|^2 - |x + step|^2, at most     {:.1e}",
        pythagoras.fold(0.0, f64::max)
    );

    println!("\nthe first system's unknowns, shortest and moved:");
    for (x, other) in x.matrix(0).iter().zip(other.matrix(0)) {
        println!("{x:8.4} {other:8.4}");
    }
    println!(
        "{:8.4} {:8.4}  their lengths",
        norm(x.matrix(0)),
        norm(other.matrix(0))
    );
    if !(left < 1e-12 && predicted < 1e-12 && shortest && six) {
        return Err(Error::Argument("that is not as it should be".into()));
    }
    Ok(())
}

fn product(left: &Batch<f64>, right: &Batch<f64>) -> Result<Batch<f64>, Error> {
    Batch::from_fn(left.count(), left.rows(), 1, |index, i, _| {
        let row = left.matrix(index)[i..].iter().step_by(left.rows());
        row.zip(right.matrix(index)).map(|(a, x)| a * x).sum()
    })
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn most(x: &Batch<f64>) -> f64 {
    (0..x.count())
        .map(|index| norm(x.matrix(index)))
        .fold(0.0, f64::max)
}

fn least(x: &Batch<f64>) -> f64 {
    (0..x.count())
        .map(|index| norm(x.matrix(index)))
        .fold(f64::INFINITY, f64::min)
}

fn distance(x: &Batch<f64>, y: &Batch<f64>) -> f64 {
    let entries = x.as_slice().iter().zip(y.as_slice());
    entries.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}
