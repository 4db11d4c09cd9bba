//! Files as real programs wrote them, valid and broken. They are not part of this repository: the folder that holds them
//! is named by `SYNCLEDGER_TEST_DATA`; without it there is nothing to read, and the fixtures have to do.

use std::{collections::BTreeMap, path::Path};

use chrono_tz::Tz;
use syncledger::adapters::files::{Options, Window, files};

use super::options;

#[test]
fn every_real_file_is_imported_or_refused_with_a_reason() {
    let Some(folder) = std::env::var_os("SYNCLEDGER_TEST_DATA") else { return };
    let window =
        Window { from: "1990-01-01T00:00:00Z".parse().unwrap(), until: "2027-01-01T00:00:00Z".parse().unwrap() };
    let all = Options { zone: Some(Tz::Europe__Berlin), window, ..options() };
    let (mut imported, mut refused, mut count) = (0, BTreeMap::<String, usize>::new(), 0);
    for report in files(Path::new(&folder), all).unwrap() {
        assert!(!report.lines.is_empty(), "{} has no report", report.path.display());
        count += 1;
        for line in report.lines {
            match line.outcome {
                Ok(_) => imported += 1,
                Err(reason) => {
                    assert!(reason.reason.len() > 10, "{} is refused without a reason", line.at);
                    *refused.entry(reason.reason).or_default() += 1;
                }
            }
        }
    }
    println!("{count} files, {imported} bookings");
    for (reason, times) in refused {
        println!("{times:5} {reason}");
    }
    assert!(count > 0 && imported > 0, "the folder that SYNCLEDGER_TEST_DATA names holds no calendars");
}
