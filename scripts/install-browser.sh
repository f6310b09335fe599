#!/usr/bin/env bash
# Puts Chromium, Node and npm on a Debian machine, for the dashboard's tests. What is there is used as it is.
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { printf 'install-browser: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# has_node: whether Node is as new as its test runner needs to be.
has_node() {
  command -v node >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 18 || (major === 18 && minor >= 19) ? 0 : 1)'
}

missing=()
[[ -x ${CHROMIUM:-} ]] || command -v chromium chromium-browser google-chrome >/dev/null || missing+=(chromium)
has_node || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]} == 0)); then
  say 'Chromium, Node and npm are installed: nothing to do'
  exit 0
fi

command -v apt-get >/dev/null || die "install ${missing[*]}; this script knows Debian alone"
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || die "run it as root, or install ${missing[*]}"
  as_root=(sudo --preserve-env=DEBIAN_FRONTEND)
fi
say "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for step in 'apt-get update' "apt-get install --yes --no-install-recommends ${missing[*]}"; do
  # shellcheck disable=SC2086
  "${as_root[@]}" $step </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "$step failed"; }
done
has_node || die 'Node 18.19 or later is needed'
say 'done'
