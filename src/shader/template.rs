//! Texts that are unrolled: registers have names.

/// The sizes that a text is unrolled for.
///
/// A line with `$m` is repeated for each row, one with `$n` for each column, with both for each entry; what
/// is between `//$ for k in 0..N` and `//$ end` for each number, as `$k`. Bounds are numbers, numbers of
/// enclosing ranges, `+1`, M, N, W (columns of U, but no more than N) and K (rows of a pair that a lane holds);
/// `rev` counts down. `$4` is the number modulo 4. Comments stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Unrolled {
    pub rows: u32,
    pub cols: u32,
    pub u_cols: u32,
    pub held: u32,
}

impl Unrolled {
    pub fn unroll(&self, text: &mut String, lines: &[&str], bound: &[(&str, u32)]) {
        let mut rest = lines;
        while let Some((line, after)) = rest.split_first() {
            rest = after;
            let Some(range) = line.trim_start().strip_prefix("//$ for ") else {
                self.line(text, line, bound);
                continue;
            };
            let mut depth = 1;
            let end = after.iter().position(|line| {
                let line = line.trim_start();
                depth += i32::from(line.starts_with("//$ for "));
                depth -= i32::from(line == "//$ end");
                depth == 0
            });
            let end = end.expect("every range of a shader ends");
            let (name, values) = self.range(range, bound);
            for value in values {
                let bound = [bound, &[(name, value)]].concat();
                self.unroll(text, &after[..end], &bound);
            }
            rest = &after[end + 1..];
        }
    }

    /// `k in rev 0..N`: the name, and its numbers.
    fn range<'t>(&self, range: &'t str, bound: &[(&str, u32)]) -> (&'t str, Vec<u32>) {
        let (name, values) = range.split_once(" in ").expect("a range names its number");
        let down = values.strip_prefix("rev ");
        let ends = down.unwrap_or(values).split_once("..");
        let (start, end) = ends.expect("a range has two ends");
        let values = self.number(start, bound)..self.number(end, bound);
        let values = match down {
            Some(_) => values.rev().collect(),
            None => values.collect(),
        };
        (name, values)
    }

    fn number(&self, text: &str, bound: &[(&str, u32)]) -> u32 {
        let (text, more) = match text.strip_suffix("+1") {
            Some(text) => (text, 1),
            None => (text, 0),
        };
        let value = match text {
            "M" => self.rows,
            "N" => self.cols,
            "W" => self.u_cols.min(self.cols),
            "K" => self.held,
            _ => match bound.iter().rev().find(|(name, _)| *name == text) {
                Some((_, value)) => *value,
                None => text.parse().expect("a bound is a number"),
            },
        };
        value + more
    }

    /// A line that is none of ours.
    fn line(&self, text: &mut String, line: &str, bound: &[(&str, u32)]) {
        if !line.trim_start().starts_with("//") {
            for (name, size) in [("n", self.cols), ("m", self.rows)] {
                let free = bound.iter().all(|(known, _)| *known != name);
                if free && line.contains(&format!("${name}")) {
                    for value in 0..size {
                        self.line(text, line, &[bound, &[(name, value)]].concat());
                    }
                    return;
                }
            }
        }
        let mut line = line.to_string();
        for (name, value) in bound {
            line = line.replace(&format!("${name}"), &value.to_string());
        }
        if let Some((_, last)) = bound.last() {
            line = line.replace("$4", &(last % 4).to_string());
        }
        text.push_str(&line);
        text.push('\n');
    }
}
