#!/usr/bin/env bash
# Makes clock.mp4, the bundled recording: 20 s of H.264 + AAC, 640x360, 25 fps, a key frame every 2 s.
#
# Two things in the picture tell its time, so that an image can be checked against its timestamp by eye and by machine:
#   - a running clock in seconds and the number of the frame, for people;
#   - a strip of ten squares at the bottom, for programs: square k (from the left) is white when bit k of the frame
#     number is set, black when it is not.
# The sound is a soft tone with a beep at the start of every second.
#
# Needs ffmpeg with libx264 and a font (Debian: ffmpeg, fonts-dejavu-core). B-frames are on, as in most recordings.
set -euo pipefail
cd "$(dirname "$0")"
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf}

strip=""
for bit in 0 1 2 3 4 5 6 7 8 9; do
    x=$((40 + bit * 56))
    strip+=",drawbox=x=$x:y=296:w=56:h=48:color=black:t=fill"
    strip+=",drawbox=x=$x:y=296:w=56:h=48:color=white:t=fill:enable='gt(mod(floor(n/$((1 << bit)))\,2)\,0)'"
done

ffmpeg -hide_banner -loglevel error -y \
    -f lavfi -i "gradients=s=640x360:r=25:d=20:c0=0x16324f:c1=0x2f7a78:x0=0:y0=0:x1=640:y1=360:nb_colors=2:speed=0.00001" \
    -f lavfi -i "aevalsrc='0.05*sin(2*PI*220*t)+0.4*sin(2*PI*880*t)*lt(mod(t\,1)\,0.1)':s=44100:d=20" \
    -vf "drawbox=x='mod(t*64\,640)-24':y=20:w=24:h=24:color=0xf2b134:t=fill\
,drawtext=fontfile=$font:fontcolor=white:fontsize=84:x=(w-text_w)/2:y=88:text='%{eif\\:floor(n/25)\\:d\\:2}.%{eif\\:mod(n\\,25)*40\\:d\\:3} s'\
,drawtext=fontfile=$font:fontcolor=0xd8e6e6:fontsize=34:x=(w-text_w)/2:y=206:text='frame %{eif\\:n\\:d\\:3}'$strip,format=yuv420p" \
    -c:v libx264 -profile:v high -preset veryslow -crf 24 -bf 2 -g 50 -keyint_min 50 -sc_threshold 0 -threads 1 \
    -c:a aac -b:a 48k -ac 1 \
    -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -movflags +faststart \
    clock.mp4
