#!/bin/sh
# Sixteen times longer than trained, without FlexRoPE and with it, as two contact sheets.
#
#     sh examples/08_flexrope.sh [FRAMES]
#
# The demo model was trained on up to 40 frames, so that 16 times as many are 640. Without the
# temporal decay the world fades to grey; with it the colours stay. (Some minutes on a CPU.)
set -eu
frames=${1:-640}
root=$(cd "$(dirname "$0")/.." && pwd)
far() { deno run -A --quiet "$root/cli.ts" "$@"; }

# a walk that goes on turning: eight steps, six turns, once to the left and once to the right
i=0
while [ "$i" -lt "$frames" ]; do
  case $((i % 28)) in
    [0-7] | 1[4-9] | 2[01]) echo forward ;;
    [89] | 1[0-3]) echo left ;;
    *) echo right ;;
  esac
  i=$((i + 1))
done > actions.txt

for slope in 0 0.06; do
  far generate --frames $((frames - 12)) --context-frames 12 -a actions.txt --steps 4 \
    --flexrope $slope -o "flexrope-$slope.png"
done
