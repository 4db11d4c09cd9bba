//! From file and environment to [`Config`]: every key is checked, and all problems are reported together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::{Table, Value};

use super::{
    Audit, Config, Connection, ENV_PREFIX, LogFormat, Logging, Nats, Problem, Problems, ProviderKind, Route, Source,
    SourceKind, Store, gateway, profile,
    section::{Section, Shared},
};
use crate::domain::{
    ids::{CalendarKey, ConnectionId, ProfileId, RemoteCalendarId, ResourceId, SourceName},
    profile::Policy,
};

/// Default polling interval of sources and calendars.
const POLL_EVERY: Duration = Duration::from_secs(60);

/// Default interval at which a running service seals its ledger.
const SEAL_EVERY: Duration = Duration::from_secs(600);

impl Config {
    /// Reads the file, if there is one, and overrides it with the environment.
    ///
    /// # Errors
    /// [`Problems`]: all mistakes found.
    pub fn load(file: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let Some(path) = file else { return Self::parse(None, "", env) };
        let text = fs::read_to_string(path).map_err(|e| {
            let message = match e.kind() {
                std::io::ErrorKind::NotFound => "file not found: check the path given with --config".to_owned(),
                _ => format!("cannot be read: {e}"),
            };
            Problems { file: path.display().to_string(), problems: vec![Problem { key: String::new(), message }] }
        })?;
        Self::parse(Some(path), &text, env)
    }

    /// Parses the text of a file. Reads no other files except those that hold secrets.
    ///
    /// # Errors
    /// [`Problems`]: all mistakes found.
    pub fn parse(file: Option<&Path>, text: &str, env: &BTreeMap<String, String>) -> Result<Self, Problems> {
        let named = file.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
        let fail = |problems| Problems { file: named.clone(), problems };
        let mut table: Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            fail(vec![Problem { key: format!("line {line}"), message: e.message().replace('\n', " ") }])
        })?;
        let folder = file.and_then(Path::parent).map_or_else(PathBuf::new, Path::to_path_buf);
        let mut shared = Shared::new(folder, env.clone());
        for (variable, value) in env {
            if let Some(key) = variable.strip_prefix(ENV_PREFIX) {
                overlay(&mut table, &mut shared, variable, key, value);
            }
        }
        let config = whole(file, Section::new("", table, &shared));
        match config {
            Some(config) if shared.problems().is_empty() => Ok(config),
            _ => Err(fail(shared.problems())),
        }
    }
}

/// Puts the value of one variable into the tables: `LEDGER__URL` is `ledger.url`, `CONNECTIONS__0__ID` is the id of the first.
fn overlay(table: &mut Table, shared: &mut Shared, variable: &str, key: &str, value: &str) {
    let lowered = key.to_ascii_lowercase();
    let parts: Vec<&str> = lowered.split("__").collect();
    let mut place = table;
    let mut path = String::new();
    let mut index = 0;
    while index + 1 < parts.len() {
        // Profile names may contain dashes, variable names may not.
        let name = place.keys().find(|k| k.replace('-', "_") == parts[index]).cloned();
        let name = name.unwrap_or_else(|| parts[index].to_owned());
        path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let number = parts[index + 1].parse::<usize>().ok().filter(|_| index + 2 < parts.len());
        let entry = place.entry(name).or_insert_with(|| match number {
            Some(_) => Value::Array(Vec::new()),
            None => Value::Table(Table::new()),
        });
        let next = match (entry, number) {
            (Value::Table(inner), None) => Some(inner),
            (Value::Array(items), Some(at)) if at <= items.len() => {
                if at == items.len() {
                    items.push(Value::Table(Table::new()));
                }
                path = format!("{path}[{at}]");
                index += 1;
                items[at].as_table_mut()
            }
            _ => None,
        };
        let Some(next) = next else {
            let what = "number lists from 0 without gaps (SYNCLEDGER__CONNECTIONS__0__ID), and do not number tables";
            return shared.problem(variable, format!("does not match {path}: {what}"));
        };
        place = next;
        index += 1;
    }
    let last = parts.last().copied().unwrap_or_default();
    let full = if path.is_empty() { last.to_owned() } else { format!("{path}.{last}") };
    place.insert(last.to_owned(), Value::String(value.to_owned()));
    shared.overridden.insert(full, variable.to_owned());
}

