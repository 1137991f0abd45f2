//! Every operation by every way of calling: matrices in either memory, results on the host, on the device and in places
//! of the caller, blocking and awaited, strict and not. One list of operations, so that none is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use batched_svd::{
    Backend, Basis, Batch, Cancel, Components, Cutoff, Determinant, DeviceBatch, DeviceReport,
    Eigh, Eigvalsh, Engine, Error, Factor, LowRank, LowRankFactors, Lstsq, Memory, NullVector,
    Operand, Options, Pinv, Polar, Projector, Real, Report, Shrunk, SingularValues,
    SingularVectors, Status, Subspace, Svd, Triangle, View, ViewMut, Whitening, interop,
};
use pollster::block_on;

use crate::common::bounds::{Outcome, ensure};
use crate::common::matrices::normal;

fn wrong(e: Error) -> String {
    e.to_string()
}

/// In registers, tall and wide and square; in a team's; and nothing.
const SHAPES: [(usize, usize); 5] = [(4, 3), (3, 5), (3, 3), (33, 20), (0, 3)];
/// Matrices of each.
const COUNT: usize = 4;
/// One for each.
const LAMBDAS: [f64; COUNT] = [0.0, 0.3, 2.0, 0.05];

/// What calls are given, in either memory.
struct Given<'g, T: Real> {
    engine: &'g Engine,
    a: Operand<'g, T>,
    /// Right-hand sides.
    b: Operand<'g, T>,
    /// What stands for an earlier V.
    v: Operand<'g, T>,
    /// Symmetric matrices.
    s: Operand<'g, T>,
    rows: usize,
    cols: usize,
}

impl<'g, T: Real> Given<'g, T> {
    /// The largest singular values that approximations keep.
    fn some(&self) -> Cutoff {
        Cutoff::rank(self.rows.min(self.cols).min(2))
    }

    /// Square matrices alone have rotations.
    fn determinant(&self) -> Determinant {
        match self.rows == self.cols {
            true => Determinant::Positive,
            false => Determinant::Any,
        }
    }
}

/// A call of every operation, with choices of its own and without, and the names of its places if it has any.
macro_rules! operations {
    ($given:expr, $each:ident) => {
        let (given, engine) = ($given, $given.engine);
        let (a, b) = (|| given.a.clone(), || given.b.clone());
        let (v, s) = (|| given.v.clone(), || given.s.clone());
        $each!("singular values", engine.singular_values(a()), sigma);
        $each!("singular values, warm", engine.singular_values(a()).warm(v()), sigma);
        $each!("svd", engine.svd(a()), u sigma v);
        $each!("svd, full", engine.svd(a()).full(true), u sigma v);
        $each!("svd, warm", engine.svd(a()).warm(v()), u sigma v);
        $each!("svd, warm and full", engine.svd(a()).warm(v()).full(true), u sigma v);
        $each!("u", engine.singular_vectors(a(), Factor::U), vectors sigma);
        $each!("v", engine.singular_vectors(a(), Factor::V), vectors sigma);
        $each!("pinv", engine.pinv(a()), inverse);
        $each!("pinv, damped", engine.pinv(a()).damping(&LAMBDAS[..]), inverse);
        $each!("pinv, near singular", engine.pinv(a()).damping_near_singular(3.0, 0.2), inverse);
        $each!("lstsq", engine.lstsq(a(), b()), solution);
        $each!("lstsq, damped", engine.lstsq(a(), b()).damping(&LAMBDAS[..]), solution);
        $each!("lstsq, refined", engine.lstsq(a(), b()).refined(true), solution);
        $each!("lstsq, with values", engine.lstsq(a(), b()).singular_values(true),);
        $each!("low rank", engine.low_rank(a()).cutoff(given.some()), approximation);
        $each!("low rank factors", engine.low_rank_factors(a()).cutoff(given.some()),);
        $each!("projector, range", engine.projector(a(), Subspace::ColumnSpace), projector);
        $each!("projector, null", engine.projector(a(), Subspace::NullSpace), projector);
        $each!("basis, rows", engine.basis(a(), Subspace::RowSpace), vectors);
        $each!("basis, null", engine.basis(a(), Subspace::NullSpace), vectors);
        $each!("null vector", engine.null_vector(a()), vector length);
        $each!("polar", engine.polar(a()).determinant(given.determinant()), orthogonal stretch);
        $each!("components", engine.principal_components(a()), mean components scores deviations);
        $each!("whitening", engine.whitening(a()), mean transform);
        $each!("whitening, damped", engine.whitening(a()).damping(0.2), mean transform);
        $each!("whitening, epsilon", engine.whitening(a()).epsilon(&LAMBDAS[..]), mean transform);
        $each!("shrink", engine.shrink(a()), signal);
        $each!("eigh", engine.eigh(s()), values vectors);
        $each!("eigh, definite", engine.eigh(s()).definite(true), values vectors);
        $each!("eigvalsh", engine.eigvalsh(s()).triangle(Triangle::Lower), values);
    };
}

