use batched_svd::*;
use rand::{Rng, SeedableRng, RngExt};
use rand_distr::{Distribution, StandardNormal};
fn run<T: Real>(name: &str, a: &Batch<T>, u: f64) {
    let e = engine();
    let t = std::time::Instant::now();
    let svd = e.svd(a, if a.rows() > 5000 { Vectors::Thin } else { Vectors::Full }, &Options::default()).unwrap();
    let t = t.elapsed();
    let (uu, v) = (svd.u.unwrap(), svd.v.unwrap());
    let r = verify::worst(&svd.report, verify::reconstruction(a, &uu, &svd.sigma, &v).unwrap().iter().map(std::slice::from_ref));
    let mx = |x: Vec<f64>| x.into_iter().fold(0.0f64, |a, b| if b > a || b.is_nan() { b } else { a });
    let k = a.rows().min(a.cols()) as f64;
    let tol = u * (8.0 * k.sqrt()).max(32.0);
    let p = e.pinv(a, &Options::default()).unwrap();
    let mp = verify::worst(&p.report, verify::moore_penrose(a, &p.inverse).unwrap().iter().map(|x| x.as_slice()));
    println!("{name:30} {:>4}x{:<4} res {:6.2}u  U {:6.2}u V {:6.2}u (tol {:5.1}u) mp {:9.1}u sweeps {} conv {}/{} {:?}", a.rows(), a.cols(), r/u, mx(verify::orthogonality(&uu))/u, mx(verify::orthogonality(&v))/u, tol/u, mp/u, svd.report.max_sweeps(), svd.report.count(Status::Converged), a.count(), t);
}
fn gallery<T: Real>(u: f64) where StandardNormal: Distribution<T> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    for (m, n, c) in [(63,63,20),(256,256,2),(512,512,1),(1000,16,20),(65536,16,1),(16,300,10)] {
        let a = Batch::from_fn(c, m, n, |_,_,_| StandardNormal.sample(&mut rng)).unwrap();
        run("normal", &a, u);
    }
    // rank one ints
    for (m, n) in [(2,2),(3,3),(4,4),(8,8),(16,16),(5,3)] {
        for r in 1..3 {
        let mut wrong = 0; let mut worst = 0.0f64;
        let c = 200;
        let a: Batch<T> = {
            let mut d = vec![];
            for _ in 0..c {
                let l: Vec<i32> = (0..m*r).map(|_| rng.random_range(-9..=9)).collect();
                let q: Vec<i32> = (0..n*r).map(|_| rng.random_range(-9..=9)).collect();
                for j in 0..n { for i in 0..m { d.push(T::of((0..r).map(|k| (l[i*r+k]*q[j*r+k]) as f64).sum())); } }
            }
            Batch::from_col_major(c, m, n, d).unwrap()
        };
        let svd = engine().svd(&a, Vectors::None, &Options::default()).unwrap();
        for b in 0..c { let s = svd.sigma.matrix(b); if svd.report.outcomes[b].rank > r as u32 { wrong += 1; }
            if s.len() > r && s[0] > T::of(0.0) { worst = worst.max(s[r].f64() / s[0].f64() / u); } }
        println!("rank {r} ints {m}x{n}: wrong {wrong} worst zero {worst:.3}u cutoff {}u", 2*m.max(n));
        }
    }
}
fn main() { println!("f32"); gallery::<f32>(2f64.powi(-24)); println!("f64"); gallery::<f64>(2f64.powi(-53)); }

fn engine() -> &'static Engine { static E: std::sync::OnceLock<Engine> = std::sync::OnceLock::new(); E.get_or_init(|| match std::env::args().nth(1) { Some(n) => { let e = Engine::gpu(&GpuOptions::default().adapter(n)).unwrap(); println!("{e}"); e }, None => Engine::cpu() }) }
