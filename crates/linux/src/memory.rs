//! Free memory goes back to the system.

#![allow(unsafe_code, reason = "a function of the allocator that no crate wraps")]

/// Gives back what the allocator of the process, mimalloc, keeps free. By itself it does so a second later at the earliest,
/// and only when memory is freed or asked for then, which a daemon that has come to rest hardly does. Cheap where there is
/// nothing to give back; wants to be called now and then, by any thread.
pub fn give_back_memory() {
    // SAFETY: it takes no pointer, may be called by any thread at any time, and touches only memory that is free.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
