#!/usr/bin/python3
"""Serves media by GStreamer's RTSP server, for tests.

Arguments: port, launch line, and "auth" for Digest with the user admin and the password p@ss/w0rd. Prints "ready", and then for
each buffer that enters the payloader pay0 its time in the media and on the wall, in seconds.
"""
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
port, launch, auth = sys.argv[1], sys.argv[2], "auth" in sys.argv[3:]
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
factory.set_launch(launch)
if auth:
    digest, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    digest.set_supported_methods(2)
    digest.add_digest("admin", "p@ss/w0rd", token)
    server.set_auth(digest)
    permissions = GstRtspServer.RTSPPermissions()
    for what in ("access", "construct"):
        permissions.add_permission_for_role("user", "media.factory." + what, True)
    factory.set_permissions(permissions)


def configure(_factory, media):
    sink = media.get_element().get_by_name("pay0").get_static_pad("sink")

    def probe(_pad, info):
        print(info.get_buffer().pts / Gst.SECOND, time.time(), flush=True)
        return Gst.PadProbeReturn.OK

    sink.add_probe(Gst.PadProbeType.BUFFER, probe)


factory.connect("media-configure", configure)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
