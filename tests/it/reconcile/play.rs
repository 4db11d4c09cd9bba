//! The language of scenarios: one step a line, `#` for remarks.
//!
//! `booking registered 10:00-11:00 "Lesson"` · `booking moves 12:00-13:00` · `booking says "Words"` · `booking cancelled` ·
//! `booking restored` · `booking on bay-2` · `booking at 2026-…` · `ok e1 [rev 5]` · `fails CLASS [after 30s]` ·
//! `verified done e1|not done` · `seen|read live e2 10:30-11:30 "Lesson" [at HH:MM:SS] [as ID] [unmarked]` ·
//! `seen|read gone tombstone|absent|404 [at …]` · `seen|read unreadable e2` · `wait 90s` · `tick` · `overlap ID…` ·
//! `read fails` · `limited for 5m` (the provider wants no calls) · `approval open|granted|denied|none` · `revoked` · `reauthorised` · `policy KEY VALUE` · `source none` ·
//! `person accepts|rejects|forgotten` · `reprocess` · `old` (what is seen was listed before our last write).

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use syncledger::domain::{
    booking::{Cause, Command},
    entry::{Content, EntryState, Evidence, Observation},
    failure::FailureClass,
    ids::{BookingId, Etag, ResourceId},
    operations::Approval,
    profile::{Conflicts, OnCancel, OnRemoval},
    slot::Slot,
};

use super::stage::{Stage, observation, words};

const DAY: (i32, u32, u32) = (2026, 12, 1);

fn at(time: &str) -> Result<DateTime<Utc>, String> {
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    let time: NaiveTime = time.parse().map_err(|_| format!("{time:?} is no time"))?;
    let day = NaiveDate::from_ymd_opt(DAY.0, DAY.1, DAY.2).expect("a day");
    Ok(Utc.from_utc_datetime(&day.and_time(time)))
}

fn slot(text: &str) -> Result<Slot, String> {
    if text == "all-day" {
        let day = NaiveDate::from_ymd_opt(DAY.0, DAY.1, DAY.2).expect("a day");
        return Slot::all_day(day, day.succ_opt().expect("a day")).map_err(|e| e.to_string());
    }
    let (from, to) = text.split_once('-').ok_or_else(|| format!("{text:?} is no slot"))?;
    Slot::timed(at(from)?, at(to)?, "UTC").map_err(|e| e.to_string())
}

/// Words of a line; what stands in quotes is one.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, part) in line.split('"').enumerate() {
        if i % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

pub fn play(text: &str) -> Result<String, String> {
    Ok(played(text)?.out)
}

pub fn played(text: &str) -> Result<Stage, String> {
    let mut stage = Stage::new(at("08:00")?);
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        stage.say(line);
        if line.starts_with('#') {
            continue;
        }
        let words = split(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        step(&mut stage, &words).map_err(|problem| format!("{line}: {problem}"))?;
    }
    Ok(stage)
}

fn step(stage: &mut Stage, words: &[&str]) -> Result<(), String> {
    match words {
        ["booking", rest @ ..] => booking(stage, rest),
        ["ok", etag] => stage.answer_ok(etag, None),
        ["ok", etag, "rev", revision] => stage.answer_ok(etag, revision.parse().ok()),
        ["fails", class] => stage.answer_failure(class_of(class)?, None),
        ["fails", class, "after", wait] => {
            let ms = u64::try_from(duration(wait)?.num_milliseconds()).map_err(|e| e.to_string())?;
            stage.answer_failure(class_of(class)?, Some(ms))
        }
        ["verified", "done", etag] => stage.verified(true, etag),
        ["verified", "not", "done"] => stage.verified(false, ""),
        ["seen", rest @ ..] => {
            let seen = look(stage, rest)?;
            stage.settle(Some(seen), false)
        }
        ["read", "fails"] => stage.look_fails(),
        ["limited", "for", time] => {
            stage.limited_until = Some(stage.now + duration(time)?);
            Ok(())
        }
        ["read", rest @ ..] => {
            let seen = look(stage, rest)?;
            stage.settle(Some(seen), true)
        }
        ["wait", time] => {
            stage.now += duration(time)?;
            stage.settle(None, false)
        }
        ["tick"] => stage.settle(None, false),
        ["source-read"] => stage.settle(None, true),
        ["person", "accepts"] => stage.person_answers(true),
        ["person", "forgotten"] => stage.forget(),
        ["person", "rejects"] => stage.person_answers(false),
        ["reprocess"] => stage.reprocess(),
        _ => setting(stage, words),
    }
}

