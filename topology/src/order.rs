//! A plan as it travels: for one probe, of one generation, signed.
//!
//! What is signed are the octets of the [`PlanOrder`] itself, so nothing has to
//! be written the same way twice. Who may sign, and when a probe follows, is
//! the business of the two ends (docs/plans.md). Also written down in plan.proto.

use crate::plan::Plan;

/// What stands before the octets of an order when they are signed: a signature for anything else is none here.
pub const SIGNED_AS: &[u8] = b"owl plan 1\0";

/// The name in the certificate of a key that signs plans and does nothing else. The collector's own certificate may sign
/// them, too.
pub const PLAN_SIGNER: &str = "owl-plan";

/// One plan for one probe.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PlanOrder {
    /// What to do. Its probe and its generation are those of the order.
    #[prost(message, optional, tag = "1")]
    pub plan: Option<Plan>,
    /// The name of the topology that it comes from.
    #[prost(string, tag = "2")]
    pub topology: String,
    /// Grows with every plan of a collector: no probe goes back to a smaller one, but for the one that it had before.
    #[prost(uint64, tag = "3")]
    pub generation: u64,
    /// Taken from this instant on (nanoseconds since 1970, UTC).
    #[prost(int64, tag = "4")]
    pub valid_from_ns: i64,
    /// Taken before this instant. What was taken is followed until another is.
    #[prost(int64, tag = "5")]
    pub valid_until_ns: i64,
    /// A probe goes back to the plan before unless a report under this one is acknowledged within so long of beginning.
    #[prost(uint64, tag = "6")]
    pub trial_ns: u64,
}

/// An order with its signature.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignedPlan {
    /// The octets of a [`PlanOrder`].
    #[prost(bytes = "vec", tag = "1")]
    pub order: Vec<u8>,
    /// The signer's certificate, and those up to the authority (DER).
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub chain: Vec<Vec<u8>>,
    /// How it is signed, as TLS 1.3 numbers it (RFC 8446, section 4.2.3).
    #[prost(uint32, tag = "3")]
    pub scheme: u32,
    /// Over [`SIGNED_AS`] and the order.
    #[prost(bytes = "vec", tag = "4")]
    pub signature: Vec<u8>,
}

impl SignedPlan {
    /// What is signed.
    pub fn signed_octets(order: &[u8]) -> Vec<u8> {
        [SIGNED_AS, order].concat()
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn an_order_has_these_octets_for_ever() {
        let order = PlanOrder {
            plan: Some(Plan::default()),
            topology: "t".into(),
            generation: 300,
            valid_from_ns: 1,
            valid_until_ns: 2,
            trial_ns: 3,
        };
        let octets = order.encode_to_vec();
        assert_eq!(
            octets,
            b"\x0a\0\x12\x01t\x18\xac\x02\x20\x01\x28\x02\x30\x03"
        );
        let signed = SignedPlan {
            order: vec![1],
            chain: vec![vec![2], vec![3]],
            scheme: 0x0807,
            signature: vec![4],
        };
        let octets = signed.encode_to_vec();
        assert_eq!(
            octets,
            b"\x0a\x01\x01\x12\x01\x02\x12\x01\x03\x18\x87\x10\x22\x01\x04"
        );
        assert_eq!(
            SignedPlan::signed_octets(&signed.order),
            b"owl plan 1\0\x01"
        );
    }
}
