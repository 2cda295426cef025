//! Users and groups: what is known of them, and where it is kept.
//!
//! Enters: the documents below `/_SYSTEM/_SECURITY` of the store, and changes. Leaves: users and groups as values
//! that never change. Guarantees: a directory that is opened again holds what this one does. Nobody but those who are
//! named loses anything by a removal. A change is seen by everybody at once, and is on disk when its [`Commit`] is
//! done. Of a change that cannot be stored, the loss of rights counts, and their grant does not. A group or a table
//! whose change or removal as a whole cannot be kept is what it was before.

mod narrowed;
mod storage;
#[cfg(test)]
mod tests;

use super::names::Names;
use super::permission::{LookupPermission, LookupTable, Rules};
use mesh_store::{Commit, Store, StoreError};
use mesh_wire::protocol::DocumentMeta;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use storage::{RESERVED_GROUP, ROOT, TOKEN_SECRET, TOKENS_ISSUED, own_fields, table_value};

/// Somebody who can log in.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// The name to log in with.
    pub name: Arc<str>,
    /// Differs when a user of the same name is made again.
    pub id: String,
    /// The hash of the password.
    pub password: Option<String>,
    /// Tokens that were made earlier do not hold: milliseconds since 1970. Set with each new password.
    pub tokens_valid_from: u64,
    /// The public key for signed nonces, in place of a password.
    pub public_key: Option<String>,
    /// Data of applications.
    pub custom_data: Option<Value>,
    /// Other fields that applications keep.
    pub fields: Map<String, Value>,
    /// Permissions of this user alone.
    pub rules: Rules,
    /// The groups, and since when.
    pub groups: BTreeMap<Arc<str>, DocumentMeta>,
    /// When it was written.
    pub meta: DocumentMeta,
}

/// The group of several users: their rights in common.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The name.
    pub name: Arc<str>,
    /// Data of applications.
    pub custom_data: Option<Value>,
    /// Other fields that applications keep.
    pub fields: Map<String, Value>,
    /// The rights of its members.
    pub rules: Rules,
    /// Their rights where a table says so.
    pub lookups: Vec<LookupPermission>,
    /// When it was written.
    pub meta: DocumentMeta,
}

#[derive(Default)]
struct State {
    users: BTreeMap<Arc<str>, Arc<User>>,
    groups: BTreeMap<Arc<str>, Arc<Group>>,
    tables: Arc<HashMap<String, LookupTable>>,
    /// Tables as they were before changes that are not on disk yet, the oldest first.
    unkept_tables: HashMap<String, VecDeque<Option<LookupTable>>>,
    /// When the last user was removed: a user who is made afterwards has no tokens from before.
    users_removed: u64,
}

/// All users and groups of a mesh.
pub struct Directory {
    store: Arc<dyn Store>,
    state: Arc<RwLock<State>>,
    /// Held while something is read, changed and written.
    writing: Mutex<()>,
    names: Names,
    /// Users whose names are kept in another form than that in which they are looked up.
    odd_names: HashMap<String, Arc<str>>,
}

/// Users who could not be told apart.
#[derive(Debug, thiserror::Error)]
#[error(
    "the users `{}` and `{}` differ in nothing but the size of letters, which `case_insensitive_usernames` lets be the same",
    .0.escape_debug(), .1.escape_debug()
)]
pub struct SameNames(Arc<str>, Arc<str>);

/// Something was written, which is on disk when `commit` is done.
#[derive(Clone, Debug)]
pub struct Saved<T> {
    /// Its present value.
    pub value: T,
    /// From when on it survives.
    pub commit: Commit,
}

/// How many documents of a user were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedUser {
    /// The user's own: one, or none.
    pub own: u64,
    /// Those below it.
    pub below: u64,
}

/// How many documents of a group were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovedGroup {
    /// The group's own: one, or none.
    pub own: u64,
    /// Memberships of users.
    pub links: u64,
    /// Its permissions.
    pub permissions: u64,
}

/// The right to change the directory. Nobody else changes it meanwhile.
pub struct Change<'a> {
    directory: &'a Directory,
    _writing: MutexGuard<'a, ()>,
}

impl Directory {
    /// Reads what a store holds.
    pub fn open(store: Arc<dyn Store>) -> Directory {
        let state = storage::read(&*store);
        Directory {
            store,
            state: Arc::new(RwLock::new(state)),
            writing: Mutex::new(()),
            names: Names::Exact,
            odd_names: HashMap::new(),
        }
    }