fn whole(file: Option<&Path>, mut root: Section<'_>) -> Option<Config> {
    let shared = root.shared;
    let workspace = root.text("workspace").unwrap_or_else(|| "default".to_owned());
    let workspace = root.parsed("workspace", Some(workspace), |text| {
        SourceName::new(text).map(|w| w.to_string()).map_err(|_| "may contain only letters, digits, - and _")
    });
    let listen = root.text("listen").unwrap_or_else(|| "127.0.0.1:3400".to_owned());
    let listen = root.parsed("listen", Some(listen), |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} is not an address to listen on: write something like 127.0.0.1:3400"))
    });
    let public_url = root.text("public_url");
    let public_url = root.address("public_url", public_url);
    let beside = |file: &str| Store::Sqlite(shared.folder.join(file));
    let ledger = Store::read(root.section("ledger"), true).unwrap_or_else(|| beside("data/ledger.db"));
    // EventStoreDB stores only events: everything else needs its own database.
    let own = |file: &str| if matches!(ledger, Store::Esdb(_)) { beside(file) } else { ledger.clone() };
    let read_models = Store::read(root.section("read_models"), false).unwrap_or_else(|| own("data/read.db"));
    let vault = Store::read(root.section("vault"), false).unwrap_or_else(|| own("data/vault.db"));
    if vault != ledger && !matches!(ledger, Store::Esdb(_)) {
        shared.problem("vault.url", "can only be set if ledger.url is an esdb:// address: leave it out");
    }
    let mut secrets = root.section("secrets");
    let master_key_file = secrets.path("master_key_file").unwrap_or_else(|| shared.folder.join("data/master.key"));
    secrets.finish();
    let audit = audit(root.section("audit"));
    let nats = Nats::read(root.section("nats"));
    let logging = logging(root.section("logging"));
    let sources: Vec<Source> = root.sections("sources").into_iter().filter_map(source).collect();
    let connections: Vec<Connection> = root.sections("connections").into_iter().filter_map(connection).collect();
    let gateway = root.names().iter().any(|name| name == "gateway").then(|| root.section("gateway"));
    let gateway = gateway.and_then(gateway::read);
    let declared = root.sections("routes");
    let mut profiles = profiles(root.section("profiles"));
    root.finish();
    if nats.is_some() && sources.iter().any(|source| source.name.as_str() == "nats") {
        shared.problem("sources", "name \"nats\" is reserved for commands received by NATS: choose another");
    }
    twice(shared, "sources", "name", sources.iter().map(|s| s.name.as_str()));
    twice(shared, "connections", "id", connections.iter().map(|c| c.id.as_str()));
    // Names come from the raw file, so that a connection with a problem of its own is not also reported as missing.
    let routes = declared.into_iter().filter_map(|section| route(section, &connections, &mut profiles)).collect();
    let file = file.map(Path::to_path_buf);
    let (workspace, listen) = (workspace?, listen?);
    let (routes, profiles) = (routes, profiles.into_iter().filter_map(|(id, policy)| Some((id, policy?))).collect());
    Some(Config {
        file,
        workspace,
        listen,
        public_url,
        ledger,
        read_models,
        vault,
        master_key_file,
        sources,
        connections,
        routes,
        profiles,
        gateway,
        audit,
        nats,
        logging,
    })
}

fn twice<'t>(shared: &Shared, list: &str, key: &str, names: impl Iterator<Item = &'t str>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            shared.problem(list, format!("{key} {name:?} is used twice: each entry needs its own"));
        }
    }
}

/// Default folder of checkpoints: next to the ledger, so that the operator can copy it elsewhere.
fn audit(mut section: Section<'_>) -> Audit {
    let seal_every =
        if section.says("seal_every", "off") { None } else { section.duration("seal_every").or(Some(SEAL_EVERY)) };
    let checkpoints = section.path("checkpoints");
    let checkpoints = checkpoints.unwrap_or_else(|| section.shared.folder.join("data/checkpoints"));
    section.finish();
    Audit { seal_every, checkpoints }
}

