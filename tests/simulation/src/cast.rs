//! All versions that were ever loaded in one story.
//!
//! Enters: tempers, by the names of the libraries that have them. Leaves: actors as they are loaded.

use crate::actor::Actor;
use crate::temper::{Duty, Temper};
use mesh_plugin::played::{Description, PlayedLibrary, Player};
use mesh_plugin::{LoadError, LoadErrorKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug, Default)]
pub(crate) struct Cast {
    tempers: Arc<Mutex<HashMap<PathBuf, Temper>>>,
    actors: Arc<Mutex<Vec<Actor>>>,
}

impl Cast {
    /// Has a library behave like this when it is loaded. Its name is `COMPONENT-NUMBER`.
    pub(crate) fn prepare(&self, library: &Path, temper: Temper) {
        let mut tempers = self.tempers.lock().unwrap_or_else(PoisonError::into_inner);
        tempers.insert(library.to_owned(), temper);
    }

    pub(crate) fn actors(&self) -> MutexGuard<'_, Vec<Actor>> {
        self.actors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn temper(&self, library: &Path) -> Temper {
        let tempers = self.tempers.lock().unwrap_or_else(PoisonError::into_inner);
        tempers
            .get(library)
            .copied()
            .unwrap_or_else(|| Temper::good(None))
    }
}

fn name_of(library: &Path) -> (String, String) {
    let name = library.to_string_lossy();
    let (component, number) = name.split_once('-').unwrap_or((&name, "1"));
    (component.to_owned(), format!("{number}.0.0"))
}

impl Player for Cast {
    fn describe(&self, library: &Path) -> Result<Description, LoadError> {
        let temper = self.temper(library);
        if temper.refuses_creation {
            return Err(LoadError::new(LoadErrorKind::Create, "it does not want to"));
        }
        let (name, version) = name_of(library);
        let methods = ["count", "later", "ask", "ask_back", "echo", "back"];
        let methods: Vec<_> = methods
            .iter()
            .map(|name| serde_json::json!({"name": name, "parameters": []}))
            .collect();
        let state = temper.schema.map(|schema| {
            let restores: Vec<u32> = match temper.reads_all {
                true => (1..10).collect(),
                false => (1..=schema).collect(),
            };
            serde_json::json!({"schema": schema, "restores": restores})
        });
        let mut descriptor = serde_json::json!({"methods": methods, "health": temper.health != Duty::Well});
        if let Some(state) = state {
            descriptor["state"] = state;
        }
        Ok(Description {
            name,
            version,
            descriptor: descriptor.to_string(),
            creation: temper.creation,
        })
    }

    fn begin(&self, library: &Path, played: PlayedLibrary) {
        let (component, _) = name_of(library);
        let mut actors = self.actors();
        let number = actors.len();
        actors.push(Actor::new(number, &component, played, self.temper(library)));
    }
}
