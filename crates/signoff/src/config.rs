//! Settings of the server: flags over environment over file over what needs no saying.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use serde::Deserialize;
use signoff_api::Secret;
use url::Url;

const ADMIN_KEY_CHARS_MIN: usize = 32;

/// Settings of the server, complete and checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where database and keys are kept.
    pub(crate) data: PathBuf,
    /// The Postgres database that several nodes share; none: SQLite in the data directory.
    pub(crate) database: Option<Database>,
    /// The master key, where it is given and not kept in the data directory.
    pub(crate) master_key: Option<Secret>,
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// What links are built from; none: `http://` and the address listened on.
    pub(crate) public_url: Option<Url>,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Private networks that webhooks may reach.
    pub(crate) egress_allow: Vec<IpNet>,
    /// Who resolves names for outbound calls; none: what the system uses.
    pub(crate) egress_resolver: Option<SocketAddr>,
    /// Approve everything at once, for people's own tests; only on loopback.
    pub(crate) auto_approve: bool,
    /// A key that acts as an admin automation while set; never stored.
    pub(crate) admin_key: Option<Secret>,
    /// A person to make at the start, with a link that signs in as them; only for `signoff demo`.
    pub(crate) demo_operator: Option<DemoOperator>,
    /// How to log.
    pub(crate) log: LogConfig,
}

/// A Postgres database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// `postgres://USER:PASSWORD@HOST:PORT/NAME`.
    pub(crate) url: Secret,
    /// Behind a pooler that gives each transaction another connection.
    pub(crate) pooled: bool,
}

/// The person of a demonstration: an admin without a password.
#[derive(Debug, Clone)]
pub(crate) struct DemoOperator {
    /// What people call them.
    pub(crate) name: String,
    /// Their e-mail address.
    pub(crate) email: String,
}

/// How to log.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// Shape of the lines.
    pub(crate) format: LogFormat,
    /// What to log, such as `info` or `signoff_engine=debug,info`.
    pub(crate) filter: String,
}

impl Database {
    /// # Errors
    /// If the URL is not one of Postgres. Nothing of it is repeated: it may hold a password.
    pub(crate) fn new(url: String, pooled: bool) -> anyhow::Result<Self> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            bail!("--database: only postgres://USER:PASSWORD@HOST/NAME; leave it out for SQLite in --data");
        }
        let url = Secret::new(url);
        Ok(Self { url, pooled })
    }
}

impl LogConfig {
    /// Warnings and errors alone, for people.
    pub(crate) fn quiet() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "warn".to_owned(),
        }
    }
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

const SERVE_HELP: &str = "\
The first start prints a link that makes the first admin. Scripts set SIGNOFF_ADMIN_KEY instead (32
characters or more): while it is set, it acts as an admin automation; it is never stored.
A flag wins over the environment, the environment over the file. With --json, one line on standard
output says where the server runs.";