/// How many these are: of none, everything would hold.
const CALLS: usize = 31;

/// A result of any operation, from either memory.
struct Found<T: Real> {
    /// By name, and whether they lay in the memory of a GPU.
    parts: Vec<(&'static str, Batch<T>, bool)>,
    dimensions: Vec<usize>,
    report: Report,
}

trait Part<T: Real> {
    fn part(self) -> Result<Option<(Batch<T>, bool)>, Error>;
}

impl<T: Real> Part<T> for Batch<T> {
    fn part(self) -> Result<Option<(Batch<T>, bool)>, Error> {
        Ok(Some((self, false)))
    }
}

impl<T: Real> Part<T> for DeviceBatch<T> {
    fn part(self) -> Result<Option<(Batch<T>, bool)>, Error> {
        let on_gpu = interop::buffer(&self).is_some();
        Ok(Some((self.download()?, on_gpu)))
    }
}

impl<T: Real, P: Part<T>> Part<T> for Option<P> {
    fn part(self) -> Result<Option<(Batch<T>, bool)>, Error> {
        match self {
            Some(part) => part.part(),
            None => Ok(None),
        }
    }
}

trait Told {
    fn told(self) -> Result<Report, Error>;
}

impl Told for Report {
    fn told(self) -> Result<Report, Error> {
        Ok(self)
    }
}

impl Told for DeviceReport {
    fn told(self) -> Result<Report, Error> {
        self.get()
    }
}

trait Whole<T: Real> {
    fn whole(self) -> Result<Found<T>, Error>;
}

macro_rules! results {
    ($($result:ident { $($part:ident)+ $(; $dimensions:ident)? })+) => {$(
        impl<T: Real, M: Memory> Whole<T> for $result<T, M>
        where
            M::Batch<T>: Part<T>,
            M::Report: Told,
        {
            #[allow(unused_mut)]
            fn whole(self) -> Result<Found<T>, Error> {
                let report = self.report.told()?;
                let mut parts = Vec::new();
                $(if let Some((batch, on_gpu)) = self.$part.part()? {
                    parts.push((stringify!($part), batch, on_gpu));
                })+
                let mut dimensions = Vec::new();
                $(dimensions.extend(self.$dimensions);)?
                Ok(Found { parts, dimensions, report })
            }
        }
    )+};
}

results! {
    SingularValues { sigma }
    SingularVectors { vectors sigma }
    Svd { u sigma v }
    Pinv { inverse }
    Lstsq { solution sigma }
    LowRank { approximation }
    LowRankFactors { left right sigma }
    Projector { projector }
    Basis { vectors; dimensions }
    NullVector { vector length }
    Polar { orthogonal stretch }
    Components { mean components scores deviations }
    Whitening { mean transform }
    Eigh { values vectors }
    Eigvalsh { values }
    Shrunk { signal }
}

fn shape<T: Real>(x: &Batch<T>) -> [usize; 3] {
    [x.count(), x.rows(), x.cols()]
}

fn bits<T: Real>(x: &Batch<T>) -> Vec<u64> {
    // Which NaN it is says nothing.
    let bits = |x: f64| if x.is_nan() { 1 } else { x.to_bits() };
    x.as_slice().iter().map(|x| bits(x.f64())).collect()
}

fn same<T: Real>(what: &str, found: &Found<T>, expected: &Found<T>) -> Outcome {
    let names = |x: &Found<T>| x.parts.iter().map(|part| part.0).collect::<Vec<_>>();
    ensure(names(found) == names(expected), || {
        format!("{what}: {:?}", names(found))
    })?;
    for ((name, x, _), (_, y, _)) in found.parts.iter().zip(&expected.parts) {
        ensure(shape(x) == shape(y), || {
            format!("{what}: {name} is {:?}, not {:?}", shape(x), shape(y))
        })?;
        ensure(bits(x) == bits(y), || format!("{what}: {name}"))?;
    }
    ensure(found.dimensions == expected.dimensions, || {
        format!("{what}: {:?} dimensions", found.dimensions)
    })?;
    let (one, other) = (&found.report, &expected.report);
    ensure(one.outcomes == other.outcomes, || {
        format!("{what}: {:?}", one.outcomes)
    })?;
    ensure(one.kernel == other.kernel, || {
        format!("{what}: {}, not {}", one.kernel, other.kernel)
    })
}

/// Holds the results of all operations to those that are expected.
fn all_same<T: Real>(what: &str, found: &[All<T>], expected: &[All<T>]) -> Outcome {
    ensure([found.len(), expected.len()] == [CALLS; 2], || {
        format!("{what}: {} calls", found.len())
    })?;
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        same(&format!("{name}, {what}"), found, expected)?;
    }
    Ok(())
}

