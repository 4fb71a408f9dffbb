#!/bin/sh
# Makes .venv from requirements/lock.txt, once for each content of it. Run by the Makefile.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
stamp=.venv/made-from
wanted=$(cat requirements/lock.txt pyproject.toml | cksum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

fail() {
    echo "ringpost: $1" >&2
    exit 1
}
command -v "$python" >/dev/null || fail "python3 >= 3.11 is needed"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python3 >= 3.11 is needed"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "python3 lacks venv; on Debian: apt-get install python3-venv"

quiet=--quiet
if [ ! -f "$stamp" ]; then quiet=; fi
echo "ringpost: making .venv (a minute or two the first time)"
"$python" -m venv .venv
pip() { .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off "$@"; }
pip $quiet --require-hashes -r requirements/lock.txt
echo "ringpost: installing Ringpost into .venv"
pip --quiet --no-build-isolation --no-deps --editable .
echo "$wanted" >"$stamp"
