//! What each kind does to an untroubled mesh.

use super::Kind;
use super::generate::Draft;

impl Draft {
    fn someone(&mut self) -> usize {
        let one = self.random.choose(self.sites.len());
        self.troubled = Some(one);
        one
    }

    /// Ahead or behind, by so much.
    pub(super) fn either_way(&mut self, low: f64, high: f64) -> f64 {
        let size = self.random.between(low, high);
        if self.random.happens(500_000) {
            size
        } else {
            -size
        }
    }

    fn some_moment(&mut self) -> i64 {
        let at = self.random.between(100e9, 220e9) as i64;
        self.event_ns = Some(at);
        at
    }

    fn same_way(&mut self, count: usize) {
        let by = self.either_way(0.8e6, 3e6);
        let first = self.random.choose(self.sites.len());
        for k in 0..count {
            let one = (first + k) % self.sites.len();
            self.clocks[one].offset_ns += by;
        }
    }

    /// One path of each pair is longer than the other by up to three of these deviations.
    fn uneven_paths(&mut self, deviation: f64) {
        self.each_path(|path, random| path.floor_ns += random.normal(deviation) + 3.0 * deviation);
        self.asymmetry_bound_ns = 6.0 * deviation;
    }

    pub(super) fn trouble(&mut self, kind: Kind) {
        const NEAR: (f64, f64) = (5e3, 60e3);
        match kind {
            Kind::CleanHardware | Kind::CleanSoftware | Kind::Unsynchronised => {}
            Kind::Load90 => self.each_path(|path, random| {
                path.queued_ppm = 900_000;
                path.queue_ns = random.between(80e3, 160e3) as u64;
            }),
            Kind::Liar => {
                let one = self.someone();
                self.clocks[one].offset_ns += self.either_way(0.8e6, 3e6);
            }
            Kind::SmallLiar => {
                let one = self.someone();
                self.clocks[one].offset_ns += self.either_way(20e3, 120e3);
            }
            Kind::TwoLiars => {
                let one = self.someone();
                self.clocks[one].offset_ns += self.either_way(0.8e6, 3e6);
                let other = (one + 1 + self.random.choose(self.sites.len() - 1)) % self.sites.len();
                self.clocks[other].offset_ns += self.either_way(3.5e6, 6e6);
            }
            Kind::SameWayTwo => self.same_way(2),
            Kind::SameWayThree => self.same_way(3),
            Kind::SameWayFive => self.same_way(5),
            Kind::Drift => {
                let (one, from) = (self.someone(), self.some_moment());
                self.clocks[one].drift = Some((from, self.either_way(1_500.0, 1_501.0)));
            }
            Kind::Step => {
                let (one, at) = (self.someone(), self.some_moment());
                self.clocks[one].step = Some((at, self.either_way(500e3, 501e3)));
            }
            Kind::AsymmetricPaths => self.uneven_paths(40e3),
            Kind::AsymmetricAccess | Kind::AsymmetricAccessUnsynchronised => {
                let one = self.someone();
                for other in 0..self.sites.len() {
                    self.paths[one][other].floor_ns += 240e3;
                }
                self.asymmetry_bound_ns = 240e3;
            }
            Kind::RouteChange => self.route_change(),
            Kind::Hub => self.hub = Some(self.random.choose(self.sites.len())),
            Kind::HubLiar => {
                self.hub = Some(self.random.choose(self.sites.len()));
                let one = self.someone();
                self.clocks[one].offset_ns += self.either_way(0.8e6, 3e6);
            }
            Kind::NearHonest | Kind::NearUnsynchronised => self.near = Some(NEAR),
            Kind::NearLying => {
                self.near = Some(NEAR);
                let one = self.someone();
                self.clocks[one].offset_ns += self.either_way(40e3, 150e3);
            }
            Kind::NearAsymmetric => {
                self.near = Some(NEAR);
                self.uneven_paths(20e3);
            }
            Kind::BelowLight => {
                let one = self.someone();
                self.clocks[one].offset_ns -= 2.5e6;
            }
            Kind::WrongCoordinates => {
                // 6 degrees of longitude: 560 km. Only what may be seen of the place is wrong.
                let one = self.someone();
                self.sites[one].lon += 6.0;
            }
            Kind::OneRack => self.one_rack(),
            Kind::Loss => self.losses(),
            Kind::WrongTimescale => {
                let one = self.someone();
                self.clocks[one].offset_ns += 37e9;
            }
            Kind::Holdover => {
                let (one, from) = (self.someone(), self.some_moment());
                self.clocks[one].drift = Some((from, self.either_way(50.0, 400.0)));
                self.silent_from[one] = from;
            }
            Kind::Slewing => {
                for one in 0..self.sites.len() {
                    self.clocks[one].wave_ns = self.random.between(10e3, 25e3);
                    self.clocks[one].wave_period_s = self.random.between(315.0, 500.0);
                }
            }
        }
    }

    fn route_change(&mut self) {
        let (a, at) = (self.random.choose(self.sites.len()), self.some_moment());
        let b = (a + 1 + self.random.choose(self.sites.len() - 1)) % self.sites.len();
        let by = self.random.between(150e3, 600e3);
        self.paths[a][b].change = Some((at, by));
        if self.random.happens(500_000) {
            self.paths[b][a].change = Some((at, by));
        } else {
            self.asymmetry_bound_ns = by;
        }
    }

    fn one_rack(&mut self) {
        let one = self.someone();
        let other = (one + 1) % self.sites.len();
        let place = (self.sites[one].lat, self.sites[one].lon);
        (self.sites[other].lat, self.sites[other].lon) = place;
        self.lay_fibre();
        for (a, b) in [(one, other), (other, one)] {
            self.paths[a][b].floor_ns = 8e3;
            self.paths[a][b].queue_ns = 1_000;
        }
        self.clocks[one].offset_ns += self.either_way(60e3, 200e3);
    }

    fn losses(&mut self) {
        self.each_path(|path, _| path.loss_ppm = 20_000);
        let a = self.random.choose(self.sites.len());
        let b = (a + 1 + self.random.choose(self.sites.len() - 1)) % self.sites.len();
        self.paths[a][b].loss_ppm = 80_000;
    }
}
