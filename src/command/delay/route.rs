//! The length of route that the fastest packets imply, when the distance of the two hosts is known.

use owl_measure::delay::OneWayDelay;
use owl_measure::implied::{Declared, FIBRE_US_PER_KM, ImpliedRoute};
use owl_measure::sample::Direction;
use owl_measure::time::Nanos;
use owl_measure::words::Lang;
use serde_json::{Value, json};

use super::Args;
use super::numbers;
use super::table::name;

/// One for each way that was measured; none without a distance.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<(Direction, ImpliedRoute)>);

impl Args {
    /// From the fastest packets of each way.
    pub(super) fn routes(
        &self,
        fastest: impl IntoIterator<Item = (Direction, Option<OneWayDelay>)>,
    ) -> Routes {
        let Some(great_circle_km) = self.distance else {
            return Routes::default();
        };
        let declared = Declared {
            great_circle_km,
            route_km: None,
            equipment: Nanos::ZERO,
            us_per_km: FIBRE_US_PER_KM,
        };
        let each = fastest.into_iter();
        Routes(
            each.filter_map(|(way, fastest)| Some((way, ImpliedRoute::of(fastest?, declared))))
                .collect(),
        )
    }
}

impl Routes {
    /// For a person; nothing when there is none.
    pub(super) fn line(&self, lang: Lang) -> Option<String> {
        let each = self.0.iter().map(|(way, route)| {
            let name = name(*way, lang);
            let least = route.at_least_km;
            let km = match route.at_most_km {
                Some(most) => format!("{least:.1} … {most:.1} km"),
                None => lang.pick(
                    format!("{least:.1} km or more"),
                    format!("不少于 {least:.1} km"),
                ),
            };
            let stretch = match route.stretch() {
                Some((least, Some(most))) => lang.pick(
                    format!(" ({least:.2} … {most:.2} times the distance)"),
                    format!("（距离的 {least:.2} … {most:.2} 倍）"),
                ),
                Some((least, None)) => lang.pick(
                    format!(" ({least:.2} times the distance or more)"),
                    format!("（不少于距离的 {least:.2} 倍）"),
                ),
                None => String::new(),
            };
            format!("{name} {km}{stretch}")
        });
        let told: Vec<String> = each.collect();
        (!told.is_empty()).then(|| {
            let told = told.join(lang.pick(", ", "，"));
            lang.pick(
                format!("route that the fastest packets imply, at {FIBRE_US_PER_KM} µs/km of fibre: {told}"),
                format!("按光纤 {FIBRE_US_PER_KM} µs/km，由最快的报文推算的路由：{told}"),
            )
        })
    }

    /// For a program; what was not measured is `null`.
    pub(super) fn json(&self) -> Value {
        let of = |way| {
            let (_, route) = self.0.iter().find(|(of, _)| *of == way)?;
            Some(json!({
                "fastest": numbers::one_way(&route.fastest),
                "at_least_km": route.at_least_km,
                "at_most_km": route.at_most_km,
                "stretch": route.stretch(),
                "us_per_km": route.declared.us_per_km,
            }))
        };
        json!({ "forward": of(Direction::Forward), "backward": of(Direction::Backward) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::delay::tests::args;
    use owl_measure::delay::Basis;

    #[test]
    fn a_distance_makes_kilometres_of_the_fastest_packets_and_without_one_nothing_is_said() {
        let routes = |line: &str| {
            let fastest = |hi| OneWayDelay {
                lo: Nanos::from_micros(490),
                hi,
                basis: Basis::Claimed,
            };
            args(line).unwrap().routes([
                (Direction::Forward, Some(fastest(Nanos::from_micros(980)))),
                (Direction::Backward, Some(fastest(Nanos::MAX))),
            ])
        };
        assert_eq!(routes("h").line(Lang::En), None);
        assert!(routes("h").json()["forward"].is_null());
        let told = routes("h --distance 80");
        let line = told.line(Lang::En).unwrap();
        for part in [
            "100.0 … 200.0 km (1.25 … 2.50 times the distance)",
            "100.0 km or more (1.25 times the distance or more)",
        ] {
            assert!(line.contains(part), "{line}");
        }
        assert!(told.line(Lang::Zh).unwrap().contains("不少于 100.0 km"));
        let json = told.json();
        let least = json["backward"]["at_least_km"].as_f64().unwrap();
        assert!((least - 100.0).abs() < 1e-9, "{least}");
        assert!(json["backward"]["at_most_km"].is_null());
    }
}
