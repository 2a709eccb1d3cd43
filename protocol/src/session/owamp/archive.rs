//! What a Server keeps of the sessions that it received, until someone fetches
//! it (RFC 4656, section 3.9).
//!
//! Room is taken when a session is asked for, so a session that was accepted
//! can always be recorded. When room is short the oldest sessions that are over
//! are forgotten; sessions that still run are never cut. Records are given only
//! to who asked for the session: the same address, under the same name.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::{FetchAnswer, Results};
use crate::wire::owamp::{Accept, FetchSession, Finished, KeyId, RequestSession};

/// Sessions that are kept at most, however few records they have.
const SESSIONS_MAX: usize = 1_000;

/// Who asked for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The Control-Client's address.
    pub peer: IpAddr,
    /// The name of its secret; [`KeyId::NONE`] without one.
    pub key_id: KeyId,
}

/// A session that is over.
#[derive(Debug)]
struct Kept {
    owner: Owner,
    request: RequestSession,
    finished: Finished,
    results: Results,
}

/// The sessions that a Server has received, and the room that those still running have taken.
#[derive(Debug)]
pub struct Archive {
    records_max: usize,
    reserved: usize,
    kept: VecDeque<Kept>,
}

impl Archive {
    /// With room for so many records, 32 octets each.
    pub fn new(records_max: usize) -> Self {
        Self {
            records_max,
            reserved: 0,
            kept: VecDeque::new(),
        }
    }

    /// Takes room for a session of so many records. [`Archive::keep`] or [`Archive::release`] gives it back.
    ///
    /// # Errors
    /// [`Accept::PermanentLimit`] for more than there ever is, [`Accept::TemporaryLimit`] while others have it.
    pub fn reserve(&mut self, records: usize) -> Result<(), Accept> {
        if records > self.records_max {
            return Err(Accept::PermanentLimit);
        }
        if self.reserved.saturating_add(records) > self.records_max {
            return Err(Accept::TemporaryLimit);
        }
        self.reserved += records;
        self.make_room();
        Ok(())
    }

    /// Gives back the room of a session that came to nothing.
    pub fn release(&mut self, records: usize) {
        self.reserved = self.reserved.saturating_sub(records);
    }

    /// Keeps what was received in a session for which room of so many records was taken.
    pub fn keep(
        &mut self,
        records: usize,
        owner: Owner,
        request: RequestSession,
        finished: Finished,
        mut results: Results,
    ) {
        self.release(records);
        results.records.shrink_to_fit();
        self.kept.push_back(Kept {
            owner,
            request,
            finished,
            results,
        });
        self.make_room();
    }

    /// What is known of a session. All of it is given only of one that ended as it should; ranges of the others, too.
    ///
    /// # Errors
    /// [`Accept::Failure`] when there is no such session of this owner, or it must not be given.
    pub fn fetch(&self, owner: Owner, fetch: FetchSession) -> Result<FetchAnswer, Accept> {
        let kept = self
            .kept
            .iter()
            .find(|kept| kept.owner == owner && kept.request.preamble.sid == fetch.sid)
            .ok_or(Accept::Failure)?;
        let whole = (fetch.begin, fetch.end) == (0, u32::MAX);
        if whole && !matches!(kept.finished, Finished::Normally(_)) {
            return Err(Accept::Failure);
        }
        let wanted = fetch.begin..=fetch.end;
        Ok(FetchAnswer {
            request: kept.request.clone(),
            finished: kept.finished,
            skipped: kept.results.skipped.clone(),
            records: kept
                .results
                .records
                .iter()
                .filter(|record| wanted.contains(&record.sequence))
                .copied()
                .collect(),
        })
    }

