"""boto3, ffmpeg and ffprobe as judges of playback: GetClip, HLS and DASH. Run like suite.py, whose helpers it uses."""

import http.client
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import suite
from suite import ARCHIVED, CONTROL, Put, delete_if_exists

SECONDS = 8
FRAGMENT = 2
FPS = 10
# Whole seconds; far from midnight or now.
START = 1_690_000_000_000
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", str(FPS * FRAGMENT), "-sc_threshold", "0")
H265 = ("-c:v", "libx265", "-preset", "ultrafast", "-bf", "2", "-x265-params",
        f"log-level=none:keyint={FPS * FRAGMENT}:min-keyint={FPS * FRAGMENT}:scenecut=0:open-gop=0:repeat-headers=0")
AAC = ("-c:a", "aac", "-b:a", "48k", "-ar", "48000", "-ac", "1")
ALAW = ("-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1")
MULAW = ("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1")


def run(*command, text=False):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, text=text)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def recording(video=H264, audio=None, seconds=SECONDS, size="320x180"):
    """Returns a live Matroska stream with a cluster at each key frame."""
    sources, codecs = [], []
    if video:
        sources += ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={FPS}:duration={seconds}"]
        codecs += [*video, "-pix_fmt", "yuv420p"]
        if audio:
            # ffmpeg interleaves by decoding time, which with B-frames puts sound before the start of its cluster.
            codecs += ["-bf", "0"] if video is not H265 else ["-x265-params", H265[-1].replace(":open", ":bframes=0:open")]
    if audio:
        sources += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}"]
        codecs += audio
    limit = "30000" if video else str(FRAGMENT * 1000)
    return run("ffmpeg", "-v", "error", *sources, *codecs, "-f", "matroska", "-cluster_time_limit", limit,
               "-cluster_size_limit", "100M", "-live", "1", "-")


def put(stream, body, start_ms=START):
    session = Put(stream, start_ms)
    assert session.begin() == 200
    acks = session.finish(body)
    errors = [ack for ack in acks if ack["EventType"] == "ERROR"]
    assert not errors, errors
    return [ack["FragmentNumber"] for ack in acks if ack["EventType"] == "PERSISTED"]


def hashes(source, track, decoded=False):
    """Returns the hashes of the packets of a track, or of its decoded frames."""
    how = ["-fps_mode", "passthrough"] if decoded else ["-c", "copy"]
    text = run("ffmpeg", "-v", "error", "-i", source, "-map", f"0:{track}:0", *how, "-f", "framemd5", "-", text=True)
    return [line.split(",")[-1].strip() for line in text.splitlines() if not line.startswith("#")]


def packets(source, track):
    """Returns presentation times and durations of the packets in seconds, in the order of presentation."""
    text = run("ffprobe", "-v", "error", "-select_streams", track, "-show_entries", "packet=pts_time,dts_time", "-of", "csv=p=0",
               source, text=True)
    return sorted(float(line.split(",")[0]) for line in text.split() if line)


def saved(body, suffix):
    file = tempfile.NamedTemporaryFile(suffix=suffix)
    file.write(body)
    file.flush()
    return file


