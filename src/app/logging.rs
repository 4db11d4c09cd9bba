//! Logs to standard error, as text or JSON lines; control characters are escaped.

use std::io::{self, Write};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::config::{LogFormat, Logging};

/// Starts logging. A second call has no effect.
///
/// # Errors
/// An invalid filter, with the reason.
pub fn start(logging: &Logging) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter(&logging.filter)).map_err(|e| format!("logging.filter: {e}"))?;
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Stderr).with_target(false);
    // A second start (in a test) has no effect.
    drop(match logging.format {
        LogFormat::Json => base.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Human => base.with_ansi(false).try_init(),
    });
    Ok(())
}

/// The filter without messages of the EventStoreDB client, unless requested: we log its errors ourselves, once.
fn filter(asked: &str) -> String {
    if asked.contains("eventstore") { asked.to_owned() } else { format!("{asked},eventstore=off") }
}

/// Creates writers to standard error that write one event each.
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = EscapingWriter<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(io::stderr())
    }
}

/// Escapes control characters: a name with a line break must not be able to forge a log line.
struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let mut clean = String::with_capacity(text.len());
        for c in line.chars() {
            if c.is_control() {
                clean.extend(c.escape_default());
            } else {
                clean.push(c);
            }
        }
        clean.push_str(end);
        self.0.write_all(clean.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_be_forged() {
        let mut escaped = EscapingWriter(Vec::new());
        escaped.write_all("INFO bay \u{1b}[2J\nERROR forged é\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(escaped.0).unwrap(), "INFO bay \\u{1b}[2J\\nERROR forged é\n");
    }
}
