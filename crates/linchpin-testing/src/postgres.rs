//! A throw-away PostgreSQL server, for tests of what is kept on one.

use std::{
    cmp::Ordering::Equal,
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Makes and starts a server in a folder of its own, says where, and takes both away when its input ends. That happens also when
/// the process that holds the other end panics or is killed.
const SCRIPT: &str = r#"
set -eu
trap '' INT HUP TERM
umask 077
bin=$1
folder=$(mktemp -d)
trap 'cd /; "$bin/pg_ctl" stop --silent --pgdata "$folder/data" --mode immediate >/dev/null 2>&1 || :; rm -rf "$folder"' EXIT
cd "$folder"
"$bin/initdb" --pgdata data --username linchpin --auth trust --encoding UTF8 --locale C --no-sync >log 2>&1 || { cat log >&2; exit 1; }
"$bin/pg_ctl" start --wait --silent --pgdata data --log log \
    --options "-c listen_addresses= -c unix_socket_directories='$folder' -c fsync=off -c max_connections=400" \
    >/dev/null 2>&1 </dev/null || { cat log >&2; exit 1; }
echo "$folder"
exec >/dev/null 2>&1
read -r _ || :
"#;

/// A database of its own on a PostgreSQL server that lives as long as this process, however that ends. All databases of a process
/// are on one server, which listens on a socket in a temporary folder and takes everybody at their word.
///
/// ```
/// use linchpin_testing::Database;
///
/// if let Some(database) = Database::new() {
///     assert_eq!(database.run("select 6 * 7"), ["42"]);
/// }
/// ```
#[derive(Debug)]
pub struct Database {
    server: &'static Server,
    url: String,
}

#[derive(Debug)]
struct Server {
    bin: PathBuf,
    folder: PathBuf,
    /// Its input ends with this process.
    _keeper: Child,
}

static SERVER: LazyLock<Option<Server>> = LazyLock::new(|| {
    let Some(bin) = newest() else {
        assert!(env::var_os("CI").is_none(), "no `initdb` was found: install PostgreSQL's server");
        // Past the harness, which keeps to itself what a test that passes prints.
        let skipped = b"skipped: the tests on PostgreSQL, since no `initdb` was found\n";
        // Nobody can be told that nobody can be told.
        let _ = std::io::stderr().write_all(skipped);
        return None;
    };
    Some(Server::start(bin))
});

impl Database {
    /// Makes one; `None` where no server is installed, which stderr tells once. Servers are found on the path and in Debian's
    /// place for them, `/usr/lib/postgresql`.
    ///
    /// # Panics
    ///
    /// When the server does not start; and where none is installed although `CI` is set: no test may be skipped there.
    pub fn new() -> Option<Database> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let server = SERVER.as_ref()?;
        let url = |name: &str| format!("postgres://linchpin@/{name}?host={}", server.folder.display());
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Database { server, url: url("postgres") }.run(&format!("create database {name}"));
        Some(Database { server, url: url(&name) })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the server keeps its files: those of databases in `data`, and its log in `log`.
    pub fn folder(&self) -> &Path {
        &self.server.folder
    }

    /// Runs SQL on a connection of its own. Gives a line for each row, its columns separated by `|`.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub fn run(&self, sql: &str) -> Vec<String> {
        let mut psql = Command::new(self.server.bin.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", sql]);
        let out = psql.arg(&self.url).output().expect("`psql` stands beside the server");
        assert!(out.status.success(), "`{sql}`: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }
}

impl Server {
    fn start(bin: PathBuf) -> Server {
        // The server refuses to run as root.
        let id = Command::new("id").arg("-u").output().expect("`id` is there");
        let mut command = if id.stdout == b"0\n" {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "sh"]).arg(&bin);
        let mut keeper =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell can be started");
        let mut folder = String::new();
        if let Some(out) = keeper.stdout.take() {
            // What cannot be read leaves it empty.
            let _ = BufReader::new(out).read_line(&mut folder);
        }
        assert!(!folder.is_empty(), "PostgreSQL did not start");
        Server { bin, folder: folder.trim_end().into(), _keeper: keeper }
    }
}

/// The folder of the newest server's programs.
fn newest() -> Option<PathBuf> {
    let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<f64>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = installed.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    installed.max_by(|one, other| version(one).partial_cmp(&version(other)).unwrap_or(Equal)).or_else(|| {
        let path = env::var_os("PATH")?;
        // Links on the path lead to where the other programs are, too.
        let found = env::split_paths(&path).map(|bin| bin.join("initdb")).find(|file| file.exists())?;
        Some(found.canonicalize().ok()?.parent()?.to_owned())
    })
}
