//! What a GPU's kernels took, each by itself.

/// What one kernel of a GPU took since the last look ([`Engine::profile`](crate::Engine::profile)).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelProfile {
    /// The kernel's entry point in the project's shaders.
    pub kernel: &'static str,
    /// What its text was made for: type, sizes, workgroup.
    pub form: String,
    /// How often it was dispatched.
    pub dispatches: u64,
    /// Seconds of these dispatches by the device's clock; zero where it has none.
    pub seconds: f64,
    /// Seconds that it took to compile, if that was done since the last look.
    pub compiled: Option<f64>,
}

/// Whether seconds can be measured here: not on the web.
pub(crate) fn clock_is_there() -> bool {
    cfg!(not(target_family = "wasm"))
}
