#!/bin/sh
# far between other programs: frames come in on stdin and go out on stdout while they are made.
#
#     sh examples/04_pipelines.sh [FRAMES]
set -eu
frames=${1:-12}
root=$(cd "$(dirname "$0")/.." && pwd)
far() { deno run -A --quiet "$root/cli.ts" "$@" --quiet; }

# a video of any kind, here a test picture of ffmpeg, as the context of a prediction
ffmpeg -v error -y -f lavfi -i testsrc=size=320x240:rate=8:duration=0.5 source.mp4
ffmpeg -v error -i source.mp4 -f yuv4mpegpipe - |
  far generate --context - -a "forward*$frames" --steps 4 -o continued.mp4

# y4m into an encoder of your own
far generate -a "forward*$frames" --steps 4 -o - --format y4m |
  ffmpeg -v error -y -i - -c:v libx264 -crf 12 encoded.mkv

# raw RGB is exact; its size and rate are yours to tell
far generate -a "forward*$frames" --steps 4 -o - --format rgb24 |
  ffmpeg -v error -y -f rawvideo -pixel_format rgb24 -video_size 64x64 -framerate 8 -i - \
    -vf scale=256:256:flags=neighbor -c:v ffv1 large.mkv

# two runs with the same seed have the same bytes, whatever they are piped through
a=$(far generate -a forward --steps 2 -o - --format rgb24 | sha256sum)
b=$(far generate -a forward --steps 2 -o - --format rgb24 | sha256sum)
[ "$a" = "$b" ] && echo "continued.mp4, encoded.mkv, large.mkv; equal seeds, equal bytes"
