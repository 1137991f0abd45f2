//! Takes the noise off a film of a photograph: 16 frames, between which the camera moves by parts of pixels. A patch of
//! 8x8 pixels is followed through all frames. The 16 views of it are the columns of one 64x16 matrix, which has a low
//! rank but for the noise. 29,008 of these matrices are one batch. The noise level is estimated from the frames alone.
//! Checks the estimate and the result, and writes them as a picture. Run with
//! `cargo run --release --features bench --example denoise`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use batched_svd::{Batch, Engine, Shrinkage, Shrunk};
use image::{GrayImage, Rgb, RgbImage};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

const PHOTOGRAPH: &str = "examples/data/chelsea.png";
const PICTURE: &str = "target/denoise.png";
const FRAMES: usize = 16;
const WIDTH: usize = 200;
const HEIGHT: usize = 152;
/// Where the first frame is in the photograph, x and y, and how far the camera moves from frame to frame.
const START: [f32; 2] = [100.0, 30.0];
const MOVE: [f32; 2] = [2.3, 1.4];
/// The standard deviation of the noise. Pixels are 0 to 255.
const NOISE: f64 = 25.0;
/// Patches of SIDE x SIDE, each STEP pixels from the next. Pixels that are in several patches get the mean.
const SIDE: usize = 8;
const PIXELS: usize = SIDE * SIDE;
const STEP: usize = 4;
/// A patch moves at most this far from frame to frame.
const REACH: usize = 3;
/// To find a patch again, so many pixels around it are compared too.
const MARGIN: usize = 4;
const COMPARED: usize = SIDE + 2 * MARGIN;
/// The frame of the picture, how much larger it is there, and the space between the parts.
const SHOWN: usize = FRAMES / 2;
const SCALE: u32 = 2;
const GAP: u32 = 6;
/// Ranks from 0 to 3, and above.
const COLOURS: [[u8; 3]; 5] = [
    [0, 0, 0],
    [40, 60, 120],
    [200, 80, 60],
    [250, 190, 70],
    [255; 3],
];

/// Frame, row and column, here of the upper left pixel of a patch.
type Place = [usize; 3];
/// The places of one patch in all frames.
type Track = [Place; FRAMES];

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOTOGRAPH);
    let clean = film(&image::open(path)?.to_luma8());
    let mut rng = StdRng::seed_from_u64(5);
    let noisy: Vec<f32> = clean
        .iter()
        .map(|pixel| {
            let normal: f32 = StandardNormal.sample(&mut rng);
            pixel + NOISE as f32 * normal
        })
        .collect();
    let engine = Engine::auto();
    println!("computing on {}", engine.choice());

    let start = Instant::now();
    let compared = blurred(&noisy);
    let tracks: Vec<Track> = references()
        .into_par_iter()
        .map(|reference| follow(&compared, reference))
        .collect();
    println!(
        "{} patches followed through {FRAMES} frames of {WIDTH}x{HEIGHT} in {:.2} s",
        tracks.len(),
        start.elapsed().as_secs_f64()
    );
    let patches = Batch::from_fn(tracks.len(), PIXELS, FRAMES, |b, i, j| {
        noisy[pixel(tracks[b][j], i)]
    })?;

    // First, the noise level of each matrix is estimated from this matrix alone.
    let start = Instant::now();
    let shrink = || {
        let call = engine.shrink(&patches).rule(Shrinkage::Frobenius);
        call.strict(true)
    };
    let each = shrink().run()?;
    let each_seconds = start.elapsed().as_secs_f64();
    // All frames have the same noise, so one level is enough, the median of all estimates. It is a little high: a patch does not
    // look quite the same in all frames, and small differences count as noise.
    let start = Instant::now();
    let same = shrink().shared_noise().run()?;
    let same_seconds = start.elapsed().as_secs_f64();
    let level = same.noise[0];
    println!("noise level: {level:.2} (median of the estimates), in truth {NOISE}");
    println!("ranks: {}\n", ranks(&same));

    let denoised = together(&same.signal, &tracks);
    let results = [
        psnr(&noisy, &clean),
        psnr(&together(&means(&patches)?, &tracks), &clean),
        psnr(&together(&each.signal, &tracks), &clean),
        psnr(&denoised, &clean),
    ];
    let count = tracks.len();
    println!(
        "                                        PSNR, dB   time of {count} matrices of {PIXELS}x{FRAMES}"
    );
    println!("noisy frames                            {:8.2}", results[0]);
    println!("mean of the views of each patch         {:8.2}", results[1]);
    println!(
        "shrinkage, level estimated each time    {:8.2}   {each_seconds:.2} s",
        results[2]
    );
    println!(
        "shrinkage, one level for all            {:8.2}   {same_seconds:.2} s",
        results[3]
    );

    std::fs::create_dir_all("target")?;
    let parts = [&noisy, &denoised, &clean].map(|frames| gray(frames));
    picture(&[parts.as_slice(), &[rank_map(&same, &tracks)]].concat()).save(PICTURE)?;
    println!(
        "\nwritten: {PICTURE}: a frame with noise, without it, the original, and the ranks\n\
         (0 black, 1 blue, 2 red, 3 yellow, more white)"
    );
    check(level, results)
}

