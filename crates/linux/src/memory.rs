//! Free memory goes back to the system.

#![allow(unsafe_code, reason = "a function of the allocator that no crate wraps")]

/// `mi_option_purge_delay` (mimalloc.h, "stable options"): milliseconds.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// The allocator of the process, mimalloc, is to give back at once what becomes free. It would wait a second, and then until
/// memory is freed or asked for again, which a daemon that has come to rest hardly does. To be called once, before other
/// threads are started.
pub fn give_back_memory() {
    // SAFETY: it takes no pointer and only writes a number of the allocator's own; no other thread sets options.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) }
}
