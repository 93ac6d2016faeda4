//! Settings of the system allocator that keep a run's memory near what its bounds add up to.
//!
//! A run moves buffers of up to a few MiB between threads that come and go. Left alone, glibc gives
//! every thread an arena and keeps freed buffers in it; where every large buffer is mapped on its own
//! instead, a third of the time goes into page faults. Measured on 1,000,000 events, two cores, an
//! export of one row in a hundred: 1.7 s of system time with buffers mapped from 256 KiB on, 0.45 s
//! with these settings and 40 MB more. For comparison, on an export of 100,000 events whose live heap
//! peaks at 126 MB, mimalloc keeps 611 MB, jemalloc 330 MB and glibc by itself 352 MB.

/// Buffers from this size on are mapped on their own, so that freeing one returns it at once: values
/// larger than a block, which few exports have.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: i32 = 16 * 1024 * 1024;
/// Free bytes at the end of an arena that are kept for the next buffers.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: i32 = 32 * 1024 * 1024;
/// Bytes by which an arena grows at least.
#[cfg(target_env = "gnu")]
const GROWTH_BYTES: i32 = 1024 * 1024;

/// Bounds what the allocator keeps. To be called before threads start; does nothing where the C
/// library is another than glibc.
pub fn bound() {
    #[cfg(target_env = "gnu")]
    {
        // Threads wait for each other where they share an arena, and each arena keeps some memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let arenas = i32::try_from(cores.clamp(2, 8)).unwrap_or(2);
        for (parameter, value) in [
            (libc::M_ARENA_MAX, arenas),
            (libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN),
            (libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX),
            (libc::M_TOP_PAD, GROWTH_BYTES),
        ] {
            // SAFETY: mallopt takes two integers and touches the allocator's own state only; no other
            // thread runs yet.
            let accepted = unsafe { libc::mallopt(parameter, value) };
            debug_assert_eq!(accepted, 1, "glibc knows parameter {parameter}");
        }
    }
}
