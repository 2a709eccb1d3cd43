//! The text format 0.0.4.

use super::labels::{Labels, NONE};
use super::sink::{Observed, Sink, Value};
use super::table::Metric;

/// Series as text, one line each.
#[derive(Default)]
pub(super) struct Text {
    pub(super) out: Vec<u8>,
    metric: Option<&'static Metric>,
    /// Whether the head of that metric is written: not before its first series.
    headed: bool,
}

impl Sink for Text {
    fn metric(&mut self, metric: &'static Metric) {
        self.metric = Some(metric);
        self.headed = false;
    }

    fn series(&mut self, labels: &Labels, more: &Labels, value: Value) {
        self.line("", [labels, more, &NONE], value);
    }

    fn histogram(&mut self, labels: &Labels, more: &Labels, observed: Observed<'_>) {
        let all = Value::Count(observed.count);
        for (le, _, count) in observed.up_to {
            self.line("_bucket", [labels, more, le], Value::Count(count));
        }
        self.line("_bucket", [labels, more, &super::edges::INFINITE], all);
        self.line("_sum", [labels, more, &NONE], Value::Real(observed.sum));
        self.line("_count", [labels, more, &NONE], all);
    }
}

impl Text {
    fn head(&mut self, metric: &Metric) {
        self.headed = true;
        let (name, kind) = (metric.name, metric.kind.code());
        for part in [
            "# HELP ",
            name,
            " ",
            metric.help,
            "\n# TYPE ",
            name,
            " ",
            kind,
            "\n",
        ] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    fn line(&mut self, part: &str, labels: [&Labels; 3], value: Value) {
        let Some(metric) = self.metric else { return };
        if !self.headed {
            self.head(metric);
        }
        let out = &mut self.out;
        out.extend_from_slice(metric.name.as_bytes());
        out.extend_from_slice(part.as_bytes());
        let open = out.len();
        for labels in labels {
            out.extend_from_slice(labels.text.as_bytes());
        }
        if let Some(comma) = out.get_mut(open) {
            *comma = b'{';
            out.extend_from_slice(b"} ");
        } else {
            out.push(b' ');
        }
        write_value(out, value);
        out.push(b'\n');
    }
}

fn write_value(out: &mut Vec<u8>, value: Value) {
    match value {
        Value::Flag(flag) => out.push(if flag { b'1' } else { b'0' }),
        Value::Count(count) => {
            out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
        }
        Value::Real(real) if real.is_finite() => {
            let mut buffer = zmij::Buffer::new();
            let written = buffer.format_finite(real);
            // Whole numbers without the fraction that says nothing.
            let short = written.strip_suffix(".0").unwrap_or(written);
            out.extend_from_slice(short.as_bytes());
        }
        Value::Real(real) => out.extend_from_slice(match real {
            f64::INFINITY => b"+Inf",
            f64::NEG_INFINITY => b"-Inf",
            _ => b"NaN",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_so_that_it_is_read_back_as_itself() {
        for (value, expected) in [
            (Value::Count(u64::MAX), "18446744073709551615"),
            (Value::Flag(true), "1"),
            (Value::Real(0.0), "0"),
            (Value::Real(0.001), "0.001"),
            (Value::Real(-0.25), "-0.25"),
            (Value::Real(1_766_500_000.125), "1766500000.125"),
            (Value::Real(1e-9), "1e-9"),
            (Value::Real(f64::INFINITY), "+Inf"),
            (Value::Real(f64::NEG_INFINITY), "-Inf"),
            (Value::Real(f64::NAN), "NaN"),
        ] {
            let mut out = Vec::new();
            write_value(&mut out, value);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
