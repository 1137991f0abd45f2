//! Async calls on an executor of one thread: others have their turn while the CPU computes, and a future that is
//! dropped ends its work.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use batched_svd::{
    Batch, Determinant, Engine, Error, Options, Real, Subspace, Vectors, ragged_async,
};

use crate::common::bounds::{Outcome, ensure};
use crate::common::matrices::normal;

fn wrong(e: Error) -> String {
    e.to_string()
}

/// Another task of the same thread, which wants to be polled every millisecond.
fn ticking(ticks: &AtomicUsize) -> impl Future<Output = ()> {
    let mut due = Instant::now();
    poll_fn(move |context: &mut Context<'_>| {
        if Instant::now() >= due {
            ticks.fetch_add(1, Ordering::Relaxed);
            due = Instant::now() + Duration::from_millis(1);
            let waker = context.waker().clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(1));
                waker.wake();
            });
        }
        Poll::Pending
    })
}

/// The output of a future, and how often the other task had its turn meanwhile.
fn beside<F: Future>(future: F) -> (F::Output, usize) {
    let ticks = AtomicUsize::new(0);
    let (mut future, mut other) = (pin!(future), pin!(ticking(&ticks)));
    let output = pollster::block_on(poll_fn(|context| {
        let _ = other.as_mut().poll(context);
        future.as_mut().poll(context)
    }));
    (output, ticks.load(Ordering::Relaxed))
}

/// Every call gives what the blocking one gives, and the other task ticks meanwhile.
pub fn others_have_their_turn<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    let options = Options::default();
    // A tenth of a second of work and more.
    let a = normal::<T>(6000, 12, 12, 3);
    let b = normal::<T>(6000, 12, 2, 4);
    let held = |name: &str, same: bool, ticks: usize, start: Instant| {
        ensure(same, || format!("{name}: another result"))?;
        let waited = start.elapsed().as_millis();
        // Of a machine that is busy with other things one tick in 50 ms is asked for.
        let least = (waited as usize / 50).max(2);
        ensure(ticks >= least, || {
            format!("{name}: {ticks} ticks in {waited} ms")
        })
    };
    macro_rules! same {
        ($call:ident, $later:ident, $($argument:expr),*) => {{
            let expected = engine.$call($($argument),*).map_err(wrong)?;
            let start = Instant::now();
            let (found, ticks) = beside(engine.$later($($argument),*));
            held(stringify!($call), found.map_err(wrong)? == expected, ticks, start)?;
        }};
    }
    let rotations = Determinant::Positive;
    same!(svd, svd_async, &a, Vectors::Thin, &options);
    same!(pinv, pinv_async, &a, &options);
    same!(lstsq, lstsq_async, &a, &b, &options);
    same!(polar, polar_async, &a, rotations, &options);
    same!(low_rank, low_rank_async, &a, &options);
    same!(low_rank_factors, low_rank_factors_async, &a, &options);
    same!(projector, projector_async, &a, Subspace::RowSpace, &options);
    same!(basis, basis_async, &a, Subspace::NullSpace, &options);
    same!(
        principal_components,
        principal_components_async,
        &a,
        &options
    );
    same!(whitening, whitening_async, &a, &options);
    let v = engine
        .svd(&a, Vectors::Thin, &options)
        .map_err(wrong)?
        .v
        .unwrap();
    same!(svd_warm, svd_warm_async, &a, &v, Vectors::Thin, &options);

    // Into the caller's places, of data that stays, and of many shapes.
    let expected = engine.svd(&a, Vectors::Thin, &options).map_err(wrong)?;
    let (mut u, mut v) = (expected.u.clone().unwrap(), expected.v.clone().unwrap());
    let mut sigma = expected.sigma.clone();
    for place in [&mut u, &mut v, &mut sigma] {
        place.as_mut_slice().fill(T::ZERO);
    }
    let places = (Some(u.view_mut()), sigma.view_mut(), Some(v.view_mut()));
    let start = Instant::now();
    let (report, ticks) = beside(engine.svd_into_async(&a, places.0, places.1, places.2, &options));
    report.map_err(wrong)?;
    let same = Some(&u) == expected.u.as_ref()
        && Some(&v) == expected.v.as_ref()
        && sigma == expected.sigma;
    held("svd_into", same, ticks, start)?;
    let expected = engine.lstsq(&a, &b, &options).map_err(wrong)?;
    let mut x = Batch::<T>::zeros(6000, 12, 2).map_err(wrong)?;
    let start = Instant::now();
    let (report, ticks) = beside(engine.lstsq_into_async(&a, &b, x.view_mut(), &options));
    report.map_err(wrong)?;
    held("lstsq_into", x == expected.solution, ticks, start)?;
    let expected = engine.pinv(&a, &options).map_err(wrong)?;
    let mut x = Batch::<T>::zeros(6000, 12, 12).map_err(wrong)?;
    let start = Instant::now();
    let (report, ticks) = beside(engine.pinv_into_async(&a, x.view_mut(), &options));
    report.map_err(wrong)?;
    held("pinv_into", x == expected.inverse, ticks, start)?;
    let there = engine.upload(&a).map_err(wrong)?;
    let start = Instant::now();
    let (found, ticks) = beside(engine.pinv_resident_async(&there, &options));
    let found = found.map_err(wrong)?.inverse.download().map_err(wrong)?;
    held("pinv_resident", found == expected.inverse, ticks, start)?;
    let views = [a.view()];
    let start = Instant::now();
    let call = async |[a]: [batched_svd::View<'_, T>; 1], options: &Options| {
        engine.pinv_async(a, options).await
    };
    let (found, ticks) = beside(ragged_async([&views[..]], &options, call));
    held("ragged", found.map_err(wrong)?[0] == expected, ticks, start)
}

