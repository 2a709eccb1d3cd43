//! `owl-feeder SCRIPT`: probes whose reports are made, not measured, until it is killed. Prints `made` once all are made.
#![expect(clippy::print_stdout, reason = "the line that a test waits for")]

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let script = std::env::args_os().nth(1).ok_or("which script?")?;
    owl_lab::feeder::run(&PathBuf::from(script), || println!("made"))?;
    Ok(())
}
