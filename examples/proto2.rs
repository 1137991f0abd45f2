use batched_svd::*;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
fn main() {
    for (inv, fl) in [(256u32, 4u64<<30), (128, 4<<30), (64, 4 << 30)] {
    let mut t = Tuning::default(); t.workgroup_invocations = inv; t.submit_flops = fl;
    let e = Engine::gpu(&GpuOptions::default().tuning(t)).unwrap();
    for n in [192, 250, 384] {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let a: Batch<f32> = Batch::from_fn(1, n, n, |_,_,_| StandardNormal.sample(&mut rng)).unwrap();
        let s = e.svd(&a, Vectors::Thin, &Options::default()).unwrap();
        let r = verify::reconstruction(&a, s.u.as_ref().unwrap(), &s.sigma, s.v.as_ref().unwrap()).unwrap();
        println!("{inv} {fl} {n} {} {:?} {:?} {:?}", s.report.kernel, r, s.report.outcomes[0], &s.sigma.matrix(0)[..3]);
    }
    }
}
