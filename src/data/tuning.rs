//! What a caller may set.

/// Thresholds of the planner. The defaults suit nearly everyone; tests shrink them so that small
/// input takes the paths of large.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// The most workgroup memory a kernel may take, in bytes, below what the device has.
    pub workgroup_storage: u32,
    /// The most invocations in a workgroup, below what the device has.
    pub workgroup_invocations: u32,
    /// The most 32-bit words that an invocation may hold in registers of a matrix that has a lane a column.
    /// Without one: 256 on NVIDIA's (255 are registers, what is beyond is spilled), 192 on AMD's (160 in f64), 128
    /// elsewhere; 32 on software adapters, whose compilers take seconds for more.
    pub invocation_words: Option<u32>,
    /// The most columns of a matrix that one invocation holds in registers, and the most 32-bit words of it and
    /// its factors. Without a number of columns 6, or 4 on software adapters, which take a second for 5x5
    /// and four for 8x8, and hold 32 rows at most; 128 words.
    pub tiny_columns: Option<usize>,
    /// See `tiny_columns`.
    pub tiny_words: usize,
    /// Whether matrices that take several lanes' registers are composed, and solved for a few right-hand sides, by the
    /// kernel that decomposes them: a text for each composition to compile, and no factor in memory. Yes, but not on
    /// software adapters, whose compilers are slow.
    pub fuses_columns: Option<bool>,
    /// Invocations in a workgroup that holds matrices in registers, several of them: small ones wait for
    /// each other between sweeps. 64.
    pub columns_workgroup: u32,
    /// Rows that one invocation takes of a column that is not in registers: few spread the work over a
    /// workgroup, many pay for the exchange of partial sums. 8.
    pub rows_per_lane: usize,
    /// The most bytes in one buffer of a chunk, below what the device has.
    pub chunk_bytes: u64,
    /// Floating-point operations in one submit, so that no watchdog bites and a call can be cancelled, and all units have
    /// work. Without a number: 2^37 on a discrete GPU, else 2^32, about 40 ms on a slow GPU that is all at work; a
    /// 64th of it where one workgroup works alone.
    pub submit_flops: Option<u64>,
    /// Sweeps of the resident kernels in one dispatch; what is not done then is resumed.
    pub sweeps_per_dispatch: u32,
    /// Floating-point operations in one task of the CPU engine.
    pub task_flops: u64,
    /// The most matrices that the CPU engine solves side by side, below what the machine's vectors
    /// hold: 1 for one at a time.
    pub lanes: usize,
    /// The most bytes that matrices side by side may take: beyond what a core's caches hold they are
    /// no faster than one at a time (256x256 and 1024x64 in f32 with 16 lanes).
    pub group_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            workgroup_storage: u32::MAX,
            workgroup_invocations: 256,
            invocation_words: None,
            tiny_columns: None,
            tiny_words: 128,
            fuses_columns: None,
            columns_workgroup: 64,
            rows_per_lane: 8,
            chunk_bytes: 64 << 20,
            submit_flops: None,
            sweeps_per_dispatch: 12,
            task_flops: 2 << 20,
            lanes: usize::MAX,
            group_bytes: 8 << 20,
        }
    }
}