/// A future that is dropped ends its work; and in strict mode, and cancelled, async calls end as others do.
pub fn dropped<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let a = normal::<T>(40_000, 16, 16, 3);
    let done = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&done);
    let options = Options::default().progress(Arc::new(move |done, _| {
        told.fetch_max(done, Ordering::Relaxed);
    }));
    let start = Instant::now();
    engine.svd(&a, Vectors::Thin, &options).map_err(wrong)?;
    let whole = start.elapsed();
    done.store(0, Ordering::Relaxed);
    {
        let mut future = pin!(engine.svd_async(&a, Vectors::Thin, &options));
        let waker = Waker::from(Arc::new(Nobody));
        let pending = future.as_mut().poll(&mut Context::from_waker(&waker));
        ensure(pending.is_pending(), || "done at once".into())?;
        // It is under way.
        let start = Instant::now();
        while done.load(Ordering::Relaxed) == 0 && start.elapsed() < 20 * whole {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::thread::sleep(whole / 8 + Duration::from_millis(20));
    let soon = done.load(Ordering::Relaxed);
    std::thread::sleep(2 * whole);
    let later = done.load(Ordering::Relaxed);
    ensure(0 < soon && soon == later && later < 40_000, || {
        format!("{soon} matrices soon after it was dropped, {later} later")
    })?;
    // Errors come through.
    let cancel = batched_svd::Cancel::new();
    cancel.cancel();
    let cancelled = Options::default().cancel(&cancel);
    let found = pollster::block_on(engine.pinv_async(&a, &cancelled));
    ensure(found.err() == Some(Error::Cancelled), || "cancelled".into())?;
    let mut bad = normal::<T>(3, 4, 4, 3);
    bad.as_mut_slice()[20] = T::NAN;
    let strict = Options::default().strict(true);
    let mut place = Batch::<T>::zeros(3, 4, 4).map_err(wrong)?;
    let found = pollster::block_on(engine.pinv_into_async(&bad, place.view_mut(), &strict));
    ensure(matches!(found, Err(Error::Strict(_))), || "strict".into())?;
    ensure(place.matrix(0)[0] != T::ZERO, || {
        "no results in strict mode".into()
    })
}

/// In a pool of one thread, which would wait for itself.
pub fn in_a_pool<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    let a = normal::<T>(200, 5, 4, 2);
    let options = Options::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let found = pool
        .map_err(|e| e.to_string())?
        .install(|| pollster::block_on(engine.svd_async(&a, Vectors::Thin, &options)));
    let expected = engine.svd(&a, Vectors::Thin, &options);
    ensure(found == expected, || "in a pool".into())
}
