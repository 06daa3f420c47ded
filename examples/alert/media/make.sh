#!/usr/bin/env bash
# Makes the two recordings from pictures in the Python package scikit-image (0.26.0): a person, and a cat.
#
# astronaut.png: Eileen Collins, NASA, public domain. chelsea.png: a cat, Stefan van der Walt, CC0.
#
#   pip download --no-deps scikit-image && unzip scikit_image-*.whl 'skimage/data/*.png'
#   make.sh skimage/data
set -euo pipefail
data=$1
cd "$(dirname "$0")"
for pair in astronaut:person chelsea:cat; do
    # The camera moves a little, so that no two pictures are the same. A key frame every two seconds.
    ffmpeg -v error -y -loop 1 -framerate 5 -i "$data/${pair%:*}.png" -t 8 \
        -vf "scale=480:-2,crop=320:280:x=80+10*sin(t):y=0,format=yuv420p" \
        -c:v libx264 -preset slow -crf 30 -g 10 -keyint_min 10 -sc_threshold 0 -bf 0 -movflags +faststart "${pair#*:}.mp4"
done
