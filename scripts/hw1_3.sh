#!/usr/bin/env bash
# Masks for the images xxxx_sat.jpg of a folder: hw1_3.sh IMG_DIR OUT_DIR
# The run folder is $HW1_3_RUN, runs/hw1_3 by default. Further words go to "hw1cli predict".
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
run="${HW1_3_RUN:-$root/runs/hw1_3}"

if [[ $# -lt 2 ]]; then
  echo "usage: $0 IMG_DIR OUT_DIR [options of hw1cli predict]" >&2
  exit 2
fi
if [[ ! -d "$run" ]]; then
  echo "$0: $run is not a run folder; set HW1_3_RUN to a finished segmentation run" >&2
  exit 2
fi
images="$1" out="$2"
shift 2
exec "${PYTHON:-python3}" "$root/hw1cli.py" predict "$run" "$images" --out "$out" --force "$@"
