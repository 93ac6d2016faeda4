//! The system's allocator, told to keep a run's memory near what its bounds add up to, and spared the large blocks.
//!
//! A run moves buffers of up to a few MiB between threads that come and go. Left alone, glibc gives
//! every thread an arena and keeps freed buffers in it, and large ones leave holes. Measured on an
//! export of 100,000 events whose live heap peaks at 126 MB: 352 MB resident left alone, 171 MB with
//! these settings, 611 MB with mimalloc, 330 MB with jemalloc, all within a tenth of the same time.
//!
//! With them every large buffer is mapped for itself and given back at once, and every page of the next one is
//! a fault. So [`Allocator`] keeps a few large blocks that were freed and gives them out again, until it is cleared
//! at the end of a run. Where rows come in bursts it asks for huge pages too: each row is gathered from the buffers of
//! all its columns, so most of them are looked for in the page tables. What it does not do: anything about small ones.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, TryLockError};

/// Buffers from this size on are mapped on their own.
const LARGE_BYTES: usize = 1024 * 1024;
/// Buffers up to this size are kept when they are freed. What is larger grows without being copied.
const SHELVED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Large buffers get room in such steps, so that those of one kind fit into each other's blocks. A page of it that is
/// never written takes no memory.
const STEP_BYTES: usize = 2 * 1024 * 1024;
/// Bytes that are kept at most: what the few blocks between two steps of a run take. Large buffers that are in use and
/// kept ones together have no more than were in use at the most.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The same where rows come in bursts, as each slice of a server does, so that a burst finds the blocks of the one
/// before. Measured on an export of 1,000,000 events of 3.4 kB from ClickHouse to CSV: 870,000 faults of pages with
/// 8 MiB, 59,000 with 64, at the same peak. From the embedded store it saves no time and costs 40 MiB. Huge pages spare
/// two thirds of the faults that are left, and 4 % of the time, for 5 MiB.
const KEPT_BYTES_MAX_IN_BURSTS: usize = 64 * 1024 * 1024;
/// The largest pages that a Linux system may have, apart from huge ones. Advice is for whole pages.
#[cfg(target_os = "linux")]
const PAGE_BYTES_MAX: usize = 64 * 1024;
/// Blocks that are kept.
const SHELF_PLACES: usize = 16;
/// What large blocks are aligned to, so that any fits whoever asks next: as much as Arrow asks for.
const ALIGN: usize = 128;
/// Free bytes at the end of an arena that are kept for the next buffers.
#[cfg(target_env = "gnu")]
const ARENA_KEPT_BYTES: i32 = 4 * 1024 * 1024;

/// Bounds what the allocator keeps. To be called before threads start; does nothing where the C
/// library is another than glibc.
pub fn bound() {
    #[cfg(target_env = "gnu")]
    {
        // Threads wait for each other where they share an arena, and each arena keeps some memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let arenas = i32::try_from(cores.clamp(2, 8)).unwrap_or(2);
        let large = i32::try_from(LARGE_BYTES).unwrap_or(i32::MAX);
        for (parameter, value) in
            [(libc::M_ARENA_MAX, arenas), (libc::M_MMAP_THRESHOLD, large), (libc::M_TRIM_THRESHOLD, ARENA_KEPT_BYTES)]
        {
            // SAFETY: mallopt takes two integers and touches the allocator's own state only; no other
            // thread runs yet.
            let accepted = unsafe { libc::mallopt(parameter, value) };
            debug_assert_eq!(accepted, 1, "glibc knows parameter {parameter}");
        }
    }
}

/// The system's allocator with a shelf for large blocks. Where the C library is another than glibc the shelf
/// stays empty.
pub struct Allocator {
    shelf: Mutex<Shelf>,
    /// Bytes of the large buffers that are in use, and how many were at the most.
    used: AtomicUsize,
    most: AtomicUsize,
    kept_max: AtomicUsize,
}

