#!/usr/bin/env python3
"""Lists the crates whose types are in the public API of a crate, and compares them with public_types.txt.

Usage: public_types.py CRATE RUSTDOC_JSON. The JSON comes from
`cargo +nightly rustdoc -p CRATE --all-features -- -Z unstable-options --output-format json`.
A new foreign type is a promise to users: add its crate to the list with a reason, or wrap the type.
"""

import json
import pathlib
import sys


def ids_in(value):
    """Yields the ids of all types and traits that a part of the JSON mentions."""
    if isinstance(value, dict):
        if "id" in value and ("args" in value or "path" in value):
            yield value["id"]
        for key, part in value.items():
            # Documentation links are no API.
            if key not in ("links", "docs", "attrs"):
                yield from ids_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from ids_in(part)


def public(item):
    """Whether an item is part of the API: public, not hidden, and no blanket or automatic impl."""
    attributes = json.dumps(item.get("attrs", []))
    if "doc(hidden)" in attributes or '"hidden"' in attributes:
        return False
    impl = item["inner"].get("impl")
    if impl is None:
        return True
    return not impl["is_synthetic"] and impl["blanket_impl"] is None


def foreign(document):
    """Returns the foreign crates in the API, each with one item that mentions it."""
    index, paths = document["index"], document["paths"]
    names = {int(number): crate["name"] for number, crate in document["external_crates"].items()}
    hidden, found = hidden_items(document), {}
    for key, item in index.items():
        if item["crate_id"] != 0 or key in hidden or not public(item):
            continue
        inner = dict(item["inner"])
        # Members are items of their own.
        for kind in ("module", "use"):
            inner.pop(kind, None)
        for mentioned in ids_in(inner):
            path = paths.get(str(mentioned))
            if path and path["crate_id"] != 0:
                found.setdefault(names[path["crate_id"]], f'{item.get("name") or "impl"}: {"::".join(path["path"])}')
    return found


def hidden_items(document):
    """Returns the ids of all items below a module that is hidden from the documentation."""
    index, hidden = document["index"], set()
    stack = [(str(document["root"]), False)]
    seen = set()
    while stack:
        key, inside = stack.pop()
        item = index.get(key)
        if item is None or (key, inside) in seen:
            continue
        seen.add((key, inside))
        inside = inside or not public(item)
        if inside:
            hidden.add(key)
        inner = item["inner"]
        for kind in ("module", "struct", "enum", "trait", "union"):
            body = inner.get(kind)
            if body is None:
                continue
            for members in ("items", "impls", "variants"):
                stack.extend((str(member), inside) for member in body.get(members, []))
    return hidden


def allowed(crate):
    """Returns the crates that public_types.txt allows for this one."""
    lines = pathlib.Path(__file__).with_name("public_types.txt").read_text().splitlines()
    lists = dict(line.split(":", 1) for line in lines if line and not line.startswith("#"))
    return set(lists.get("all", "").split()) | set(lists.get(crate, "").split())


def main():
    crate, file = sys.argv[1:]
    found = foreign(json.loads(pathlib.Path(file).read_text()))
    known = allowed(crate)
    print(f'{crate}: {" ".join(sorted(found)) or "none"}')
    unknown = {name: where for name, where in found.items() if name not in known}
    for name, where in sorted(unknown.items()):
        print(f"error: {crate} has a type of {name} in its public API: {where}", file=sys.stderr)
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())
