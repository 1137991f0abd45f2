//! Async calls on an executor of one thread: others have their turn while the CPU computes, and a future that is
//! dropped ends its work.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use batched_svd::{
    Batch, Determinant, Engine, Error, Group, Options, Real, Subspace, ragged_async,
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
        ($name:literal, $call:expr) => {{
            let call = $call.options(&options);
            let expected = call.clone().run().map_err(wrong)?;
            let start = Instant::now();
            let (found, ticks) = beside(call.run_async());
            held($name, found.map_err(wrong)? == expected, ticks, start)?;
        }};
    }
    let rotations = Determinant::Positive;
    same!("svd", engine.svd(&a));
    same!("pinv", engine.pinv(&a));
    same!("lstsq", engine.lstsq(&a, &b));
    same!("polar", engine.polar(&a).determinant(rotations));
    same!("low_rank", engine.low_rank(&a));
    same!("low_rank_factors", engine.low_rank_factors(&a));
    same!("projector", engine.projector(&a, Subspace::RowSpace));
    same!("basis", engine.basis(&a, Subspace::NullSpace));
    same!("principal_components", engine.principal_components(&a));
    same!("whitening", engine.whitening(&a));
    let v = engine.svd(&a).options(&options).run().map_err(wrong)?.v;
    same!("svd, warm", engine.svd(&a).warm(&v));

    // Into the caller's places, of data that stays, and of many shapes.
    let expected = engine.svd(&a).options(&options).run().map_err(wrong)?;
    let (mut u, mut v) = (expected.u.clone(), expected.v.clone());
    let mut sigma = expected.sigma.clone();
    for place in [&mut u, &mut v, &mut sigma] {
        place.as_mut_slice().fill(T::ZERO);
    }
    let places = (u.view_mut(), sigma.view_mut(), v.view_mut());
    let start = Instant::now();
    let (report, ticks) = beside(engine.svd(&a).options(&options).run_into_async(places));
    report.map_err(wrong)?;
    let same = u == expected.u && v == expected.v && sigma == expected.sigma;
    held("svd into places", same, ticks, start)?;
    let expected = engine
        .lstsq(&a, &b)
        .options(&options)
        .run()
        .map_err(wrong)?;
    let mut x = Batch::<T>::zeros(6000, 12, 2).map_err(wrong)?;
    let start = Instant::now();
    let (report, ticks) = beside(
        engine
            .lstsq(&a, &b)
            .options(&options)
            .run_into_async(x.view_mut()),
    );
    report.map_err(wrong)?;
    held("lstsq into a place", x == expected.solution, ticks, start)?;
    let expected = engine.pinv(&a).options(&options).run().map_err(wrong)?;
    let mut x = Batch::<T>::zeros(6000, 12, 12).map_err(wrong)?;
    let start = Instant::now();
    let (report, ticks) = beside(
        engine
            .pinv(&a)
            .options(&options)
            .run_into_async(x.view_mut()),
    );
    report.map_err(wrong)?;
    held("pinv into a place", x == expected.inverse, ticks, start)?;
    let there = engine.upload(&a).map_err(wrong)?;
    let start = Instant::now();
    let (found, ticks) = beside(engine.pinv(&there).options(&options).run_on_device_async());
    let found = found.map_err(wrong)?.inverse.download().map_err(wrong)?;
    held(
        "pinv on the device",
        found == expected.inverse,
        ticks,
        start,
    )?;
    let views = [a.view()];
    let start = Instant::now();
    let call = async |[a]: [batched_svd::View<'_, T>; 1], group: &Group| {
        engine.pinv(a).options(group.options()).run_async().await
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
    engine.svd(&a).options(&options).run().map_err(wrong)?;
    let whole = start.elapsed();
    done.store(0, Ordering::Relaxed);
    {
        let mut future = pin!(engine.svd(&a).options(&options).run_async());
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
    let found = pollster::block_on(engine.pinv(&a).options(&cancelled).run_async());
    ensure(found.err() == Some(Error::Cancelled), || "cancelled".into())?;
    let mut bad = normal::<T>(3, 4, 4, 3);
    bad.as_mut_slice()[20] = T::NAN;
    let strict = Options::default().strict(true);
    let mut place = Batch::<T>::zeros(3, 4, 4).map_err(wrong)?;
    let found = pollster::block_on(
        engine
            .pinv(&bad)
            .options(&strict)
            .run_into_async(place.view_mut()),
    );
    ensure(matches!(found, Err(Error::Strict(_))), || "strict".into())?;
    ensure(place.matrix(0)[0] != T::ZERO, || {
        "no results in strict mode".into()
    })
}

/// In a pool of one thread, which would wait for itself.
pub fn in_a_pool<T: Real<Real = T>>(engine: &Engine) -> Outcome {
    let a = normal::<T>(200, 5, 4, 2);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let found = pool
        .map_err(|e| e.to_string())?
        .install(|| pollster::block_on(engine.svd(&a).run_async()));
    let expected = engine.svd(&a).run();
    ensure(found == expected, || "in a pool".into())
}