    /// The same, with names of users compared in this way.
    ///
    /// # Errors
    ///
    /// When two users have the same name then.
    pub fn with_names(mut self, names: Names) -> Result<Directory, SameNames> {
        self.names = names;
        for user in self.users() {
            let canonical = names.canonical(&user.name);
            if *canonical == *user.name {
                continue;
            }
            let same = self.read().users.get(&*canonical).map(|same| same.name.clone());
            let same = same.or_else(|| self.odd_names.get(&*canonical).cloned());
            if let Some(same) = same {
                return Err(SameNames(user.name.clone(), same));
            }
            self.odd_names.insert(canonical.into_owned(), user.name.clone());
        }
        Ok(self)
    }

    /// The form in which a name of a user is kept.
    pub fn name_of(&self, name: &str) -> String {
        match self.user(name) {
            Some(user) => user.name.to_string(),
            None => self.names.canonical(name).into_owned(),
        }
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// A user.
    pub fn user(&self, name: &str) -> Option<Arc<User>> {
        let state = self.read();
        if let Some(user) = state.users.get(name) {
            return Some(user.clone());
        }
        if self.names == Names::Exact {
            return None;
        }
        let canonical = self.names.canonical(name);
        let odd = self
            .odd_names
            .get(&*canonical)
            .and_then(|odd| state.users.get(odd));
        state.users.get(&*canonical).or(odd).cloned()
    }

    /// Since when the tokens of somebody who is made now hold: a user of the same name may have been removed before.
    pub fn newcomers_valid_from(&self) -> u64 {
        self.read().users_removed
    }

    /// A group.
    pub fn group(&self, name: &str) -> Option<Arc<Group>> {
        self.read().groups.get(name).cloned()
    }

    /// All lookup tables.
    pub fn tables(&self) -> Arc<HashMap<String, LookupTable>> {
        self.read().tables.clone()
    }

    /// All users, by name.
    pub fn users(&self) -> Vec<Arc<User>> {
        self.read().users.values().cloned().collect()
    }

    /// All groups, by name.
    pub fn groups(&self) -> Vec<Arc<Group>> {
        self.read().groups.values().cloned().collect()
    }

    /// Names of the members of a group.
    pub fn members(&self, group: &str) -> Vec<Arc<str>> {
        let state = self.read();
        let members = state
            .users
            .values()
            .filter(|user| user.groups.contains_key(group));
        members.map(|user| user.name.clone()).collect()
    }

    /// The groups whose lookup permissions name a table.
    pub fn groups_with_table(&self, table: &str) -> Vec<Arc<Group>> {
        let names = |group: &&Arc<Group>| group.lookups.iter().any(|lookup| lookup.table() == table);
        self.read().groups.values().filter(names).cloned().collect()
    }

    /// Begins to change something. Must not be held while anything is waited for.
    pub fn change(&self) -> Change<'_> {
        Change {
            directory: self,
            _writing: self.writing.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change<'_> {
    /// Writes a user in the place of the one of this name.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The user's loss of rights counts all the same, until the host stops.
    pub fn put_user(&self, mut user: User) -> Result<Saved<Arc<User>>, StoreError> {
        let before = self.directory.user(&user.name);
        if before.is_none() {
            user.tokens_valid_from = user.tokens_valid_from.max(self.directory.newcomers_valid_from());
        }
        let written = storage::write_user(&*self.directory.store, before.as_deref(), &mut user);
        let user = Arc::new(user);
        let commit = match written {
            Ok(commit) => commit,
            Err(error) => {
                narrowed::user(&mut self.directory.write(), before.as_deref(), &user);
                return Err(error);
            }
        };
        self.directory
            .write()
            .users
            .insert(user.name.clone(), user.clone());
        let changed = user.clone();
        self.unless_kept(commit, move |state| {
            let current = state.users.get(&changed.name).cloned();
            if let Some(current) = current.filter(|current| current.id == changed.id) {
                narrowed::user(state, before.as_deref(), &current);
            }
        });
        Ok(Saved { value: user, commit })
    }

    /// Writes a group in the place of the one of this name.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The group's loss of rights counts all the same, until the host stops.
    pub fn put_group(&self, mut group: Group) -> Result<Saved<Arc<Group>>, StoreError> {
        let before = self.directory.group(&group.name);
        let written = storage::write_group(&*self.directory.store, before.as_deref(), &mut group);
        let group = Arc::new(group);
        let commit = match written {
            Ok(commit) => commit,
            Err(error) => {
                narrowed::group(&mut self.directory.write(), before.as_deref(), &group);
                return Err(error);
            }
        };
        self.directory
            .write()
            .groups
            .insert(group.name.clone(), group.clone());
        let name = group.name.clone();
        self.unless_kept(commit, move |state| {
            if let Some(current) = state.groups.get(&name).cloned() {
                narrowed::group(state, before.as_deref(), &current);
            }
        });
        Ok(Saved { value: group, commit })
    }

    /// Removes a user, all of whose tokens are older than `mark`.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The user is gone all the same, until the host is started again.
    pub fn remove_user(&self, name: &str, mark: u64) -> Result<Saved<RemovedUser>, StoreError> {
        // A name that is nobody's may still be part of a path that is somebody's.
        if self.directory.user(name).is_none() {
            return Ok(nothing(RemovedUser::default()));
        }
        let removed = storage::remove_user(&*self.directory.store, name, mark);
        let mut state = self.directory.write();
        state.users.remove(name);
        state.users_removed = state.users_removed.max(mark);
        drop(state);
        removed
    }

    /// Removes a group and all memberships of it.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The group and its memberships are what they were.
    pub fn remove_group(&self, name: &str) -> Result<Saved<RemovedGroup>, StoreError> {
        let Some(group) = self.directory.group(name) else {
            return Ok(nothing(RemovedGroup::default()));
        };
        let members = self.directory.members(name);
        let removed = storage::remove_group(&*self.directory.store, name, &members)?;
        let mut state = self.directory.write();
        let mut memberships = Vec::new();
        for member in &members {
            if let Some(user) = state.users.get_mut(member) {
                let since = Arc::make_mut(user).groups.remove(name);
                memberships.extend(since.map(|since| (user.name.clone(), user.id.clone(), since)));
            }
        }
        state.groups.remove(name);
        drop(state);
        self.unless_kept(removed.commit, move |state| {
            for (member, id, since) in memberships {
                let user = state.users.get_mut(&member).filter(|user| user.id == id);
                if let Some(user) = user {
                    Arc::make_mut(user).groups.insert(group.name.clone(), since);
                }
            }
            state.groups.insert(group.name.clone(), group);
        });
        Ok(removed)
    }

    /// Writes a lookup table in the place of the one of this name.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The table is what it was.
    pub fn put_table(&self, name: &str, table: LookupTable) -> Result<Commit, StoreError> {
        let commit = storage::write_table(&*self.directory.store, name, &table)?;
        self.set_table(name, Some(table), commit);
        Ok(commit)
    }

    /// Removes a lookup table.
    ///
    /// # Errors
    ///
    /// When the store cannot write. The table is what it was.
    pub fn remove_table(&self, name: &str) -> Result<Commit, StoreError> {
        let commit = storage::remove_table(&*self.directory.store, name)?;
        self.set_table(name, None, commit);
        Ok(commit)
    }

    /// Lets a table count at once, and the former one again when this one cannot be kept.
    fn set_table(&self, name: &str, table: Option<LookupTable>, commit: Commit) {
        let mut state = self.directory.write();
        let before = put(Arc::make_mut(&mut state.tables), name, table);
        if commit == Commit::Done {
            return;
        }
        let unkept = state.unkept_tables.entry(name.to_owned()).or_default();
        unkept.push_back(before);
        drop(state);
        let (shared, name) = (self.directory.state.clone(), name.to_owned());
        let then = move |outcome: Result<(), StoreError>| {
            let mut state = shared.write().unwrap_or_else(PoisonError::into_inner);
            let unkept = state.unkept_tables.get_mut(&name);
            let oldest = unkept.and_then(VecDeque::pop_front);
            let is_last = state.unkept_tables.get(&name).is_some_and(VecDeque::is_empty);
            if let (Err(_), Some(before)) = (&outcome, oldest) {
                put(Arc::make_mut(&mut state.tables), &name, before);
            }
            // Nothing that came after a failure is kept either, and what was before it is back.
            if outcome.is_err() || is_last {
                state.unkept_tables.remove(&name);
            }
        };
        self.directory.store.when_committed(commit, Box::new(then));
    }

    /// Withdraws the rights that a change gave, when it does not survive.
    fn unless_kept(&self, commit: Commit, take_back: impl FnOnce(&mut State) + Send + 'static) {
        if commit == Commit::Done {
            return;
        }
        let state = self.directory.state.clone();
        let then = move |outcome: Result<(), StoreError>| {
            if outcome.is_err() {
                take_back(&mut state.write().unwrap_or_else(PoisonError::into_inner));
            }
        };
        self.directory.store.when_committed(commit, Box::new(then));
    }
}

/// Puts a table in the place of another, which is returned; `None` is no table.
fn put(
    tables: &mut HashMap<String, LookupTable>,
    name: &str,
    table: Option<LookupTable>,
) -> Option<LookupTable> {
    match table {
        Some(table) => tables.insert(name.to_owned(), table),
        None => tables.remove(name),
    }
}

/// The result when nothing had to be written.
fn nothing<T>(value: T) -> Saved<T> {
    let commit = Commit::Done;
    Saved { value, commit }
}
