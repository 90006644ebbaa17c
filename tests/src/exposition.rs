//! [`Exposition`]: what an application shows to Prometheus, read again.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a text in the exposition format.
#[derive(Debug)]
pub struct Exposition {
    samples: Vec<Sample>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, with the suffix of a histogram's part.
    pub name: String,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Exposition {
    /// Reads a text.
    ///
    /// # Panics
    ///
    /// When a line is not in the format, or a sample comes twice.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples: Vec<Sample> = lines.map(Sample::parse).collect();
        for (at, sample) in samples.iter().enumerate() {
            let is_again =
                |other: &Sample| (&other.name, &other.labels) == (&sample.name, &sample.labels);
            assert!(!samples[..at].iter().any(is_again), "twice: {sample:?}");
        }
        Self { samples }
    }

    /// The samples.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The names of the samples.
    pub fn names(&self) -> BTreeSet<&str> {
        self.samples.iter().map(|sample| sample.name.as_str()).collect()
    }

    /// The sum of the samples with this name and, among others, these labels; `None` if there are
    /// none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &&Sample| {
            let has_label = |(key, value): &(&str, &str)| {
                sample.labels.get(*key).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has_label)
        };
        let values = self.samples.iter().filter(has).map(|sample| sample.value);
        values.reduce(|sum, value| sum + value)
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (place, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        let (name, labels) = match place.split_once('{') {
            None => (place, BTreeMap::new()),
            Some((name, labels)) => {
                let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no `}}`: {line}"));
                (name, labels.split(',').map(label).collect())
            }
        };
        assert!(is_name(name), "not a name: {line}");
        Self { name: name.to_owned(), labels, value }
    }
}

/// No value here contains a comma or a quotation mark.
fn label(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or_else(|| panic!("not a label: {text}"));
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let value = value.unwrap_or_else(|| panic!("not quoted: {text}"));
    assert!(is_name(key) && !value.contains(['"', '\\']), "not a label: {text}");
    (key.to_owned(), value.to_owned())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