/// The frames one after the other, row by row. Between pixels, the photograph is interpolated.
fn film(photograph: &GrayImage) -> Vec<f32> {
    let at = |x: f32, y: f32| f32::from(photograph.get_pixel(x as u32, y as u32)[0]);
    let mix = |a: f32, b: f32, part: f32| a + part * (b - a);
    places(FRAMES, HEIGHT, WIDTH, 1)
        .map(|[t, i, j]| {
            let x = START[0] + MOVE[0] * t as f32 + j as f32;
            let y = START[1] + MOVE[1] * t as f32 + i as f32;
            let row = |y: f32| mix(at(x, y), at(x + 1.0, y), x.fract());
            mix(row(y), row(y + 1.0), y.fract())
        })
        .collect()
}

/// Every `step`-th row and column of all frames.
fn places(frames: usize, rows: usize, cols: usize, step: usize) -> impl Iterator<Item = Place> {
    let of_frame = move |t| {
        let rows = (0..rows).step_by(step);
        rows.flat_map(move |i| (0..cols).step_by(step).map(move |j| [t, i, j]))
    };
    (0..frames).flat_map(of_frame)
}

/// The patches to follow: in each frame, and all over it.
fn references() -> Vec<Place> {
    places(FRAMES, HEIGHT - SIDE + 1, WIDTH - SIDE + 1, STEP).collect()
}

/// Where pixel i of a patch is among all pixels.
fn pixel([t, y, x]: Place, i: usize) -> usize {
    (t * HEIGHT + y + i / SIDE) * WIDTH + x + i % SIDE
}

/// What is compared to find patches: means of 3x3 pixels, which have less noise. The frames have a margin on all sides,
/// where the pixels of the border are repeated.
fn blurred(noisy: &[f32]) -> Vec<f32> {
    let inside =
        |at: usize, by: usize, size: usize| (at + by).saturating_sub(MARGIN + 1).min(size - 1);
    places(FRAMES, HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN, 1)
        .map(|[t, i, j]| {
            let around = (0..9).map(|k| {
                let [y, x] = [inside(i, k / 3, HEIGHT), inside(j, k % 3, WIDTH)];
                noisy[(t * HEIGHT + y) * WIDTH + x]
            });
            around.sum::<f32>() / 9.0
        })
        .collect()
}

/// Finds the patch in all frames: from its own frame forwards, and backwards.
fn follow(compared: &[f32], reference: Place) -> Track {
    let mut track = [reference; FRAMES];
    for t in reference[0] + 1..FRAMES {
        track[t] = nearest(compared, reference, t, track[t - 1]);
    }
    for t in (0..reference[0]).rev() {
        track[t] = nearest(compared, reference, t, track[t + 1]);
    }
    track
}

/// The place in frame t that looks most like the reference, not far from where the patch was before.
fn nearest(compared: &[f32], reference: Place, t: usize, before: Place) -> Place {
    let range = |at: usize, size: usize| at.saturating_sub(REACH)..=(at + REACH).min(size - SIDE);
    range(before[1], HEIGHT)
        .flat_map(|y| range(before[2], WIDTH).map(move |x| [t, y, x]))
        .map(|place| (distance(compared, reference, place), place))
        .min_by(|x, y| x.0.total_cmp(&y.0))
        .map_or(before, |(_, place)| place)
}

/// The sum of squared differences. Of pixels that are means, every second one in every second row is enough.
fn distance(compared: &[f32], one: Place, other: Place) -> f32 {
    let (height, width) = (HEIGHT + 2 * MARGIN, WIDTH + 2 * MARGIN);
    let row =
        |[t, y, x]: Place, i: usize| &compared[(t * height + y + i) * width + x..][..COMPARED];
    let squares = |i: usize| -> f32 {
        let pairs = row(one, i).iter().zip(row(other, i)).step_by(2);
        pairs.map(|(x, y)| (x - y) * (x - y)).sum()
    };
    (0..COMPARED).step_by(2).map(squares).sum()
}

