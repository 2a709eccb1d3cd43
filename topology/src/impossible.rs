//! A target that physics does not allow, which is known before anything is measured.

use owl_measure::words::Lang;

use crate::path::Path;

/// Why a target cannot be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impossible {
    /// Light in vacuum takes as long as the target or longer: no network can meet it.
    Anywhere,
    /// Light in the declared route does: only a shorter route can meet it.
    OnThisRoute,
}

impl Impossible {
    /// The code, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Anywhere => "anywhere",
            Self::OnThisRoute => "on-this-route",
        }
    }

    /// One sentence for a person.
    pub fn sentence(self, lang: Lang) -> &'static str {
        match self {
            Self::Anywhere => lang.pick(
                "light in vacuum takes as long as the target: no network can meet it",
                "真空光速所需时间已达目标：任何网络都无法达到",
            ),
            Self::OnThisRoute => lang.pick(
                "light takes as long as the target for the declared route: only a shorter one can meet it",
                "光在声明路由上所需时间已达目标：只有更短的路由才能达到",
            ),
        }
    }
}

impl Path {
    /// Whether its target is below what light takes; `None` when physics allows it, or no route is declared.
    pub fn impossible(&self) -> Option<Impossible> {
        if self.floor_forward >= self.target {
            return Some(Impossible::Anywhere);
        }
        let light = self.light?;
        (light + self.equipment >= self.target).then_some(Impossible::OnThisRoute)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;
    use owl_measure::time::Nanos;

    #[test]
    fn a_target_is_held_against_vacuum_first_and_then_against_the_declared_route() {
        let paths = Topology::yancheng().paths();
        let port = paths.iter().find(|path| path.route_km == Some(148.0));
        let port = port.expect("the port has a direct link");
        // Light: 350 µs in vacuum at the least, 725 µs in the declared fibre.
        for (target_us, equipment_us, found) in [
            (1_000, 0, None),
            (1_000, 300, Some(Impossible::OnThisRoute)),
            (725, 0, Some(Impossible::OnThisRoute)),
            (300, 0, Some(Impossible::Anywhere)),
        ] {
            let path = Path {
                target: Nanos::from_micros(target_us),
                equipment: Nanos::from_micros(equipment_us),
                ..port.clone()
            };
            assert_eq!(path.impossible(), found, "{target_us} µs");
        }
    }
}
