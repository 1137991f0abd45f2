//! Joint speeds of a thousand robot arms: pseudoinverses of 6x7 Jacobians, one of them singular
//! and one broken. Run with `cargo run --release --example jacobians`.

use batched_svd::{Batch, Engine, Error, Status};

fn main() -> Result<(), Error> {
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());

    // Stand-ins for Jacobians: smooth in the pose b; arm 7 has lost a direction, arm 9 a sensor.
    let mut jacobians = Batch::from_fn(1000, 6, 7, |b, i, j| {
        let pose = b as f32 * 1e-3;
        (pose + 1.3 * (i * j) as f32).sin() + f32::from(u8::from(i == j))
    })?;
    let size = 6 * 7;
    let arm = |b: usize| b * size..(b + 1) * size;
    for column in jacobians.as_mut_slice()[arm(7)].chunks_exact_mut(6) {
        column[5] = column[4]; // two rows alike
    }
    jacobians.as_mut_slice()[arm(9)][0] = f32::NAN;

    let pinv = engine.pinv(&jacobians).run()?;
    for (b, status) in pinv.report.failures() {
        println!("arm {b}: {status}");
    }
    for (b, outcome) in pinv.report.outcomes.iter().enumerate() {
        if outcome.status == Status::Converged && outcome.rank < 6 {
            println!("arm {b}: rank {}, singular", outcome.rank);
        }
    }

    // Joint speeds for the same speed of every hand: X v.
    let hand = [0.1f32, 0.0, 0.0, 0.0, 0.0, 0.2];
    let speeds = |b: usize| -> Vec<f32> {
        let inverse = pinv.inverse.matrix(b); // 7x6, column by column
        (0..7)
            .map(|joint| (0..6).map(|k| inverse[k * 7 + joint] * hand[k]).sum())
            .collect()
    };
    println!("joint speeds of arm 0: {:.3?}", speeds(0));
    Ok(())
}
