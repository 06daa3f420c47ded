#!/usr/bin/env python3
"""Checks that a lock file has, of each crate that another lock file has too, the same version: then it is compiled once.

Usage: shared_versions.py CARGO_LOCK OTHER_CARGO_LOCK
"""

import re
import sys


def versions(path):
    """Returns the versions of each crate from a registry."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for package in file.read().split("[[package]]")[1:]:
            fields = dict(re.findall(r'^(\w+) = "(.*)"$', package, re.MULTILINE))
            if "source" in fields:
                found.setdefault(fields["name"], set()).add(fields["version"])
    return found


def main():
    ours, theirs = versions(sys.argv[1]), versions(sys.argv[2])
    wrong = [name for name in sorted(ours.keys() & theirs.keys()) if not theirs[name] <= ours[name]]
    for name in wrong:
        print(f"{name}: {sorted(theirs[name])} in {sys.argv[2]}, {sorted(ours[name])} in {sys.argv[1]}", file=sys.stderr)
    print(f"{len(theirs)} crates, {len(ours.keys() & theirs.keys())} of them shared")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
