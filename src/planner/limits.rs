//! What the planner goes by of a device.

/// What a device allows, of what the planner cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of workgroup memory. wgpu does not check it: the planner must.
    pub workgroup_storage: u32,
    pub workgroup_invocations: u32,
    /// Bytes in a storage binding.
    pub binding: u64,
    /// Bytes in a buffer.
    pub buffer: u64,
    /// Workgroups along one dimension of a dispatch.
    pub workgroups: u32,
    pub has_f64: bool,
    /// Invocations in the smallest subgroup; 1 where there are none.
    pub subgroup: u32,
    /// 32-bit words that an invocation may hold in registers, in f32 and in f64, unless the caller knows better.
    pub invocation_words: [u32; 2],
    /// Columns of a matrix that one invocation may hold in registers, unless the caller knows better.
    pub tiny_columns: usize,
    /// Rows of it.
    pub tiny_rows: usize,
    /// Whether matrices with a column a lane are composed where they are decomposed, unless the caller knows better:
    /// it saves the memory's time and costs the compiler's.
    pub fuses_columns: bool,
    /// Iterations of all loops of one invocation together. Mesa's lavapipe leaves every loop,
    /// silently, once a shader has gone round 65535 times in all; hardware has no such limit.
    pub iterations: u64,
    /// Floating-point operations in one submit, unless the caller knows better.
    pub submit_flops: u64,
}

/// WebGPU's default limits, and f64 besides: what tests plan for.
#[cfg(test)]
pub(crate) const WEBGPU: Limits = Limits {
    workgroup_storage: 16384,
    workgroup_invocations: 256,
    binding: 128 << 20,
    buffer: 256 << 20,
    workgroups: 65535,
    has_f64: true,
    subgroup: 1,
    invocation_words: [128, 128],
    tiny_columns: 4,
    tiny_rows: usize::MAX,
    fuses_columns: true,
    iterations: u64::MAX,
    submit_flops: 4 << 30,
};
