//! Stories of catalogues. `shop-1` is the own node.

mod bodies;

use super::lines::MOST_LINES;
use super::*;
use crate::choice::{Asked, NoChoice, Prefer, Wish, session_hash};
use crate::component::{Affinity, Aim, Facts, Method, Reach, Route};
use crate::moment::Moment;
use crate::peer::{Peer, Standing};
use crate::presence::Verdict;
use crate::presence::beat::State;
use crate::provider::{Load, Place};
use crate::{played, played::peer, played::raw, played::version};
use mesh_wire::versions::Line;
use std::time::Duration;

/// A method with one parameter. `get` may be repeated.
fn method(name: &str) -> Method {
    Method {
        is_idempotent: name == "get",
        ..played::method(name, r#"[{"name":"a"}]"#)
    }
}

fn facts(name: &str, text: &str) -> Facts {
    Facts {
        methods: vec![method("add")],
        ..played::facts(name, text)
    }
}

fn made(facts: Facts) -> Arc<Component> {
    Arc::new(Component::new(facts).unwrap())
}

fn calc(text: &str) -> Arc<Component> {
    made(facts("calc", text))
}

fn in_probation(text: &str) -> Arc<Component> {
    made(Facts {
        is_settled: false,
        ..facts("calc", text)
    })
}

/// Catalogues, and a clock that is moved.
struct Story {
    catalogues: Catalogues,
    now: Moment,
    revision: u64,
}

impl Story {
    fn new() -> Story {
        Story::with(Settings::default())
    }

    fn with(settings: Settings) -> Story {
        Story {
            catalogues: Catalogues::new(settings),
            now: Moment::default(),
            revision: 0,
        }
    }

    fn stands(&mut self, peer: &Peer, verdict: Verdict, state: State) {
        let standing = Standing { verdict, state };
        self.catalogues.stand(self.now, peer, standing).unwrap();
    }

    fn says(&mut self, peer: &Peer, components: &[Arc<Component>]) -> Received {
        self.revision += 1;
        let body = Catalogue::new(self.revision, components.to_vec()).body();
        self.catalogues.receive(self.now, peer, &body).unwrap()
    }

    fn has(&mut self, peer: &Peer, components: &[Arc<Component>]) {
        self.stands(peer, Verdict::Alive, State::Ready);
        assert_eq!(self.says(peer, components), Received::Taken);
    }

    /// All that is published while so many milliseconds pass.
    fn passes(&mut self, milliseconds: u64) -> Vec<Publication> {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut published = Vec::new();
        while let Some(next) = self.catalogues.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            published.extend(self.catalogues.tick(self.now));
        }
        self.now = end;
        published
    }

    fn listed(&self) -> Vec<String> {
        let entries = self.catalogues.published().iter();
        entries
            .map(|entry| format!("{} {}", entry.listed, entry.component.version()))
            .collect()
    }
}

#[test]
fn a_beat_that_names_another_catalogue_makes_it_asked_for() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    assert!(!story.catalogues.lacks(&two, 1, 1));
    story.stands(&two, Verdict::Alive, State::Ready);
    assert!(story.catalogues.lacks(&two, 1, 1));
    let catalogue = Catalogue::new(5, vec![calc("1.0.0")]);
    story
        .catalogues
        .receive(story.now, &two, &catalogue.body())
        .unwrap();
    assert!(!story.catalogues.lacks(&two, 5, catalogue.hash()));
    assert!(story.catalogues.lacks(&two, 6, catalogue.hash()));
    assert!(story.catalogues.lacks(&two, 5, catalogue.hash() ^ 1));
    assert!(!story.catalogues.lacks(&two, 4, 0));
    assert_eq!(story.says(&two, &[]), Received::Old);
    assert_eq!(
        story.says(&peer("shop-2", 2), &[calc("9.0.0")]),
        Received::Stranger
    );
}

