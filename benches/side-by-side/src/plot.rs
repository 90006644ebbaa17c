//! Plots as SVG.

use std::fmt::Write;
use std::path::Path;

use plotters::prelude::*;

/// Black on white and without its own fonts, so that a plot looks the same everywhere.
const STYLE: &str = "font-family='sans-serif' font-size='13'";
const COLOURS: [&str; 8] =
    ["#1f5fa8", "#d1702b", "#3b8a4c", "#8a5aa8", "#b03a48", "#6d6d6d", "#b59a24", "#3aa0a8"];

/// Groups of bars.
pub struct Bars {
    axis: String,
    bars: Vec<(String, String, f64)>,
}

impl Bars {
    /// Creates an empty plot. `axis` says what the values are.
    pub fn new(axis: &str) -> Self {
        Self { axis: axis.to_owned(), bars: Vec::new() }
    }

    /// Adds a bar below the others. Consecutive bars of one group are shown under its name.
    pub fn bar(&mut self, group: &str, label: &str, value: f64) {
        self.bars.push((group.to_owned(), label.to_owned(), value));
    }
}

/// Writes horizontal bars.
///
/// # Panics
///
/// Panics if the file cannot be written.
pub fn bars(file: &Path, title: &str, plotted: &Bars) {
    let most = plotted.bars.iter().map(|(_, _, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let (mut body, mut y, mut last) = (String::new(), 50, "");
    let mut labels: Vec<&str> = Vec::new();
    for (group, label, value) in &plotted.bars {
        if group != last {
            last = group;
            y += 24;
            text(&mut body, 12, y - 6, "font-weight='bold'", group);
        }
        let colour = labels.iter().position(|known| known == label).unwrap_or_else(|| {
            labels.push(label);
            labels.len() - 1
        });
        let width = (value.max(0.0) / most * 400.0) as i32;
        let colour = COLOURS[colour % COLOURS.len()];
        text(&mut body, 190, y + 13, "text-anchor='end'", label);
        let _ = write!(body, "<rect x='198' y='{y}' width='{width}' height='17' fill='{colour}'/>");
        let digits = if most < 10.0 { 2 } else { 0 };
        text(&mut body, 204 + width, y + 13, "", &format!("{value:.digits$}"));
        y += 22;
    }
    text(&mut body, 198, y + 16, "fill='#555'", &plotted.axis);
    write(file, title, 680, y + 30, &body);
}

/// Writes lines over a logarithmic axis.
///
/// # Panics
///
/// Panics if the file cannot be written.
pub fn lines(file: &Path, title: &str, axes: [&str; 2], series: &[(String, Vec<(f64, f64)>)]) {
    draw_lines(file, title, axes, series).expect("a plot");
}

fn draw_lines(
    file: &Path,
    title: &str,
    axes: [&str; 2],
    series: &[(String, Vec<(f64, f64)>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let least = points().map(|(x, _)| *x).fold(f64::INFINITY, f64::min);
    let most = points().map(|(x, _)| *x).fold(least * 10.0, f64::max);
    let top = points().map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let root = SVGBackend::new(file, (680, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((least..most).log_scale(), 0.0..top)?;
    chart.configure_mesh().light_line_style(WHITE).x_desc(axes[0]).y_desc(axes[1]).draw()?;
    for (number, (label, points)) in series.iter().enumerate() {
        let colour = Palette99::pick(number).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour).point_size(3))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}

fn text(body: &mut String, x: i32, y: i32, attributes: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(body, "<text x='{x}' y='{y}' {attributes}>{text}</text>");
}

fn write(file: &Path, title: &str, width: i32, height: i32, body: &str) {
    let mut head = String::new();
    text(&mut head, 12, 26, "font-size='16'", title);
    let body = format!("{head}{body}").replace("><", ">\n<");
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' {STYLE}>\n\
         <rect width='100%' height='100%' fill='white'/>\n{body}\n</svg>\n"
    );
    std::fs::write(file, svg).expect("a file");
}