/// The patches back in their frames. Where several overlap, their mean.
fn together(patches: &Batch<f32>, tracks: &[Track]) -> Vec<f32> {
    let mut sums = vec![(0.0, 0.0); FRAMES * HEIGHT * WIDTH];
    for (matrix, track) in patches.matrices().zip(tracks) {
        for (column, &place) in matrix.chunks_exact(PIXELS).zip(track) {
            for (i, value) in column.iter().enumerate() {
                let (sum, count) = &mut sums[pixel(place, i)];
                *sum += value;
                *count += 1.0;
            }
        }
    }
    // Each frame has a patch at all of its pixels.
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}

/// For comparison: every view of a patch becomes the mean of all views.
fn means(patches: &Batch<f32>) -> Result<Batch<f32>, batched_svd::Error> {
    let mean = |matrix: &[f32], i: usize| {
        let views = matrix.iter().skip(i).step_by(PIXELS);
        views.sum::<f32>() / FRAMES as f32
    };
    Batch::from_fn(patches.count(), PIXELS, FRAMES, |b, i, _| {
        mean(patches.matrix(b), i)
    })
}

/// How many matrices have which rank.
fn ranks(found: &Shrunk<f32>) -> String {
    let mut counts = [0; FRAMES + 1];
    for outcome in &found.report.outcomes {
        counts[outcome.rank as usize] += 1;
    }
    let found = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let texts = found.map(|(rank, count)| format!("{rank} of {count} matrices"));
    texts.collect::<Vec<_>>().join(", ")
}

/// The ratio of the largest pixel to the error, in decibels.
fn psnr(frames: &[f32], clean: &[f32]) -> f64 {
    let squares = frames.iter().zip(clean);
    let squares = squares.map(|(x, y)| f64::from(x - y).powi(2));
    let error = squares.sum::<f64>() / clean.len() as f64;
    10.0 * (255f64.powi(2) / error).log10()
}

fn gray(frames: &[f32]) -> RgbImage {
    let frame = &frames[SHOWN * HEIGHT * WIDTH..][..HEIGHT * WIDTH];
    shown(|y, x| {
        // A cast from a float saturates: 0 to 255.
        [frame[y * WIDTH + x].round() as u8; 3]
    })
}

/// At each pixel, the rank of the patch of this frame whose middle is near.
fn rank_map(found: &Shrunk<f32>, tracks: &[Track]) -> RgbImage {
    let [down, across] = [HEIGHT, WIDTH].map(|size| (size - SIDE) / STEP + 1);
    let first = tracks.len() / FRAMES * SHOWN;
    let patch =
        |at: usize, count: usize| (at.saturating_sub((SIDE - STEP) / 2) / STEP).min(count - 1);
    shown(|y, x| {
        let b = first + patch(y, down) * across + patch(x, across);
        let rank = found.report.outcomes[b].rank as usize;
        COLOURS[rank.min(COLOURS.len() - 1)]
    })
}

/// A frame, larger.
fn shown(colour: impl Fn(usize, usize) -> [u8; 3]) -> RgbImage {
    RgbImage::from_fn(WIDTH as u32 * SCALE, HEIGHT as u32 * SCALE, |x, y| {
        Rgb(colour((y / SCALE) as usize, (x / SCALE) as usize))
    })
}

/// Images of one size side by side.
fn picture(parts: &[RgbImage]) -> RgbImage {
    let (width, height) = parts[0].dimensions();
    let total = parts.len() as u32 * (width + GAP) - GAP;
    let mut all = RgbImage::from_pixel(total, height, Rgb([255; 3]));
    for (part, image) in parts.iter().enumerate() {
        let x = part as u32 * (width + GAP);
        image::imageops::replace(&mut all, image, x.into(), 0);
    }
    all
}

fn check(level: f64, [noisy, means, each, same]: [f64; 4]) -> Result<(), Box<dyn Error>> {
    let checks = [
        (
            "the estimate of the noise is off by less than 10 %",
            (level / NOISE - 1.0).abs() < 0.1,
        ),
        (
            "the frames are better by 11 dB",
            each.min(same) > noisy + 11.0,
        ),
        (
            "shrinkage is better than the mean of the views, by 0.5 dB",
            each.min(same) > means + 0.5,
        ),
    ];
    match checks.iter().find(|(_, holds)| !holds) {
        Some((check, _)) => Err(format!("this does not hold: {check}").into()),
        None => Ok(()),
    }
}
