//! How often the loops of the kernels that hold matrices in memory go round: some drivers leave long ones.

/// Terms to sum before they are added to a total, so that the errors of a sum of `len` grow with
/// the root of it.
pub(crate) fn block(len: usize) -> u32 {
    (len as f64).sqrt().ceil().max(1.0) as u32
}

/// How often the loops of one invocation go round, from above.
pub(crate) struct Iterations {
    pub rows: u64,
    pub cols: u64,
    pub workgroup: u64,
    pub column_lanes: u64,
    pub pair_lanes: u64,
}

impl Iterations {
    /// A blocked sum over a share of `len` entries: the entries, the blocks and the ends.
    pub fn share(len: u64, lanes: u64) -> u64 {
        let own = len.div_ceil(lanes);
        own + own.isqrt() + 3
    }

    pub fn tree(lanes: u64) -> u64 {
        // Complex sums take two: less than twice as much, for which software adapters have room (2^16 for 2^15).
        u64::from(lanes.max(1).ilog2()) + 2
    }

    /// Passes of a workgroup's teams over all columns.
    fn passes(&self) -> u64 {
        self.cols.div_ceil(self.workgroup / self.column_lanes) + 1
    }

    /// The norms before the first step of the QR.
    pub fn start(&self) -> u64 {
        let lanes = self.column_lanes;
        self.passes() * (Self::share(self.rows, lanes) + Self::tree(lanes) + 1)
    }

    /// One step of the QR.
    pub fn step(&self) -> u64 {
        let (lanes, workgroup) = (self.column_lanes, self.workgroup);
        let pivot = self.cols.div_ceil(workgroup) + self.cols.min(workgroup) + 2;
        let reflector = 4 * Self::share(self.rows, workgroup) + 2 * Self::tree(workgroup);
        let column = 2 * Self::share(self.rows, lanes) + 2 * Self::tree(lanes) + 1;
        pivot + reflector + self.passes() * column + 1
    }

    /// One step of the sort of the rows.
    pub fn sort_step(&self) -> u64 {
        self.rows.div_ceil(self.workgroup) + 1
    }

    /// One column of V, completed.
    pub fn complete(&self) -> u64 {
        let (lanes, workgroup) = (self.pair_lanes, self.workgroup);
        let rows = self.cols.div_ceil(workgroup);
        let passes = self.cols.div_ceil((workgroup / lanes).max(1)) + 1;
        let shares = 2 * passes * (self.cols.div_ceil(lanes) + Self::tree(lanes) + 1);
        rows * (3 * self.cols + 13) + self.cols.min(workgroup) + shares + 2 * Self::tree(workgroup)
    }

    /// What the resident kernel does before the sweeps.
    pub fn solve(&self) -> u64 {
        let copies = 3 * (self.rows * self.cols).div_ceil(self.workgroup) + 8;
        copies + self.start() + self.cols * self.step()
    }

    /// One sweep in workgroup memory.
    pub fn sweep(&self) -> u64 {
        let lanes = self.pair_lanes;
        let pairs = self.cols.div_ceil(2);
        let pair = 2 * Self::share(self.cols, lanes) + Self::tree(lanes) + 1;
        let passes = pairs.div_ceil((self.workgroup / lanes).max(1)) + 1;
        (self.cols + 1) * (passes * pair + 1)
    }

    /// From global to workgroup memory before the sweeps, and back after them.
    pub fn copies(&self) -> u64 {
        let lanes = self.column_lanes;
        let stores = self.passes() * (4 * Self::share(self.cols, lanes) + 2 * Self::tree(lanes));
        stores + 3 * (self.cols * (self.cols + 1)).div_ceil(self.workgroup) + 32
    }

    /// So many right-hand sides of some length: their scales, and what is left of them. As if no workgroup
    /// did more than one, which is so up to 65535 of them.
    pub fn rhs(&self, length: u64, rhs: u64) -> u64 {
        if rhs == 0 {
            return 0;
        }
        let lanes = if length == self.rows {
            self.column_lanes
        } else {
            self.pair_lanes
        };
        let lanes = lanes.min(self.workgroup);
        let turns = (rhs * self.cols).div_ceil(65535);
        let weigh = length.div_ceil(self.workgroup) + Self::tree(self.workgroup) + 1;
        let project = Self::share(length, lanes) + Self::tree(lanes) + 1;
        turns * weigh.max(project)
    }

    /// U in global memory.
    pub fn form_u(&self) -> u64 {
        let lanes = self.column_lanes;
        self.cols * (2 * Self::share(self.rows, lanes) + Self::tree(lanes) + 1) + self.rows / lanes
    }
}