fn logging(mut section: Section<'_>) -> Logging {
    let format = match section.text("format").as_deref() {
        None | Some("human") => LogFormat::Human,
        Some("json") => LogFormat::Json,
        Some(other) => {
            section.problem("format", format!("{other:?} is not valid: write \"human\" or \"json\""));
            LogFormat::Human
        }
    };
    let filter = section.text("filter").unwrap_or_else(|| "info".to_owned());
    section.finish();
    Logging { format, filter }
}

fn source(mut section: Section<'_>) -> Option<Source> {
    let kind = section.required("kind", "uschedule");
    let name = section.text("name").or_else(|| kind.clone());
    let name = section.parsed("name", name, SourceName::new);
    let base_url = section.required("base_url", "https://api.uschedule.example");
    let base_url = section.address("base_url", base_url);
    let api_key = section.secret("api_key", true);
    let webhook_secret = section.secret("webhook_secret", false);
    let poll_every = section.duration("poll_every").unwrap_or(POLL_EVERY);
    let known = match kind.as_deref() {
        Some("uschedule") => true,
        Some(other) => {
            section.problem("kind", format!("{other:?} is not supported: write \"uschedule\""));
            false
        }
        None => false,
    };
    section.finish();
    let kind = SourceKind::Uschedule { base_url: base_url?, api_key: api_key?, webhook_secret };
    Some(Source { name: name?, kind, poll_every }).filter(|_| known)
}

fn connection(mut section: Section<'_>) -> Option<Connection> {
    let id = section.required("id", "loft-bot");
    let id = section.parsed("id", id, ConnectionId::new);
    let provider = section.required("provider", "google");
    let service_account = section.secret("service_account", true);
    let api_base = section.text("api_base");
    let api_base = section.address("api_base", api_base);
    let token_url = section.text("token_url");
    let token_url = section.address("token_url", token_url);
    let poll_every = section.duration("poll_every").unwrap_or(POLL_EVERY);
    let known = match provider.as_deref() {
        Some("google") => true,
        Some(other) => {
            section.problem("provider", format!("{other:?} is not supported: write \"google\""));
            false
        }
        None => false,
    };
    section.finish();
    let provider = ProviderKind::Google { service_account: service_account?, api_base, token_url };
    Some(Connection { id: id?, provider, poll_every }).filter(|_| known)
}

fn profiles(mut section: Section<'_>) -> BTreeMap<ProfileId, Option<Policy>> {
    let mut profiles = BTreeMap::new();
    for name in section.names() {
        let inner = section.section(&name);
        match ProfileId::new(name.clone()) {
            Ok(id) => {
                profiles.insert(id, profile::read(inner));
            }
            Err(wrong) => section.problem(&name, wrong.to_string()),
        }
    }
    section.finish();
    profiles
}

fn route(
    mut section: Section<'_>,
    connections: &[Connection],
    profiles: &mut BTreeMap<ProfileId, Option<Policy>>,
) -> Option<Route> {
    let resource = section.required("resource", "bay-1");
    let resource = section.parsed("resource", resource, ResourceId::new);
    let connection = section.required("connection", "loft-bot");
    let connection = section.parsed("connection", connection, ConnectionId::new);
    let calendar = section.required("calendar", "bay1@group.calendar.google.com");
    let profile = section.text("profile").unwrap_or_else(|| "resource-mirror".to_owned());
    let profile = section.parsed("profile", Some(profile), ProfileId::new);
    if let Some(id) = &connection
        && !connections.iter().any(|c| c.id == *id)
    {
        let id = id.as_str();
        section.problem("connection", format!("there is no valid [[connections]] entry with id = {id:?}"));
    }
    if let Some(id) = &profile
        && !profiles.contains_key(id)
    {
        match Policy::preset(id.as_str()) {
            Some(policy) => {
                profiles.insert(id.clone(), Some(policy));
            }
            None => section
                .problem("profile", format!("there is no profile {:?}: add a [profiles.{id}] table", id.as_str())),
        }
    }
    section.finish();
    let calendar = CalendarKey { connection: connection?, calendar: RemoteCalendarId::new(calendar?) };
    Some(Route { resource: resource?, calendar, profile: profile? })
}
