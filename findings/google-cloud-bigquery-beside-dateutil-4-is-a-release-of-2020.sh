#!/usr/bin/env bash
# pip installs google-cloud-bigquery 1.28.1 (2020) beside python-dateutil 4, and that release cannot be imported.
#
# google-cloud-bigquery 3.47.0 asks for python-dateutil below 3. The resolver goes back, release by release, to 1.28.1,
# whose requirements say nothing against python-dateutil 4 and protobuf 7: `pip install` exits with 0, `pip check` finds
# nothing, and the import fails, because its generated messages are too old for that protobuf. With a lower bound on
# google-cloud-bigquery the resolver refuses instead.
#
# Seen on Python 3.11.7, pip 23.2.1: google-cloud-bigquery 1.28.1, and "Descriptors cannot be created directly".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check \
  google-cloud-bigquery python-dateutil==4.0.0 protobuf==7.36.2 google-api-core==2.44.0 google-auth==2.62.2
"$folder/venv/bin/pip" check
version=$("$folder/venv/bin/python" -c 'import importlib.metadata as m; print(m.version("google-cloud-bigquery"))')
if "$folder/venv/bin/python" -c 'import google.cloud.bigquery' 2> "$folder/error"; then
  imported=yes
else
  imported=no
fi
echo "installed: google-cloud-bigquery $version; imported: $imported"
grep -o 'Descriptors cannot be created directly' "$folder/error"
[ "$version" = 1.28.1 ] && [ "$imported" = no ]
if "$folder/venv/bin/pip" install -q --disable-pip-version-check \
  google-cloud-bigquery==3.47.0 python-dateutil==4.0.0 2> "$folder/refusal"; then
  echo "google-cloud-bigquery 3.47.0 accepts python-dateutil 4"
  exit 1
fi
echo "google-cloud-bigquery 3.47.0 beside python-dateutil 4: refused"