/// Settings as flags and environment give them.
#[derive(Debug, Default, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct ServeArgs {
    /// Directory for database and keys [default: ./signoff-data]
    #[arg(long, value_name = "DIR", env = "SIGNOFF_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    /// Postgres database for several nodes (postgres://USER:PASSWORD@HOST/NAME) instead of SQLite in DIR
    #[arg(long, value_name = "URL", env = "SIGNOFF_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// The database is behind a transaction-mode pooler: no notifications, no prepared statements
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        hide_possible_values = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "SIGNOFF_DATABASE_POOLED",
        hide_env_values = true
    )]
    database_pooled: Option<bool>,
    /// File with the master key (64 hexadecimal digits), or SIGNOFF_MASTER_KEY [default: DIR/master.key]
    #[arg(
        long,
        value_name = "FILE",
        env = "SIGNOFF_MASTER_KEY_FILE",
        hide_env_values = true
    )]
    master_key_file: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR", env = "SIGNOFF_LISTEN", hide_env_values = true)]
    listen: Option<SocketAddr>,
    /// URL that links are built from, never the Host header [default: http://ADDR]
    #[arg(long, value_name = "URL", env = "SIGNOFF_PUBLIC_URL", hide_env_values = true)]
    public_url: Option<Url>,
    /// Networks whose X-Forwarded-For is believed
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        env = "SIGNOFF_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    trusted_proxies: Option<Vec<String>>,
    /// Private networks that webhooks may reach
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        env = "SIGNOFF_EGRESS_ALLOW",
        hide_env_values = true
    )]
    egress_allow: Option<Vec<String>>,
    /// The DNS server that resolves names for outbound calls (webhooks, calls, tokens), such as 10.0.0.53:53
    #[arg(
        long,
        value_name = "ADDR",
        env = "SIGNOFF_EGRESS_RESOLVER",
        hide_env_values = true
    )]
    egress_resolver: Option<SocketAddr>,
    /// Approve everything at once: for your own tests, on loopback only, marked in every event
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        hide_possible_values = true,
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "SIGNOFF_AUTO_APPROVE",
        hide_env_values = true
    )]
    auto_approve: Option<bool>,
    /// File with settings (TOML)
    #[arg(long, value_name = "FILE", env = "SIGNOFF_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Shape of log lines: text or json [default: text]
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        hide_possible_values = true,
        env = "SIGNOFF_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: Option<LogFormat>,
    /// What to log, such as info or signoff_engine=debug,info [default: info]
    #[arg(long, value_name = "FILTER", env = "SIGNOFF_LOG", hide_env_values = true)]
    log: Option<String>,
}

/// Settings as the file gives them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are those of the settings")]
struct File {
    data: Option<PathBuf>,
    database: Option<String>,
    database_pooled: Option<bool>,
    master_key_file: Option<PathBuf>,
    listen: Option<SocketAddr>,
    public_url: Option<Url>,
    trusted_proxies: Option<Vec<String>>,
    egress_allow: Option<Vec<String>>,
    egress_resolver: Option<SocketAddr>,
    auto_approve: Option<bool>,
    log_format: Option<LogFormat>,
    log: Option<String>,
}

impl Config {
    /// Lays flags and environment over the file, and checks the whole.
    pub(crate) fn load(args: ServeArgs) -> anyhow::Result<Self> {
        let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let secret = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let key_file = args.master_key_file.as_ref().or(file.master_key_file.as_ref());
        let master_key = match (secret("SIGNOFF_MASTER_KEY"), key_file) {
            (Some(_), Some(_)) => bail!("SIGNOFF_MASTER_KEY and --master-key-file are both given; give one"),
            (Some(key), None) => Some(Secret::new(key)),
            (None, Some(path)) => Some(crate::keeping::read_master_key(path)?),
            (None, None) => None,
        };
        let mut config = Self::lay(args, file, secret("SIGNOFF_ADMIN_KEY").map(Secret::new))?;
        config.master_key = master_key;
        Ok(config)
    }

    /// Settings of a server for a demonstration or a test: a data directory, any free port, an admin key.
    pub(crate) fn ephemeral(data: &Path, listen: SocketAddr, admin_key: Secret) -> Self {
        Self {
            data: data.to_owned(),
            database: None,
            master_key: None,
            listen,
            public_url: None,
            trusted_proxies: Vec::new(),
            egress_allow: Vec::new(),
            egress_resolver: None,
            auto_approve: false,
            admin_key: Some(admin_key),
            demo_operator: None,
            log: LogConfig::quiet(),
        }
    }