def get(url, method="GET"):
    """Returns status, headers and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Playback(unittest.TestCase):
    def setUp(self):
        self.name = "play-" + self.id().split(".")[-1].replace("_", "-")[:100]
        delete_if_exists(self.name)
        CONTROL.create_stream(StreamName=self.name, DataRetentionInHours=24)

    def clip(self, start=START, end=START + 3_600_000, origin="PRODUCER_TIMESTAMP", **changes):
        selector = {"FragmentSelectorType": origin, "TimestampRange": {"StartTimestamp": start / 1000, "EndTimestamp": end / 1000}}
        response = ARCHIVED.get_clip(StreamName=changes.get("stream", self.name), ClipFragmentSelector=selector)
        self.assertEqual(response["ContentType"], "video/mp4")
        body = response["Payload"].read()
        self.assertEqual(int(response["ResponseMetadata"]["HTTPHeaders"]["content-length"]), len(body))
        return body

    def hls(self, mode="ON_DEMAND", origin="PRODUCER_TIMESTAMP", start=START, end=START + 3_600_000, **more):
        return ARCHIVED.get_hls_streaming_session_url(
            **self.session("HLSFragmentSelector", mode, origin, start, end), **more)["HLSStreamingSessionURL"]

    def dash(self, mode="ON_DEMAND", origin="PRODUCER_TIMESTAMP", start=START, end=START + 3_600_000, **more):
        return ARCHIVED.get_dash_streaming_session_url(
            **self.session("DASHFragmentSelector", mode, origin, start, end), **more)["DASHStreamingSessionURL"]

    def session(self, member, mode, origin, start, end):
        selector = {"FragmentSelectorType": origin}
        if mode != "LIVE":
            selector["TimestampRange"] = {"StartTimestamp": start / 1000}
            if end is not None:
                selector["TimestampRange"]["EndTimestamp"] = end / 1000
        return {"StreamName": self.name, "PlaybackMode": mode, member: selector}

    def media_playlist(self, url, track=1):
        token = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["SessionToken"][0]
        media = urllib.parse.urljoin(url, f"getHLSMediaPlaylist.m3u8?SessionToken={token}&TrackNumber={track}")
        status, _, body = get(media)
        self.assertEqual(status, 200, body)
        return media, body.decode()

    def assert_rejected(self, kind, status, call, *arguments, **named):
        with self.assertRaises(suite.botocore.exceptions.ClientError) as caught:
            call(*arguments, **named)
        response = caught.exception.response
        found = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
        self.assertEqual(found, (kind, status), response)
        return response["Error"]["Message"]

    # Clips.

    def assert_clip_is(self, body, tracks):
        put(self.name, body)
        with saved(self.clip(), ".mp4") as clip, saved(body, ".mkv") as sent:
            for track in tracks:
                self.assertEqual(hashes(clip.name, track), hashes(sent.name, track), track)
            if "v" in tracks:
                self.assertEqual(hashes(clip.name, "v", decoded=True), hashes(sent.name, "v", decoded=True))
                times = packets(clip.name, "v")
                self.assertEqual([round(at * FPS) for at in times], list(range(SECONDS * FPS)), times)
            head = pathlib.Path(clip.name).read_bytes()
            self.assertLess(head.index(b"moov"), head.index(b"mdat"))

    def test_clip_of_h264_and_aac(self):
        self.assert_clip_is(recording(audio=AAC), ["v", "a"])

    def test_clip_of_h265_and_aac(self):
        self.assert_clip_is(recording(H265, AAC), ["v", "a"])

    def test_clip_of_h265_with_b_frames(self):
        self.assert_clip_is(recording(H265), ["v"])

    def test_clip_of_h264_with_b_frames(self):
        self.assert_clip_is(recording(), ["v"])

    def test_clip_of_h264_and_a_law(self):
        self.assert_clip_is(recording(audio=ALAW), ["v", "a"])

    def test_clip_of_h265_and_mu_law(self):
        self.assert_clip_is(recording(H265, MULAW), ["v", "a"])

    def test_clip_closes_gaps_and_takes_fragments_by_their_start(self):
        body = recording(seconds=4)
        put(self.name, body)
        put(self.name, body, START + 60_000)
        with saved(self.clip(), ".mp4") as clip:
            self.assertEqual([round(at * FPS) for at in packets(clip.name, "v")], list(range(8 * FPS)))
        with saved(self.clip(start=START + 1, end=START + 60_000), ".mp4") as clip:
            self.assertEqual(len(packets(clip.name, "v")), 2 * FRAGMENT * FPS)

    def test_clip_has_two_hundred_fragments_at_most(self):
        body = recording(video=("-c:v", "libx264", "-preset", "ultrafast", "-g", str(FPS)), seconds=90)
        for part in range(3):
            put(self.name, body, START + part * 90_000)
        with saved(self.clip(), ".mp4") as clip:
            self.assertEqual(len(packets(clip.name, "v")), 200 * FPS)

    def test_errors_of_clips(self):
        missing = self.assert_rejected("ResourceNotFoundException", 404, self.clip, stream="no-such-stream")
        self.assertEqual(missing, "The requested stream is not found or not active.")
        nothing = self.assert_rejected("ResourceNotFoundException", 404, self.clip)
        self.assertEqual(nothing, "No fragments found in the stream for the clip request.")
        for start, end in [(START, START), (START, START - 1), (START, START + 86_400_001)]:
            self.assert_rejected("InvalidArgumentException", 400, self.clip, start=start, end=end)
        ahead = int(time.time() * 1000) + 3_600_000
        self.assert_rejected("InvalidArgumentException", 400, self.clip, start=ahead - 1, end=ahead, origin="SERVER_TIMESTAMP")
        arn = CONTROL.describe_stream(StreamName=self.name)["StreamInfo"]
        CONTROL.update_data_retention(StreamName=self.name, CurrentVersion=arn["Version"], Operation="DECREASE_DATA_RETENTION",
                                      DataRetentionChangeInHours=24)
        self.assert_rejected("NoDataRetentionException", 400, self.clip)

    def test_tracks_that_cannot_be_played_are_refused(self):
        put(self.name, recording(None, AAC))
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.clip)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.dash)
        self.assertEqual(get(self.hls())[0], 200)
        put(self.name, recording(audio=ALAW), START + 7_200_000)
        late = dict(start=START + 7_200_000, end=START + 7_300_000)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.hls, **late)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.hls, ContainerFormat="MPEG_TS", **late)
        put(self.name, recording(H265), START + 14_400_000)
        late = dict(start=START + 14_400_000, end=START + 14_500_000)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.hls, ContainerFormat="MPEG_TS", **late)
        put(self.name, recording(("-c:v", "mjpeg")), START + 21_600_000)
        late = dict(start=START + 21_600_000, end=START + 21_700_000)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.hls, **late)

    def test_changes_of_codec_private_data_and_tracks_end_a_clip_and_a_dash_session(self):
        put(self.name, recording(seconds=2))
        put(self.name, recording(seconds=2, size="160x90"), START + 2000)
        self.assert_rejected("InvalidCodecPrivateDataException", 400, self.clip)
        manifest = self.dash()
        token = manifest.split("SessionToken=")[1]
        segment = urllib.parse.urljoin(manifest, f"getMP4MediaFragment.mp4?SessionToken={token}&SequenceNumber=%d&TrackNumber=1")
        self.assertEqual(get(segment % 1)[0], 200)
        status, headers, body = get(segment % 2)
        self.assertEqual((status, headers["x-amzn-errortype"].split(":")[0]), (400, "InvalidCodecPrivateDataException"), body)
        put(self.name, recording(audio=AAC, seconds=2), START + 60_000)
        late = dict(start=START + 2000, end=START + 70_000)
        self.assert_rejected("UnsupportedStreamMediaTypeException", 400, self.clip, **late)

    def test_hls_refuses_fragments_whose_tracks_changed_when_they_are_loaded(self):
        # The API reference: streaming will fail if the fragments change from only video to audio and video.
        put(self.name, recording(seconds=4))
        put(self.name, recording(audio=AAC, seconds=4), START + 4000)
        put(self.name, recording(seconds=4), START + 8000)
        for container, pattern in [("FRAGMENTED_MP4", r"^getMP4MediaFragment.*$"), ("MPEG_TS", r"^getTSFragment.*$")]:
            media, text = self.media_playlist(self.hls(ContainerFormat=container))
            answers = [get(urllib.parse.urljoin(media, name)) for name in re.findall(pattern, text, re.M)]
            self.assertEqual([answer[0] for answer in answers], [200, 200, 400, 400, 200, 200])
            self.assertEqual(answers[2][1]["x-amzn-errortype"].split(":")[0], "UnsupportedStreamMediaTypeException")
            self.assertIn("tracks or their codecs change", answers[2][2].decode())

    def test_block_times_in_decoding_order_are_corrected(self):
        for kind, codec in [("h264", H264), ("hevc", H265)]:
            sent = recording(codec)
            with saved(sent, ".mkv") as file:
                # A producer that stamps frames as they leave the encoder: block times increase, whatever the order of the pictures.
                stamped = run("ffmpeg", "-v", "error", "-i", file.name, "-c", "copy", "-bsf:v", f"setts=pts=N/({FPS}*TB):dts=N/({FPS}*TB)", "-f",
                              "matroska", "-cluster_time_limit", "30000", "-cluster_size_limit", "100M", "-live", "1", "-")
                expected = hashes(file.name, "v", decoded=True)
            at = START + (0 if kind == "h264" else 3_600_000)
            put(self.name, stamped, at)
            span = dict(start=at, end=at + 60_000)
            with saved(self.clip(**span), ".mp4") as clip:
                for source in [clip.name, self.hls(**span), self.dash(**span)]:
                    shown = run("ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0", source,
                                text=True)
                    times = [float(line.strip(",")) for line in shown.split()]
                    self.assertEqual([round((time - times[0]) * FPS) for time in times], list(range(SECONDS * FPS)), source)
                    self.assertEqual(hashes(source, "v", decoded=True), expected, source)

    def test_the_download_script_of_aws_joins_clips(self):
        """The published script splits a range, takes a 404 for no media, and joins the parts with ffmpeg."""
        put(self.name, recording(audio=AAC))
        put(self.name, recording(audio=AAC), START + 300_000)
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(__file__).parent.parent / "foreign" / "get_clip" / "get_clip.py"
            # It opens its output in binary mode with an encoding, which no Python accepts. Without that it runs unchanged.
            program = (
                "import builtins, runpy, sys\n"
                "real = builtins.open\n"
                "def opened(file, mode='r', *rest, **named):\n"
                "    if 'b' in mode: named.pop('encoding', None)\n"
                "    return real(file, mode, *rest, **named)\n"
                "builtins.open = opened\n"
                "sys.path.insert(0, str(__import__('pathlib').Path(sys.argv[1]).parent))\n"
                "sys.argv = sys.argv[1:]\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')\n")
            iso = lambda ms: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000))
            environment = dict(os.environ, AWS_ACCESS_KEY_ID=suite.ACCESS_KEY, AWS_SECRET_ACCESS_KEY=suite.SECRET_KEY,
                               AWS_DEFAULT_REGION=suite.REGION, AWS_ENDPOINT_URL_KINESIS_VIDEO=suite.ENDPOINT)
            done = subprocess.run(
                [sys.executable, "-c", program, script, "--stream-name", self.name, "--from", iso(START), "--to", iso(START + 480_000),
                 "--selector-type", "PRODUCER_TIMESTAMP", "--chunk-size-minutes", "2"],
                cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(done.stdout.count("No media found between"), 2, done.stdout)
            joined = list(pathlib.Path(folder).iterdir())
            self.assertEqual(len(joined), 1, done.stdout)
            self.assertEqual(len(packets(f"file:{joined[0]}", "v")), 2 * SECONDS * FPS)

    def test_start_codes_under_an_avcc_are_invalid_frames(self):
        body = bytearray(recording(seconds=2))
        # The length of the first NAL unit of each of two key frames: make the first one overrun its frame.
        at = body.index(b"\x1f\x43\xb6\x75")
        block = body.index(b"\xa3", at)
        body[block + 8:block + 12] = b"\x7f\xff\xff\xff"
        put(self.name, bytes(body))
        self.assert_rejected("InvalidMediaFrameException", 400, self.clip)

    # HLS.

    def assert_plays(self, url, body, tracks, decoded=False):
        with saved(body, ".mkv") as sent:
            for track in tracks:
                expected = hashes(sent.name, track, decoded)
                found = hashes(url, track, decoded)
                self.assertEqual(len(found), len(expected), track)
                self.assertEqual(found, expected, track)

    def test_hls_of_h264_and_aac(self):
        body = recording(audio=AAC)
        put(self.name, body)
        for mode in ["NEVER", "ON_DISCONTINUITY", "ALWAYS"]:
            self.assert_plays(self.hls(DiscontinuityMode=mode), body, ["v", "a"])

    def test_hls_of_h265(self):
        body = recording(H265, AAC)
        put(self.name, body)
        self.assert_plays(self.hls(), body, ["v", "a"])

    def test_hls_of_sound_alone(self):
        body = recording(None, AAC)
        put(self.name, body)
        self.assert_plays(self.hls(), body, ["a"])

    def test_hls_of_transport_streams(self):
        body = recording(audio=AAC)
        put(self.name, body)
        url = self.hls(ContainerFormat="MPEG_TS")
        self.assert_plays(url, body, ["v"], decoded=True)
        with saved(body, ".mkv") as sent:
            self.assertEqual(len(packets(url, "a")), len(packets(sent.name, "a")))
        _, text = self.media_playlist(url)
        segment = re.search(r"^getTSFragment\.ts\?FragmentNumber=\d+&SessionToken=\S+$", text, re.M)
        status, headers, media = get(urllib.parse.urljoin(url, segment[0]))
        self.assertEqual((status, headers["content-type"], len(media) % 188, media[::188]),
                         (200, "video/MP2T", 0, b"\x47" * (len(media) // 188)))

    def test_hls_playlists_are_as_captured(self):
        put(self.name, recording(audio=AAC))
        url = self.hls(DisplayFragmentTimestamp="ALWAYS", DiscontinuityMode="ALWAYS")
        token = re.fullmatch(r".*/hls/v1/getHLSMasterPlaylist\.m3u8\?SessionToken=([A-Za-z0-9_-]{151}~)", url)[1]
        status, headers, master = get(url)
        self.assertEqual((status, headers["content-type"]), (200, "application/x-mpegURL"))
        self.assertRegex(master.decode(), "^" + "\n".join([
            "#EXTM3U", "#EXT-X-VERSION:1",
            r'#EXT-X-MEDIA:AUTOSELECT=YES,FORCED=NO,TYPE=AUDIO,URI="getHLSMediaPlaylist\.m3u8\?SessionToken=' + token
            + r'&TrackNumber=2",GROUP-ID="audio",DEFAULT=NO,NAME="audio"',
            r'#EXT-X-STREAM-INF:CODECS="avc1\.6400..,mp4a\.40\.2",RESOLUTION=320x180,FRAME-RATE=10\.0,BANDWIDTH=\d+,AUDIO="audio"',
            r"getHLSMediaPlaylist\.m3u8\?SessionToken=" + token + "&TrackNumber=1", "$"]))
        # Without sound, whose frames make the fragments of ffmpeg a little longer.
        later = START + 7_200_000
        numbers = put(self.name, recording(), later)
        url = self.hls(start=later, end=later + 60_000, DisplayFragmentTimestamp="ALWAYS", DiscontinuityMode="ALWAYS")
        token = url.split("SessionToken=")[1]
        _, text = self.media_playlist(url)
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0",
                 "#EXT-X-INDEPENDENT-SEGMENTS"]
        for index, number in enumerate(numbers):
            lines += ["#EXT-X-DISCONTINUITY"]
            if index == 0:
                lines += [f'#EXT-X-MAP:URI="getMP4InitFragment.mp4?SessionToken={token}&TrackNumber=1&SequenceNumber=0"']
            at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(later / 1000 + 2 * index))
            lines += [f"#EXT-X-PROGRAM-DATE-TIME:{at}.000Z", "#EXTINF:2.0,",
                      f"getMP4MediaFragment.mp4?FragmentNumber={number}&SessionToken={token}&TrackNumber=1"]
        self.assertEqual(text.splitlines(), lines + ["#EXT-X-ENDLIST"])

    def test_hls_marks_gaps_and_changes_of_codec_private_data(self):
        first, second = recording(seconds=4), recording(seconds=4, size="160x90")
        put(self.name, first)
        put(self.name, first, START + 10_000)
        put(self.name, second, START + 14_000)
        url = self.hls(DiscontinuityMode="ON_DISCONTINUITY")
        _, text = self.media_playlist(url)
        kinds = [line.split(":")[0].split("?")[0] for line in text.splitlines()[6:]]
        self.assertEqual(" ".join(kinds).replace("#EXT-X-", "").replace("#EXTINF getMP4MediaFragment.mp4", "F"),
                         "MAP F F DISCONTINUITY F F DISCONTINUITY MAP F F ENDLIST")
        self.assertIn("SequenceNumber=1", text)
        with saved(first, ".mkv") as one, saved(second, ".mkv") as two:
            expected = hashes(one.name, "v") * 2 + hashes(two.name, "v")
        self.assertEqual(hashes(url, "v"), expected)

    def test_hls_live_grows_and_its_window_moves(self):
        now = int(time.time() * 1000)
        self.assertIn("for the streaming request", self.assert_rejected(
            "ResourceNotFoundException", 404, self.hls, mode="LIVE", origin="SERVER_TIMESTAMP"))
        session = Put(self.name, now)
        self.assertEqual(session.begin(), 200)
        body = recording(seconds=20)
        at = [found.start() for found in re.finditer(suite.CLUSTER, body)]
        session.send(body[:at[3]])
        url = self.eventually(lambda: self.hls("LIVE", "SERVER_TIMESTAMP", MaxMediaPlaylistFragmentResults=3))
        media, text = self.media_playlist(url)
        self.assertNotIn("ENDLIST", text)
        self.assertIn("#EXT-X-MEDIA-SEQUENCE:0\n", text)
        session.send(body[at[3]:at[7]])
        text = self.eventually(lambda: self.playlist_with(media, "#EXT-X-MEDIA-SEQUENCE:3\n"))
        self.assertEqual(text.count("getMP4MediaFragment"), 3)
        session.finish(body[at[7]:])

    def playlist_with(self, media, text):
        playlist = get(media)[2].decode()
        self.assertIn(text, playlist)
        return playlist

    def eventually(self, attempt):
        until = time.monotonic() + 60
        while True:
            try:
                return attempt()
            except (AssertionError, suite.botocore.exceptions.ClientError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def test_hls_replay_begins_with_one_fragment_and_ends(self):
        put(self.name, recording(seconds=4))
        media, text = self.media_playlist(self.hls("LIVE_REPLAY"))
        self.assertEqual((text.count("getMP4MediaFragment"), "ENDLIST" in text), (1, False))
        text = self.eventually(lambda: self.playlist_with(media, "ENDLIST"))
        self.assertEqual(text.count("getMP4MediaFragment"), 2)

    def test_duplicates_and_second_uploads(self):
        body = recording(seconds=4)
        put(self.name, body)
        again = put(self.name, body)
        _, text = self.media_playlist(self.hls())
        # Sent again at once: the largest numbers win.
        self.assertEqual(re.findall(r"FragmentNumber=(\d+)", text), again)
        _, text = self.media_playlist(self.hls(origin="SERVER_TIMESTAMP", start=int(time.time() * 1000) - 600_000,
                                               end=int(time.time() * 1000)))
        self.assertEqual(text.count("FragmentNumber"), 4)
        self.assertEqual(text.count("#EXT-X-DISCONTINUITY\n"), 4)

    # DASH.

    def test_dash_of_h264_and_aac(self):
        body = recording(audio=AAC)
        put(self.name, body)
        self.assert_plays(self.dash(), body, ["v", "a"])

    def test_dash_of_h265_and_g711(self):
        for index, audio in enumerate([ALAW, MULAW]):
            body = recording(H265, audio)
            start = START + index * 3_600_000
            put(self.name, body, start)
            self.assert_plays(self.dash(start=start, end=start + 60_000), body, ["v", "a"])

    def test_dash_manifest_is_as_captured(self):
        numbers = put(self.name, recording())
        url = self.dash(DisplayFragmentTimestamp="ALWAYS", DisplayFragmentNumber="ALWAYS")
        token = re.fullmatch(r".*/dash/v1/getDASHManifest\.mpd\?SessionToken=(\S+)", url)[1]
        status, headers, body = get(url)
        self.assertEqual((status, headers["content-type"]), (200, "application/dash+xml"))
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(START / 1000))
        lines = body.decode().splitlines()
        self.assertEqual(lines[:7], [
            "<?xml version='1.0' encoding='UTF-8'?>",
            '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:kvs="urn:aws:kinesisvideo:mpd:2019" '
            'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static" '
            f'availabilityStartTime="{at}" mediaPresentationDuration="PT8S" minBufferTime="PT1S">',
            '  <Period id="0" start="PT0S" duration="PT8S">',
            '    <AdaptationSet segmentAlignment="true" mimeType="video/mp4" startWithSAP="1">',
            f'      <SegmentTemplate media="getMP4MediaFragment.mp4?SessionToken={token}&amp;SequenceNumber=$Number$&amp;TrackNumber=1" '
            f'initialization="getMP4InitFragment.mp4?SessionToken={token}&amp;TrackNumber=1" timescale="1000" startNumber="1">',
            "        <SegmentTimeline>",
            f'          <S t="0" d="2000" kvs:ts="{at}" kvs:fn="{numbers[0]}"/>'])
        self.assertTrue(lines[8].startswith('          <S d="2000" kvs:ts="'), lines[8])

    # Tokens.

    def test_forged_and_foreign_tokens_get_nothing(self):
        put(self.name, recording(audio=AAC))
        url, dash = self.hls(), self.dash()
        token = url.split("SessionToken=")[1]
        host = urllib.parse.urlsplit(url).netloc
        _, text = self.media_playlist(url)
        number = re.search(r"FragmentNumber=(\d+)", text)[1]
        other = "A" if token[0] != "A" else "B"
        for bad in [other + token[1:], token[:-1], token + "~", "", "~" * 152, "%00" * 50, "../" * 30, token.lower()]:
            for path in [f"hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={bad}",
                         f"hls/v1/getMP4MediaFragment.mp4?FragmentNumber={number}&SessionToken={bad}&TrackNumber=1",
                         f"dash/v1/getDASHManifest.mpd?SessionToken={bad}"]:
                status, headers, body = get(f"http://{host}/{path}")
                self.assertEqual((status, headers["x-amzn-errortype"].split(":")[0]), (403, "NotAuthorizedException"), body)
        # A token of one protocol, and of one stream, is none of another.
        dash_token = dash.split("SessionToken=")[1]
        self.assertEqual(get(f"http://{host}/hls/v1/getHLSMasterPlaylist.m3u8?SessionToken={dash_token}")[0], 400)
        self.assertEqual(get(f"http://{host}/dash/v1/getDASHManifest.mpd?SessionToken={token}")[0], 400)
        name, self.name = self.name, self.name + "-2"
        delete_if_exists(self.name)
        CONTROL.create_stream(StreamName=self.name, DataRetentionInHours=24)
        foreign = put(self.name, recording(seconds=2), START + 100)[0]
        media = f"http://{host}/hls/v1/getMP4MediaFragment.mp4"
        self.assertEqual(get(f"{media}?FragmentNumber={foreign}&SessionToken={token}&TrackNumber=1")[0], 404)
        self.name = name
        for query in [f"FragmentNumber={number}&SessionToken={token}&TrackNumber=3", f"FragmentNumber=1&SessionToken={token}&TrackNumber=1",
                      f"FragmentNumber=x&SessionToken={token}&TrackNumber=1", f"SequenceNumber=99&SessionToken={token}&TrackNumber=1",
                      f"SequenceNumber=0&SessionToken={token}&TrackNumber=1"]:
            self.assertEqual(get(f"{media}?{query}")[0], 404, query)
        for query in [f"FragmentNumber={number}&SessionToken={token}", f"SessionToken={token}&TrackNumber=1",
                      f"FragmentNumber={number}&SessionToken={token}&TrackNumber=x", "", "SessionToken", "x" * 5000]:
            self.assertEqual(get(f"{media}?{query}")[0], 400, query)
        for path in ["hls/v1/", "hls/v1/../../stream.json", "hls/v1/getHLSMasterPlaylist.M3U8", "hls/v1//getHLSMasterPlaylist.m3u8",
                     "hls/v1/%67etHLSMasterPlaylist.m3u8", "hls/v2/getHLSMasterPlaylist.m3u8"]:
            connection = http.client.HTTPConnection(host, timeout=20)
            connection.request("GET", f"/{path}?SessionToken={token}")
            self.assertEqual(connection.getresponse().status, 404, path)
            connection.close()
        self.assertEqual(get(url, "HEAD")[0], 200)
        self.assertEqual(get(url)[0], 200)

    def test_a_session_ends_with_its_stream(self):
        put(self.name, recording(seconds=2))
        url = self.hls()
        delete_if_exists(self.name)
        CONTROL.create_stream(StreamName=self.name, DataRetentionInHours=24)
        put(self.name, recording(seconds=2))
        self.assertEqual(get(url)[0], 404)

    def test_bad_arguments_of_sessions(self):
        put(self.name, recording(seconds=2))
        for bad in [dict(mode="LIVE_REPLAY", start=START, end=START), dict(end=START - 1), dict(end=START + 86_400_001)]:
            self.assert_rejected("InvalidArgumentException", 400, self.hls, **bad)
            self.assert_rejected("InvalidArgumentException", 400, self.dash, **bad)
        for call, selector in [(ARCHIVED.get_hls_streaming_session_url, "HLSFragmentSelector"),
                               (ARCHIVED.get_dash_streaming_session_url, "DASHFragmentSelector")]:
            name = self.name
            reject = lambda **named: self.assert_rejected("InvalidArgumentException", 400, call, StreamName=name, **named)
            reject(PlaybackMode="ON_DEMAND")
            reject(PlaybackMode="LIVE_REPLAY")
            reject(PlaybackMode="SOMETIMES")
            live = {"TimestampRange": {"StartTimestamp": START / 1000, "EndTimestamp": START / 1000 + 1}}
            reject(PlaybackMode="LIVE", **{selector: live})
            self.assert_rejected("ResourceNotFoundException", 404, call, StreamName="no-such-stream")

    def test_a_thousand_readers_of_one_playlist(self):
        put(self.name, recording())
        media, expected = self.media_playlist(self.hls())
        host, path = urllib.parse.urlsplit(media).netloc, media.split("/", 3)[3]
        results = []

        def read():
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("GET", "/" + path)
            response = connection.getresponse()
            results.append((response.status, response.read().decode() == expected))
            connection.close()

        readers = [threading.Thread(target=read) for _ in range(1000)]
        [reader.start() for reader in readers]
        [reader.join(120) for reader in readers]
        self.assertEqual(results, [(200, True)] * 1000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
