#!/usr/bin/env bash
# Installs what building and running needs and this machine lacks: a C compiler and the PostgreSQL
# server programs; with --tests also redis-server, pgbouncer, and what scripts/pgbouncer.sh builds a newer one with. Debian and Ubuntu, as root or with sudo; on other
# systems it says what to install. Does nothing when everything is there.
set -euo pipefail

usage="usage: $0 [--tests]"
with_tests=false
case "${1:-}" in
"") ;;
--tests) with_tests=true ;;
*)
	echo "$usage" >&2
	exit 2
	;;
esac

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
	local folder
	for folder in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin \
		/usr/pgsql-*/bin /usr/local/pgsql/bin; do
		if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then return 0; fi
	done
	has initdb && has postgres
}

# Prints the missing things as "name:package" words.
missing() {
	has cc || echo "C-compiler:gcc C-library-headers:libc6-dev"
	has_postgres || echo "PostgreSQL-server:postgresql"
	if $with_tests; then
		has redis-server || echo "Redis-server:redis-server"
		# Ordinary users do not have its folder in their path.
		[ -x /usr/sbin/pgbouncer ] || has pgbouncer || echo "PgBouncer:pgbouncer"
		has make || echo "make:make"
		has pkg-config || echo "pkg-config:pkg-config"
		pkg-config --exists libevent 2>/dev/null || echo "libevent-headers:libevent-dev"
	fi
}

if ! has cargo; then
	echo "setup: cargo is missing; install the Rust toolchain from https://rustup.rs" >&2
	exit 1
fi

read -r -a wanted <<<"$(missing | tr '\n' ' ')"
if [ "${#wanted[@]}" -eq 0 ]; then
	echo "setup: nothing is missing"
	exit 0
fi
packages=("${wanted[@]#*:}")
echo "setup: missing: ${wanted[*]%%:*}"

if ! has apt-get; then
	echo "setup: this is no Debian or Ubuntu; install with its package manager: ${wanted[*]%%:*}" >&2
	exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
	as_root=()
elif has sudo; then
	as_root=(sudo)
else
	echo "setup: neither root nor sudo; ask for: apt-get install -y ${packages[*]}" >&2
	exit 1
fi

install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "$@"
}
apt_get_update() { "${as_root[@]}" apt-get update -qq; }

if ! apt_get_update; then
	echo "setup: apt-get update failed, see above; trying with the lists that are there" >&2
fi
# The package of Debian makes and starts a cluster on port 5432, which nobody here asked for.
if [[ " ${packages[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
	install postgresql-common
	"${as_root[@]}" sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' \
		/etc/postgresql-common/createcluster.conf
fi
if ! install "${packages[@]}"; then
	echo "setup: could not install; do it by hand: apt-get install -y ${packages[*]}" >&2
	exit 1
fi
read -r -a left <<<"$(missing | tr '\n' ' ')"
if [ "${#left[@]}" -gt 0 ]; then
	echo "setup: still missing after the installation: ${left[*]%%:*}" >&2
	exit 1
fi
echo "setup: installed ${packages[*]}"
