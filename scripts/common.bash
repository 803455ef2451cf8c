# shellcheck shell=bash
# What the set-up scripts share. Sourced, never run; works with bash 3.2 (macOS).

# One plain progress line. stdout belongs to results.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# fail CODE LINE...: what was found, then what to do about it. 2: the user has to act, 1: something broke.
fail() {
  local code=$1 line
  shift
  for line in "$@"; do say "$line"; done
  exit "$code"
}

# bounded SECONDS COMMAND...: macOS has no `timeout`, but a perl.
bounded() {
  if command -v timeout >/dev/null; then timeout "$@"; else perl -e 'alarm shift; exec @ARGV' "$@"; fi
}

# The release name (bookworm, trixie, ...) where this is Debian and we may install packages, else nothing.
debian_as_root() {
  [[ $(id -u) == 0 && -r /etc/os-release ]] || return 0
  # shellcheck source=/dev/null
  (. /etc/os-release && [[ ${ID:-} == debian ]] && printf '%s' "${VERSION_CODENAME:-}") || true
}

# Address of the Debian mirror this machine uses, asked from apt: it knows every form a source can have.
debian_mirror() {
  # shellcheck disable=SC2016  # the $(...) are apt's own placeholders
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && !found { print $3; found = 1 }'
}

# Reads the package lists anew: an install from stale lists ends in 404s.
apt_update() {
  apt-get -qq -o DPkg::Lock::Timeout=120 update >&2 || fail 1 "apt-get update failed; its messages are above"
}

# Installs without recommended packages and without questions; quiet unless it fails.
apt_install() {
  local log
  log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
    install --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail 1 "apt-get could not install: $*"
  fi
  rm -f "$log"
}

# image_is_offered REFERENCE: does a container registry answer for it? Bounded, as some networks drop packets.
image_is_offered() {
  bounded 5 docker buildx imagetools inspect "$1" >/dev/null 2>&1 </dev/null
}
