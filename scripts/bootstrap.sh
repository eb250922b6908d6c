# shellcheck shell=bash
# Sourced, with $ROOT set to the checkout:  bootstrap runtime | bootstrap dev   ->  $PY runs the locked packages.
#
# Owns how a machine gets from any Python >= 3.12, or none, to the packages of the lock files. One environment serves
# both kinds, for the development lock contains the runtime lock: "runtime" only adds, so it takes nothing away from
# tests that run; "dev" also removes. A stamp says what is installed; when it matches, nothing runs but cksum.
# Written for bash 3.2 (macOS), and so that no step depends on set -e, which is off inside conditions.
#
# FORTIFIED_PYTHON  the Python to make the environment with       FORTIFIED_VENV  where to make it (default: .venv)

LEAST_MINOR=12

say() { printf 'fortified: %s\n' "$1" >&2; }

die() { # what is wrong, then one line per way to mend it
  local line
  say "ERROR: $1"
  shift
  for line in "$@"; do printf '    %s\n' "$line" >&2; done
  exit 1
}

bootstrap() {
  local wanted
  unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH VIRTUAL_ENV
  VENV=${FORTIFIED_VENV:-$ROOT/.venv}
  case $VENV in /*) ;; *) VENV=$PWD/$VENV ;; esac
  VENV=${VENV%/}
  TOOLS=$VENV-tools
  PY=$VENV/bin/python
  wanted=$(wanted_stamp "$1") || die "lock files are missing in $ROOT" "get them back: git checkout -- ."
  is_installed "$1" "$wanted" || (set_up "$1") || exit 1
}

wanted_stamp() { # kind; the paths in the output tie the stamp to this checkout
  case $1 in
    dev) cksum "$ROOT/scripts/bootstrap.sh" "$ROOT/requirements.lock" "$ROOT/requirements-dev.lock" ;;
    *) cksum "$ROOT/scripts/bootstrap.sh" "$ROOT/requirements.lock" ;;
  esac
}

is_installed() { # kind, wanted stamp
  local have=''
  [ -x "$PY" ] && [ -r "$VENV/.stamp-$1" ] || return 1
  IFS= read -r -d '' have <"$VENV/.stamp-$1" || :
  [ "$have" = "$2"$'\n' ]
}

# --- the slow path: runs under the lock, may be killed at any point, and starts over from what it finds ---------------

set_up() { # kind
  local base uv again='' usable='' lock=$ROOT/requirements.lock
  [ "$1" = runtime ] || lock=$ROOT/requirements-dev.lock
  { mkdir -p "$TOOLS" && : >>"$TOOLS/lock"; } 2>/dev/null || die "cannot write to $TOOLS" \
    "make ${TOOLS%/*} writable, or put the environment elsewhere: FORTIFIED_VENV=/a/directory $0"
  base=$(find_python) || [ -z "${FORTIFIED_PYTHON:-}" ] || die \
    "FORTIFIED_PYTHON=$FORTIFIED_PYTHON is not a CPython >= 3.$LEAST_MINOR with ssl, zlib and ctypes" \
    "point it at one, or unset it and one is searched for"
  cd "$ROOT" || return  # uv would heed the settings of a project in the caller's directory
  exec 9>>"$TOOLS/lock"
  take_lock "$base"
  is_installed "$1" "$(wanted_stamp "$1")" && return 0
  say "setting up $VENV (now, and again when the lock files change)"
  prepare_network "$base"
  uv=$(find_uv "$base") || uv=''
  make_venv "$base" "$uv"
  say "installing the packages of ${lock##*/}: seconds, or minutes on a slow line"
  is_installed runtime "$(wanted_stamp runtime)" && usable=yes
  # What an interrupted installation left looks installed and may be half of it.
  [ ! -e "$VENV/.installing" ] || { again=yes && rm -f "$VENV"/.stamp-*; }
  : >"$VENV/.installing" || die "cannot write to $VENV" "make it writable, or delete it and run again: $0"
  if ! install_packages "$1" "$uv" "$lock" "$again"; then
    [ -z "$usable" ] || write_stamp runtime  # nothing is touched before all is fetched: the product still runs
    die "installing $lock failed, see above" "is there a network?" \
      "behind a mirror, name it to uv and pip: UV_DEFAULT_INDEX, PIP_INDEX_URL" "then run again: $0"
  fi
  put_sources_on_path && write_stamp runtime && { [ "$1" = runtime ] || write_stamp dev; } && rm "$VENV/.installing" ||
    die "cannot write to $VENV" "is the disk full? make room and run again: $0"
  say "ready"
}