/// An operation, and what it found.
type All<T> = (&'static str, Found<T>);

/// How a call is carried out whose results nobody has prepared a place for.
#[derive(Clone, Copy, Debug)]
enum Way {
    Run,
    Async,
    OnDevice,
    OnDeviceAsync,
}

fn all<T: Real>(given: &Given<'_, T>, way: Way) -> Result<Vec<All<T>>, String> {
    let mut found = Vec::new();
    macro_rules! each {
        ($name:literal, $call:expr, $($place:ident)*) => {
            let call = $call;
            let whole = match way {
                Way::Run => call.run().and_then(Whole::whole),
                Way::Async => block_on(call.run_async()).and_then(Whole::whole),
                Way::OnDevice => call.run_on_device().and_then(Whole::whole),
                Way::OnDeviceAsync => block_on(call.run_on_device_async()).and_then(Whole::whole),
            };
            found.push((
                $name,
                whole.map_err(|e| format!("{}, {way:?}: {e}", $name))?,
            ));
        };
    }
    operations!(given, each);
    Ok(found)
}

/// Matrices, their right-hand sides, what stands for an earlier V, and symmetric ones. Rank deficient and not finite, if there are any.
fn matrices<T: Real>(m: usize, n: usize) -> [Batch<T>; 4] {
    let mut a = normal::<T>(COUNT, m, n, 41);
    if m * n > 0 {
        a.as_mut_slice()[..m].fill(T::ZERO);
        a.as_mut_slice()[m * n] = T::NAN;
    }
    // Positive definite, of the smaller side.
    let k = m.min(n);
    let entry = |b: usize, i: usize, j: usize| match i == j {
        true => k as f64 + 1.0,
        false => ((b + 1) as f64 * ((i + 1) * (j + 1)) as f64).cos(),
    };
    let square = Batch::from_fn(COUNT, k, k, |b, i, j| T::of(entry(b, i, j)));
    let mut square = square.unwrap();
    if k > 0 {
        square.as_mut_slice()[k * k] = T::NAN;
    }
    [a, normal(COUNT, m, 2, 42), normal(COUNT, n, k, 43), square]
}

fn on_host<'g, T: Real>(engine: &'g Engine, all: &'g [Batch<T>; 4]) -> Given<'g, T> {
    let [a, b, v, s] = all;
    Given {
        engine,
        a: a.into(),
        b: b.into(),
        v: v.into(),
        s: s.into(),
        rows: a.rows(),
        cols: a.cols(),
    }
}

/// Matrices on the device are as good as those on the host, also as transposes and if only some are there; and what a
/// call leaves on the device is what it would have brought to the host.
pub fn device<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in SHAPES {
        let own = matrices::<T>(m, n);
        let here = on_host(engine, &own);
        let up = |x: View<'_, T>| engine.upload(x).map_err(wrong);
        let [a, b, v, s] = &own;
        let [up_a, up_b] = [up(a.view())?, up(b.view())?];
        let [up_v, up_s] = [up(v.view())?, up(s.view())?];
        let there = Given {
            a: (&up_a).into(),
            b: (&up_b).into(),
            v: (&up_v).into(),
            s: (&up_s).into(),
            ..on_host(engine, &own)
        };
        let expected = all(&here, Way::Run)?;
        let whole = format!("{m}x{n}");
        all_same(
            &format!("{whole} from the device"),
            &all(&there, Way::Run)?,
            &expected,
        )?;
        let left = all(&there, Way::OnDevice)?;
        all_same(&format!("{whole} on the device"), &left, &expected)?;
        stays(&there, &left)?;

        // The transposes of what is there, by rows there and by columns.
        let turned = matrices::<T>(n, m);
        let [_, sides, earlier, square] = &turned;
        let transposed = Given {
            a: a.view().transpose().into(),
            ..on_host(engine, &turned)
        };
        let expected = all(&transposed, Way::Run)?;
        let flipped = |x: &Batch<T>| Ok::<_, String>(up(x.view().transpose())?.transpose());
        let (sides, earlier, square) = (flipped(sides)?, flipped(earlier)?, flipped(square)?);
        let flipped = Given {
            a: (&up_a.transpose()).into(),
            b: (&sides).into(),
            v: (&earlier).into(),
            s: (&square).into(),
            ..on_host(engine, &turned)
        };
        let what = format!("the transposes of {whole}");
        all_same(
            &format!("{what} from the device"),
            &all(&flipped, Way::Run)?,
            &expected,
        )?;
        let left = all(&flipped, Way::OnDevice)?;
        all_same(&format!("{what} on the device"), &left, &expected)?;
        stays(&flipped, &left)?;
    }

    // Matrices here, what belongs to them there, and the other way round; and everything here.
    let own = matrices::<T>(4, 3);
    let [a, b, v, s] = &own;
    let up = |x: &Batch<T>| engine.upload(x).map_err(wrong);
    let (up_a, up_b, up_v, up_s) = (up(a)?, up(b)?, up(v)?, up(s)?);
    let first = Given {
        a: (&up_a).into(),
        ..on_host(engine, &own)
    };
    let second = Given {
        b: (&up_b).into(),
        v: (&up_v).into(),
        s: (&up_s).into(),
        ..on_host(engine, &own)
    };
    let here = on_host(engine, &own);
    let expected = all(&here, Way::Run)?;
    for (what, given) in [
        ("matrices there", &first),
        ("the others there", &second),
        ("all here", &here),
    ] {
        for way in [Way::Run, Way::OnDevice] {
            let found = all(given, way)?;
            all_same(&format!("{what}, {way:?}"), &found, &expected)?;
            if matches!(way, Way::OnDevice) {
                stays(given, &found)?;
            }
        }
    }
    Ok(())
}

