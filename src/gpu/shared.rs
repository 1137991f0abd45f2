//! Structures that Rust and WGSL share, and the test that holds them and their constants to each other.

/// A shader's `Params`. The members are listed for the test that compares them with the shader's.
macro_rules! params {
    (
        $(#[$about:meta])*
        $seen:vis struct $Name:ident {
            $($member_seen:vis $member:ident: $kind:ident,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(C)]
        $seen struct $Name {
            $($member_seen $member: $kind,)*
        }

        #[cfg(test)]
        impl $Name {
            pub(in crate::gpu) const MEMBERS: &[$crate::gpu::shared::Member] = &[$((
                stringify!($member),
                stringify!($kind),
                std::mem::offset_of!($Name, $member),
            ),)*];
        }
    };
}
pub(super) use params;

/// Its name, its type and where it begins.
#[cfg(test)]
pub(super) type Member = (&'static str, &'static str, usize);

#[cfg(test)]
mod tests {
    use super::Member;
    use crate::data::options::Options;
    use crate::data::scalar::Dtype;
    use crate::data::tuning::Tuning;
    use crate::gpu::{compose, registers, rhs, run, solve, state};
    use crate::planner::Vectors;
    use crate::planner::gpu::GpuRecipe;
    use crate::planner::limits::WEBGPU;
    use crate::planner::paths::plan::Solver;
    use crate::planner::paths::{after, staged};
    use crate::planner::{Convergence, Filter, Job, Problem};
    use crate::shader::Kernel;

    /// A kernel's text for matrices of this size, parsed. Without a kernel, the one that does everything.
    fn parsed(size: usize, kernel: Option<Kernel>) -> naga::Module {
        let problem = Problem::new(size, size, Dtype::F32, Job::svd(Vectors::Thin));
        let convergence = Convergence::new(&problem, &Options::default());
        let recipe = GpuRecipe::new(&problem, &convergence, &WEBGPU, &Tuning::default()).unwrap();
        let blueprint = match (kernel, recipe.path.plan().solver()) {
            (Some(kernel), _) if kernel == after::COMPOSE => after::composing(Dtype::F32),
            (Some(kernel), _) => recipe.blueprint(kernel, &problem),
            (None, Solver::Alone { kernel, .. }) => recipe.blueprint(kernel, &problem),
            (None, other) => panic!("{other:?}"),
        };
        naga::front::wgsl::parse_str(&blueprint.text()).unwrap()
    }

    /// The shader's `Params`, and its size.
    fn params(module: &naga::Module) -> (Vec<(String, &'static str, usize)>, usize) {
        let named = |ty: &&naga::Type| ty.name.as_deref() == Some("Params");
        let found = module.types.iter().map(|(_, ty)| ty).find(named).unwrap();
        let naga::TypeInner::Struct { members, span } = &found.inner else {
            panic!("{found:?}");
        };
        let members = members.iter().map(|member| {
            let kind = match module.types[member.ty].inner {
                naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
                naga::TypeInner::Scalar(naga::Scalar::I32) => "i32",
                naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
                ref other => panic!("{other:?}"),
            };
            let name = member.name.clone().unwrap();
            (name, kind, member.offset as usize)
        });
        (members.collect(), *span as usize)
    }

    #[test]
    fn parameters_lie_where_shaders_look_for_them() {
        let check = |module: &naga::Module, members: &[Member], size: usize| {
            let mut flat = Vec::new();
            for &(name, kind, offset) in members {
                match kind {
                    "Steps" => {
                        flat.extend(compose::Steps::MEMBERS.iter().map(|(step, kind, further)| {
                            (format!("{name}_{step}"), *kind, offset + further)
                        }))
                    }
                    _ => flat.push((name.to_string(), kind, offset)),
                }
            }
            assert_eq!((flat, size), params(module));
        };
        macro_rules! same {
            ($module:expr, $Params:ty) => {
                check(&$module, <$Params>::MEMBERS, size_of::<$Params>())
            };
        }
        let staged = |kernel| parsed(64, Some(kernel));
        same!(staged(staged::LOOK), solve::IntakeParams);
        same!(staged(staged::FORM_U), solve::SolveParams);
        same!(staged(staged::ORDER), solve::OrderParams);
        same!(staged(staged::PLACE), solve::DeliverParams);
        same!(staged(after::WEIGH), rhs::Params);
        same!(staged(after::COMPOSE), compose::Params);
        same!(parsed(3, None), registers::Params);
        same!(parsed(32, None), registers::Params);
    }

    /// The value of one of a shader's constants.
    fn constant(module: &naga::Module, name: &str) -> u32 {
        let named = |constant: &&naga::Constant| constant.name.as_deref() == Some(name);
        let mut constants = module.constants.iter().map(|(_, constant)| constant);
        let found = constants.find(named).unwrap_or_else(|| panic!("no {name}"));
        match module.global_expressions[found.init] {
            naga::Expression::Literal(naga::Literal::U32(value)) => value,
            ref other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn constants_are_those_of_the_shaders() {
        // It uses all the files that have any.
        let order = parsed(64, Some(staged::ORDER));
        macro_rules! same {
            ($($name:ident)*) => {
                $(assert_eq!(
                    constant(&order, stringify!($name)),
                    state::$name as u32,
                    stringify!($name)
                );)*
            };
        }
        same!(STATE_WORDS STATUS SWEEPS ROTATIONS LARGEST_SIGMA RANK POWER LOST);
        same!(RUNNING CONVERGED SCATTERED NON_FINITE);
        same!(OVERFLOWED PRESENT NORMAL UNSOUND);
        for (name, value) in [
            ("CUTOFFS", run::CUTOFFS as u32),
            ("INVERSE", Filter::Inverse.word()),
            ("INVERSE", Filter::Damped.word()),
            ("KEEP", Filter::Keep.word()),
            ("VALUE", Filter::Value.word()),
        ] {
            assert_eq!(constant(&order, name), value, "{name}");
        }
    }
}
