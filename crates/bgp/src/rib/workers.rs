//! Threads beside the one that runs the speaker, for work that falls into parts. They are made when there is first enough of it.

use rayon::{ThreadPool, ThreadPoolBuilder};

/// See the module.
pub(crate) struct Workers {
    pool: Option<ThreadPool>,
    /// No threads could be had: all work is done here.
    alone: bool,
}

impl Workers {
    pub(crate) fn new() -> Workers {
        Workers { pool: None, alone: false }
    }

    /// Does the work of each part; beside each other, where it is `much`.
    pub(crate) fn each<T: Send>(
        &mut self,
        much: bool,
        mut parts: impl ExactSizeIterator<Item = T>,
        work: impl Fn(T) + Sync,
    ) {
        let pool = if much && parts.len() > 1 { self.pool(parts.len() - 1) } else { None };
        let Some(pool) = pool else { return parts.for_each(work) };
        let Some(first) = parts.next() else { return };
        pool.in_place_scope(|scope| {
            let work = &work;
            for part in parts {
                scope.spawn(move |_| work(part));
            }
            work(first);
        });
    }

    fn pool(&mut self, threads: usize) -> Option<&ThreadPool> {
        if self.pool.is_none() && !self.alone {
            let named =
                ThreadPoolBuilder::new().num_threads(threads).thread_name(|n| format!("table-{}", n + 1));
            self.pool = named.build().ok();
            self.alone = self.pool.is_none();
        }
        self.pool.as_ref()
    }
}
