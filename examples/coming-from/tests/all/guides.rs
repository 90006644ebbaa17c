//! The guides show code that these tests run.

use std::fs;
use std::path::Path;

/// Each block of Rust or Python in a guide is a part of the file that the line before it links to.
#[test]
fn the_guides_show_the_code_of_this_package() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/coming-from");
    let mut blocks = 0;
    for guide in fs::read_dir(&guides).unwrap() {
        let path = guide.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut source = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some((_, link)) = line.split_once("(../../examples/coming-from/") {
                let file =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join(link.split(')').next().unwrap());
                source = fs::read_to_string(&file).unwrap_or_else(|error| {
                    panic!("{}: {}: {error}", path.display(), file.display())
                });
            }
            if ["```rust", "```python"].contains(&line) {
                let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
                let block = block.join("\n");
                assert!(source.contains(&block), "{} shows other code:\n{block}", path.display());
                blocks += 1;
            }
        }
    }
    assert!(blocks >= 8, "{blocks} blocks in {}", guides.display());
}
