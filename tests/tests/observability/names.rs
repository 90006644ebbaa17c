//! docs/metrics.md names what there is.

use std::collections::BTreeMap;
use std::sync::Mutex;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Remembers what is described to it.
#[derive(Default)]
struct Described(Mutex<BTreeMap<String, (&'static str, &'static str, String)>>);

impl Described {
    fn note(&self, kind: &'static str, name: &KeyName, unit: Option<Unit>, text: &SharedString) {
        let unit = unit.expect("a unit").as_str();
        let described = (kind, unit, text.to_string());
        let before = self.0.lock().unwrap().insert(name.as_str().to_owned(), described);
        assert_eq!(before, None, "{name:?} is described twice");
    }
}

impl Recorder for Described {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.note("counter", &name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.note("gauge", &name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.note("histogram", &name, unit, &text);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn described() -> BTreeMap<String, (&'static str, &'static str, String)> {
    let described = Described::default();
    metrics::with_local_recorder(&described, anchor::metrics::describe);
    described.0.into_inner().unwrap()
}

#[test]
fn the_documentation_has_each_metric_with_its_type_and_unit() {
    let text = include_str!("../../../docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `anchor_"));
    let documented: BTreeMap<_, _> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, kind, _, unit, _] = cells[..] else { panic!("{row}") };
            (name.trim_matches('`').to_owned(), (kind.to_owned(), unit.to_owned()))
        })
        .collect();
    let described = described().into_iter();
    let described: BTreeMap<_, _> = described
        .map(|(name, (kind, unit, _))| (name, (kind.to_owned(), unit.to_owned())))
        .collect();
    assert_eq!(documented, described);
}

#[test]
fn the_names_follow_the_conventions_of_prometheus() {
    for (name, (kind, unit, text)) in described() {
        assert!(name.starts_with("anchor_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(name.ends_with("_seconds"), unit == "seconds", "{name}");
        assert!(text.ends_with('.'), "{name}: {text}");
    }
}

#[test]
fn a_manager_describes_them_when_it_is_built() {
    let described = Described::default();
    metrics::with_local_recorder(&described, || {
        let store = anchor::MemoryStore::<crate::application::UserSession>::new();
        crate::application::builder(store).build().unwrap();
    });
    assert_eq!(described.0.into_inner().unwrap().len(), 8);
}
