//! What is said about wrong files, and what right ones become.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn wrong(text: &str) -> String {
    Config::parse(Some(Path::new("loft.toml")), text, &env(&[])).unwrap_err().to_string()
}

const WHOLE: &str = r#"
workspace = "loft"
listen = "127.0.0.1:3401"
public_url = "https://sync.example.org/"

[ledger]
url = "sqlite://data/l.db"

[[sources]]
name = "uschedule"
kind = "uschedule"
base_url = "https://api.uschedule.example"
api_key_env = "KEY"
webhook_secret_env = "HOOK"
poll_every = "90s"

[[connections]]
id = "loft-bot"
provider = "google"
service_account_file = "bot.json"
api_base = "http://127.0.0.1:9/calendar/v3"
poll_every = "5m"

[[routes]]
resource = "bay-1"
connection = "loft-bot"
calendar = "bay1@group.calendar.google.com"

[[routes]]
resource = "bay-2"
connection = "loft-bot"
calendar = "bay2@group.calendar.google.com"
profile = "careful"

[profiles.careful]
preset = "resource-mirror"
remote_removal = "ask"
attempts_max = 3

[logging]
format = "json"
"#;

#[test]
fn without_a_file_everything_is_as_by_default() {
    let config = Config::load(None, &env(&[("PATH", "/bin")])).unwrap();
    assert_eq!(config.ledger.to_string(), "sqlite://data/ledger.db");
    assert_eq!(config.read_models, config.ledger);
    assert_eq!(config.master_key_file, Path::new("data/master.key"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:3400");
    assert_eq!((config.workspace.as_str(), config.public_url), ("default", None));
}

#[test]
fn a_whole_file_is_understood_and_its_paths_are_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loft.toml");
    fs::write(&path, WHOLE).unwrap();
    fs::write(folder.path().join("bot.json"), "{\"client_email\": \"bot\"}\n").unwrap();
    let config = Config::load(Some(&path), &env(&[("KEY", "k-1"), ("HOOK", "h-1")])).unwrap();
    assert_eq!(config.ledger.path().unwrap(), folder.path().join("data/l.db"));
    assert_eq!(config.public_url.as_deref(), Some("https://sync.example.org"));
    assert_eq!(config.sources[0].poll_every, Duration::from_secs(90));
    let SourceKind::Uschedule { api_key, webhook_secret, .. } = &config.sources[0].kind;
    assert_eq!((api_key.reveal(), webhook_secret.as_ref().unwrap().reveal()), ("k-1", "h-1"));
    let ProviderKind::Google { service_account, token_url, .. } = &config.connections[0].provider;
    assert_eq!((service_account.reveal(), token_url), ("{\"client_email\": \"bot\"}", &None));
    assert_eq!(config.connections[0].poll_every, Duration::from_secs(300));
    let careful = &config.profiles[&ProfileId::new("careful").unwrap()];
    let preset = Policy::resource_mirror();
    assert_eq!(careful.attempts_max, 3);
    assert_eq!(careful.remote_removal, crate::domain::profile::OnRemoval::Ask);
    assert_eq!(careful.title, preset.title);
    assert_eq!(config.profiles[&ProfileId::new("resource-mirror").unwrap()], preset);
    assert_eq!(config.logging.format, LogFormat::Json);
}

#[test]
fn a_secret_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bot.json"), "very-private").unwrap();
    let env = env(&[("KEY", "very-secret"), ("HOOK", "very-hidden")]);
    let config = Config::parse(Some(&folder.path().join("loft.toml")), WHOLE, &env).unwrap();
    let printed = format!("{config:?} {config:#?}");
    assert!(printed.contains("[secret]"));
    for secret in ["very-secret", "very-hidden", "very-private"] {
        assert!(!printed.contains(secret));
    }
}

#[test]
fn the_environment_stands_over_the_file() {
    let env = env(&[
        ("SYNCLEDGER__LEDGER__URL", "sqlite:///var/lib/l.db"),
        ("SYNCLEDGER__WORKSPACE", "attic"),
        ("SYNCLEDGER__CONNECTIONS__0__API_BASE", "https://calendar.example"),
        ("SYNCLEDGER__CONNECTIONS__0__SERVICE_ACCOUNT", "{}"),
        ("SYNCLEDGER__PROFILES__CAREFUL__ATTEMPTS_MAX", "5"),
        ("SYNCLEDGER__PROFILES__CAREFUL__INBOUND", "false"),
        ("KEY", "k"),
        ("HOOK", "h"),
    ]);
    let text = WHOLE.replace("service_account_file = \"bot.json\"\n", "");
    let config = Config::parse(Some(Path::new("loft.toml")), &text, &env).unwrap();
    assert_eq!(config.ledger.to_string(), "sqlite:///var/lib/l.db");
    assert_eq!(config.workspace, "attic");
    let ProviderKind::Google { api_base, service_account, .. } = &config.connections[0].provider;
    assert_eq!((api_base.as_deref(), service_account.reveal()), (Some("https://calendar.example"), "{}"));
    let careful = &config.profiles[&ProfileId::new("careful").unwrap()];
    assert_eq!((careful.attempts_max, careful.inbound), (5, false));
}

