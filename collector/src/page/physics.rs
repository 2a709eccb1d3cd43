//! What light says of a path, in words: the floor, the target, the declared route and the one that the packets imply.

use owl_measure::implied::ImpliedRoute;
use owl_measure::words::Lang;
use owl_topology::Path;

use super::say::{at_least, ms, target};
use crate::judgement::Judgement;

/// Rows of the path's page, whether or not something was measured.
pub(super) fn rows(
    path: &Path,
    judgement: Option<&Judgement>,
    lang: Lang,
) -> Vec<(&'static str, String)> {
    let mut rows = vec![(
        lang.pick("Light floor", "光速下限"),
        lang.pick(
            format!(
                "{} ({:.1} km great circle, light in vacuum)",
                at_least(path.floor_forward),
                path.great_circle_km
            ),
            format!(
                "{}（大圆距离 {:.1} km，真空光速）",
                at_least(path.floor_forward),
                path.great_circle_km
            ),
        ),
    )];
    if let (Some(km), Some(light)) = (path.route_km, path.light) {
        let equipment = path.equipment;
        rows.push((
            lang.pick("Declared route", "声明路由"),
            lang.pick(
                format!(
                    "{km:.1} km: light takes {}, equipment {}",
                    ms(light),
                    ms(equipment)
                ),
                format!("{km:.1} km：光传播 {}，设备 {}", ms(light), ms(equipment)),
            ),
        ));
    }
    if let Some(impossible) = path.impossible() {
        rows.push((
            lang.pick("Target against physics", "目标与物理极限"),
            format!("{}: {}", target(path.target), impossible.sentence(lang)),
        ));
    }
    if let Some(implied) = judgement.and_then(|judgement| judgement.implied.as_ref()) {
        rows.push((
            lang.pick("Implied route", "推算路由"),
            self::implied(implied, lang),
        ));
        rows.extend(detour(implied, lang).map(|said| (lang.pick("Detour", "绕行"), said)));
    }
    rows
}

/// From the smallest delay of the window: how much fibre that is.
fn implied(implied: &ImpliedRoute, lang: Lang) -> String {
    let rate = implied.declared.us_per_km;
    let basis = implied.fastest.basis.word(lang);
    let least = implied.at_least_km;
    let km = implied.at_most_km.map_or_else(
        || {
            lang.pick(
                format!("{least:.1} km or more"),
                format!("不少于 {least:.1} km"),
            )
        },
        |most| format!("{least:.1} … {most:.1} km"),
    );
    let mut said = lang.pick(
        format!("{km} at {rate:.2} µs/km, from the fastest packets ({basis})"),
        format!("{km}（按 {rate:.2} µs/km，依据最快的报文，{basis}）"),
    );
    let stretch = implied.stretch().map(|(least, most)| match most {
        Some(most) => lang.pick(
            format!("{least:.2} … {most:.2} times the great circle"),
            format!("大圆距离的 {least:.2} … {most:.2} 倍"),
        ),
        None => lang.pick(
            format!("{least:.2} times the great circle or more"),
            format!("不少于大圆距离的 {least:.2} 倍"),
        ),
    });
    if let Some(stretch) = stretch {
        said.push_str(lang.pick("; ", "；"));
        said.push_str(&stretch);
    }
    said
}

/// That the packets go further than the declared route.
fn detour(implied: &ImpliedRoute, lang: Lang) -> Option<String> {
    let (excess, declared) = (implied.detour_km()?, implied.declared.route_km?);
    Some(lang.pick(
        format!("at least {excess:.0} km longer than the {declared:.0} km that are declared: another route, or equipment that nobody declared"),
        format!("比声明的 {declared:.0} km 至少长 {excess:.0} km：走了其他路由，或有未声明的设备"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use owl_measure::delay::{Basis, OneWayDelay};
    use owl_measure::time::Nanos;
    use owl_topology::Topology;

    fn port() -> Path {
        let paths = Topology::yancheng().paths();
        let found = paths.into_iter().find(|path| path.route_km == Some(148.0));
        found.expect("the port has a direct link")
    }

    fn said(path: &Path, lo_us: i64, hi: Nanos) -> String {
        let fastest = OneWayDelay {
            lo: Nanos::from_micros(lo_us),
            hi,
            basis: Basis::Claimed,
        };
        let implied = ImpliedRoute::of(fastest, path.declared());
        [Lang::En, Lang::Zh]
            .map(|lang| {
                let detour = detour(&implied, lang).unwrap_or_default();
                format!("{}\n{detour}", super::implied(&implied, lang))
            })
            .join("\n")
    }

    #[test]
    fn the_implied_route_is_told_with_its_stretch_and_a_detour_with_its_numbers() {
        let path = port();
        let straight = said(&path, 735, Nanos::from_micros(784));
        for part in [
            "150.0 … 160.0 km at 4.90 µs/km",
            "claimed",
            "1.42 … 1.52 times the great circle",
            "大圆距离的 1.42 … 1.52 倍",
        ] {
            assert!(straight.contains(part), "{straight}");
        }
        assert!(
            !straight.contains("longer than") && !straight.contains("至少长"),
            "{straight}"
        );
        let around = said(&path, 1_470, Nanos::MAX);
        for part in [
            "300.0 km or more",
            "at least 152 km longer than the 148 km",
            "比声明的 148 km 至少长 152 km",
            "不少于 300.0 km",
        ] {
            assert!(around.contains(part), "{around}");
        }
    }

    fn told(path: &Path, lang: Lang) -> Vec<(&'static str, String)> {
        rows(path, None, lang)
    }

    #[test]
    fn a_target_below_physics_is_said_before_anything_is_measured() {
        let page = |target_us| {
            let path = Path {
                target: Nanos::from_micros(target_us),
                ..port()
            };
            format!("{:?}{:?}", told(&path, Lang::En), told(&path, Lang::Zh))
        };
        assert!(!page(1_000).contains("Target against physics"));
        assert!(
            page(700).contains("only a shorter one can meet it")
                && page(700).contains("只有更短的路由")
        );
        assert!(
            page(300).contains("no network can meet it")
                && page(300).contains("任何网络都无法达到")
        );
    }
}