# The kernel gives the lock back when the last process of a set-up ends, however it ends: there is no stale lock, and
# after a kill -9 of the shell the next set-up waits for the installer that was left behind.
take_lock() { # python or nothing
  local wait_for="waiting for another set-up of $VENV to end"
  local lock_9='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
  if command -v flock >/dev/null 2>&1; then
    flock -n 9 || { say "$wait_for" && flock 9; }
  elif [ -n "$1" ]; then
    "$1" -I -c "$lock_9" try 2>/dev/null || { say "$wait_for" && "$1" -I -c "$lock_9"; }
  fi
}

# Mirrors, certificates and caches are the machine's business: uv takes over what pip was told.
prepare_network() { # python or nothing
  local bundle index
  unset UV_PYTHON
  for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    [ ! -r "$bundle" ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
  done
  { [ -n "${HOME:-}" ] && [ -w "$HOME" ]; } || export UV_CACHE_DIR="${UV_CACHE_DIR:-$TOOLS/cache}"
  if [ -n "$1" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    index=${PIP_INDEX_URL:-$("$1" -I -m pip config get global.index-url 2>/dev/null || :)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
  fi
}

make_venv() { # python or nothing, uv or nothing
  [ ! -e "$VENV/.making" ] && is_venv && return 0
  remove_venv
  mkdir -p "$VENV" && : >"$VENV/.making" || die "cannot create $VENV" \
    "make ${VENV%/*} writable, or put the environment elsewhere: FORTIFIED_VENV=/a/directory $0"
  if [ -z "$1$2" ]; then
    die_without_python
  elif [ -z "$1" ]; then
    say "no Python >= 3.$LEAST_MINOR found, downloading a private one"
    "$2" venv -q --managed-python --python 3.13 --allow-existing "$VENV" 2>>"$TOOLS/log" ||
      { say "that failed, see $TOOLS/log" && die_without_python; }
  elif [ -z "$2" ]; then
    say "making the environment with $1"
    "$1" -m venv "$VENV" >>"$TOOLS/log" 2>&1 || die "$1 has neither pip nor a working venv module, see $TOOLS/log" \
      "Debian, Ubuntu: sudo apt install python3-venv" "or name another Python: FORTIFIED_PYTHON=/path/to/python3.12 $0"
  else
    say "making the environment with $1"
    "$2" venv -q --python "$1" --allow-existing "$VENV" || die "cannot make an environment with $1, see above" \
      "name another Python: FORTIFIED_PYTHON=/path/to/python3.12 $0"
  fi
  rm "$VENV/.making"
}

die_without_python() {
  die "no CPython >= 3.$LEAST_MINOR was found on PATH, or where pyenv, uv, mise, asdf, Homebrew and python.org put it" \
    "Debian 13, Ubuntu 24.04 or newer: sudo apt install python3 python3-venv" \
    "macOS: brew install python@3.13" \
    "pyenv: pyenv install 3.13" \
    "or name one: FORTIFIED_PYTHON=/path/to/python3.12 $0"
}

is_venv() {
  [ -f "$VENV/pyvenv.cfg" ] && [ "$(probe "$PY" 'sys.prefix != sys.base_prefix')" = True ]
}

# Away under another name first, so that a kill half-way leaves no half of an environment in place.
remove_venv() {
  rm -rf "$TOOLS/old"
  [ -e "$VENV" ] || return 0
  # FORTIFIED_VENV may be a slip: what is not an environment stays.
  [ -e "$VENV/.making" ] || [ -f "$VENV/pyvenv.cfg" ] || [ -z "$(ls -A "$VENV")" ] || die \
    "$VENV exists and is no Python environment" "move it away, or choose another: FORTIFIED_VENV=/a/directory $0"
  say "removing an unfinished or broken environment"
  mv "$VENV" "$TOOLS/old" || die "cannot remove $VENV" "delete it and run again: $0"
  rm -rf "$TOOLS/old"
}

install_packages() { # kind, uv or nothing, lock, whether to install anew what seems to be there
  local options=(--require-hashes --only-binary :all:)
  [ -t 2 ] || options+=(-q)
  if [ -z "$2" ]; then
    "$PY" -I -m pip install --disable-pip-version-check --no-deps ${4:+--force-reinstall} "${options[@]}" -r "$3"
  elif [ "$1" = runtime ]; then
    "$2" pip install --python "$PY" --no-deps ${4:+--reinstall} "${options[@]}" -r "$3"
  else
    "$2" pip sync --python "$PY" ${4:+--reinstall} "${options[@]}" "$3"
  fi
}

put_sources_on_path() {
  local site
  site=$("$PY" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))') &&
    printf '%s\n' "$ROOT/src" >"$site/_fortified.new" && mv -f "$site/_fortified.new" "$site/_fortified.pth"
}

write_stamp() { # kind
  wanted_stamp "$1" >"$VENV/.stamp.new" && mv -f "$VENV/.stamp.new" "$VENV/.stamp-$1"
}

# --- finding things ---------------------------------------------------------------------------------------------------

# Every Python there may be, tested versions first. None is believed before it ran: a pyenv shim may only complain.
pythons() {
  local home=${HOME:-/nonexistent} version path
  for version in 3.13 3.12 3.14 3; do
    command -v "python$version" || :
    for path in \
      "${PYENV_ROOT:-$home/.pyenv}/versions/$version".*/bin/python3 \
      "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$home/.local/share}/uv/python}/cpython-$version".*/bin/python3 \
      "$home/.local/share/mise/installs/python/$version".*/bin/python3 \
      "$home/.asdf/installs/python/$version".*/bin/python3 \
      {/opt/homebrew/bin,/usr/local/bin,/usr/bin}/"python$version" \
      "/Library/Frameworks/Python.framework/Versions/$version/bin/python3" \
      "/opt/python/$version".*/bin/python3; do
      [ ! -x "$path" ] || printf '%s\n' "$path"
    done
  done
  command -v python || :
}

# Prints the value of an expression in a Python that can run us; nothing for any other file.
probe() { # python, expression
  "$1" -I -c "
import ctypes, ssl, sys, sysconfig, zlib
if sys.version_info >= (3, $LEAST_MINOR) and sys.implementation.name == 'cpython':
    if not sysconfig.get_config_var('Py_GIL_DISABLED'):
        print($2)" 2>/dev/null </dev/null || :
}

find_python() {
  local candidate found
  while IFS= read -r candidate; do
    found=$(probe "$candidate" sys._base_executable)
    if [ -n "$found" ]; then
      printf '%s\n' "$found"
      return 0
    fi
  done <<<"${FORTIFIED_PYTHON:-$(pythons)}"
  return 1
}

# The pinned uv, fetched by the first Python that has pip or can make itself one; else a uv that is on PATH.
find_uv() { # preferred python or nothing
  local sum _ uv python pip
  read -r sum _ < <(cksum <"$ROOT/scripts/uv.lock.txt")
  uv=$TOOLS/uv-$sum
  if [ ! -x "$uv" ]; then
    say "fetching the installer (uv)"
    rm -rf "$TOOLS/new" "$TOOLS"/uv-*
    while IFS= read -r python; do
      pip=$(find_pip "$python") || continue
      PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$pip" -I -m pip install -q --disable-pip-version-check --no-deps \
        --require-hashes --only-binary :all: --target "$TOOLS/new/uv" -r "$ROOT/scripts/uv.lock.txt" \
        >"$TOOLS/log" 2>&1 </dev/null &&
        mv "$TOOLS/new/uv/bin/uv" "$uv"
      break
    done <<<"$(printf '%s\n' "$1"; pythons)"
    rm -rf "$TOOLS/new"
  fi
  if [ -x "$uv" ]; then printf '%s\n' "$uv"; else command -v uv; fi
}

find_pip() { # python; prints the Python that has pip: itself, or an environment of it
  [ -n "$1" ] || return 1
  if "$1" -I -m pip --version; then
    printf '%s\n' "$1" >&3
  elif "$1" -I -m venv "$TOOLS/new/venv"; then
    printf '%s\n' "$TOOLS/new/venv/bin/python" >&3
  else
    return 1
  fi 3>&1 >/dev/null 2>&1 </dev/null
}
