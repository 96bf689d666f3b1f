# Shared by the scripts beside it, which source it with bash. Goes to the project's folder and offers:
#   environment             makes .venv with procache and its development tools, or leaves it when up to date
#   tools WHAT:PACKAGE…     installs the Debian package of each command or file that is missing, as root on a
#                           machine with apt-get; else names it in one line. Returns 1 when something is
#                           still missing. Does nothing where the script is only asked for its --help.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

only_help=
for word in "$@"; do
    case $word in -h | --help) only_help=1 ;; esac
done

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

modern_python() { # prints the first Python on PATH that is new enough
    local python
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

create_venv() {
    local python output
    python=$(modern_python) || fail "No Python 3.11 or newer found: install one (Debian: apt-get install python3 python3-venv), or name it with PYTHON=…"
    if output=$("$python" -m venv --clear .venv 2>&1 </dev/null); then return; fi
    rm -rf .venv
    # Debian keeps ensurepip in a package of its own.
    if "$python" -c 'import ensurepip' 2>/dev/null; then fail "$python -m venv failed: $output"; fi
    fail "$python cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)"
}

environment() {
    # One process at a time: two pips in one environment break it.
    (
        if command -v flock >/dev/null; then flock 9; fi
        # What an editable install is made of; the sources themselves are used where they stand.
        wanted=$(cksum pyproject.toml hatch_build.py bin/procache procache/*/_*.[ch]; pwd -P)
        if [ "$(cat .venv/installed 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then exit 0; fi
        .venv/bin/python -m pip --version >/dev/null 2>&1 || create_venv
        only_help= # procache is made as for any other use
        headers=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
        tools gcc:gcc /usr/include/stdio.h:libc6-dev "$headers/Python.h:python3-dev" ||
            echo "Without these procache's parts in C are not built, and it is slower." >&2
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' </dev/null ||
            fail "Installing procache into .venv failed (pip's message is above)."
        printf '%s\n' "$wanted" >.venv/installed
    ) 9<pyproject.toml
}

missing() { # of WHAT:PACKAGE…, prints the packages whose command or file is not there
    local pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || [ -e "${pair%%:*}" ] || printf '%s ' "${pair#*:}"
    done
}

tools() {
    local packages package
    [ -z "$only_help" ] || return 0
    packages=$(missing "$@")
    [ -n "$packages" ] || return 0
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing ${packages% }" >&2
        apt_get install $packages 2>/dev/null || {
            apt_get update || true
            # One by one: a package that this Debian lacks must not keep the others away.
            for package in $packages; do apt_get install "$package" || true; done
        }
        packages=$(missing "$@")
    fi
    [ -n "$packages" ] || return 0
    echo "Not installed: ${packages% } (Debian: apt-get install ${packages% })" >&2
    return 1
}

apt_get() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "$@" </dev/null >/dev/null
}
