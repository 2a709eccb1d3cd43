//! What a group of links could carry, can carry, and carries: four figures that are never one.

/// One link of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLink {
    /// Its speed in b/s.
    pub speed_bps: u64,
    /// Whether it is in service: up, and not held back for protection.
    pub in_service: bool,
    /// Links with one number fail together: one card, one duct, one cable.
    pub risk: u32,
}

/// The four figures of a group, in b/s. "17 Tb/s of city egress" is the first of them, and says nothing of the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Indicator {
    /// All links together.
    pub installed_bps: u128,
    /// Those that are in service.
    pub in_service_bps: u128,
    /// What is left in service when the worst thing that can fail has failed (N−1).
    pub after_worst_failure_bps: u128,
    /// Mean traffic over a window; `None` when nothing is known of it.
    pub traffic_bps: Option<f64>,
}

/// The figures of a group of links, with its mean traffic beside them.
pub fn indicator(links: &[GroupLink], traffic_bps: Option<f64>) -> Indicator {
    let sum = |links: &mut dyn Iterator<Item = &GroupLink>| -> u128 {
        links.map(|link| u128::from(link.speed_bps)).sum()
    };
    let in_service = sum(&mut links.iter().filter(|link| link.in_service));
    let mut risks: Vec<u32> = links.iter().map(|link| link.risk).collect();
    risks.sort_unstable();
    risks.dedup();
    let worst = risks
        .into_iter()
        .map(|risk| sum(&mut links.iter().filter(|l| l.in_service && l.risk == risk)))
        .max()
        .unwrap_or(0);
    Indicator {
        installed_bps: sum(&mut links.iter()),
        in_service_bps: in_service,
        after_worst_failure_bps: in_service - worst,
        traffic_bps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_in_service_and_after_a_failure_are_three_figures() {
        const G: u64 = 1_000_000_000;
        let link = |speed, in_service, risk| GroupLink {
            speed_bps: speed * G,
            in_service,
            risk,
        };
        let links = [
            link(400, true, 1),
            link(400, true, 1),
            link(400, true, 2),
            link(100, false, 3),
        ];
        let told = indicator(&links, Some(5e11));
        let g = u128::from(G);
        assert_eq!(told.installed_bps, 1_300 * g);
        assert_eq!(told.in_service_bps, 1_200 * g);
        assert_eq!(told.after_worst_failure_bps, 400 * g);
        assert_eq!(told.traffic_bps, Some(5e11));
        assert_eq!(indicator(&[], None).after_worst_failure_bps, 0);
    }
}