fn setting(stage: &mut Stage, words: &[&str]) -> Result<(), String> {
    match words {
        ["overlap", ids @ ..] => {
            stage.overlaps = ids.iter().map(|id| BookingId::new(*id).expect("plain")).collect();
        }
        ["approval", "none"] => stage.approval = None,
        ["approval", stand] => {
            stage.approval = Some(match *stand {
                "open" => Approval::Open,
                "granted" => Approval::Granted,
                "denied" => Approval::Denied,
                other => return Err(format!("{other:?} is no approval")),
            });
        }
        ["revoked"] => stage.revoked = true,
        ["reauthorised"] => {
            stage.revoked = false;
            return stage.settle(None, false);
        }
        ["source", "none"] => stage.writes_back = false,
        ["policy", "removal", "mark"] => stage.policy.remote_removal = OnRemoval::Mark,
        ["policy", "removal", "ask"] => stage.policy.remote_removal = OnRemoval::Ask,
        ["policy", "removal", "ignore"] => stage.policy.remote_removal = OnRemoval::Ignore,
        ["policy", "grace", seconds] => stage.policy.removal_grace_s = seconds.parse().map_err(|_| "no number")?,
        ["policy", "attempts", n] => stage.policy.attempts_max = n.parse().map_err(|_| "no number")?,
        ["policy", "cancel", "mark"] => stage.policy.cancel = OnCancel::Mark,
        ["policy", "cancel", "leave"] => stage.policy.cancel = OnCancel::Leave,
        ["policy", "inbound", "off"] => stage.policy.inbound = false,
        ["policy", "update", "off"] => stage.policy.update = false,
        ["policy", "conflicts", "booking"] => stage.policy.conflicts = Conflicts::BookingWins,
        other => return Err(format!("{other:?} is no step")),
    }
    Ok(())
}

fn booking(stage: &mut Stage, words: &[&str]) -> Result<(), String> {
    let none = Cause::default();
    match words {
        ["registered", time, title] => {
            stage.command(&Command::Register(Stage::snapshot(slot(time)?, title)), &none)?;
        }
        ["registered", "in", days, title] => {
            let start = stage.now + TimeDelta::days(days.parse().map_err(|_| "no number of days")?);
            let slot = Slot::timed(start, start + TimeDelta::hours(1), "UTC").map_err(|e| e.to_string())?;
            stage.command(&Command::Register(Stage::snapshot(slot, title)), &none)?;
        }
        ["moves", time] => stage.command(&Command::Reschedule(slot(time)?), &none)?,
        ["moves", time, "rev", revision] => {
            let mut shown = Stage::snapshot(slot(time)?, "");
            shown.details = stage.booking.as_ref().map(|b| b.details.clone()).ok_or("no booking")?;
            let source_revision = revision.parse().ok();
            stage.command(&Command::Observe(shown), &Cause { source_revision, ..Cause::default() })?;
        }
        ["says", title] => {
            let mut details = stage.booking.as_ref().map(|b| b.details.clone()).ok_or("no booking")?;
            details.title = words_of(title);
            stage.command(&Command::ChangeDetails(details), &none)?;
        }
        ["cancelled"] => stage.cancel()?,
        ["restored"] => stage.command(&Command::Restore, &none)?,
        ["on", resource] => {
            let resource = ResourceId::new(*resource).map_err(|e| e.to_string())?;
            stage.command(&Command::Reassign(resource), &none)?;
        }
        other => return Err(format!("{other:?} is nothing that happens to a booking")),
    }
    stage.settle(None, false)
}

fn words_of(text: &str) -> syncledger::domain::personal::Personal {
    words(text)
}

fn look(stage: &Stage, terms: &[&str]) -> Result<Observation, String> {
    let after = |name: &str| terms.iter().position(|w| *w == name).and_then(|i| terms.get(i + 1)).copied();
    let updated = after("at").map(at).transpose()?;
    let current = stage.link.as_ref().and_then(|l| l.remote.as_ref()).map(|r| r.id.to_string());
    let generation = stage.link.as_ref().map_or(1, |l| l.generation.0.max(1));
    let remote = after("as").map_or_else(|| current.unwrap_or_else(|| format!("entry-g{generation}")), str::to_owned);
    let seen_at = if terms.contains(&"old") { stage.now - TimeDelta::hours(1) } else { stage.now };
    let seen = match terms {
        ["live", etag, time, title, ..] => EntryState::Live {
            etag: Etag((*etag).into()),
            updated,
            marked: !terms.contains(&"unmarked"),
            content: Content {
                slot: slot(time)?,
                title: words(title),
                description: words(""),
                marked_cancelled: terms.contains(&"marked-cancelled"),
            },
        },
        ["unreadable", etag, ..] => {
            EntryState::Unreadable { etag: Etag((*etag).into()), reason: "details are hidden".into() }
        }
        ["gone", evidence, ..] => EntryState::Gone {
            evidence: match *evidence {
                "tombstone" => Evidence::Tombstone,
                "404" => Evidence::NotFoundById,
                "absent" => Evidence::AbsentInCoverage,
                other => return Err(format!("{other:?} is no evidence")),
            },
            updated,
        },
        other => return Err(format!("{other:?} cannot be seen")),
    };
    Ok(observation(&remote, seen_at, seen))
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    let (number, unit) = text.split_at(text.len() - 1);
    let number: i64 = number.parse().map_err(|_| format!("{text:?} is no time span"))?;
    Ok(match unit {
        "s" => TimeDelta::seconds(number),
        "m" => TimeDelta::minutes(number),
        "h" => TimeDelta::hours(number),
        "d" => TimeDelta::days(number),
        _ => return Err(format!("{text:?} is no time span")),
    })
}

fn class_of(name: &str) -> Result<FailureClass, String> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|_| format!("{name:?} is no class"))
}
