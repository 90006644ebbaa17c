//! Each relative link leads to a file, and to a heading in it.

use std::path::{Path, PathBuf};

use super::{markdown, pages_in, read, root};

/// All documents whose links are checked.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut found = pages_in(&root);
    found.extend(super::chapters());
    found.extend(
        ["docs/SUMMARY.md", "examples/README.md", "benches/README.md"].map(|p| root.join(p)),
    );
    found
}

/// The links of a document that lead nowhere.
fn broken(document: &Path, text: &str) -> Vec<String> {
    let links = markdown::links(text).into_iter();
    links.filter(|link| !leads_somewhere(document, text, link)).collect()
}

fn leads_somewhere(document: &Path, text: &str, link: &str) -> bool {
    if link.starts_with("https://") {
        // `anchor` is another project's package: this one's pages are those of `axum-anchor`.
        return !link.starts_with("https://docs.rs/anchor");
    }
    let (path, heading) = match link.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (link, None),
    };
    let target = document.parent().unwrap().join(path);
    match heading {
        None => target.exists(),
        Some(heading) if path.is_empty() => has(text, heading),
        Some(heading) => target.is_file() && has(&read(&target), heading),
    }
}

fn has(text: &str, heading: &str) -> bool {
    markdown::anchors(text).iter().any(|anchor| anchor == heading)
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let mut mistakes = Vec::new();
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        links += markdown::links(&text).len();
        let broken = broken(&document, &text);
        mistakes.extend(broken.iter().map(|link| format!("{}: {link}", document.display())));
    }
    assert!(mistakes.is_empty(), "{} links lead nowhere:\n{}", mistakes.len(), mistakes.join("\n"));
    assert!(links > 200, "only {links} links were found");
}

#[test]
fn a_link_to_a_missing_file_or_heading_is_found() {
    let text = "# Here\n[1](README.md) [2](missing.md) [3](README.md#install) \
                [4](README.md#missing) [5](#here) [6](#there) [7](docs) [8](docs#here) [9](https://docs.rs/axum-anchor) \
                [10](https://docs.rs/anchor)\n";
    let found = broken(&root().join("CONTRIBUTING.md"), text);
    let expected =
        ["missing.md", "README.md#missing", "#there", "docs#here", "https://docs.rs/anchor"];
    assert_eq!(found, expected);
}