/// Blocks that were freed, the oldest first.
struct Shelf {
    blocks: [Block; SHELF_PLACES],
    count: usize,
    bytes: usize,
}

#[derive(Clone, Copy)]
struct Block {
    address: *mut u8,
    /// Its room, in whole steps.
    bytes: usize,
}

// SAFETY: a block on the shelf belongs to nobody, whichever thread put it there.
unsafe impl Send for Shelf {}

impl Allocator {
    pub const fn new() -> Self {
        let none = Block { address: ptr::null_mut(), bytes: 0 };
        let shelf = Shelf { blocks: [none; SHELF_PLACES], count: 0, bytes: 0 };
        let kept_max = AtomicUsize::new(KEPT_BYTES_MAX);
        Self { shelf: Mutex::new(shelf), used: AtomicUsize::new(0), most: AtomicUsize::new(0), kept_max }
    }

    /// Rows will come in bursts: more blocks are kept from now on.
    pub fn expect_bursts(&self) {
        self.kept_max.store(KEPT_BYTES_MAX_IN_BURSTS, Ordering::Relaxed);
    }

    /// Does something with the shelf, unless somebody else is at it: waiting is dearer than a new block.
    fn with_shelf<T>(&self, act: impl FnOnce(&mut Shelf) -> Option<T>) -> Option<T> {
        match self.shelf.try_lock() {
            Ok(mut shelf) => act(&mut shelf),
            Err(TryLockError::Poisoned(poisoned)) => act(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn take(&self, bytes: usize) -> Option<*mut u8> {
        let kept_max = self.begin_use(bytes);
        self.with_shelf(|shelf| shelf.take(bytes, kept_max))
    }

    /// A large block that nobody had before.
    ///
    /// # Safety
    /// The layout is not empty.
    unsafe fn new_block(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let address = unsafe { System.alloc(layout) };
        let bursts = self.kept_max.load(Ordering::Relaxed) == KEPT_BYTES_MAX_IN_BURSTS;
        if bursts && !address.is_null() {
            // SAFETY: so many bytes were asked for.
            unsafe { in_huge_pages(address, layout.size()) };
        }
        address
    }

    /// How many bytes can be kept then.
    fn begin_use(&self, bytes: usize) -> usize {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.keepable(self.most.fetch_max(used, Ordering::Relaxed).max(used), used)
    }

    /// How many bytes can be kept then.
    fn end_use(&self, bytes: usize) -> usize {
        let used = self.used.fetch_sub(bytes, Ordering::Relaxed) - bytes;
        self.keepable(self.most.load(Ordering::Relaxed), used)
    }

    fn keepable(&self, most: usize, used: usize) -> usize {
        most.saturating_sub(used).min(self.kept_max.load(Ordering::Relaxed))
    }

    /// Gives what is kept back to the system.
    pub fn clear(&self) {
        self.most.store(self.used.load(Ordering::Relaxed), Ordering::Relaxed);
        self.with_shelf(|shelf| {
            while shelf.count > 0 {
                shelf.remove_oldest();
            }
            Some(())
        });
    }
}

/// Whether blocks of this layout are those that the shelf is for, and how the system is asked for them.
fn large(layout: Layout) -> Option<Layout> {
    let sized = (LARGE_BYTES..=SHELVED_BYTES_MAX).contains(&layout.size());
    let large = cfg!(target_env = "gnu") && sized && layout.align() <= ALIGN;
    if large { Layout::from_size_align(layout.size().next_multiple_of(STEP_BYTES), ALIGN).ok() } else { None }
}

/// The room of a large block.
///
/// # Safety
/// The system gave it, and it was not freed.
#[cfg(target_env = "gnu")]
unsafe fn room(address: *mut u8) -> usize {
    // SAFETY: the system's blocks are those of malloc and its relatives.
    unsafe { libc::malloc_usable_size(address.cast()) }
}

/// # Safety
/// None: there are no large blocks.
#[cfg(not(target_env = "gnu"))]
unsafe fn room(_address: *mut u8) -> usize {
    0
}

impl Shelf {
    /// The smallest block with so much room, unless it has more than twice as much. Where there is none, those that
    /// are too many beside a new one go.
    fn take(&mut self, bytes: usize, bytes_max: usize) -> Option<*mut u8> {
        let fits = |block: &Block| (bytes..=2 * bytes).contains(&block.bytes);
        let fitting = self.blocks[..self.count].iter().enumerate().filter(|(_, block)| fits(block));
        let Some((place, _)) = fitting.min_by_key(|(_, block)| block.bytes) else {
            while self.bytes > bytes_max {
                self.remove_oldest();
            }
            return None;
        };
        Some(self.remove(place).address)
    }

    /// Keeps a block that fits whoever asks next; the oldest go where there is no room.
    fn put(&mut self, block: Block, bytes_max: usize) -> Option<()> {
        let fits = |bytes: usize| bytes + block.bytes <= bytes_max;
        while self.count > 0 && (self.count == SHELF_PLACES || !fits(self.bytes)) {
            self.remove_oldest();
        }
        if block.bytes == 0 || !fits(self.bytes) || !block.address.addr().is_multiple_of(ALIGN) {
            return None;
        }
        self.blocks[self.count] = block;
        self.count += 1;
        self.bytes += block.bytes;
        Some(())
    }

    fn remove_oldest(&mut self) {
        let oldest = self.remove(0);
        // SAFETY: the system gave it, and nobody has it.
        unsafe { give_back(oldest.address) };
    }

    fn remove(&mut self, place: usize) -> Block {
        let block = self.blocks[place];
        self.blocks.copy_within(place + 1..self.count, place);
        self.count -= 1;
        self.bytes -= block.bytes;
        block
    }
}

/// Asks the system for huge pages where they fit into a new block. Whether there are any is its matter.
///
/// # Safety
/// The block has so many bytes.
#[cfg(target_os = "linux")]
unsafe fn in_huge_pages(address: *mut u8, bytes: usize) {
    let from = address.map_addr(|address| address.next_multiple_of(PAGE_BYTES_MAX));
    // SAFETY: these are whole pages of the block. The advice changes nothing that a program can see.
    unsafe { libc::madvise(from.cast(), bytes - PAGE_BYTES_MAX, libc::MADV_HUGEPAGE) };
}

/// # Safety
/// None: nothing is asked for.
#[cfg(not(target_os = "linux"))]
unsafe fn in_huge_pages(_address: *mut u8, _bytes: usize) {}

/// Frees a large block, of which the system does not ask how large it was.
///
/// # Safety
/// The system gave it, and nobody has it.
unsafe fn give_back(address: *mut u8) {
    // SAFETY: the caller's; on glibc `System` is malloc and its relatives, which free alike.
    unsafe { libc::free(address.cast()) };
}

// SAFETY: every block comes from the system with at least the room and the alignment that were asked for, or from the
// shelf with as much. Large blocks and others are both the system's, and go back to it alike. A block on the shelf is
// handed out once.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match large(layout) {
            // SAFETY: a large block is not empty.
            Some(layout) => self.take(layout.size()).unwrap_or_else(|| unsafe { self.new_block(layout) }),
            // SAFETY: as the caller's.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.begin_use(large(layout).map_or(0, |layout| layout.size()));
        // SAFETY: as the caller's. A mapping is zero by itself; zeroing a block would touch all of it.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        let Some(rounded) = large(layout) else {
            // SAFETY: as the caller's.
            return unsafe { System.dealloc(address, layout) };
        };
        let kept_max = self.end_use(rounded.size());
        // What the system rounds up is not counted, so that a block weighs as much on the shelf as in use.
        // SAFETY: it is a large block of the caller's.
        let bytes = unsafe { room(address) } / STEP_BYTES * STEP_BYTES;
        let block = Block { address, bytes };
        if self.with_shelf(|shelf| shelf.put(block, kept_max)).is_none() {
            // SAFETY: it is a large block of the caller's.
            unsafe { give_back(address) };
        }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's size does not overflow when it is rounded up to the alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // What is mapped moves without being copied.
        let moves = layout.size() >= LARGE_BYTES && size >= LARGE_BYTES;
        if moves || (large(layout).is_none() && large(new).is_none()) {
            self.begin_use(large(new).map_or(0, |layout| layout.size()));
            self.end_use(large(layout).map_or(0, |layout| layout.size()));
            // SAFETY: as the caller's.
            return unsafe { System.realloc(address, layout, size) };
        }
        // SAFETY: both blocks have at least the bytes that are copied, and are not the same.
        unsafe {
            let moved = self.alloc(new);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(address, moved, layout.size().min(size));
                self.dealloc(address, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn a_large_block_that_was_freed_is_given_out_again_and_once() {
        let allocator = Allocator::new();
        // SAFETY: every block is freed once, with the layout it has.
        unsafe {
            let first = allocator.alloc(layout(3 * MIB));
            allocator.dealloc(first, layout(3 * MIB));
            let again = allocator.alloc(layout(3 * MIB - 100));
            let other = allocator.alloc(layout(3 * MIB));
            assert_eq!(again, first);
            assert_ne!(other, first);
            allocator.dealloc(again, layout(3 * MIB - 100));
            allocator.dealloc(other, layout(3 * MIB));
        }
    }

    #[test]
    fn a_block_that_grows_and_shrinks_keeps_its_bytes() {
        let allocator = Allocator::new();
        let mut size = 100;
        // SAFETY: the block is freed once, with the layout it has, and written to within it.
        unsafe {
            let mut block = allocator.alloc(layout(size));
            block.write_bytes(7, size);
            for next in [MIB - 1, MIB, MIB + 1, 5 * MIB, 8 * MIB, 40 * MIB, 50 * MIB, 3 * MIB, 100] {
                block = allocator.realloc(block, layout(size), next);
                size = next;
                assert!(std::slice::from_raw_parts(block, 100).iter().all(|byte| *byte == 7), "{next}");
                *block.add(size - 1) = 7;
            }
            allocator.dealloc(block, layout(size));
        }
    }

    #[test]
    fn the_shelf_is_bounded() {
        let bursts = Allocator::new();
        bursts.expect_bursts();
        for (allocator, kept_max) in [(Allocator::new(), KEPT_BYTES_MAX), (bursts, KEPT_BYTES_MAX_IN_BURSTS)] {
            bounded(&allocator, kept_max);
        }
    }

    fn bounded(allocator: &Allocator, kept_max: usize) {
        // SAFETY: every block is freed once, with the layout it has.
        unsafe {
            let sizes = (1..=40).map(|number| number % 8 * MIB + MIB / 2);
            let blocks: Vec<_> = sizes.map(|size| (allocator.alloc(layout(size)), size)).collect();
            for (block, size) in blocks {
                allocator.dealloc(block, layout(size));
                let shelf = allocator.shelf.lock().unwrap();
                let bytes: usize = shelf.blocks[..shelf.count].iter().map(|block| block.bytes).sum();
                assert_eq!(bytes, shelf.bytes);
                let [used, most] = [&allocator.used, &allocator.most].map(|bytes| bytes.load(Ordering::Relaxed));
                assert!(bytes <= kept_max && bytes + used <= most);
            }
        }
        assert_eq!(allocator.used.load(Ordering::Relaxed), 0);
        assert!(allocator.shelf.lock().unwrap().count > 0);
        allocator.clear();
        let shelf = allocator.shelf.lock().unwrap();
        assert_eq!((shelf.count, shelf.bytes), (0, 0));
    }
}
