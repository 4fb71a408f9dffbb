#!/bin/sh
# Writes requirements/lock.txt from pyproject.toml: every extra, every file's hash, no registry address.
# Local pip configuration is left out, so that only the public registry's files are listed.
set -eu
cd "$(dirname "$0")/.."
draft=$(mktemp)
trap 'rm -f "$draft"' EXIT
env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
    "${PIP_COMPILE:-.venv/bin/pip-compile}" --quiet --all-extras --strip-extras --allow-unsafe --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
    --output-file "$draft" pyproject.toml >/dev/null
{
    echo "# Every dependency of Ringpost with all extras, pinned by hash. Written by \`make lock\`; do not edit."
    echo "# Resolved on Python 3.11, whose needs include those of 3.12 and 3.13: it installs on all three."
    echo "# setuptools is here because the editable install builds without isolation."
    grep -v '^#' "$draft" | sed '/^$/d'
} >requirements/lock.txt