#[test]
fn a_variable_that_leads_nowhere_is_told_by_its_name() {
    let env = env(&[
        ("SYNCLEDGER__LEDGR__URL", "x"),
        ("SYNCLEDGER__CONNECTIONS__7__ID", "x"),
        ("SYNCLEDGER__LISTEN", "here"),
    ]);
    let told = Config::load(None, &env).unwrap_err().to_string();
    insta::assert_snapshot!(told);
}

#[test]
fn all_problems_are_told_at_once_with_key_and_advice() {
    insta::assert_snapshot!(wrong(
        r#"
workspce = "loft"
listen = "3400"
public_url = "sync.example.org"
nats = 4
[ledger]
url = "postgres://user:hunter2@db/ledger"
[[sources]]
kind = "usched"
base_url = "https://api.example"
api_key = "in the file"
poll_every = "soon"
[[connections]]
id = "loft bot"
provider = "outlook"
service_account_env = "NOT_SET"
[[connections]]
provder = "google"
service_account_file = "is-not-there.json"
[[routes]]
resource = "bay 1"
connection = "loft-bot"
profile = "resource-miror"
[profiles.mine]
attempts = 3
atempts_max = "three"
conflicts = "mine"
preset = "resource-mirror"
"#
    ));
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let told = wrong("[ledger]\nurl = \"postgres://user:hunter2@db/ledger\"\n");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_server_is_named_with_its_password_apart() {
    let from_env = env(&[("SYNCLEDGER__LEDGER__URL", "postgres://loft:p%40ss@db:5432/ledger?sslmode=require")]);
    let config = Config::load(None, &from_env).unwrap();
    assert_eq!(config.ledger.to_string(), "postgres://loft@db:5432/ledger?sslmode=require");
    let Store::Postgres(address) = &config.ledger else { panic!("{:?}", config.ledger) };
    assert_eq!(address.password.as_ref().unwrap().reveal(), "p@ss");
    assert_eq!((&config.read_models, &config.vault), (&config.ledger, &config.ledger));
    let config = Config::load(None, &env(&[("SYNCLEDGER__LEDGER__URL", "esdb://a:1,b:2?tls=false")])).unwrap();
    assert_eq!(config.ledger.to_string(), "esdb://a:1,b:2?tls=false");
    assert_eq!(config.read_models.to_string(), "sqlite://data/read.db");
    assert_eq!(config.vault.to_string(), "sqlite://data/vault.db");
    let told = wrong("[read_models]\nurl = \"esdb://a:1\"\n");
    assert!(told.contains("can only be used for the ledger"), "{told}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    insta::assert_snapshot!(wrong("workspace = \"loft\"\nlisten = \n"));
    assert!(
        Config::load(Some(Path::new("/nowhere/at-all.toml")), &env(&[]))
            .unwrap_err()
            .to_string()
            .contains("file not found")
    );
}

#[test]
fn a_draft_policy_is_read_on_its_own() {
    let draft = policy("draft.toml", "preset = \"resource-mirror\"\ncreate = false\n").unwrap();
    assert!(!draft.create && draft.update);
    let told = policy("draft.toml", "craete = false\n").unwrap_err().to_string();
    assert!(told.contains("did you mean create?"), "{told}");
}

#[test]
fn a_policy_with_a_key_that_is_not_known_is_refused_in_the_file() {
    let told = wrong("[profiles.mine]\nremoval_grace = 5\n[profiles.other]\ncolour = \"red\"\n");
    assert!(told.contains("profiles.mine.removal_grace: is not a known key: did you mean removal_grace_s?"), "{told}");
    assert!(told.contains("profiles.other.colour: is not a known key: "), "{told}");
}

