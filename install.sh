#!/bin/sh
# install.sh VENV REQUIREMENT...: makes the virtual environment and installs this package into it,
# editable. Uses uv where it is installed, venv and pip where it is not.
set -eu
venv=$1 package=$2
shift 2
rm -rf "$venv"
echo "Setting up $venv: a minute or two, the first time only ..."

if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --python '>=3.11' "$venv"
    VIRTUAL_ENV=$venv uv pip install --quiet --editable "$package" "$@"
else
    for python in python3.13 python3.12 python3.11 python3 none; do
        "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    done
    if [ "$python" = none ]; then
        echo "No Python >= 3.11 with venv here. Install one (Debian: python3-venv), or uv." >&2
        exit 1
    fi
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$package" "$@"
fi
touch "$venv/ready"
