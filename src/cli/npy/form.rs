//! What the dimensions of an array are: of a stack, of matrices, of right-hand sides.

/// What shape an array may have.
pub(crate) enum Form {
    /// Matrices, of any.
    Matrices,
    /// Right-hand sides, vectors or matrices, of so many rows, for matrices of this leading shape; or one for all.
    Sides(Vec<u64>, usize),
    /// One of these, of matrices.
    OneOf(Vec<Vec<u64>>),
    /// This one, of vectors.
    Vectors(Vec<u64>),
    /// Any: every entry is a matrix of its own.
    Numbers,
}

/// What the dimensions of an array are.
pub(crate) struct Dimensions {
    pub leading: Vec<u64>,
    pub rows: u64,
    pub cols: u64,
    pub vectors: bool,
    pub shared: bool,
}

/// The dimensions of an array of this form, or what is wrong with them.
pub(crate) fn dimensions(shape: &[u64], form: &Form) -> Result<Dimensions, String> {
    let matrices = |leading: &[u64], rows, cols| Dimensions {
        leading: leading.to_vec(),
        rows,
        cols,
        vectors: false,
        shared: false,
    };
    match (form, shape) {
        (Form::Numbers, all) => Ok(matrices(all, 1, 1)),
        (Form::OneOf(shapes), _) if !shapes.iter().any(|expected| expected == shape) => {
            let shapes: Vec<_> = shapes.iter().map(|shape| format!("{shape:?}")).collect();
            let expected = shapes.join(" or ");
            Err(format!("has shape {shape:?}, but {expected} was expected"))
        }
        (Form::Vectors(expected), _) if expected != shape => Err(format!(
            "has shape {shape:?}, but {expected:?} was expected"
        )),
        (Form::Vectors(_), [leading @ .., rows]) => Ok(Dimensions {
            vectors: true,
            ..matrices(leading, *rows, 1)
        }),
        (Form::Sides(leading, rows), shape) => sides(shape, leading, *rows as u64),
        (_, [leading @ .., rows, cols]) => Ok(matrices(leading, *rows, *cols)),
        (_, shape) => {
            let n = shape.len();
            Err(format!(
                "has {n} dimensions, but matrices take at least two: (..., m, n)"
            ))
        }
    }
}

/// Right-hand sides for matrices of `rows` rows and this leading shape. With one dimension less than the matrices they
/// are vectors where that fits; else matrices, or one vector or matrix for all. (NumPy 2 has vectors for one dimension
/// alone; where both readings fit, this one does not depend on how many matrices there are.)
fn sides(shape: &[u64], leading: &[u64], rows: u64) -> Result<Dimensions, String> {
    let found = |rows: u64, cols: u64, vectors: bool, shared: bool| {
        Ok(Dimensions {
            leading: leading.to_vec(),
            rows,
            cols,
            vectors,
            shared: shared && !leading.is_empty(),
        })
    };
    let ones = |dimensions: &[u64]| dimensions.iter().all(|&n| n == 1);
    match shape {
        [before @ .., m] if before == leading && *m == rows => found(*m, 1, true, false),
        [before @ .., m, p] if before == leading && *m == rows => found(*m, *p, false, false),
        [m] if *m == rows => found(*m, 1, true, true),
        [before @ .., m, p] if ones(before) && before.len() <= leading.len() && *m == rows => {
            found(*m, *p, false, true)
        }
        _ => {
            let with = |last: &str| {
                let leading: Vec<_> = leading.iter().map(u64::to_string).collect();
                let all = leading.iter().map(String::as_str).chain([last]);
                format!("[{}]", all.collect::<Vec<_>>().join(", "))
            };
            let m = rows.to_string();
            let (vectors, matrices) = (with(&m), with(&format!("{m}, p")));
            let shared = match leading.is_empty() {
                true => String::new(),
                false => format!(", or [{m}] or [{m}, p], one for all"),
            };
            Err(format!(
                "has shape {shape:?}, but these matrices have right-hand sides of shape {vectors} or {matrices}{shared}"
            ))
        }
    }
}
