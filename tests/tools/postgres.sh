#!/usr/bin/env bash
# A PostgreSQL server for tests, on loopback, with everything on that a real one has on.
#
#   postgres.sh start FOLDER [PORT]             starts it, makes FOLDER where it is not there, and prints the address
#   postgres.sh stop FOLDER [fast|immediate]    stops it; immediate is what a crash leaves behind
#   postgres.sh drop ADDRESS DATABASE           drops a database of the server at ADDRESS, whoever is in it
#   postgres.sh dump ADDRESS                    prints the database at ADDRESS as statements
#   postgres.sh load ADDRESS FILE               carries out the statements in FILE in the database at ADDRESS
#
# PostgreSQL refuses to run as root: then it runs as the user `postgres`, who must be able to reach FOLDER.
set -euo pipefail

user=syncledger
password=of-the-tests

bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2> /dev/null | sort -V | tail -n 1)")
[ -x "$bin/initdb" ] || bin=$(dirname "$(command -v initdb || true)")
if [ ! -x "$bin/initdb" ]; then
    echo "PostgreSQL is not installed: run ./test, which installs it" >&2
    exit 1
fi

as_owner() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@")
    else
        "$@"
    fi
}

make() {
    mkdir -p "$1"
    chmod 700 "$1"
    echo "$password" > "$1/password"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$1"; fi
    as_owner "$bin/initdb" --pgdata "$1/data" --username "$user" --pwfile "$1/password" --auth scram-sha-256 \
        --encoding UTF8 --locale C.UTF-8 --no-sync > "$1/made"
}

start() {
    [ -d "$1/data" ] || make "$1"
    local port tries
    for tries in 1 2 3 4 5 6 7 8; do
        port=${2:-$((20000 + RANDOM % 12000))}
        # fsync, full_page_writes and synchronous_commit are on by default, and stay so.
        if as_owner "$bin/pg_ctl" start --silent --wait --timeout 60 --pgdata "$1/data" --log "$1/log" --options \
            "-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories='' -c max_connections=400 \
             -c shared_buffers=32MB -c max_wal_size=256MB" > /dev/null 2>&1; then
            echo "postgres://$user:$password@127.0.0.1:$port/postgres"
            return
        fi
    done
    echo "PostgreSQL does not start after $tries tries:" >&2
    tail -n 20 "$1/log" >&2
    exit 1
}

if [ "${1:-}" = drop ]; then
    exec "$bin/psql" --quiet --no-psqlrc "$2" --command "DROP DATABASE IF EXISTS \"$3\" WITH (FORCE)"
fi
# For every server from version 15 on, and every psql: without owners, without what only newer ones know.
if [ "${1:-}" = dump ]; then
    "$bin/pg_dump" --no-owner --no-privileges --inserts --rows-per-insert=100 "$2" |
        sed -E '/^\\(un)?restrict /d; /^SET transaction_timeout/d'
    exit
fi
if [ "${1:-}" = load ]; then
    exec "$bin/psql" --quiet --no-psqlrc --set ON_ERROR_STOP=1 --output /dev/null "$2" --file "$3"
fi
folder=$(realpath -m "${2:-.}")
case ${1:-} in
    start) start "$folder" "${3:-}" ;;
    stop) as_owner "$bin/pg_ctl" stop --silent --wait --timeout 60 --pgdata "$folder/data" --mode "${3:-fast}" ;;
    *)
        sed -n '2,11p' "$0" >&2
        exit 2
        ;;
esac