/// Holds results to the memory of the device that computes: a GPU's if it is one, and if there was anything to compute.
fn stays<T: Real>(given: &Given<'_, T>, found: &[All<T>]) -> Outcome {
    let should = given.engine.backend() == Backend::Gpu && given.rows * given.cols > 0;
    for (name, found) in found {
        for (part, _, on_gpu) in &found.parts {
            ensure(*on_gpu == should, || {
                format!("{name}: {part} is on a GPU: {on_gpu}")
            })?;
        }
    }
    Ok(())
}

/// Awaited, calls give what they give otherwise.
pub fn asynchronous<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in SHAPES {
        let own = matrices::<T>(m, n);
        let given = on_host(engine, &own);
        let expected = all(&given, Way::Run)?;
        for way in [Way::Async, Way::OnDeviceAsync] {
            all_same(&format!("{m}x{n}, {way:?}"), &all(&given, way)?, &expected)?;
        }
        let [a, b, v, s] = &own;
        let up = |x: &Batch<T>| engine.upload(x).map_err(wrong);
        let (up_a, up_b, up_v, up_s) = (up(a)?, up(b)?, up(v)?, up(s)?);
        let there = Given {
            a: (&up_a).into(),
            b: (&up_b).into(),
            v: (&up_v).into(),
            s: (&up_s).into(),
            ..on_host(engine, &own)
        };
        let found = all(&there, Way::Async)?;
        all_same(
            &format!("{m}x{n} from the device, awaited"),
            &found,
            &expected,
        )?;
    }
    Ok(())
}

/// Memory of a caller's for a result, which has something else in it.
struct Place<T> {
    data: Vec<T>,
    shape: [usize; 3],
    by_rows: bool,
}

