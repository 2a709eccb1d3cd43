//! Answers of SNMP agents.

use owl_protocol::snmp::pdu::Pdu;
use owl_protocol::snmp::usm::MasterKeys;
use owl_protocol::snmp::{Oid, community, usm};

/// A message of either version, down to its last binding.
///
/// # Panics
/// When an object identifier that was read is not written back as it was.
pub fn snmp(input: &[u8]) {
    if let Ok(message) = community::read(input) {
        walk(&message.pdu);
    }
    if let Ok(message) = usm::read(input) {
        let mut room = Vec::new();
        if let Ok(pdu) = message.pdu(None, &mut room) {
            walk(&pdu);
        }
        // Stretching a pass phrase for each input would be all that is done.
        if message.claims_authenticity() && input.len().is_multiple_of(64) {
            let keys = MasterKeys::new(b"maplesyrup", Some(b"maplesyrup"))
                .expect("long enough")
                .localized(message.engine_id);
            let _authentic = message.is_authentic(&keys);
            if let Ok(pdu) = message.pdu(Some(&keys), &mut room) {
                walk(&pdu);
            }
        }
    }
}

fn walk(pdu: &Pdu<'_>) {
    for binding in pdu.bindings() {
        let Ok(binding) = binding else { return };
        let _number = binding.value.number();
        if let Ok(oid) = Oid::read(binding.name) {
            let again: Oid = oid.to_string().parse().expect("numbers and dots");
            assert_eq!(again.arcs(), oid.arcs());
        }
    }
}