#[test]
fn changes_of_others_are_collected_and_published_once() {
    let mut story = Story::new();
    let own = story
        .catalogues
        .set_own(story.now, vec![made(facts("stock", "1.0.0"))]);
    assert_eq!(own.unwrap().entries.len(), 1);
    story.has(&peer("shop-2", 1), &[calc("1.0.0")]);
    assert!(story.passes(100).is_empty());
    story.has(&peer("shop-3", 1), &[made(facts("web", "1.0.0")), calc("1.1.0")]);
    assert!(story.passes(149).is_empty());
    let published = story.passes(1);
    assert_eq!(published.len(), 1);
    assert!(published[0].without.is_empty());
    assert_eq!(story.listed(), ["stock 1.0.0", "calc 1.1.0", "web 1.0.0"]);
    assert!(story.passes(10_000).is_empty());
}

#[test]
fn a_change_that_is_undone_meanwhile_is_told_to_nobody() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    story.has(&two, &[calc("1.0.0")]);
    assert_eq!(story.passes(250).len(), 1);
    story.says(&two, &[calc("1.0.1")]);
    story.passes(100);
    story.says(&two, &[calc("1.0.0")]);
    assert!(story.passes(10_000).is_empty());
}

#[test]
fn a_provider_that_goes_changes_nothing_while_another_has_the_line() {
    let mut story = Story::new();
    let (two, three) = (peer("shop-2", 1), peer("shop-3", 1));
    story.has(&two, &[calc("1.3.0")]);
    story.has(&three, &[calc("1.2.0")]);
    story.passes(250);
    assert_eq!(story.listed(), ["calc 1.3.0"]);
    story.stands(&two, Verdict::Lost, State::Ready);
    assert!(story.passes(599_000).is_empty());
    assert_eq!(story.passes(2_000).len(), 1);
    assert_eq!(story.listed(), ["calc 1.2.0"]);
}

#[test]
fn the_entry_of_the_last_provider_stays_until_it_is_forgotten() {
    for verdict in [Verdict::Lost, Verdict::Left] {
        let mut story = Story::new();
        let two = peer("shop-2", 1);
        story.has(&two, &[calc("1.0.0")]);
        story.passes(250);
        story.stands(&two, verdict, State::Draining);
        assert!(story.passes(599_999).is_empty());
        assert_eq!(story.listed(), ["calc 1.0.0"]);
        let wish = wish(Asked::Any);
        let choice = |story: &Story| {
            let chosen = story.catalogues.choose("calc", &wish, |_| 0, &mut Vec::new());
            chosen.map(|provider| provider.place.clone())
        };
        assert_eq!(choice(&story), Err(NoChoice::Unreachable));
        assert_eq!(story.passes(251).len(), 1);
        assert!(story.listed().is_empty());
        assert_eq!(choice(&story), Err(NoChoice::Unknown));
        assert!(story.catalogues.next_deadline().is_none());
    }
}

fn wish(asked: Asked<'_>) -> Wish<'_> {
    Wish {
        asked,
        aim: Aim::Method("add"),
        session: session_hash("S"),
        floor: None,
        prefer: Prefer::Local,
        rollout: None,
        tried: &[],
        dice: 0,
    }
}

#[test]
fn a_node_that_comes_back_with_the_same_is_told_to_nobody() {
    let mut story = Story::new();
    story.has(&peer("shop-2", 0), &[calc("1.0.0"), made(facts("web", "1.0.0"))]);
    story.passes(250);
    let listed = story.listed();
    for round in 1..=100 {
        let next = peer("shop-2", round);
        if round % 2 == 0 {
            story.stands(&peer("shop-2", round - 1), Verdict::Lost, State::Ready);
            assert!(story.passes(3_000).is_empty());
        }
        // A node that starts says that it has nothing at first.
        story.stands(&next, Verdict::Alive, State::Joining);
        story.says(&next, &[]);
        assert!(story.passes(1_000).is_empty());
        story.has(&next, &[made(facts("web", "1.0.0")), calc("1.0.0")]);
        assert!(story.passes(1_000).is_empty(), "round {round}");
    }
    assert_eq!(story.listed(), listed);
}

#[test]
fn a_component_that_a_living_node_takes_away_goes_at_once() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    story.has(&two, &[calc("1.0.0"), made(facts("web", "1.0.0"))]);
    story.passes(250);
    story.says(&two, &[made(facts("web", "1.0.0"))]);
    assert_eq!(story.passes(250).len(), 1);
    assert_eq!(story.listed(), ["web 1.0.0"]);
}

