//! `owl collector authority`: whom to believe.

use owl_collector::{Config, enrolment};
use owl_measure::words::Lang;

use super::enrolment::explain;
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

/// Print the certificate of the collector's own authority
///
/// What browsers and Prometheus (`ca_file`) need to believe the certificate of the pages, where none was given. It is no
/// secret; carry it to them in a way that nobody can change it on.
#[derive(Debug, clap::Args)]
pub(super) struct Authority {}

impl Authority {
    pub(super) fn run(self, config: &Config, lang: Lang) -> Result<Outcome, Failure> {
        let certificate = enrolment::authority(config).map_err(|error| {
            let what = lang.pick("cannot show the authority", "无法显示证书颁发机构");
            explain(what.to_owned(), error, lang)
        })?;
        print(&certificate)
    }
}