impl<T: Real> Place<T> {
    fn new(shape: [usize; 3], by_rows: bool) -> Self {
        Place {
            data: vec![Self::before(); shape.iter().product()],
            shape,
            by_rows,
        }
    }

    fn before() -> T {
        T::of(-77.0)
    }

    fn view(&mut self) -> ViewMut<'_, T> {
        let [count, rows, cols] = self.shape;
        match self.by_rows {
            true => ViewMut::row_major(&mut self.data, count, rows, cols).unwrap(),
            false => ViewMut::col_major(&mut self.data, count, rows, cols).unwrap(),
        }
    }

    fn is_untouched(&self) -> bool {
        self.data.iter().all(|x| *x == Self::before())
    }

    fn batch(&self) -> Batch<T> {
        let [count, rows, cols] = self.shape;
        let view = match self.by_rows {
            true => View::row_major(&self.data, count, rows, cols),
            false => View::col_major(&self.data, count, rows, cols),
        };
        view.and_then(|view| view.to_batch()).unwrap()
    }
}

/// Holds a call into places to the result without: by rows and by columns. `carry_out` is told whether to be strict.
fn filled<T: Real>(
    name: &str,
    expected: &Found<T>,
    carry_out: impl Fn(&mut [Place<T>], bool) -> Result<Report, Error>,
) -> Outcome {
    let shapes: Vec<[usize; 3]> = expected.parts.iter().map(|part| shape(&part.1)).collect();
    let places = |by_rows| -> Vec<Place<T>> {
        let place = |&shape: &[usize; 3]| Place::new(shape, by_rows);
        shapes.iter().map(place).collect()
    };
    let failures: Vec<(usize, Status)> = expected.report.failures().collect();
    for (by_rows, strict) in [(true, false), (false, false), (true, true)] {
        let what = format!("{name}, by rows: {by_rows}, strict: {strict}");
        let mut places = places(by_rows);
        let report = carry_out(&mut places, strict);
        // Strict or not, results are written.
        for (place, (part, batch, _)) in places.iter().zip(&expected.parts) {
            ensure(bits(&place.batch()) == bits(batch), || {
                format!("{what}: {part}")
            })?;
        }
        match strict && !failures.is_empty() {
            true => ensure(report == Err(Error::Strict(failures.clone())), || {
                format!("{what}: {report:?}")
            })?,
            false => ensure(report.as_ref() == Ok(&expected.report), || {
                format!("{what}: {report:?}")
            })?,
        }
    }
    // A place that is too long, or for too many: nothing is written, there and elsewhere.
    for (at, own) in shapes.iter().enumerate() {
        for grown in 0..3 {
            let mut places = places(true);
            let mut shape = *own;
            shape[grown] += 1;
            places[at] = Place::new(shape, true);
            let refused = carry_out(&mut places, false);
            ensure(matches!(refused, Err(Error::Argument(_))), || {
                format!("{name}, a place of {shape:?}: {refused:?}")
            })?;
            ensure(places.iter().all(Place::is_untouched), || {
                format!("{name}, a place of {shape:?}: something was written")
            })?;
        }
    }
    Ok(())
}

