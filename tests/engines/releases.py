"""Root file systems of Debian's newer releases with their containerd, as archives that are made once."""

import json
import os

import images

CONTAINERD = "ca-certificates,containerd,containernetworking-plugins,iptables"
SUITES = {"trixie": CONTAINERD + ",docker-cli,docker.io", "testing": CONTAINERD + ",crun"}


def build():
    """{suite: archive}"""
    if os.environ.get("GABION_TEST_ARCHIVES"):  # as images.build()
        return {}
    return {suite: archive(suite) for suite in SUITES}


def archive(suite):
    def make(_, target):
        # A release that is still being made may have older lists than these say they last.
        images.run("mmdebstrap", "--quiet", "--variant=minbase", "--include=" + SUITES[suite], "--format=tar",
                   "--aptopt=Acquire::Check-Valid-Until \"false\"", suite, target, "http://deb.debian.org/debian")
    return images.cached("release-" + suite, json.dumps([suite, SUITES[suite]]), make)