#[test]
fn a_version_that_is_replaced_keeps_its_place_and_says_when_methods_change() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    story.has(&two, &[calc("1.0.0"), made(facts("web", "1.0.0"))]);
    story.passes(250);
    story.says(&two, &[calc("1.1.0"), made(facts("web", "1.0.0"))]);
    let published = story.passes(250);
    assert!(published[0].without.is_empty());
    assert_eq!(story.listed(), ["calc 1.1.0", "web 1.0.0"]);
    let other = made(Facts {
        methods: vec![method("add"), method("sub")],
        ..facts("calc", "1.2.0")
    });
    story.says(&two, &[other, made(facts("web", "1.0.0"))]);
    let published = story.passes(250);
    assert_eq!(published.len(), 1);
    assert_eq!(&*published[0].without, ["calc".into()]);
    assert_eq!(story.listed(), ["calc 1.2.0", "web 1.0.0"]);
}

#[test]
fn the_own_stable_version_stands_under_the_name_then_the_highest_settled_one() {
    let mut story = Story::new();
    story.has(&peer("shop-2", 1), &[calc("3.0.0")]);
    story.has(&peer("shop-3", 1), &[calc("2.0.0"), calc("4.0.0-beta")]);
    let four = peer("shop-4", 1);
    story.has(&four, &[in_probation("5.0.0")]);
    story.passes(250);
    assert_eq!(
        story.listed(),
        ["calc 3.0.0", "calc@2 2.0.0", "calc@4 4.0.0-beta", "calc@5 5.0.0"]
    );
    story.says(&four, &[calc("5.0.0")]);
    story.passes(250);
    assert_eq!(
        story.listed(),
        ["calc@3 3.0.0", "calc@2 2.0.0", "calc@4 4.0.0-beta", "calc 5.0.0"]
    );
    let now = story.now;
    let published = story
        .catalogues
        .set_own(now, vec![calc("1.0.0"), calc("2.5.0"), calc("2.6.0")]);
    assert_eq!(
        story.listed(),
        [
            "calc@1 1.0.0",
            "calc@2.5.0 2.5.0",
            "calc 2.6.0",
            "calc@3 3.0.0",
            "calc@4 4.0.0-beta",
            "calc@5 5.0.0"
        ]
    );
    let line = published.unwrap().advertised().line("calc");
    assert_eq!(line, Some(Line::of(version("2.0.0").exact())));
}

#[test]
fn a_higher_version_of_the_line_is_shown_when_it_is_settled() {
    let mut story = Story::new();
    let (two, three) = (peer("shop-2", 1), peer("shop-3", 1));
    story.has(&two, &[calc("1.0.0")]);
    story.has(&three, &[calc("1.0.0")]);
    story.passes(250);
    story.says(&two, &[in_probation("1.1.0")]);
    assert!(story.passes(1_000).is_empty());
    story.says(&two, &[calc("1.1.0")]);
    assert_eq!(story.passes(1_000).len(), 1);
    assert_eq!(story.listed(), ["calc 1.1.0"]);
    // It is rolled back everywhere: nobody who lives has it.
    story.says(&two, &[calc("1.0.0")]);
    assert_eq!(story.passes(1_000).len(), 1);
    assert_eq!(story.listed(), ["calc 1.0.0"]);
}

#[test]
fn a_version_that_is_shown_does_not_give_way_to_a_lower_one_that_is_settled() {
    let mut story = Story::new();
    story.has(&peer("shop-2", 1), &[in_probation("1.3.0")]);
    story.passes(250);
    story.has(&peer("shop-3", 1), &[calc("1.2.0")]);
    assert!(story.passes(1_000).is_empty());
    assert_eq!(story.listed(), ["calc 1.3.0"]);
}