    fn make_room(&mut self) {
        let held = |kept: &VecDeque<Kept>| -> usize {
            kept.iter().map(|kept| kept.results.records.len()).sum()
        };
        while self.kept.len() > SESSIONS_MAX
            || held(&self.kept).saturating_add(self.reserved) > self.records_max
        {
            if self.kept.pop_front().is_none() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::owamp::tests::request;
    use crate::wire::ErrorEstimate;
    use crate::wire::NtpTimestamp;
    use crate::wire::owamp::{PacketRecord, Sid};

    const OWNER: Owner = Owner {
        peer: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        key_id: KeyId::NONE,
    };

    fn keep(archive: &mut Archive, sid: u8, records: u32, finished: Finished) {
        let mut request = request();
        request.preamble.sid = Sid([sid; 16]);
        let record = |k| PacketRecord::lost(k, NtpTimestamp(1), ErrorEstimate::NO_CLAIM);
        let results = Results {
            next_sequence: records,
            skipped: Vec::new(),
            records: (0..records).map(record).collect(),
        };
        archive.reserve(records as usize).unwrap();
        archive.keep(records as usize, OWNER, request, finished, results);
    }

    fn fetched(
        archive: &Archive,
        owner: Owner,
        sid: u8,
        begin: u32,
        end: u32,
    ) -> Result<usize, Accept> {
        let sid = Sid([sid; 16]);
        archive
            .fetch(owner, FetchSession { begin, end, sid })
            .map(|answer| answer.records.len())
    }

    #[test]
    fn a_range_is_given_of_any_session_and_the_whole_only_of_one_that_ended_as_it_should() {
        let mut archive = Archive::new(1_000);
        keep(&mut archive, 1, 10, Finished::Normally(10));
        keep(&mut archive, 2, 10, Finished::Otherwise(10));
        let refused = Err(Accept::Failure);
        assert_eq!(fetched(&archive, OWNER, 1, 0, u32::MAX), Ok(10));
        assert_eq!(fetched(&archive, OWNER, 1, 3, 5), Ok(3));
        assert_eq!(fetched(&archive, OWNER, 1, 5, 3), Ok(0));
        assert_eq!(fetched(&archive, OWNER, 2, 0, u32::MAX), refused);
        assert_eq!(fetched(&archive, OWNER, 2, 0, 9), Ok(10));
        assert_eq!(fetched(&archive, OWNER, 3, 0, u32::MAX), refused);
    }

    #[test]
    fn nobody_else_is_given_the_records() {
        let mut archive = Archive::new(1_000);
        keep(&mut archive, 1, 10, Finished::Normally(10));
        let elsewhere = Owner {
            peer: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 9)),
            ..OWNER
        };
        let named = Owner {
            key_id: KeyId::new("jiuzi").unwrap(),
            ..OWNER
        };
        for stranger in [elsewhere, named] {
            assert_eq!(
                fetched(&archive, stranger, 1, 0, u32::MAX),
                Err(Accept::Failure)
            );
        }
    }

    #[test]
    fn the_oldest_sessions_make_room_and_running_ones_never_do() {
        let mut archive = Archive::new(25);
        keep(&mut archive, 1, 10, Finished::Normally(10));
        keep(&mut archive, 2, 10, Finished::Normally(10));
        assert_eq!(archive.reserve(26), Err(Accept::PermanentLimit));
        assert_eq!(
            archive.reserve(10),
            Ok(()),
            "the first one is forgotten for it"
        );
        assert_eq!(
            fetched(&archive, OWNER, 1, 0, u32::MAX),
            Err(Accept::Failure)
        );
        assert_eq!(fetched(&archive, OWNER, 2, 0, u32::MAX), Ok(10));
        assert_eq!(archive.reserve(16), Err(Accept::TemporaryLimit));
        assert_eq!(
            fetched(&archive, OWNER, 2, 0, u32::MAX),
            Ok(10),
            "a refusal costs nobody anything"
        );
        archive.release(10);
        assert_eq!(archive.reserve(25), Ok(()));
        for sid in 0..=255 {
            archive.release(25);
            for _ in 0..8 {
                keep(&mut archive, sid, 0, Finished::Normally(0));
            }
        }
        assert_eq!(archive.kept.len(), SESSIONS_MAX);
    }
}
