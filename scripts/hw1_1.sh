#!/usr/bin/env bash
# Labels for the images of a folder: hw1_1.sh IMG_DIR OUT.csv
# The run folder is $HW1_1_RUN, runs/hw1_1 by default. Further words go to "hw1cli predict".
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
run="${HW1_1_RUN:-$root/runs/hw1_1}"

if [[ $# -lt 2 ]]; then
  echo "usage: $0 IMG_DIR OUT.csv [options of hw1cli predict]" >&2
  exit 2
fi
if [[ ! -d "$run" ]]; then
  echo "$0: $run is not a run folder; set HW1_1_RUN to a finished classification run" >&2
  exit 2
fi
images="$1" out="$2"
shift 2
exec "${PYTHON:-python3}" "$root/hw1cli.py" predict "$run" "$images" --out "$out" --force "$@"
