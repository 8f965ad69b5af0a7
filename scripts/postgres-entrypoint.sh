#!/bin/sh
# The entrypoint of the image that postgres-image makes. It keeps the parts of the official image's contract that tests
# rely on: the first start makes the cluster, runs the init scripts against a server that listens on no port, and only
# then starts the server that clients reach. So "ready to accept connections" is logged twice, and testcontainers waits
# for the second.
set -eu

[ $# -gt 0 ] || set -- postgres
case "$1" in -*) set -- postgres "$@" ;; esac
[ "$1" = postgres ] || exec "$@"

# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	chown postgres "$PGDATA" /var/run/postgresql
	chmod 700 "$PGDATA"
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	user=${POSTGRES_USER:-postgres}
	database=${POSTGRES_DB:-$user}
	: "${POSTGRES_PASSWORD:?is not set: the cluster needs a password}"

	password=$(mktemp)
	printf '%s\n' "$POSTGRES_PASSWORD" >"$password"
	# Nothing is synced: a container's cluster ends with it.
	# shellcheck disable=SC2086 # POSTGRES_INITDB_ARGS is a list of words
	initdb -D "$PGDATA" -U "$user" --pwfile="$password" -A scram-sha-256 -E UTF8 --locale=C --no-sync --no-instructions \
		${POSTGRES_INITDB_ARGS:-}
	rm -f "$password"
	printf 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
	echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"

	# The init scripts meet the settings that the command names. pg_ctl hands its options to a shell, hence the quotes.
	options="-c listen_addresses=''"
	first=$1
	shift
	for option; do options="$options '$option'"; done
	set -- "$first" "$@"
	pg_ctl -D "$PGDATA" -o "$options" -w start
	export PGPASSWORD="$POSTGRES_PASSWORD" PGUSER="$user" PGHOST=/var/run/postgresql
	if [ "$database" != postgres ]; then
		# From standard input, because psql replaces no variable in -c.
		echo 'create database :"name";' | psql -X -v ON_ERROR_STOP=1 -v name="$database" -d postgres
	fi
	export PGDATABASE="$database"
	for file in /docker-entrypoint-initdb.d/*; do
		case "$file" in
		*.sql) psql -X -v ON_ERROR_STOP=1 -f "$file" ;;
		*.sh)
			# shellcheck source=/dev/null
			if [ -x "$file" ]; then "$file"; else . "$file"; fi
			;;
		esac
	done
	unset PGPASSWORD PGUSER PGHOST PGDATABASE
	pg_ctl -D "$PGDATA" -m fast -w stop
fi

exec "$@"
