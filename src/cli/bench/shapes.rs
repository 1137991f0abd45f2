//! Shared with benches/svd.rs.

/// The shapes of a default run: square, tall, wide.
pub(crate) const SHAPES: &[(usize, usize)] = &[
    (2, 2),
    (3, 3),
    (4, 4),
    (6, 7),
    (8, 8),
    (16, 16),
    (24, 24),
    (32, 32),
    (48, 48),
    (64, 64),
    (96, 96),
    (128, 128),
    (256, 256),
    (512, 512),
    (64, 16),
    (256, 32),
    (1024, 16),
    (1024, 64),
    (7, 6),
    (16, 64),
];
