//! Tables in Markdown. They are printed and, on request, saved with date and machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A table. The first column is aligned to the left, the others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<const N: usize>(titles: [&str; N]) -> Self {
        Self { rows: vec![titles.map(str::to_owned).to_vec()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(4)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(f, "| {cell:<width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if number == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let right = if column == 0 { '-' } else { ':' };
                    write!(f, "| {}{right} ", "-".repeat(width - 1))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

/// Returns the path `benches/figures/<name>`, and creates the folder if it is missing.
///
/// # Panics
///
/// Panics if the folder cannot be created.
pub fn figure(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../figures");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

/// Prints a report and, if `is_saved`, writes it to `benches/figures/<name>.md`.
///
/// # Panics
///
/// Panics if the file cannot be written.
pub fn report(name: &str, is_saved: bool, text: &str) {
    let text = format!("{}\n\n{text}", heading(name));
    println!("\n{text}");
    if is_saved {
        std::fs::write(figure(&format!("{name}.md")), text).expect("a file");
    }
}

/// Returns the command, the machine and the date.
fn heading(name: &str) -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let command = format!("benches/run {program} {}", arguments.join(" "));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "# {name}\n\n`{}`, {processors} processors ({model}), {}",
        command.trim(),
        date.unwrap_or_else(|_| "unknown date".to_owned())
    )
}
