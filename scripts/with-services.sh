#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL and Redis on free ports of 127.0.0.1:
#
#   scripts/with-services.sh cargo test --workspace
#
# The command sees TEST_DATABASE_URL (a superuser) and TEST_REDIS_URL, and neither DATABASE_URL nor
# REDIS_URL. Whatever the command does, and also on Ctrl-C and SIGTERM, both servers are stopped and
# their files removed; the exit status is the command's. Nothing of it survives a restart on purpose:
# the database runs without fsync.
set -euo pipefail

if [ "$#" -eq 0 ]; then
	echo "usage: $0 COMMAND…" >&2
	exit 2
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/pnl-services.XXXXXX")
chmod 755 "$folder"
postgres_pid='' redis_pid='' command_pid=''

stop() { # pid, signal
	[ -n "$1" ] || return 0
	kill -s "$2" "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

cleanup() {
	trap '' INT TERM
	if [ -n "$command_pid" ]; then
		kill -s TERM -- "-$command_pid" 2>/dev/null || true
		wait "$command_pid" 2>/dev/null || true
	fi
	# SIGINT is the fast stop of PostgreSQL: sessions are cut off.
	stop "$postgres_pid" INT
	stop "$redis_pid" TERM
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
	echo "with-services: $1" >&2
	exit 1
}

find_postgres() {
	local candidate newest=''
	for candidate in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin \
		"$(pg_config --bindir 2>/dev/null || true)"; do
		if [ -x "$candidate/initdb" ] && [ -x "$candidate/postgres" ]; then
			newest=$(printf '%s\n%s\n' "$newest" "$candidate" | sort -V | tail -n 1)
		fi
	done
	[ -n "$newest" ] || fail "no PostgreSQL server programs; run scripts/setup.sh --tests"
	echo "$newest"
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return
		fi
	done
}

# Waits up to a minute until a port answers; false when its process ended.
wait_for_port() { # pid, port
	local tries
	for ((tries = 0; tries < 1200; tries++)); do
		kill -0 "$1" 2>/dev/null || return 1
		if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
		sleep 0.05
	done
	return 1
}

start_postgres() {
	local bin data="$folder/postgres" tries as_user=()
	bin=$(find_postgres)
	mkdir -m 700 "$data"
	if [ "$(id -u)" -eq 0 ]; then
		# PostgreSQL refuses to run as root.
		local user=postgres
		id "$user" >/dev/null 2>&1 || user=nobody
		chown "$user" "$data"
		as_user=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
	fi
	(cd / && "${as_user[@]}" "$bin/initdb" -D "$data/cluster" -U postgres --auth=trust \
		--encoding=UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1) ||
		fail "initdb failed: $(tail -n 3 "$folder/initdb.log")"
	for ((tries = 0; tries < 5; tries++)); do
		postgres_port=$(free_port)
		# A session of its own: Ctrl-C goes to the command first, and to this script.
		(cd / && exec setsid "${as_user[@]}" "$bin/postgres" -D "$data/cluster" \
			-p "$postgres_port" -k "$data" -c listen_addresses=127.0.0.1 -c max_connections=500 \
			-c fsync=off -c synchronous_commit=off -c full_page_writes=off \
			>"$folder/postgres.log" 2>&1) &
		postgres_pid=$!
		if wait_for_port "$postgres_pid" "$postgres_port"; then
			# It listens a moment before it takes sessions.
			until grep -q '^ready' "$data/cluster/postmaster.pid" 2>/dev/null; do sleep 0.05; done
			return
		fi
		stop "$postgres_pid" INT
		postgres_pid=''
	done
	fail "PostgreSQL did not start: $(tail -n 3 "$folder/postgres.log")"
}

start_redis() {
	local tries
	command -v redis-server >/dev/null || fail "no redis-server; run scripts/setup.sh --tests"
	for ((tries = 0; tries < 5; tries++)); do
		redis_port=$(free_port)
		setsid redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no \
			--dir "$folder" >"$folder/redis.log" 2>&1 &
		redis_pid=$!
		if wait_for_port "$redis_pid" "$redis_port"; then return; fi
		stop "$redis_pid" TERM
		redis_pid=''
	done
	fail "Redis did not start: $(tail -n 3 "$folder/redis.log")"
}

start_postgres
start_redis
unset DATABASE_URL REDIS_URL
export TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
export TEST_REDIS_URL="redis://127.0.0.1:$redis_port"
# Monitor mode gives the command a process group of its own, so that all of it can be stopped, and
# keeps SIGINT from being ignored in it.
set -m
"$@" &
command_pid=$!
set +m
status=0
wait "$command_pid" || status=$?
command_pid=''
exit "$status"
