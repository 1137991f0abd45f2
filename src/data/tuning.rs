//! What a caller may set.

/// Thresholds of the planner. The defaults suit nearly every program. Tests shrink them, so that small matrices take the
/// paths of large ones.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tuning {
    /// The most bytes of workgroup memory that a kernel takes, if the device has as much.
    pub workgroup_storage: u32,
    /// The most invocations in a workgroup, if the device allows as many.
    pub workgroup_invocations: u32,
    /// The most 32-bit words of registers that an invocation holds of a matrix with a column in each lane. By default
    /// 256 on NVIDIA's GPUs (255 are registers; what is beyond is spilled), 192 on AMD's (160 in f64), 128 elsewhere, and
    /// 32 on software adapters, whose compilers take seconds for more.
    pub invocation_words: Option<u32>,
    /// The most columns of a matrix that one invocation holds in registers. By default 6, and 4 on software adapters, which
    /// take a second to compile 5x5 and four seconds for 8x8, and hold 32 rows at most.
    pub tiny_columns: Option<usize>,
    /// The most 32-bit words of such a matrix and its factors. 128.
    pub tiny_words: usize,
    /// Whether the kernel that decomposes a matrix with a column in each lane also forms compositions, and solves for a few
    /// right-hand sides. Then no factor goes through memory, but each composition is a text of its own to compile. By
    /// default yes, except on software adapters, whose compilers are slow.
    pub fuses_columns: Option<bool>,
    /// Invocations in a workgroup that holds several matrices in registers. They wait for each other between sweeps, so
    /// small workgroups wait less. 64.
    pub columns_workgroup: u32,
    /// Rows of a column in memory that one invocation takes. Few rows spread the work over a workgroup; many rows save
    /// exchanges of partial sums. 8.
    pub rows_per_lane: usize,
    /// The most bytes in one buffer of a chunk, if the device allows as many.
    pub chunk_bytes: u64,
    /// Floating-point operations in one submit: enough to keep all units of the device at work, and so few that a call can
    /// be cancelled and no watchdog ends it. By default 2^37 on a discrete GPU and 2^32 elsewhere (about 40 ms on a slow GPU
    /// that is fully used), and a 64th of that where one workgroup works alone.
    pub submit_flops: Option<u64>,
    /// Sweeps of the kernels in workgroup memory in one dispatch. Further dispatches resume what has not converged then.
    pub sweeps_per_dispatch: u32,
    /// Floating-point operations in one task of the CPU engine.
    pub task_flops: u64,
    /// The most matrices that the CPU engine solves side by side, if the vectors of the machine hold as many. With 1 it
    /// solves one matrix at a time.
    pub lanes: usize,
    /// The most bytes that matrices side by side take. Beyond the caches of a core they are not faster than one matrix at a
    /// time (256x256 and 1024x64 in f32 with 16 lanes).
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
