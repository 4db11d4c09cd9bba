//! NATS settings: `[nats]`, `[nats.stream]`, `[nats.commands]`. Without `nats.url`, NATS is not used.

use std::{path::PathBuf, time::Duration};

use super::{
    Secret,
    section::{Section, duration},
};

/// Longest retention by age: ten years.
const AGE_MAX: Duration = Duration::from_secs(3_650 * 86_400);
/// Default for how often a command is delivered before it is given up.
const DELIVERIES_MAX: u64 = 16;

/// NATS settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// Server addresses, separated by commas.
    pub servers: String,
    /// How to log in.
    pub access: NatsAccess,
    /// CA certificates to trust; `None` means those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The stream of events.
    pub stream: NatsStream,
    /// Commands; `None` means that none are accepted.
    pub commands: Option<NatsCommands>,
}

/// How to log in to NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsAccess {
    /// Without credentials.
    Open,
    /// User name and password.
    Password(String, Secret),
    /// A token.
    Token(Secret),
    /// Seed of an nkey.
    Nkey(Secret),
    /// Content of a `.creds` file.
    Credentials(Secret),
}

/// The stream of events. `None` means the program's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsStream {
    /// Stream name.
    pub name: Option<String>,
    /// Number of servers that keep each message.
    pub replicas: Option<usize>,
    /// Maximum age of events.
    pub age_max: Option<Duration>,
    /// Maximum size of all events, in bytes.
    pub bytes_max: Option<u64>,
    /// Maximum number of events.
    pub messages_max: Option<u64>,
    /// How long the server remembers message ids to drop duplicates.
    pub duplicate_window: Option<Duration>,
}

/// Commands received by NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsCommands {
    /// Whether commands may change any booking, or only those created through the API.
    pub any: bool,
    /// Deliveries of a command before it is given up.
    pub deliveries_max: u64,
}

impl Nats {
    /// Reads the table; `None` if it is missing or invalid (the problems are recorded).
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        if section.is_empty() {
            return None;
        }
        let servers = section.required("url", "nats://127.0.0.1:4222");
        let servers = section.parsed("url", servers, servers_of);
        let access = access(&mut section);
        let ca_file = section.path("ca_file");
        let stream = stream(section.section("stream"));
        let commands = commands(section.section("commands"));
        section.finish();
        Some(Self { servers: servers?, access: access?, ca_file, stream, commands })
    }
}

/// Checks every address. Passwords in addresses are refused.
fn servers_of(text: String) -> Result<String, String> {
    for server in text.split(',').map(str::trim) {
        let Some((scheme, host)) = server.split_once("://") else {
            return Err(format!("{server:?} is not an address: write nats://host:4222 or tls://host:4222"));
        };
        if !["nats", "tls"].contains(&scheme) {
            return Err(format!("{scheme:?} is not supported: write nats:// or tls://"));
        }
        if host.contains('@') {
            return Err("contains a user: use nats.user and nats.password_file, or nats.token_file instead".to_owned());
        }
        if host.is_empty() || host.contains(['/', '?', '#', ' ']) {
            return Err(format!("must be {scheme}://host:port and nothing else"));
        }
    }
    Ok(text)
}

fn access(section: &mut Section<'_>) -> Option<NatsAccess> {
    let user = section.text("user");
    let password = section.secret("password", user.is_some());
    let others = [
        section.secret("token", false).map(NatsAccess::Token),
        section.secret("nkey_seed", false).map(NatsAccess::Nkey),
        section.secret("credentials", false).map(NatsAccess::Credentials),
    ];
    let by_password = match (user, password) {
        (Some(user), Some(password)) => Some(NatsAccess::Password(user, password)),
        (None, Some(_)) => {
            section.problem("user", "is missing: a password needs a user");
            return None;
        }
        (Some(_), None) => return None,
        (None, None) => None,
    };
    let mut given: Vec<NatsAccess> = others.into_iter().flatten().chain(by_password).collect();
    if given.len() > 1 {
        section.problem(
            "url",
            "has more than one login: keep a user with a password, a token, an nkey seed, or credentials",
        );
        return None;
    }
    Some(given.pop().unwrap_or(NatsAccess::Open))
}

fn stream(mut section: Section<'_>) -> NatsStream {
    let name = section.text("name");
    let name = section.parsed("name", name, |name| {
        let odd = |c: char| !c.is_ascii_graphic() || ".*>/\\".contains(c);
        if name.len() > 200 || name.contains(odd) { Err("may contain only letters, digits, - and _") } else { Ok(name) }
    });
    let age = section.text("max_age");
    let age_max = section.parsed("max_age", age, |text| {
        let days = text.strip_suffix('d').and_then(|days| days.trim().parse::<u64>().ok());
        let age = days.and_then(|days| days.checked_mul(86_400)).map(Duration::from_secs).or_else(|| duration(&text));
        let fits = age.filter(|age| (Duration::from_secs(1)..=AGE_MAX).contains(age));
        fits.ok_or_else(|| format!("{text:?} is not a duration between 1s and 3650d: write something like 12h or 90d"))
    });
    let stream = NatsStream {
        name,
        replicas: section.number("replicas", 1..=5).and_then(|n| usize::try_from(n).ok()),
        age_max,
        bytes_max: section.number("max_bytes", 1..=i64::MAX.unsigned_abs()),
        messages_max: section.number("max_messages", 1..=i64::MAX.unsigned_abs()),
        duplicate_window: section.duration("duplicate_window"),
    };
    section.finish();
    stream
}

fn commands(mut section: Section<'_>) -> Option<NatsCommands> {
    let enabled = section.flag("enabled").unwrap_or(true);
    let any = match section.text("bookings").as_deref() {
        None | Some("api") => false,
        Some("all") => true,
        Some(other) => {
            section.problem(
                "bookings",
                format!("{other:?} is not valid: write \"api\" (bookings created through the API) or \"all\""),
            );
            false
        }
    };
    let deliveries_max = section.number("max_deliveries", 1..=1_000).unwrap_or(DELIVERIES_MAX);
    section.finish();
    enabled.then_some(NatsCommands { any, deliveries_max })
}
