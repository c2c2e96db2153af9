//! Values stored once and named by small numbers.

use std::collections::BTreeMap;

/// No value.
pub(super) const NONE: u32 = u32::MAX;

/// Values with a count of their users; a value nobody uses is gone and its number is used again.
#[derive(Debug)]
pub(super) struct Interner<T> {
    slots: Vec<Option<(T, u32)>>,
    free: Vec<u32>,
    ids: BTreeMap<T, u32>,
}

impl<T: Ord + Clone> Interner<T> {
    pub(super) const fn new() -> Interner<T> {
        Interner { slots: Vec::new(), free: Vec::new(), ids: BTreeMap::new() }
    }

    /// The number of `value`, with one more user; and whether it is new.
    pub(super) fn acquire(&mut self, value: T) -> (u32, bool) {
        if let Some(&id) = self.ids.get(&value) {
            self.retain(id);
            return (id, false);
        }
        let slot = Some((value.clone(), 1));
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.ids.insert(value, id);
        (id, true)
    }

    /// One more user of `id`; [`NONE`] is left alone.
    pub(super) fn retain(&mut self, id: u32) {
        if let Some(Some((_, users))) = self.slots.get_mut(id as usize) {
            *users += 1;
        }
    }

    /// One user fewer; the value, where that was the last. [`NONE`] is left alone.
    pub(super) fn release(&mut self, id: u32) -> Option<T> {
        let slot = self.slots.get_mut(id as usize)?;
        let (_, users) = slot.as_mut()?;
        *users -= 1;
        if *users > 0 {
            return None;
        }
        let (value, _) = slot.take()?;
        self.ids.remove(&value);
        self.free.push(id);
        Some(value)
    }

    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.slots.get(id as usize)?.as_ref().map(|(value, _)| value)
    }

    /// All values in use, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.slots).filter_map(|(id, slot)| Some((id, &slot.as_ref()?.0)))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lives_as_long_as_its_users() {
        let mut interner = Interner::new();
        assert_eq!(interner.acquire("a"), (0, true));
        assert_eq!(interner.acquire("b"), (1, true));
        assert_eq!(interner.acquire("a"), (0, false));
        assert_eq!(interner.release(0), None);
        assert_eq!(interner.get(0), Some(&"a"));
        assert_eq!(interner.release(0), Some("a"));
        assert_eq!(interner.get(0), None);
        assert_eq!(interner.acquire("c"), (0, true));
        interner.retain(NONE);
        assert_eq!(interner.release(NONE), None);
        assert_eq!(interner.iter().collect::<Vec<_>>(), [(0, &"c"), (1, &"b")]);
    }
}
