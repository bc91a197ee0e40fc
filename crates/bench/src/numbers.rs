//! Medians, ratios, and what is said about the machine.

use std::{fs, path::Path, time::Duration};

/// The middle of some figures; zero for none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure below which this share of them lies; zero for none.
pub(crate) fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share * as_f64(last as u64);
    let below = sorted
        .iter()
        .enumerate()
        .rfind(|(at, _)| as_f64(*at as u64) <= place)
        .map(|(_, figure)| *figure);
    let above = sorted
        .iter()
        .enumerate()
        .find(|(at, _)| as_f64(*at as u64) >= place)
        .map(|(_, figure)| *figure);
    let below = below.unwrap_or_default();
    f64::midpoint(below, above.unwrap_or(below))
}

/// The middle of the ratios of two series taken in turns: what disturbed the machine disturbed both.
pub(crate) fn median_ratio(subject: &[f64], floor: &[f64]) -> f64 {
    let ratios: Vec<f64> = subject
        .iter()
        .zip(floor)
        .map(|(subject, floor)| subject / floor)
        .collect();
    median(&ratios)
}

/// A whole number as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Per second.
pub(crate) fn rate(count: u64, took: Duration) -> f64 {
    as_f64(count) / took.as_secs_f64()
}

/// With thousands apart.
pub(crate) fn shown(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Whether an aim is met, in words.
pub(crate) fn aim(met: bool, words: &str) -> String {
    format!("aim {words}: {}", if met { "met" } else { "missed" })
}

/// One line about where this runs.
pub(crate) fn machine(data: &Path) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim();
    format!(
        "{cores} × {model}, Linux {kernel}, {}, load {load} at the start",
        file_system(data)
    )
}

/// The file system that a directory is on.
fn file_system(data: &Path) -> String {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let data = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let kinds = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?)).filter(|(place, _)| data.starts_with(place))
    });
    let kind = kinds
        .max_by_key(|(place, _)| place.len())
        .map_or("unknown", |(_, kind)| kind);
    format!("databases on {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!((quantile(&[1.0, 2.0, 3.0], 1.0) - 3.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
        assert!((median_ratio(&[5.0, 9.0, 1.0], &[10.0, 10.0, 10.0]) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([7.2, 1234.0, 1_234_567.0].map(shown), ["7", "1,234", "1,234,567"]);
    }
}