#[test]
fn nats_is_what_its_table_says_or_not_there() {
    let read = |text: &str, pairs: &[(&str, &str)]| Config::parse(Some(Path::new("loft.toml")), text, &env(pairs));
    assert_eq!(read("", &[]).unwrap().nats, None);
    let usual = read("[nats]\nurl = \"nats://127.0.0.1:4222\"", &[]).unwrap().nats.unwrap();
    assert_eq!((usual.access, usual.stream), (NatsAccess::Open, NatsStream::default()));
    assert_eq!(usual.commands, Some(NatsCommands { any: false, deliveries_max: 16 }));
    let text = "[nats]\nurl = \"tls://a:1, tls://b:2\"\nuser = \"feed\"\npassword_env = \"PW\"\nca_file = \"ca.pem\"\n\
        [nats.stream]\nname = \"loft\"\nreplicas = 3\nmax_age = \"90d\"\nmax_bytes = 1000000\nduplicate_window = \"5m\"\n\
        [nats.commands]\nbookings = \"all\"\nmax_deliveries = 4";
    let nats = read(text, &[("PW", "x")]).unwrap().nats.unwrap();
    assert_eq!(nats.access, NatsAccess::Password("feed".into(), Secret::new("x")));
    assert_eq!((nats.stream.replicas, nats.stream.bytes_max), (Some(3), Some(1_000_000)));
    assert_eq!(nats.stream.age_max, Some(Duration::from_secs(90 * 86_400)));
    assert_eq!(nats.commands, Some(NatsCommands { any: true, deliveries_max: 4 }));
    let pairs = [("SYNCLEDGER__NATS__URL", "nats://h:4222"), ("SYNCLEDGER__NATS__COMMANDS__ENABLED", "false")];
    assert_eq!(read("", &pairs).unwrap().nats.unwrap().commands, None);
}

#[test]
fn what_is_wrong_about_nats_is_told() {
    let text = "[nats]\nurl = \"http://x\"\nuser = \"feed\"\n[nats.stream]\nname = \"a.b\"\nreplicas = 9\nmax_age = \"soon\"\n\
        [nats.commands]\nenabled = \"yes\"\nbookings = \"mine\"\nmax_deliveries = \"3\"";
    let told = wrong(text);
    for (key, said) in [
        ("nats.url", "\"http\" is not supported"),
        ("nats.password", "is missing"),
        ("nats.stream.name", "letters, digits"),
        ("nats.stream.replicas", "from 1 to 5"),
        ("nats.stream.max_age", "write something like 12h or 90d"),
        ("nats.commands.enabled", "true or false"),
        ("nats.commands.bookings", "(bookings created through the API) or \"all\""),
        ("nats.commands.max_deliveries", "a whole number"),
    ] {
        assert!(told.lines().any(|line| line.contains(key) && line.contains(said)), "{key}: {told}");
    }
    assert!(wrong("[nats]\nurl = \"nats://feed:pw@x\"").contains("contains a user"));
    assert!(wrong("[nats.commands]\nenabled = true").contains("nats.url: is missing"));
    let twice = Config::parse(
        None,
        "[nats]\nurl = \"nats://x\"\ntoken_env = \"A\"\nnkey_seed_env = \"A\"",
        &env(&[("A", "x")]),
    );
    assert!(twice.unwrap_err().to_string().contains("has more than one login"));
}

#[test]
fn a_window_beyond_all_measure_is_refused() {
    let draft = |days: u64| policy("draft.toml", &format!("window_ahead_days = {days}"));
    assert_eq!(draft(36_525).unwrap().window_ahead_days, 36_525);
    for days in [36_526, 2_147_483_647, 4_294_967_295] {
        let refused = draft(days).unwrap_err().to_string();
        assert!(refused.contains("window_ahead_days") && refused.contains("the maximum is 36525"), "{refused}");
    }
}

#[test]
fn a_gateway_is_there_only_where_it_is_asked_for_and_never_in_plain_by_accident() {
    let read = |text: &str| Config::parse(None, text, &BTreeMap::new());
    assert_eq!(read("").expect("it is right").gateway, None);
    let gateway = read("[gateway]\nlisten = \"127.0.0.1:2113\"").expect("it is right").gateway.expect("it is there");
    assert_eq!((gateway.tls, gateway.accept), (None, super::Accept::Known));
    let open = read("[gateway]\nlisten = \"0.0.0.0:2113\"\ntls = \"off\"\naccept = \"any\"").expect("it is right");
    assert_eq!(open.gateway.expect("it is there").accept, super::Accept::Any);
    let cases = [
        ("[gateway]", "gateway.listen: is missing"),
        ("[gateway]\nlisten = \"0.0.0.0:2113\"", "tokens would be sent in plain text"),
        ("[gateway]\nlisten = \"127.0.0.1:2113\"\ntls_cert_file = \"a.pem\"", "gateway.tls_key: is missing"),
        ("[gateway]\nlisten = \"127.0.0.1:2113\"\ntls = \"on\"", "\"on\" is not valid"),
        ("[gateway]\nlisten = \"127.0.0.1:2113\"\naccept = \"all\"", "write \"known\" or \"any\""),
        ("[gateway]\nlisten = \"here\"", "not an address to listen on"),
    ];
    for (text, part) in cases {
        let problems = wrong(text);
        assert!(problems.contains(part), "{part}: {problems}");
    }
}
