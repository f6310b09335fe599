#!/usr/bin/env bash
# Puts PostgreSQL and TimescaleDB on a Debian machine, for Meterbase's embedded database.
#
# - A server installation that already has TimescaleDB is used as it is: nothing is done.
# - Where the distribution packages TimescaleDB (Debian 13 on), that package is installed.
# - On Debian 12, Debian 13's source package is built against Debian 12's PostgreSQL 15.
#
# Safe to run again at any time, also after an interruption. No database cluster is created,
# and no cluster on the machine is upgraded or restarted.
set -euo pipefail
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

readonly MIN_VERSION=2.19
readonly NEED="install TimescaleDB $MIN_VERSION or later for PostgreSQL 15 to 18"

say() { printf 'install-timescaledb: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# find_timescaledb: prints every complete installation as "VERSION|PG_MAJOR|DIRECTORY".
find_timescaledb() {
  local on_path bin major share lib version
  on_path=$(pg_config --bindir 2>/dev/null || true)
  for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin "$on_path"; do
    # pg_config alone comes with the client libraries: only a server binary counts.
    [[ -x $bin/postgres ]] || continue
    major=$("$bin/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    ((major >= 15)) || continue
    if [[ -x $bin/pg_config ]]; then
      share=$("$bin/pg_config" --sharedir) lib=$("$bin/pg_config" --pkglibdir)
    else
      share=/usr/share/postgresql/$major lib=${bin%/bin}/lib
    fi
    [[ -f $share/extension/timescaledb.control && -f $lib/timescaledb.so ]] || continue
    version=$(sed -nE "s/^default_version *= *'(.*)'.*/\1/p" "$share/extension/timescaledb.control")
    # The loader is of no use without the library of its version.
    [[ -f $lib/timescaledb-$version.so ]] && printf '%s|%s|%s\n' "$version" "$major" "${bin%/bin}"
  done
  return 0
}

# stop_if_installed: ends the script when there is nothing to do, or an old version in the way.
stop_if_installed() {
  local version major dir old=
  while IFS='|' read -r version major dir; do
    if [[ $(printf '%s\n' "$MIN_VERSION" "$version" | sort -V | head -n 1) == "$MIN_VERSION" ]]; then
      say "TimescaleDB $version for PostgreSQL $major is installed in $dir: nothing to do"
      exit 0
    fi
    old="TimescaleDB $version in $dir is too old"
  done < <(find_timescaledb)
  [[ -z $old ]] || die "$old: $NEED"
}

# run WHAT COMMAND...: keeps the output of a long step out of sight unless the step fails.
run() {
  local what=$1
  shift
  say "$what"
  "$@" </dev/null >"$work/log" 2>&1 && return
  tail -n 25 "$work/log" >&2
  die "failed: $what"
}

# apt ARGUMENTS...: waits for another package manager instead of failing on its lock.
apt() { apt-get -y -o DPkg::Lock::Timeout=300 "$@"; }

# apt_update ARGUMENTS...: the lock of the package lists has no timeout in apt, hence the retries.
apt_update() { apt "$@" update || { sleep 10 && apt "$@" update; } || { sleep 20 && apt "$@" update; }; }

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# forbid_new_cluster: Debian's server packages create and start a cluster when first installed.
# Meterbase runs its own, so a drop-in turns that off for as long as this script runs.
forbid_new_cluster() {
  mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' >"$no_cluster"
}

cleanup() {
  [[ -z ${work:-} ]] || rm -rf "$work"
  rm -f "$no_cluster"
  rmdir --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d 2>/dev/null || true
}

# build_for_bookworm: compiles Debian 13's source package for Debian 12's PostgreSQL 15.
build_for_bookworm() {
  local mirror server package packages=() private stage control
  # The archive this machine uses for its own release also carries Debian 13's sources.
  # shellcheck disable=SC2016 # $(...) is apt's own notation here
  mirror=$(apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
    awk -F'|' '$2 == "bookworm" && $3 == "main" && $4 == "Debian" { print $1; exit }')
  [[ -n $mirror ]] || die "apt has no Debian archive for bookworm (main) among its sources: $NEED"

  # The keyring is asked for even where present: its early versions lack Debian 13's keys.
  packages=(debian-archive-keyring)
  for package in cmake gcc libc6-dev make dpkg-dev libssl-dev libkrb5-dev; do
    installed "$package" || packages+=("$package")
  done
  # The headers come in the version of a server that is there, if the archive still has it;
  # and naming that version keeps apt from upgrading, and so restarting, the server.
  packages+=(postgresql-15 postgresql-server-dev-15)
  if installed postgresql-15; then
    server=$(dpkg-query -W -f '${Version}' postgresql-15)
    packages[-2]+="=$server"
    if apt-cache show "postgresql-server-dev-15=$server" >/dev/null 2>&1; then packages[-1]+="=$server"; fi
  fi
  run "installing PostgreSQL 15 and the build tools" apt install --no-install-recommends "${packages[@]}"

  # A private apt configuration, so that the machine's own keeps to its release.
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/source" "$work/stage"
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$work/sources.list"
  private=(-o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
    -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root)
  run "reading Debian 13's source index from $mirror" apt_update "${private[@]}"
  cd "$work/source"
  run "fetching the source of TimescaleDB" apt "${private[@]}" source timescaledb
  cd "$work/source"/timescaledb-*/

  run "configuring the build" cmake -S . -B "$work/build" -DPG_CONFIG=/usr/lib/postgresql/15/bin/pg_config \
    -DCMAKE_BUILD_TYPE=Release -DAPACHE_ONLY=1 -DREGRESS_CHECKS=OFF -DWARNINGS_AS_ERRORS=OFF
  run "compiling TimescaleDB (a minute or less)" make -C "$work/build" -j "$(nproc)"

  # PostgreSQL, and this script's next run, know the extension by its control file: it goes in last and
  # in one step, so that an interrupted copy never looks like an installation.
  run "preparing the files" make -C "$work/build" install DESTDIR="$work/stage"
  stage=$work/stage control=/usr/share/postgresql/15/extension/timescaledb.control
  mv "$stage$control" "$work/control"
  rm -f "$control"
  run "copying the files into PostgreSQL 15" cp -r --remove-destination "$stage/." /
  cp "$work/control" "$control.new"
  mv "$control.new" "$control"
}

stop_if_installed

# shellcheck source=/dev/null
os=$([[ ! -f /etc/os-release ]] || . /etc/os-release; echo "${ID:-}:${VERSION_CODENAME:-}")
[[ $os == debian:* ]] || die "this script knows Debian 12 and later only: on this system, $NEED yourself"
((EUID == 0)) || die "run this script as root, or $NEED yourself"

no_cluster=/etc/postgresql-common/createcluster.d/zz-meterbase-install.conf
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
work=$(mktemp -d)
forbid_new_cluster

run "reading the package lists" apt_update
package=$(apt-cache search --names-only '^postgresql-1[5-8]-timescaledb$' | sort -V | tail -n 1 | cut -d ' ' -f 1)
if [[ -n $package ]]; then
  # The server comes as a dependency: naming it would upgrade, and so restart, one that is there.
  run "installing $package and its server" apt install --no-install-recommends "$package"
elif [[ $os == debian:bookworm ]]; then
  build_for_bookworm
else
  die "apt offers no postgresql-*-timescaledb package: $NEED yourself"
fi

[[ -n $(find_timescaledb) ]] || die "TimescaleDB is still not to be found after its installation: $NEED yourself"
say "done: $(find_timescaledb | awk -F'|' 'NR == 1 { print "TimescaleDB " $1 " for PostgreSQL " $2 " in " $3 }')"