/// Places of the caller have the bits of results without, in any order of entries, of matrices in either memory,
/// blocking and awaited.
pub fn places<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in SHAPES {
        let own = matrices::<T>(m, n);
        let up = |x: &Batch<T>| engine.upload(x).map_err(wrong);
        let [a, b, v, s] = &own;
        let (up_a, up_b, up_v, up_s) = (up(a)?, up(b)?, up(v)?, up(s)?);
        let there = Given {
            a: (&up_a).into(),
            b: (&up_b).into(),
            v: (&up_v).into(),
            s: (&up_s).into(),
            ..on_host(engine, &own)
        };
        for (memory, given, awaited) in [
            ("host", &on_host(engine, &own), false),
            ("device", &there, true),
        ] {
            let mut calls = 0;
            macro_rules! each {
                // What has no place, or not for everything.
                ($name:literal, $call:expr,) => {
                    calls += 1;
                };
                ($name:literal, $call:expr, $($place:ident)+) => {
                    let call = $call;
                    let expected = call.clone().run().and_then(Whole::whole).map_err(wrong)?;
                    let what = format!("{} of {m}x{n}, {memory}, awaited: {awaited}", $name);
                    filled(&what, &expected, |places, strict| {
                        let [$($place),+] = places else {
                            panic!("{what}: {} places", places.len());
                        };
                        let call = call.clone().strict(strict);
                        match awaited {
                            false => call.run_into(($($place.view()),+)),
                            true => block_on(call.run_into_async(($($place.view()),+))),
                        }
                    })?;
                    calls += 1;
                };
            }
            operations!(given, each);
            ensure(calls == CALLS, || format!("{calls} calls"))?;
        }
    }
    // A batch is a place by itself.
    let a = normal::<T>(COUNT, 4, 3, 44);
    let svd = engine.svd(&a).run().map_err(wrong)?;
    let [mut u, mut v] = [&svd.u, &svd.v].map(|x| Batch::zeros(COUNT, x.rows(), x.cols()).unwrap());
    let mut sigma = Batch::<T>::zeros(COUNT, 3, 1).map_err(wrong)?;
    let all = (&mut u, &mut sigma, &mut v);
    let report = engine.svd(&a).run_into(all).map_err(wrong)?;
    ensure(
        (u, sigma, v) == (svd.u, svd.sigma, svd.v) && report == svd.report,
        || "svd into batches".into(),
    )?;
    let mut inverse = Batch::<T>::zeros(COUNT, 3, 4).map_err(wrong)?;
    let report = engine.pinv(&a).run_into(&mut inverse).map_err(wrong)?;
    let pinv = engine.pinv(&a).run().map_err(wrong)?;
    ensure(inverse == pinv.inverse && report == pinv.report, || {
        "pinv into a batch".into()
    })
}

/// A matrix that is not finite is an error in strict mode, by its index, and by every way of calling.
pub fn strict<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(4, 3), (3, 5), (3, 3)] {
        let own = matrices::<T>(m, n);
        let given = &on_host(engine, &own);
        let mut calls = 0;
        macro_rules! each {
            ($name:literal, $call:expr, $($place:ident)*) => {
                let call = $call;
                let lenient = call.clone().run().map_err(wrong)?;
                let statuses = lenient.report.outcomes.iter().map(|o| o.status);
                let bad = |status| status != Status::Converged;
                ensure(statuses.map(bad).eq([false, true, false, false]), || {
                    format!("{}: {:?}", $name, lenient.report.outcomes)
                })?;
                let strict = call.strict(true);
                let errors = [
                    strict.clone().run().err(),
                    block_on(strict.clone().run_async()).err(),
                    strict.clone().run_on_device().err(),
                    block_on(strict.run_on_device_async()).err(),
                ];
                let named = Some(Error::Strict(vec![(1, Status::NonFinite)]));
                ensure(errors.iter().all(|error| *error == named), || {
                    format!("{} of {m}x{n}: {errors:?}", $name)
                })?;
                calls += 1;
            };
        }
        operations!(given, each);
        ensure(calls == CALLS, || format!("{calls} calls"))?;
    }
    Ok(())
}

/// A call that is explained is the one that is carried out; and the CPU has nothing to explain.
pub fn explained<T: Real>(engine: &Engine) -> Outcome {
    for (m, n) in [(3, 3), (33, 20), (90, 6)] {
        let own = matrices::<T>(m, n);
        let given = &on_host(engine, &own);
        let mut calls = 0;
        macro_rules! each {
            ($name:literal, $call:expr, $($place:ident)*) => {
                let call = $call;
                let plan = call.explain();
                if engine.backend() == Backend::Cpu {
                    ensure(matches!(plan, Err(Error::Unsupported(_))), || {
                        format!("{} of {m}x{n}: {plan:?}", $name)
                    })?;
                } else {
                    let plan = plan.map_err(wrong)?.kernel;
                    let done = call.run().map_err(wrong)?.report.kernel;
                    ensure(plan == done, || {
                        format!("{} of {m}x{n}: {plan} is explained, {done} has run", $name)
                    })?;
                }
                calls += 1;
            };
        }
        operations!(given, each);
        ensure(calls == CALLS, || format!("{calls} calls"))?;
    }
    Ok(())
}

