//! Lookup tables and the permissions that look into them (docs/mesh-protocol.md 7.3).
//!
//! Enters: tables, paths, and rules that look into them. Leaves: the tables and rules that are there. Guarantees: a
//! change counts when it is answered, for whoever it concerns; one that cannot be kept gives nothing.

use super::failure::Failure;
use super::{ListChange, Request, Results};
use mesh_core::mesh::Concerned;
use mesh_security::Group;
use mesh_security::directory::table_value;
use mesh_security::permission::{LookupPermission, LookupTable};
use serde_json::{Value, json};
use std::sync::Arc;

/// Lookup permissions of one group.
const MOST: usize = 1000;

impl Request<'_> {
    fn argument(&self, position: usize) -> &Value {
        self.arguments.get(position).unwrap_or(&Value::Null)
    }

    fn text(&self, position: usize, what: &str) -> Result<&str, Failure> {
        let text = self.argument(position).as_str();
        text.ok_or_else(|| Failure::plain(format!("{what} must be a text")))
    }

    pub(super) async fn upsert_lookup_table(&self) -> Results {
        let (name, table) = LookupTable::from_value(self.argument(0))?;
        let commit = {
            let change = self.security.directory().change();
            let tables = self.security.directory().tables();
            let mut merged = tables.get(&name).cloned().unwrap_or_default();
            for path in table.paths() {
                merged.insert(path)?;
            }
            change.put_table(&name, merged)?
        };
        self.table_changed(&name);
        self.kept(commit).await?;
        Ok(vec![Value::Null])
    }

    pub(super) fn fetch_lookup_table(&self) -> Results {
        let name = self.text(0, "the table's name")?;
        let tables = self.security.directory().tables();
        // A table without paths is one like others.
        let table = tables.get(name).cloned().unwrap_or_default();
        Ok(vec![table_value(name, &table)])
    }

    pub(super) async fn delete_lookup_table(&self) -> Results {
        let name = self.text(0, "the table's name")?;
        let commit = self.security.directory().change().remove_table(name)?;
        self.table_changed(name);
        self.kept(commit).await?;
        Ok(vec![Value::Null])
    }

    pub(super) async fn change_lookup_path(&self, change_of_list: ListChange) -> Results {
        let name = self.text(0, "the table's name")?;
        let path = self.text(1, "the path")?;
        let commit = {
            let change = self.security.directory().change();
            let tables = self.security.directory().tables();
            let mut table = tables.get(name).cloned().unwrap_or_default();
            match change_of_list {
                ListChange::Add => table.insert(path)?,
                ListChange::Remove => drop(table.remove(path)),
            }
            change.put_table(name, table)?
        };
        self.table_changed(name);
        self.kept(commit).await?;
        Ok(vec![Value::Null])
    }

    fn table_changed(&self, name: &str) {
        self.audit("lookup-table-changed", name);
        let groups = self.security.directory().groups_with_table(name);
        let members: Vec<Arc<str>> = groups
            .iter()
            .flat_map(|group| self.security.directory().members(&group.name))
            .collect();
        let groups: Vec<&str> = groups.iter().map(|group| &*group.name).collect();
        let published = json!({"groups": groups, "table": name});
        self.mesh
            .security_changed(Concerned::Members(&members), "lookup-table-changed", &published);
    }

    pub(super) fn fetch_lookup_permissions(&self) -> Results {
        let group = self.security.directory().group(&self.name(0)?);
        let lookups = group.iter().flat_map(|group| &group.lookups);
        let shown: Vec<Value> = lookups.map(LookupPermission::to_value).collect();
        Ok(vec![Value::Array(shown)])
    }

    pub(super) async fn change_lookup_permissions(&self, method: &str, change: ListChange) -> Results {
        let given = self.argument(1);
        let domain = self.mesh.domain();
        let permissions: Vec<LookupPermission> = if method.contains("Event") {
            vec![LookupPermission::of_event(given, domain)?]
        } else if method.contains("Exchange") {
            LookupPermission::of_method(given, domain)?.to_vec()
        } else {
            let list = given
                .as_array()
                .map_or(std::slice::from_ref(given), Vec::as_slice);
            let permissions: Result<_, _> = list.iter().map(LookupPermission::from_value).collect();
            permissions?
        };
        self.change_lookups(|lookups| {
            let mut changed = Vec::new();
            for permission in &permissions {
                let known = lookups.iter().position(|lookup| lookup == permission);
                match (known, change) {
                    (None, ListChange::Add) => lookups.push(permission.clone()),
                    (Some(place), ListChange::Remove) => drop(lookups.remove(place)),
                    _ => continue,
                }
                changed.push(permission.table().to_owned());
            }
            changed
        })
        .await?;
        let is_list = method.ends_with("Permissions") || method.contains("Exchange");
        Ok(vec![match is_list && change == ListChange::Remove {
            true => permissions.iter().map(|_| Value::Null).collect(),
            false => Value::Null,
        }])
    }

    pub(super) async fn unlink_lookup_table(&self) -> Results {
        let table = self.text(1, "the table's name")?.to_owned();
        self.change_lookups(|lookups| {
            lookups.retain(|lookup| lookup.table() != table);
            vec![table]
        })
        .await
    }

    /// Changes the lookup permissions of a group; `change_list` returns the tables of those that it changed.
    async fn change_lookups(
        &self,
        change_list: impl FnOnce(&mut Vec<LookupPermission>) -> Vec<String>,
    ) -> Results {
        let name = self.name(0)?;
        let (changed, saved) = {
            let change = self.security.directory().change();
            let mut group = Group::clone(&*self.existing_group(&name)?);
            let changed = change_list(&mut group.lookups);
            if changed.is_empty() {
                return Ok(vec![Value::Null]);
            }
            if group.lookups.len() > MOST {
                return Err(Failure::plain(format!(
                    "a group has at most {MOST} lookup permissions"
                )));
            }
            (
                changed,
                change.put_group(group).map_err(|error| self.not_kept(error))?,
            )
        };
        self.audit("lookup-permission-changed", &name);
        let members = self.security.directory().members(&name);
        for table in changed {
            let published = json!({"group": name, "table": table});
            self.mesh.security_changed(
                Concerned::Members(&members),
                "lookup-permission-changed",
                &published,
            );
        }
        self.kept(saved.commit).await?;
        Ok(vec![Value::Null])
    }
}
