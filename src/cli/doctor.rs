//! `doctor`: checks an installation and says what to fix. Exits with 1 if a check fails, with 2 if the
//! configuration itself is wrong.

use std::path::Path;

use super::{CliError, print::Printer};
use crate::{
    app::{self, App, logging, machine},
    config::{Config, LogFormat, Logging, Problems, ProviderKind, SourceKind, Store},
    services::operators::doctor::{self, Check, State},
};

/// Address whose `Date` header is compared with our clock, unless a connection has its own `api_base`.
const GOOGLE: &str = "https://www.googleapis.com/";

pub async fn run(loaded: Result<Config, Problems>, file: Option<&Path>, printer: Printer) -> Result<(), CliError> {
    let mut checks = Vec::new();
    let config = match loaded {
        Ok(config) => config,
        Err(problems) => {
            let found = problems.problems.iter().map(|p| {
                let key = if p.key.is_empty() { "file" } else { &p.key };
                Check::fail(
                    format!("configuration: {key}"),
                    p.message.clone(),
                    format!("correct it in {}", problems.file),
                )
            });
            checks.extend(found);
            print(printer, &checks)?;
            return Err(CliError::usage(format!("{} cannot be used", problems.file)));
        }
    };
    // Failures are lines of the report, so nothing is logged.
    logging::start(&Logging { format: LogFormat::Human, filter: "off".into() }).map_err(CliError::usage)?;
    let named = file.map_or_else(|| "no file: built-in defaults".to_owned(), |path| path.display().to_string());
    checks.push(Check::ok("configuration", named));
    checks.extend(completeness(&config));
    checks.push(doctor::public_url(config.public_url.as_deref()));
    checks.extend(folders(&config));
    for (whose, url) in servers(&config) {
        checks.push(doctor::skew(&whose, machine::ahead_of(&url).await));
    }
    checks.extend(feed(&config).await);
    checks.extend(check_stores(&config).await);
    print(printer, &checks)?;
    match checks.iter().filter(|check| check.state == State::Fail).count() {
        0 => Ok(()),
        failed => Err(CliError::refused(format!("{failed} of {} checks failed", checks.len()))),
    }
}

fn completeness(config: &Config) -> Vec<Check> {
    let missing = |list: &str, what: &str| {
        Check::warn(format!("[[{list}]]"), "none configured", format!("add [[{list}]]: {what}"))
    };
    let mut checks = Vec::new();
    if config.sources.is_empty() {
        checks.push(missing("sources", "without one, bookings come only from the API and from imports"));
    }
    if config.connections.is_empty() {
        checks.push(missing("connections", "without one, no calendar can be reached"));
    }
    if config.routes.is_empty() {
        checks.push(missing("routes", "without one, no booking appears on a calendar"));
    }
    checks
}

/// Checks NATS, if configured.
async fn feed(config: &Config) -> Option<Check> {
    config.nats.as_ref()?;
    Some(match app::nats::publisher(config, "doctor").await {
        Err(error) => doctor::feed(Err(&format!("{error:#}"))),
        Ok(None) => return None,
        Ok(Some((publisher, _))) => doctor::feed(Ok(publisher.describe().await)),
    })
}

/// Checks that data folders are writable and that fsync works.
fn folders(config: &Config) -> Vec<Check> {
    let path = [&config.ledger, &config.vault, &config.read_models].into_iter().find_map(Store::path);
    let Some(path) = path else { return Vec::new() };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    vec![match machine::writable(folder) {
        Ok(()) => Check::ok("disk", format!("{} is writable and fsync works", folder.display())),
        Err(error) => {
            let fix = "give the program's user write permission there, or choose another ledger.url";
            Check::fail("disk", format!("{}: {error}", folder.display()), fix)
        }
    }]
}

fn servers(config: &Config) -> Vec<(String, String)> {
    let connections = config.connections.iter().map(|connection| {
        let ProviderKind::Google { api_base, .. } = &connection.provider;
        (connection.id.to_string(), api_base.clone().unwrap_or_else(|| GOOGLE.to_owned()))
    });
    let sources = config.sources.iter().map(|source| {
        let SourceKind::Uschedule { base_url, .. } = &source.kind;
        (source.name.to_string(), base_url.clone())
    });
    connections.chain(sources).collect()
}

/// Checks that need the ledger and everything else to be open.
async fn check_stores(config: &Config) -> Vec<Check> {
    match app::missing(config).await {
        Ok(None) => {}
        Ok(Some(place)) => {
            let found = format!("not created yet ({place})");
            return vec![Check::warn(
                "ledger",
                found,
                "nothing to do: the first start creates it, with its master key",
            )];
        }
        Err(error) => {
            let fix = "check that the server is running, its address, and the credentials";
            return vec![Check::fail("ledger", format!("{error:#}"), fix)];
        }
    }
    let app = match App::open_read_only(config).await {
        Ok(app) => app,
        Err(error) => {
            let fix = "follow the message; restore a lost master key from your backup";
            return vec![Check::fail("stores", format!("{error:#}"), fix)];
        }
    };
    let key = config.master_key_file.display();
    let mut checks = vec![Check::ok("master key", format!("only its owner can read {key}"))];
    // Catch up first, so that the report shows the present state.
    if let Err(CliError::Refused(why)) = super::ask::refresh(&app.stores).await {
        checks.push(Check::fail(
            "read models",
            why,
            "rebuild the projection that stopped: syncledger projections rebuild NAME",
        ));
    }
    let stores = &app.stores;
    checks.push(doctor::program(stores.versions.program().version, stores.versions.required()));
    checks.extend(doctor::stores(&stores.journal, stores.models.as_ref(), &stores.projector).await);
    checks.extend(doctor::set_up(stores.ledger.as_ref()).await);
    checks.extend(doctor::sources(app.sources.values()).await);
    checks.extend(doctor::connections(&app.stores.journal, &app.routing, &app.calendars).await);
    checks
}

fn print(printer: Printer, checks: &[Check]) -> Result<(), CliError> {
    if printer.json {
        return printer.document(&checks);
    }
    let rows = checks.iter().map(|check| {
        let state = match check.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        vec![state.to_owned(), check.name.clone(), check.found.clone(), check.fix.clone()]
    });
    printer.table(&["", "check", "found", "what to do"], rows.collect(), "")
}
