//! One plot as SVG: white behind it whatever the viewer's colours, a legend beside the lines and never on them. Pure.

use std::fmt::Display;

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle, WHITE};

use super::axis::{Axis, mark};
use super::{Line, ReportError, Series};

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 560;
const MARGIN: u32 = 16;
const X_LABELS: u32 = 64;
/// Beside the widest mark.
const Y_LABELS: u32 = 44;
const LINE_WIDTH: u32 = 2;
const DOT: u32 = 3;
const SWATCH: i32 = 24;
const LEGEND_LINE: i32 = 26;
/// A letter of the smaller size is at most about so wide.
const LETTER: u32 = 9;

const TITLE_SIZE: f64 = 20.0;
const TEXT_SIZE: f64 = 15.0;
/// The SVG backend divides every size by this.
const BACKEND_SCALE: f64 = 1.24;

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Okabe and Ito's, told apart by every kind of eye, and two more for the stages of a look; then they begin again.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x00, 0x00, 0x00),
    RGBColor(0x99, 0x99, 0x99),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x77, 0x77, 0x00),
];
/// Lines with more points than this have no dots.
const MOST_DOTS: usize = 40;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The plot as a file's text.
pub fn draw(series: &Series) -> Result<String, ReportError> {
    let mut svg = String::new();
    let drawn = draw_into(&mut svg, series);
    drawn.map_err(|reason| ReportError::Plot {
        id: series.id.clone(),
        reason,
    })?;
    Ok(svg)
}

fn draw_into(svg: &mut String, series: &Series) -> Result<(), String> {
    if let Some(fault) = series.fault() {
        return Err(fault);
    }
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE).map_err(reason)?;
    let (title, below) = root.split_vertically(MARGIN + 36);
    let heading = text_style(TITLE_SIZE).pos(Pos::new(HPos::Left, VPos::Center));
    title
        .draw(&Text::new(
            series.title.as_str(),
            (MARGIN as i32, MARGIN as i32 + 8),
            heading,
        ))
        .map_err(reason)?;
    let (chart, legend) = below.split_horizontally(WIDTH - legend_width(series));
    draw_lines(&chart, series)?;
    draw_legend(&legend, series)?;
    root.present().map_err(reason)
}

fn draw_lines(area: &Area<'_>, series: &Series) -> Result<(), String> {
    let points = series.lines.iter().flat_map(|line| &line.points);
    let x_axis = Axis::around(points.clone().map(|(x, _)| *x), series.log_x);
    let y_axis = Axis::around(points.map(|(_, y)| *y), series.log_y);
    let marks = y_axis.marks().iter().map(|value| letters(&mark(*value)));
    let widest = marks.max().unwrap_or(0);
    let (x_marks, y_marks) = (x_axis.marks().len(), y_axis.marks().len());

    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS + widest * LETTER)
        .build_cartesian_2d(x_axis, y_axis)
        .map_err(reason)?;
    chart
        .configure_mesh()
        .x_labels(x_marks)
        .y_labels(y_marks)
        .max_light_lines(0)
        .axis_style(INK)
        .bold_line_style(GRID)
        .label_style(text_style(TEXT_SIZE))
        .axis_desc_style(text_style(TEXT_SIZE))
        .x_desc(&series.x_label)
        .y_desc(&series.y_label)
        .draw()
        .map_err(reason)?;
    for (Line { name: _, points }, colour) in series.lines.iter().zip(colours()) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(LINE_WIDTH));
        chart.draw_series(line).map_err(reason)?;
        if points.len() <= MOST_DOTS {
            let dot = |point: &(f64, f64)| Circle::new(*point, DOT, colour.filled());
            chart.draw_series(points.iter().map(dot)).map_err(reason)?;
        }
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, series: &Series) -> Result<(), String> {
    let style = text_style(TEXT_SIZE).pos(Pos::new(HPos::Left, VPos::Center));
    let mut y = MARGIN as i32 + LEGEND_LINE / 2;
    for (line, colour) in series.lines.iter().zip(colours()) {
        let swatch = [(0, y - 3), (SWATCH, y + 3)];
        area.draw(&Rectangle::new(swatch, colour.filled()))
            .map_err(reason)?;
        area.draw(&Text::new(
            line.name.as_str(),
            (SWATCH + 8, y),
            style.clone(),
        ))
        .map_err(reason)?;
        y += LEGEND_LINE;
    }
    Ok(())
}

fn colours() -> impl Iterator<Item = RGBColor> {
    COLOURS.into_iter().cycle()
}

fn legend_width(series: &Series) -> u32 {
    let names = series.lines.iter().map(|line| letters(&line.name));
    let widest = names.max().unwrap_or(0) * LETTER;
    // However long the names are, the lines keep half of the width.
    (SWATCH as u32 + 8 + widest + MARGIN).min(WIDTH / 2)
}

fn letters(text: &str) -> u32 {
    text.chars().count() as u32
}

fn text_style(size: f64) -> TextStyle<'static> {
    let font = ("sans-serif", size * BACKEND_SCALE).into_font();
    TextStyle::from(font).color(&INK)
}

fn reason(error: impl Display) -> String {
    error.to_string()
}
