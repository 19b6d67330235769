#!/usr/bin/env bash
# Prints the path of a PgBouncer that tells prepared statements apart (1.21 or newer): the system's own where it is new
# enough, else one that is built from the source package of Debian's next release (half a minute, once), in
# $CARGO_TARGET_DIR/pgbouncer. For tests: without TLS.
#
#   TEST_PGBOUNCER=$(scripts/pgbouncer.sh)
#
# apt fetches it from the mirror that this machine uses and verifies it with Debian's keys; the machine's own lists and
# sources stay as they are. Exit status 1 and a sentence where there is none to be had.
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=trixie
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
	echo "pgbouncer: $1" >&2
	exit 1
}

is_current() { # program
	local version
	version=$("$1" --version 2>/dev/null | sed -n 's/^PgBouncer \([0-9.]*\).*/\1/p')
	[ -n "$version" ] && printf '1.21\n%s\n' "$version" | sort -C -V
}

mkdir -p "${CARGO_TARGET_DIR:-target}/pgbouncer"
built=$(realpath "${CARGO_TARGET_DIR:-target}/pgbouncer")/pgbouncer
# Ordinary users do not have the folders of the system's in their path.
for program in "$(command -v pgbouncer || true)" /usr/sbin/pgbouncer /usr/local/bin/pgbouncer "$built"; do
	if [ -x "$program" ] && is_current "$program"; then
		echo "$program"
		exit
	fi
done

why="there is no PgBouncer 1.21 or newer here"
for need in cc make pkg-config; do
	command -v "$need" >/dev/null || fail "$why, and building one needs $need, which scripts/setup.sh --tests installs"
done
pkg-config --exists libevent || fail "$why, and building one needs libevent-dev, which scripts/setup.sh --tests installs"
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${ID:-} ${VERSION_CODENAME:-}") || release=unknown
# shellcheck disable=SC2016 # apt's own words
mirror=$(apt-get indextargets --no-release-info --format '$(SITE)' 'Created-By: Packages' 'Component: main' \
	"Release: ${release#* }" 2>/dev/null | head -n 1) || mirror=''
if [ "${release% *}" != debian ] || [ ! -r "$KEYS" ] || [ -z "$mirror" ]; then
	fail "$why, and this is no Debian with a mirror and $KEYS, which one could be built from; install one by hand"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pnl-pgbouncer.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists,cache,package,source}
if [ "$(id -u)" -eq 0 ]; then
	# apt gives up its rights for what it fetches.
	chmod 755 "$work"
	chown _apt "$work/package"
fi
echo "deb-src [signed-by=$KEYS] $mirror $SUITE main" >"$work/sources.list"
own=(-qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$work/lists"
	-o "Dir::Cache=$work/cache" -o APT::Update::Error-Mode=any)
echo "pgbouncer: $why; building that of Debian $SUITE" >&2
{
	apt-get "${own[@]}" update &&
		(cd "$work/package" && apt-get "${own[@]}" source --download-only pgbouncer)
} >"$work/log" 2>&1 || fail "$why, and the source package of Debian $SUITE cannot be fetched:
$(tail -n 5 "$work/log")"
{
	tar -xzf "$work"/package/pgbouncer_*.orig.tar.gz -C "$work/source" --strip-components=1 && cd "$work/source" &&
		./configure --without-openssl --without-cares --without-systemd --without-pam && make -j "$(nproc)" pgbouncer
} >"$work/log" 2>&1 || fail "the PgBouncer of Debian $SUITE cannot be built:
$(tail -n 20 "$work/log")"
is_current "$work/source/pgbouncer" || fail "the PgBouncer of Debian $SUITE is older than 1.21"
# In one step: another run may be at it as well.
install -m 755 "$work/source/pgbouncer" "$built.$$"
mv "$built.$$" "$built"
echo "$built"
