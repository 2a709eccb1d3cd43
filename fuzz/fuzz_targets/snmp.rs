#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| owl_fuzz::snmp(input));
