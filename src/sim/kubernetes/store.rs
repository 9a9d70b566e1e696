//! The objects of a site, their revisions, and the changes that led to them.
//!
//! One counter numbers all changes, as in etcd. Changes are remembered for a while: watches read them, and the later
//! pages of a list are those of its first page's revision, worked out backwards from what is there now.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

/// Changes that are remembered at most.
const MOST_CHANGES: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `deployments.apps`.
    pub resource: Arc<str>,
    /// Empty of what belongs to the whole cluster.
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(resource: &str, namespace: &str, name: &str) -> Key {
        Key { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

#[derive(Clone, Debug)]
pub struct Change {
    pub revision: u64,
    pub at: OffsetDateTime,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    /// None of a deletion; the object as it was last, with the revision of its deletion, is then in `before`.
    pub after: Option<Arc<Value>>,
}

pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    changes: VecDeque<Change>,
    /// The last revision that is forgotten.
    forgotten: u64,
    history: Duration,
    /// Changed by controllers and clients since controllers looked last.
    pub touched: Vec<Change>,
}

impl Store {
    pub fn new(history: Duration) -> Store {
        Store {
            objects: BTreeMap::new(),
            revision: 1,
            changes: VecDeque::new(),
            forgotten: 0,
            history,
            touched: Vec::new(),
        }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// In the order of namespace and name; of every namespace where none is given.
    pub fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + use<'a> {
        let first = Key::new(resource, namespace.unwrap_or_default(), "");
        let resource = first.resource.clone();
        self.objects.range(first..).take_while(move |(key, _)| {
            key.resource == resource && namespace.is_none_or(|namespace| key.namespace == namespace)
        })
    }

    /// The same, as it was at a revision that is not forgotten.
    pub fn list_at(&self, resource: &str, namespace: Option<&str>, revision: u64) -> Vec<(Key, Arc<Value>)> {
        let mut then: BTreeMap<Key, Arc<Value>> =
            self.list(resource, namespace).map(|(key, object)| (key.clone(), object.clone())).collect();
        let belongs =
            |key: &Key| *key.resource == *resource && namespace.is_none_or(|namespace| key.namespace == namespace);
        let later = self.changes.iter().rev().take_while(|change| change.revision > revision);
        for change in later.filter(|change| belongs(&change.key)) {
            match &change.before {
                // Of a deletion, `before` carries the deletion's revision; what it was is all the same.
                Some(before) => then.insert(change.key.clone(), before.clone()),
                None => then.remove(&change.key),
            };
        }
        then.into_iter().collect()
    }

    /// Puts an object, numbers it, and gives it back.
    pub fn put(&mut self, key: Key, mut object: Value, now: OffsetDateTime) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.remember(Change { revision: self.revision, at: now, key, before, after: Some(object.clone()) });
        object
    }

    pub fn remove(&mut self, key: &Key, now: OffsetDateTime) -> Option<Arc<Value>> {
        let object = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = (*object).clone();
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let last = Arc::new(last);
        let before = Some(last.clone());
        self.remember(Change { revision: self.revision, at: now, key: key.clone(), before, after: None });
        Some(last)
    }

    fn remember(&mut self, change: Change) {
        self.touched.push(change.clone());
        let old = change.at - self.history;
        self.changes.push_back(change);
        while self.changes.len() > MOST_CHANGES || self.changes.front().is_some_and(|first| first.at < old) {
            if let Some(change) = self.changes.pop_front() {
                self.forgotten = change.revision;
            }
        }
    }

    /// Forgets what is too old also when nothing changes.
    pub fn age(&mut self, now: OffsetDateTime) {
        let old = now - self.history;
        while self.changes.front().is_some_and(|first| first.at < old) {
            if let Some(change) = self.changes.pop_front() {
                self.forgotten = change.revision;
            }
        }
    }

    /// What changed after a revision; none where it is forgotten.
    pub fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        if revision < self.forgotten {
            return None;
        }
        let from = self.changes.partition_point(|change| change.revision <= revision);
        Some(self.changes.range(from..))
    }
}
