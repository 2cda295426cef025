//! Things kept under numbers that are never valid again once they were given back.

/// Values under keys. A key is never 0, needs 56 bits, and does not reach a value that came later to the same place.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: Option<T>,
}

const GENERATIONS: u32 = (1 << 24) - 1;

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, value: T) -> u64 {
        let position = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry {
                generation: 0,
                value: None,
            });
            (self.entries.len() - 1) as u32
        });
        let entry = &mut self.entries[position as usize];
        entry.generation = (entry.generation + 1) & GENERATIONS;
        entry.value = Some(value);
        u64::from(entry.generation) << 32 | (u64::from(position) + 1)
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.entry(key)?.value.as_mut()
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<T> {
        let value = self.entry(key)?.value.take()?;
        self.free.push((key as u32) - 1);
        Some(value)
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let mut values = Vec::new();
        for (position, entry) in self.entries.iter_mut().enumerate() {
            if let Some(value) = entry.value.take() {
                self.free.push(position as u32);
                values.push(value);
            }
        }
        values
    }

    fn entry(&mut self, key: u64) -> Option<&mut Entry<T>> {
        let position = (key as u32).checked_sub(1)?;
        let entry = self.entries.get_mut(position as usize)?;
        (u64::from(entry.generation) == key >> 32).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_value_once() {
        let mut slab = Slab::default();
        let first = slab.insert("a");
        assert_ne!(first, 0);
        assert_eq!(slab.get_mut(first), Some(&mut "a"));
        assert_eq!(slab.remove(first), Some("a"));
        assert_eq!(slab.remove(first), None);
        let second = slab.insert("b");
        assert_ne!(second, first);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.get_mut(0), None);
        assert_eq!(slab.get_mut(99), None);
        assert_eq!(slab.drain(), ["b"]);
        assert_eq!(slab.remove(second), None);
    }
}
