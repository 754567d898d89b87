#!/usr/bin/env bash
# Labels for the images that a csv names (id,filename,label): hw1_2.sh IN.csv IMG_DIR OUT.csv
# The run folder is $HW1_2_RUN, runs/hw1_2 by default. Further words go to "hw1cli predict".
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
run="${HW1_2_RUN:-$root/runs/hw1_2}"

if [[ $# -lt 3 ]]; then
  echo "usage: $0 IN.csv IMG_DIR OUT.csv [options of hw1cli predict]" >&2
  exit 2
fi
if [[ ! -d "$run" ]]; then
  echo "$0: $run is not a run folder; set HW1_2_RUN to a finished classification run" >&2
  exit 2
fi
table="$1" images="$2" out="$3"
shift 3
exec "${PYTHON:-python3}" "$root/hw1cli.py" predict "$run" "$table" --images "$images" --out "$out" --force "$@"
