//! A table that never grows beyond its bound: what was used longest ago is forgotten for something new.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A bounded table.
#[derive(Debug)]
pub struct BoundedTable<K, V> {
    entries: HashMap<K, (u64, V)>,
    /// When each was used last: numbers that rise.
    order: BTreeMap<u64, K>,
    used: u64,
    entries_max: usize,
}

impl<K: Hash + Eq + Clone, V> BoundedTable<K, V> {
    /// An empty one of at most this many entries.
    pub fn new(entries_max: usize) -> Self {
        BoundedTable {
            entries: HashMap::new(),
            order: BTreeMap::new(),
            used: 0,
            entries_max: entries_max.max(1),
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// An entry, which is used by this.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (place, value) = self.entries.get_mut(key)?;
        self.order.remove(place);
        self.used += 1;
        *place = self.used;
        self.order.insert(self.used, key.clone());
        Some(value)
    }

    /// An entry, which is made if it is missing.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&key) {
            self.insert(key.clone(), make());
        }
        self.get_mut(&key).expect("it was made")
    }

    /// Puts an entry, in the place of the one with the same key.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.entries.len() >= self.entries_max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.used += 1;
        self.order.insert(self.used, key.clone());
        self.entries.insert(key, (self.used, value));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (place, value) = self.entries.remove(key)?;
        self.order.remove(&place);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_is_forgotten_first() {
        let mut table = BoundedTable::new(3);
        for key in 0..3 {
            table.insert(key, key * 10);
        }
        assert_eq!(table.get_mut(&0), Some(&mut 0));
        table.insert(3, 30);
        assert_eq!((table.len(), table.get_mut(&1).copied()), (3, None));
        table.insert(2, 21);
        table.insert(4, 40);
        assert_eq!(table.get_mut(&0), None);
        assert_eq!((table.get_mut(&2).copied(), table.len()), (Some(21), 3));
        assert_eq!(table.remove(&2), Some(21));
        assert_eq!(*table.get_or_insert_with(5, || 50), 50);
        assert_eq!((table.len(), table.order.len()), (3, 3));
        for key in 0..1_000 {
            table.get_or_insert_with(key, || key);
        }
        assert_eq!((table.len(), table.order.len()), (3, 3));
    }
}
