//! As much of Markdown as these documents use: fences, code spans, links and headings.

/// A block of code between two fences.
pub(crate) struct Block {
    /// What stands behind the opening fence, such as `rust,ignore`.
    pub(crate) language: String,
    pub(crate) code: String,
}

/// Separates the prose from the blocks of code.
fn split(text: &str) -> (String, Vec<Block>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut open: Option<Block> = None;
    for line in text.lines() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), code: String::new() });
            }
            (None, Some(block)) => block.code += &format!("{line}\n"),
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block of code is not closed");
    (prose, blocks)
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    split(text).1
}

/// The targets of all links and images, without those in code.
pub(crate) fn links(text: &str) -> Vec<String> {
    let prose = without_code_spans(&split(text).0);
    let targets = prose.split("](").skip(1);
    targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// A code span ends in the paragraph in which it begins.
fn without_code_spans(prose: &str) -> String {
    let paragraphs = prose
        .split("\n\n")
        .map(|paragraph| paragraph.split('`').step_by(2).collect::<Vec<_>>().join("code"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The names by which a link reaches the headings, in the way of GitHub.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in split(text).0.lines() {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let name = anchor(title.trim());
        let twins = found.iter().filter(|other| **other == name).count();
        found.push(if twins == 0 { name } else { format!("{name}-{twins}") });
    }
    found
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_are_found_across_lines_and_not_in_code() {
    let text = "[a](x.md), [b\nc](y.md#z) and [`d`](z.rs) `[e](no.md)`\n\n`\n\n\
                ![f](i.png)\n```sh\n[g](no.md)\n```\n";
    assert_eq!(links(text), ["x.md", "y.md#z", "z.rs", "i.png"]);
}

#[test]
fn headings_have_the_names_that_github_gives_them() {
    let text =
        "# OWASP ASVS 5.0, V3.3\n```sh\n# no heading\n```\n## `a_b`, c-d\n#x\n## Twice\n## Twice\n";
    assert_eq!(anchors(text), ["owasp-asvs-50-v33", "a_b-c-d", "twice", "twice-1"]);
}
