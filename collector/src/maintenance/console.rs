//! Maintenance from the command line.

use owl_measure::time::{Nanos, Timestamp};
use owl_topology::Topology;

use super::{Affected, Maintenance};
use crate::access::act::Change;
use crate::access::audit::Deed;
use crate::access::console::{AccessError, Console};
use crate::explain::At;
use crate::now::now;

/// The longest window, and how long before its begin or after its end it may be announced: what is further away is a slip.
const YEAR: Nanos = Nanos::from_secs(366 * 86_400);
/// Letters of a reason.
const REASON_MAX: usize = 500;

/// Maintenance that cannot be announced or ended.
#[derive(Debug, thiserror::Error)]
pub enum MaintenanceError {
    /// The topology has nothing of this name.
    #[error("the topology has no {what} {name}")]
    Unknown {
        /// `path`, `site` or `carrier`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Backwards,
    /// It is longer than a year, or more than a year away.
    #[error("it is longer than a year, or more than a year away")]
    TooFar,
    /// There is no reason, or one that is no line of text.
    #[error("a reason is a line of 1 to {REASON_MAX} letters")]
    Reason,
    /// The store refuses, or knows no such window.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Whether the topology has it.
fn is_known(topology: &Topology, affected: &Affected) -> bool {
    match affected {
        Affected::Path(id) => topology.paths().iter().any(|path| path.id == *id),
        Affected::Site(id) => topology.site(&id.as_str().into()).is_some(),
        Affected::Carrier(id) => topology.carrier(&id.as_str().into()).is_some(),
    }
}

impl Console<'_> {
    /// Announces maintenance, as of now: of what, from when (now when it is not said) until when, and why.
    ///
    /// # Errors
    /// When the topology has no such thing, the span or the reason is none, or the store refuses.
    pub fn add_maintenance(
        &self,
        affected: Affected,
        from: Option<At>,
        to: At,
        reason: &str,
    ) -> Result<Maintenance, MaintenanceError> {
        let topology = &self.config().topology;
        if !is_known(topology, &affected) {
            return Err(MaintenanceError::Unknown {
                what: affected.code(),
                name: affected.name().to_owned(),
            });
        }
        let now = now();
        let instant = |at: At| at.in_zone(&topology.timezone, now);
        let (start, end) = (from.map_or(now, instant), instant(to));
        check_span(start, end, now)?;
        let reason = reason.trim();
        let is_line = (1..=REASON_MAX).contains(&reason.chars().count());
        if !is_line || reason.chars().any(char::is_control) {
            return Err(MaintenanceError::Reason);
        }
        let maintenance = Maintenance {
            // To the millisecond: two commands of one person are further apart.
            id: format!("mw-{:x}", now.0 / 1_000_000),
            affected,
            start,
            end,
            declared_at: now,
            by: self.who().to_owned(),
            reason: reason.to_owned(),
            ended_at: None,
        };
        let zone = crate::page::Zone::named(&topology.timezone);
        let words = format!(
            "{}: {} {}, {} to {}, {}",
            maintenance.id,
            maintenance.affected.code(),
            maintenance.affected.name(),
            zone.instant(start),
            zone.instant(end),
            maintenance.reason
        );
        self.change(
            "maintenance",
            &maintenance.id,
            Deed::MaintenanceDeclared,
            &words,
            Change::DeclareMaintenance(Box::new(maintenance.clone())),
        )?;
        Ok(maintenance)
    }

    /// Ends maintenance now, or calls it off before it begins.
    ///
    /// # Errors
    /// When there is none of this id that is not over, or the store refuses.
    pub fn end_maintenance(&self, id: &str) -> Result<(), MaintenanceError> {
        let change = Change::EndMaintenance {
            id: id.to_owned(),
            at: now(),
        };
        self.change("maintenance", id, Deed::MaintenanceEnded, id, change)?;
        Ok(())
    }

    /// All maintenance that the store keeps, the latest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn maintenance(&self) -> Result<Vec<Maintenance>, AccessError> {
        match self.reader()? {
            Some(reader) => Ok(reader.maintenance_after(Timestamp(i64::MIN))?),
            None => Ok(Vec::new()),
        }
    }
}

fn check_span(start: Timestamp, end: Timestamp, now: Timestamp) -> Result<(), MaintenanceError> {
    if end <= start {
        return Err(MaintenanceError::Backwards);
    }
    if end - start > YEAR || start - now > YEAR || now - end > YEAR {
        return Err(MaintenanceError::TooFar);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_after_it_begins_and_is_no_slip_of_the_year() {
        let at = |days: i64| Timestamp(0) + Nanos::from_secs(days * 86_400);
        let check = |start, end| check_span(at(start), at(end), at(0)).map_err(|e| e.to_string());
        assert_eq!(check(1, 2), Ok(()));
        assert_eq!(check(-3, -2), Ok(()), "announced late, and listed as late");
        assert!(check(2, 2).is_err_and(|why| why.contains("before it begins")));
        for (start, end) in [(0, 367), (367, 368), (-500, -400)] {
            assert!(
                check(start, end).is_err_and(|why| why.contains("year")),
                "{start} {end}"
            );
        }
    }
}
