//! Which matrices: by their numbers, or in .npz files by their arrays' names and their numbers there.

use batched_svd::Status;
use serde_json::json;

use crate::cli::npy::Shape;

/// What a matrix, counted over all arrays, is called.
pub(crate) fn name_of(shapes: &[&Shape], zipped: bool, index: usize) -> String {
    let mut own = index;
    for shape in shapes.iter().filter(|_| zipped) {
        if own < shape.count {
            return format!("{}[{own}]", shape.key.escape_debug());
        }
        own -= shape.count;
    }
    index.to_string()
}

/// The names of the first few of some matrices.
pub(crate) fn named(
    shapes: &[&Shape],
    zipped: bool,
    matrices: impl Iterator<Item = usize>,
) -> String {
    let mut names = Vec::new();
    for (at, b) in matrices.enumerate() {
        if at == 8 {
            names.push("...".to_string());
            break;
        }
        names.push(name_of(shapes, zipped, b));
    }
    names.join(", ")
}

/// A matrix, for programs: a number, or where there are many arrays, a name.
pub(crate) fn index(shapes: &[&Shape], zipped: bool, b: usize) -> serde_json::Value {
    match zipped {
        true => json!(name_of(shapes, zipped, b)),
        false => json!(b),
    }
}

/// All matrices that did not converge, by how they ended.
pub(crate) fn bad(
    shapes: &[&Shape],
    zipped: bool,
    ended: impl Fn(Status) -> Vec<usize>,
) -> serde_json::Value {
    let of = |status| {
        let all = ended(status).into_iter();
        all.map(|b| index(shapes, zipped, b)).collect::<Vec<_>>()
    };
    json!({
        "not_converged": of(Status::NotConverged),
        "non_finite": of(Status::NonFinite),
        "not_representable": of(Status::NotRepresentable),
        "not_symmetric": of(Status::NotSymmetric),
        "not_definite": of(Status::NotDefinite),
    })
}

/// What strict mode says.
pub(crate) struct Failed<'a> {
    pub op: &'a str,
    pub shapes: &'a [&'a Shape],
    pub zipped: bool,
    pub failures: &'a [(usize, Status)],
}

impl Failed<'_> {
    pub fn text(&self) -> String {
        let shown = self.failures.iter().take(8);
        let shown: Vec<_> = shown
            .map(|(b, status)| format!("{} ({status})", name_of(self.shapes, self.zipped, *b)))
            .collect();
        let more = if self.failures.len() > 8 { ", ..." } else { "" };
        let matrices = if self.failures.len() == 1 {
            "matrix"
        } else {
            "matrices"
        };
        format!(
            "{} {matrices} failed: {}{more}",
            self.failures.len(),
            shown.join(", ")
        )
    }

    pub fn json(&self) -> serde_json::Value {
        let ended = |status| {
            let those = self.failures.iter().filter(|(_, s)| *s == status);
            those.map(|(b, _)| *b).collect()
        };
        json!({
            "op": self.op,
            "error": self.text(),
            "count": self.shapes.iter().map(|shape| shape.count).sum::<usize>(),
            "bad": bad(self.shapes, self.zipped, ended),
        })
    }
}
