#!/usr/bin/env bash
# A virtual environment of Python with what a list names, made anew when the list changes.
#
#   venv.sh FOLDER LIST
set -euo pipefail

wanted=$(sha256sum "$2" | cut -d' ' -f1)
if [ "$(cat "$1/wanted" 2> /dev/null)" = "$wanted" ]; then exit; fi
rm -rf "$1"
if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then
    apt-get update -qq && apt-get install -y -qq python3-venv
fi
mkdir -p "$(dirname "$1")"
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
echo "$wanted" > "$1/wanted"
