//! Results as a file: the same values give the same bytes, so that a baseline can be kept under version control and
//! read in a diff. Blocks on one file at a time.

use std::path::Path;
use std::{fs, io};

use super::{Line, ReportError, Results, save};

/// The results in the file.
pub fn read(path: &Path) -> Result<Results, ReportError> {
    read_if_there(path)?.ok_or_else(|| ReportError::Read {
        path: path.to_path_buf(),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// The results in the file; None: there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Results>, ReportError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(ReportError::Read {
                path: path.to_path_buf(),
                source,
            });
        }
    };
    let results = serde_json::from_str(&text).map_err(|source| ReportError::Parse {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(Some(results))
}

/// Makes these results the baseline. The plots stay away: nothing is compared by them, and they are long.
pub fn save_baseline(results: &Path, baseline: &Path) -> Result<(), ReportError> {
    let mut results = read(results)?;
    results.series.clear();
    if let Some(folder) = baseline.parent() {
        fs::create_dir_all(folder).map_err(|source| ReportError::Write {
            path: folder.to_path_buf(),
            source,
        })?;
    }
    write(&results, baseline)
}

pub fn write(results: &Results, path: &Path) -> Result<(), ReportError> {
    let mut text = serde_json::to_string_pretty(results).map_err(ReportError::Render)?;
    text.push('\n');
    save(path, &text)
}

/// The same results with six digits a value, which is more than any of them deserves: what is compared is what stands
/// in the file.
pub fn tidy(results: &Results) -> Results {
    let mut tidy = results.clone();
    for figure in &mut tidy.figures {
        figure.runs.iter_mut().for_each(shorten);
        figure.load.iter_mut().for_each(shorten);
        if let Some(ratios) = &mut figure.ratios {
            ratios.runs.iter_mut().for_each(shorten);
        }
    }
    let lines = tidy.series.iter_mut().flat_map(|series| &mut series.lines);
    for Line { points, name: _ } in lines {
        for (x, y) in points {
            shorten(x);
            shorten(y);
        }
    }
    tidy
}

fn shorten(value: &mut f64) {
    if value.is_finite() {
        let digits = format!("{value:.5e}");
        *value = digits.parse().expect("a number as it was just written");
    }
}