/// The choices of a call and its options, in any order; and what options have, calls have too.
pub fn choices<T: Real>(engine: &Engine) -> Outcome {
    let a = normal::<T>(COUNT, 5, 4, 45);
    let options = Options::default().cutoff(Cutoff::rank(2));
    // The options do not replace a choice, and a choice no option.
    let damped = engine
        .pinv(&a)
        .options(&options)
        .damping(&LAMBDAS[..])
        .run();
    let damped = damped.map_err(wrong)?;
    let other = engine
        .pinv(&a)
        .damping(&LAMBDAS[..])
        .options(&options)
        .run();
    ensure(other.as_ref() == Ok(&damped), || "damping, options".into())?;
    let alone = engine.pinv(&a).options(&options).run().map_err(wrong)?;
    for (at, lambda) in LAMBDAS.into_iter().enumerate() {
        let equal = alone.inverse.matrix(at) == damped.inverse.matrix(at);
        ensure(equal == (lambda == 0.0), || format!("damping {lambda}"))?;
    }
    let full = engine.svd(&a).full(true).options(&options).run();
    let full = full.map_err(wrong)?;
    ensure(full.u.cols() == 5, || "full, options".into())?;
    ensure(full.report.outcomes.iter().all(|o| o.rank == 2), || {
        "full without options".into()
    })?;
    let thin = engine.svd(&a).full(true).full(false).run();
    ensure(thin.map_err(wrong)?.u.cols() == 4, || "thin again".into())?;
    // The later of two counts.
    let ranks = engine
        .pinv(&a)
        .cutoff(Cutoff::rank(1))
        .options(&options)
        .run();
    ensure(ranks.as_ref() == Ok(&alone), || "a cutoff, options".into())?;
    let ranks = engine
        .pinv(&a)
        .options(&Options::default())
        .cutoff(Cutoff::rank(2))
        .run();
    ensure(ranks.as_ref() == Ok(&alone), || "options, a cutoff".into())?;

    // What has no place is refused, by either verb, and nothing is written.
    let mut place = Batch::<T>::zeros(COUNT, a.cols(), 1).map_err(wrong)?;
    let sides = normal::<T>(COUNT, a.rows(), 1, 45);
    let valued = || engine.lstsq(&a, &sides).singular_values(true);
    let refused = [
        valued().run_into(&mut place).err(),
        block_on(valued().run_into_async(&mut place)).err(),
    ];
    let argument = |error: &Option<Error>| matches!(error, Some(Error::Argument(_)));
    ensure(refused.iter().all(argument), || format!("{refused:?}"))?;
    ensure(place.as_slice().iter().all(|x| *x == T::ZERO), || {
        "a place of what was refused".into()
    })?;

    // Sweeps, a tolerance, progress and an end.
    let b = normal::<T>(3, 6, 6, 3);
    let once = engine
        .singular_values(&b)
        .max_sweeps(1)
        .run()
        .map_err(wrong)?;
    ensure(once.report.count(Status::NotConverged) == 3, || {
        format!("one sweep: {:?}", once.report.outcomes)
    })?;
    let by_options = Options::default().max_sweeps(1);
    let same = engine.singular_values(&b).options(&by_options).run();
    ensure(same.as_ref() == Ok(&once), || "max_sweeps".into())?;
    let loose = engine
        .singular_values(&b)
        .tolerance(0.1)
        .run()
        .map_err(wrong)?;
    let tight = engine.singular_values(&b).run().map_err(wrong)?;
    ensure(
        loose.report.max_sweeps() < tight.report.max_sweeps(),
        || "tolerance".into(),
    )?;
    let strict = engine.singular_values(&b).max_sweeps(1).strict(true).run();
    ensure(
        matches!(strict, Err(Error::Strict(f)) if f.len() == 3),
        || "strict".into(),
    )?;
    let most = Arc::new(AtomicUsize::new(0));
    let told = Arc::clone(&most);
    let progress = Arc::new(move |done, _| {
        told.fetch_max(done, Ordering::Relaxed);
    });
    engine.pinv(&a).progress(progress).run().map_err(wrong)?;
    let most = most.load(Ordering::Relaxed);
    ensure(most == COUNT, || format!("told of {most}"))?;
    let cancel = Cancel::new();
    cancel.cancel();
    let ended = [
        engine.pinv(&a).cancel(&cancel).run().err(),
        engine.pinv(&a).cancel(&cancel).run_on_device().err(),
        engine.polar(&a).cancel(&cancel).run().err(),
        engine.polar(&a).cancel(&cancel).run_on_device().err(),
    ];
    let all = ended.iter().all(|error| *error == Some(Error::Cancelled));
    ensure(all, || format!("{ended:?}"))
}
