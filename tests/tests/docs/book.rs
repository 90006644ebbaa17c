//! The book has every chapter, and what the chapters show is compiled.

use std::collections::BTreeSet;
use std::path::Path;

use super::{chapters, markdown, read, root};

/// A chapter's path within `docs`.
fn name(chapter: &Path) -> String {
    let name = chapter.strip_prefix(root().join("docs")).unwrap();
    name.to_str().unwrap().replace('\\', "/")
}

fn is_rust(language: &str) -> bool {
    language.split(',').next() == Some("rust")
}

#[test]
fn the_summary_names_every_chapter_once() {
    let listed = markdown::links(&read(&root().join("docs/SUMMARY.md")));
    let different: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(different.len(), listed.len(), "a chapter is listed twice: {listed:#?}");
    let written: BTreeSet<_> = chapters().iter().map(|chapter| name(chapter)).collect();
    assert_eq!(different, written);
}

#[test]
fn every_chapter_with_rust_code_is_a_test_of_the_documentation() {
    let book = read(&root().join("anchor/src/book.rs"));
    for chapter in chapters() {
        let (name, text) = (name(&chapter), read(&chapter));
        // The tests of examples/coming-from compare the guides with its code, and .ci/ten-minutes
        // follows the ten minutes.
        if name.starts_with("coming-from/") || name == "ten-minutes.md" {
            continue;
        }
        let has_rust = markdown::blocks(&text).iter().any(|block| is_rust(&block.language));
        let include = format!("#[doc = include_str!(\"../../docs/{name}\")]\n");
        assert_eq!(book.contains(&include), has_rust, "anchor/src/book.rs: {include}");
    }
    assert!(book.contains("#[doc = include_str!(\"../../README.md\")]\n"));
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("  //").next().unwrap().trim()
}

/// README is short, so some of its code lacks what surrounds it. The chapters have the whole.
#[test]
fn what_readme_shows_without_compiling_it_stands_in_a_chapter() {
    let chapters: Vec<_> = chapters().iter().map(|chapter| read(chapter)).collect();
    let chapters: BTreeSet<_> = chapters.iter().flat_map(|text| text.lines()).map(code).collect();
    let mut lines = 0;
    for block in markdown::blocks(&read(&root().join("README.md"))) {
        if block.language != "rust,ignore" {
            continue;
        }
        for line in block.code.lines().map(code) {
            assert!(chapters.contains(line), "README.md shows what no chapter has: {line}");
            lines += 1;
        }
    }
    assert!(lines > 20, "only {lines} lines were found");
}

/// A figure that is measured again changes everywhere.
#[test]
fn the_figures_of_readme_and_of_the_stores_are_those_of_the_costs() {
    let costs = read(&root().join("docs/costs.md"));
    let costs: BTreeSet<_> = costs.lines().collect();
    for (document, least) in [("README.md", 6), ("docs/stores.md", 4)] {
        let text = read(&root().join(document));
        let is_figure = |line: &&str| {
            ["| guarded read: ", "| login: ", "| logout: "].iter().any(|row| line.starts_with(row))
        };
        let figures: Vec<_> = text.lines().filter(is_figure).collect();
        assert!(figures.len() >= least, "{document}: {figures:#?}");
        for figure in figures {
            assert!(costs.contains(figure), "{document} has another figure: {figure}");
        }
    }
}