    fn lay(args: ServeArgs, file: File, admin_key: Option<Secret>) -> anyhow::Result<Self> {
        let config = Self {
            data: args
                .data
                .or(file.data)
                .unwrap_or_else(|| PathBuf::from("signoff-data")),
            database: args
                .database
                .or(file.database)
                .map(|url| {
                    let pooled = args.database_pooled.or(file.database_pooled).unwrap_or(false);
                    Database::new(url, pooled)
                })
                .transpose()?,
            master_key: None,
            listen: args
                .listen
                .or(file.listen)
                .unwrap_or_else(|| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7070)),
            public_url: args.public_url.or(file.public_url).map(origin).transpose()?,
            trusted_proxies: networks(args.trusted_proxies.or(file.trusted_proxies), "trusted-proxies")?,
            egress_allow: networks(args.egress_allow.or(file.egress_allow), "egress-allow")?,
            egress_resolver: args.egress_resolver.or(file.egress_resolver),
            auto_approve: args.auto_approve.or(file.auto_approve).unwrap_or(false),
            admin_key,
            demo_operator: None,
            log: LogConfig {
                format: args.log_format.or(file.log_format).unwrap_or_default(),
                filter: args.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            },
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.auto_approve && !self.listen.ip().is_loopback() {
            bail!("--auto-approve works on loopback only, not on {}", self.listen);
        }
        // A proxy on the same machine would carry the outside in.
        if self.auto_approve
            && !(self.trusted_proxies.is_empty() && self.public_url.as_ref().is_none_or(is_loopback))
        {
            bail!("--auto-approve works on loopback only: leave out --public-url and --trusted-proxies");
        }
        if let Some(key) = &self.admin_key
            && key.expose().chars().count() < ADMIN_KEY_CHARS_MIN
        {
            bail!("SIGNOFF_ADMIN_KEY needs {ADMIN_KEY_CHARS_MIN} characters or more");
        }
        Ok(())
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("in `{}`", path.display()))
}

fn networks(texts: Option<Vec<String>>, name: &str) -> anyhow::Result<Vec<IpNet>> {
    texts
        .unwrap_or_default()
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .map(|text| {
            // A single address is a network of one.
            text.parse()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .with_context(|| {
                    format!("--{name}: `{text}` is neither an address nor a network such as 10.0.0.0/8")
                })
        })
        .collect()
}

fn origin(url: Url) -> anyhow::Result<Url> {
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.path() == "/";
    if !plain {
        bail!("--public-url: `{url}` is more than scheme, host and port");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let args = ServeArgs {
            listen: Some("127.0.0.1:1".parse().unwrap()),
            ..ServeArgs::default()
        };
        let config = Config::lay(args, file("listen = '127.0.0.1:2'\ndata = '/x'"), None).unwrap();
        assert_eq!((config.listen.port(), config.data), (1, PathBuf::from("/x")));
        let config = Config::lay(ServeArgs::default(), File::default(), None).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:7070");
        assert!(!config.auto_approve);
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(toml::from_str::<File>("lissten = '127.0.0.1:2'").is_err());
    }

    #[test]
    fn auto_approve_never_faces_the_outside() {
        for text in [
            "auto_approve = true\nlisten = '0.0.0.0:7070'",
            "auto_approve = true\nlisten = '[::]:7070'",
            "auto_approve = true\npublic_url = 'https://signoff.example'",
            "auto_approve = true\ntrusted_proxies = ['127.0.0.1']",
        ] {
            assert!(
                Config::lay(ServeArgs::default(), file(text), None).is_err(),
                "{text}"
            );
        }
        assert!(
            Config::lay(ServeArgs::default(), file("auto_approve = true"), None)
                .unwrap()
                .auto_approve
        );
    }

    #[test]
    fn bad_values_are_refused_and_short_admin_keys_too() {
        for text in [
            "public_url = 'https://a/b'",
            "public_url = 'ftp://a'",
            "egress_allow = ['nope']",
        ] {
            assert!(
                Config::lay(ServeArgs::default(), file(text), None).is_err(),
                "{text}"
            );
        }
        let short = Some(Secret::new("x".repeat(31)));
        let error = Config::lay(ServeArgs::default(), File::default(), short)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("xxx"), "{error}");
        let config = Config::lay(
            ServeArgs::default(),
            file("egress_allow = ['10.0.0.0/8', '127.0.0.1']"),
            None,
        );
        assert_eq!(config.unwrap().egress_allow.len(), 2);
    }
}