#[test]
fn components_that_are_not_exposed_are_neither_shown_nor_called() {
    let mut story = Story::with(Settings {
        expose: Expose::parse(["calc@^1"]).unwrap(),
        ..Settings::default()
    });
    let own_only = made(Facts {
        reach: Reach::Node,
        ..facts("calc", "1.9.0")
    });
    story.has(
        &peer("shop-2", 1),
        &[
            calc("1.0.0"),
            calc("2.0.0"),
            made(facts("web", "1.0.0")),
            own_only,
        ],
    );
    story.passes(250);
    assert_eq!(story.listed(), ["calc 1.0.0"]);
    assert_eq!(story.catalogues.providers("calc").len(), 1);
    assert!(story.catalogues.providers("web").is_empty());
    assert_eq!(
        story
            .catalogues
            .nodes()
            .next()
            .unwrap()
            .2
            .unwrap()
            .components()
            .len(),
        4
    );
    let now = story.now;
    assert!(story.catalogues.set_expose(now, Expose::all()).is_some());
    assert_eq!(story.listed(), ["calc@1 1.0.0", "calc 2.0.0", "web 1.0.0"]);
}

#[test]
fn what_is_not_exposed_any_more_is_not_remembered() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    story.has(&two, &[calc("1.0.0"), made(facts("web", "1.0.0"))]);
    story.passes(250);
    story.stands(&two, Verdict::Lost, State::Ready);
    let now = story.now;
    let expose = Expose::parse(["web"]).unwrap();
    assert!(story.catalogues.set_expose(now, expose).is_some());
    assert_eq!(story.listed(), ["web 1.0.0"]);
    let chosen = story
        .catalogues
        .choose("calc", &wish(Asked::Any), |_| 0, &mut Vec::new());
    assert_eq!(chosen.map(|_| ()), Err(NoChoice::Unknown));
}

#[test]
fn loads_and_verdicts_reach_the_providers_and_survive_other_changes() {
    let mut story = Story::new();
    let two = peer("shop-2", 1);
    story.has(&two, &[calc("1.0.0")]);
    let place = Place::Node(two.clone());
    let load = Load { waiting: 7, room: 9 };
    story.catalogues.set_load(&place, "calc", &version("1.0.0"), load);
    story
        .catalogues
        .set_load(&place, "calc", &version("2.0.0"), Load::default());
    story.has(&peer("shop-3", 1), &[calc("1.0.0")]);
    story.stands(&two, Verdict::Suspect, State::Draining);
    let provider = &story.catalogues.providers("calc")[0];
    assert_eq!((provider.load, &provider.place), (load, &place));
    assert_eq!(provider.standing.verdict, Verdict::Suspect);
    story.catalogues.set_own(story.now, vec![calc("1.5.0")]);
    story.catalogues.set_own_state(State::Draining);
    let own = &story.catalogues.providers("calc")[0];
    assert_eq!((&own.place, own.standing.state), (&Place::Here, State::Draining));
    let versions = story.catalogues.versions("calc");
    assert_eq!(versions, [version("1.5.0"), version("1.0.0")]);
}

#[test]
fn a_hostile_number_of_nodes_and_lines_is_bounded() {
    let mut story = Story::new();
    for number in 0..MOST_NODES {
        story.stands(&peer(&format!("n{number}"), 1), Verdict::Alive, State::Ready);
    }
    let one_more = story
        .catalogues
        .stand(story.now, &peer("more", 1), Standing::READY);
    assert!(matches!(one_more, Err(CatalogueError::TooManyNodes(_))));
    let one = peer("n1", 1);
    for round in 0..6 {
        let names = (0..MOST_COMPONENTS).map(|number| made(facts(&format!("c{round}-{number}"), "1.0.0")));
        let names: Vec<_> = names.collect();
        let next = peer("n1", 2 + round);
        story.has(&next, &names);
    }
    assert_eq!(story.says(&one, &[]), Received::Stranger);
    story.passes(250);
    assert!(story.listed().len() <= MOST_LINES);
    assert!(story.listed().iter().any(|listed| listed == "c5-0 1.0.0"));
}
