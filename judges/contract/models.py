"""Requests generated from botocore's models of Kinesis Video Streams, each constraint one step inside and one step outside.

Arguments: ENDPOINT ACCESS_KEY SECRET_KEY REGION DATA_DIR. A request inside its constraints must not be refused as invalid, one outside
must be. What differs must be in accepted_models.json, with the reason; an entry that is not needed any more is a failure too.
"""

import copy
import itertools
import json
import pathlib
import re
import sys
import time

import botocore.session

from signed import post

# In Python 3.11 it has moved.
try:
    from re import _constants as sre, _parser as sre_parse
except ImportError:
    import sre_constants as sre
    import sre_parse

ENDPOINT = sys.argv[1]
HERE = pathlib.Path(__file__).parent
# Exceptions that say that a value is not allowed.
INVALID = {
    "InvalidArgumentException", "InvalidResourceFormatException", "SerializationException", "TagsPerResourceExceededLimitException"}
# Requests that are made at least: a generator that makes none judges nothing.
LEAST = 500
# Longest value: of a constraint beyond it only the inner step is checked.
LONGEST = 200_000
NUMBERS = itertools.count()


def matching(pattern, length):
    """Returns a text of this length that matches, or None."""
    python = pattern.replace(r"\p{L}", "a-z").replace(r"\p{Z}", " ").replace(r"\p{N}", "0-9")
    text, _ = emitted(sre_parse.parse(python), length - len(emitted(sre_parse.parse(python), 0)[0]))
    return text if len(text) == length and re.fullmatch(python, text) else None


def emitted(tree, extra):
    """Returns the shortest text of a pattern, prolonged by up to `extra` letters, and what is left of them."""
    text = ""
    for kind, value in tree:
        if kind is sre.LITERAL:
            text += chr(value)
        elif kind is sre.NOT_LITERAL or kind is sre.ANY:
            text += "a"
        elif kind is sre.IN:
            text += of_class(value)
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            least, most, inner = value
            one = emitted(inner, 0)[0]
            more = min(extra // len(one), (most if most is not sre.MAXREPEAT else extra) - least) if one else 0
            text += one * (least + more)
            extra -= len(one) * more
        elif kind is sre.SUBPATTERN:
            part, extra = emitted(value[-1], extra)
            text += part
        elif kind is sre.BRANCH:
            part, extra = emitted(value[1][0], extra)
            text += part
    return text, extra


def of_class(members):
    if members[0][0] is sre.NEGATE:
        return "a"
    kind, value = members[0]
    if kind is sre.RANGE:
        return chr(value[0])
    return {sre.CATEGORY_DIGIT: "0", sre.CATEGORY_WORD: "a"}.get(value, "a") if kind is sre.CATEGORY else chr(value)


def text_of(shape, length):
    pattern = shape.metadata.get("pattern")
    return matching(pattern, length) if pattern else "a" * length


def sample(shape):
    """Returns a valid value."""
    if shape.type_name == "structure":
        return {name: sample(member) for name, member in shape.members.items() if name in shape.required_members}
    if shape.type_name == "list":
        return [sample(shape.member) for _ in range(shape.metadata.get("min", 1) or 1)]
    if shape.type_name == "map":
        return {sample(shape.key): sample(shape.value)}
    if shape.type_name == "string":
        if shape.enum:
            return shape.enum[0]
        low, high = shape.metadata.get("min", 1), shape.metadata.get("max", 64)
        return next((text for length in range(low, min(high, 200) + 1) if (text := text_of(shape, length))), "a")
    if shape.type_name in ("integer", "long"):
        return shape.metadata.get("min", 1)
    return 1_700_000_000 if shape.type_name == "timestamp" else True


def wrong_types(shape):
    return {
        "structure": ["text", 7, []], "list": ["text", 7, {}], "map": ["text", 7, []], "string": [7, True, {}, []],
        "integer": ["text", {}, [], 1.5], "long": ["text", {}, [], 1.5], "timestamp": ["text", {}, []], "boolean": ["text", 7, {}],
    }.get(shape.type_name, [])


def steps(shape, value):
    """Yields (label, value, whether it is inside) for a shape and everything below it. `value` is valid."""
    for wrong in wrong_types(shape):
        yield f"type {json.dumps(wrong)}", wrong, False
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string" and shape.enum:
        for known in shape.enum:
            yield f"= {known}", known, True
        for unknown in ["", "NO_SUCH_VALUE", shape.enum[0].lower(), shape.enum[0] + " "]:
            yield f"= {json.dumps(unknown)}", unknown, False
    elif shape.type_name == "string":
        for label, length, inside in lengths(low, high):
            text = text_of(shape, length) if length <= LONGEST else None
            if text is None and not inside:
                text = "a" * min(length, LONGEST)
            if text is not None and (inside or len(text) == length):
                yield f"length {label}", text, inside
        if pattern := shape.metadata.get("pattern"):
            for bad in ["\0", "\n", "\u00e9;", "\U0001f3a5"]:
                broken = str(value) + bad
                if not matches(pattern, broken) and len(broken) <= (high or LONGEST):
                    yield f"pattern {json.dumps(bad)}", broken, False
    elif shape.type_name in ("integer", "long"):
        for label, number, inside in lengths(low, high, -1 << 70):
            yield f"value {label}", number, inside
    elif shape.type_name == "list":
        for label, count, inside in lengths(low, high):
            if count <= 2000:
                yield f"count {label}", [value[0]] * count, inside
        for label, inner, inside in steps(shape.member, value[0] if value else sample(shape.member)):
            yield f"[] {label}", [inner, *value[1:]], inside
    elif shape.type_name == "map":
        for label, count, inside in lengths(low, high):
            yield f"count {label}", {f"{at}": sample(shape.value) for at in range(count)}, inside
        name, inner = next(iter(value.items()), (sample(shape.key), sample(shape.value)))
        for label, key, inside in steps(shape.key, name):
            if isinstance(key, str):
                yield f"key {label}", {key: inner}, inside
        for label, changed, inside in steps(shape.value, inner):
            yield f"value {label}", {name: changed}, inside
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            if name in shape.required_members:
                yield f".{name} missing", {key: kept for key, kept in value.items() if key != name}, False
                yield f".{name} null", {**value, name: None}, False
            for label, changed, inside in steps(member, value.get(name, sample(member))):
                yield f".{name} {label}", {**value, name: changed}, inside


def lengths(low, high, least=0):
    if low is not None:
        yield "min", low, True
        if low - 1 >= least:
            yield "min-1", low - 1, False
    if high is not None:
        yield "max", high, True
        yield "max+1", high + 1, False


def matches(pattern, text):
    python = pattern.replace(r"\p{L}", r"^\W\d_").replace(r"\p{Z}", " ").replace(r"\p{N}", r"\d") if r"\p" not in pattern else None
    if python is None:
        # Letters, separators and numbers of any script.
        return all(letter.isalnum() or letter in "_.:/=+-@ " for letter in text)
    return re.fullmatch(python, text) is not None


class Service:
    """The service under test with one stream that requests refer to."""

    def __init__(self):
        self.call("/createStream", {"StreamName": "contract", "DataRetentionInHours": 24})
        names = {"LIST_FRAGMENTS": "archived", "GET_MEDIA": "media"}
        found = {
            names[api]: self.call("/getDataEndpoint", {"StreamName": "contract", "APIName": api})["DataEndpoint"] for api in names}
        self.endpoints = {
            "kinesisvideo": ENDPOINT, "kinesis-video-media": found["media"], "kinesis-video-archived-media": found["archived"]}

    def call(self, path, body):
        response = post(ENDPOINT, path, json.dumps(body).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def filled(self, value):
        """Replaces what stands in angle brackets by what is true now."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if value == "<new>":
            return f"new-{next(NUMBERS)}"
        if value in ("<created>", "<created arn>"):
            name = f"created-{next(NUMBERS)}"
            arn = self.call("/createStream", {"StreamName": name})["StreamARN"]
            return name if value == "<created>" else arn
        if value == "<number>":
            # A number as the service makes them now, of a fragment that is not stored.
            return str((1 << 156) + (1 << 92) + (int(time.time() * 1000) << 28))
        if value == "<version>":
            return self.call("/describeStream", {"StreamName": "contract"})["StreamInfo"]["Version"]
        return value


def cases(operation, base):
    """Yields (label, request, whether it is inside) for an operation."""
    shape = operation.input_shape
    yield "base", base, True
    for label, request, inside in steps(shape, copy.deepcopy(base)):
        # A stream is named once.
        if label.startswith(".StreamARN") and "StreamName" in base:
            request = {name: value for name, value in request.items() if name != "StreamName"}
        yield label.removeprefix("."), request, inside


def main():
    requests = json.loads((HERE / "requests.json").read_text())
    accepted = json.loads((HERE / "accepted_models.json").read_text())
    service, session = Service(), botocore.session.get_session()
    made, differing, seen = 0, {}, set()
    for name, endpoint in service.endpoints.items():
        model = session.get_service_model(name)
        for operation in map(model.operation_model, model.operation_names):
            if operation.name not in requests:
                continue
            seen.add(operation.name)
            for label, request, inside in cases(operation, requests[operation.name]):
                body = json.dumps(service.filled(request)).encode()
                response = post(service.endpoints[name], operation.http["requestUri"], body)
                made += 1
                refused = response.status == 400 and response.exception in INVALID
                if response.status >= 500 or refused == inside:
                    expected = "inside" if inside else "outside"
                    differing[f"{operation.name} {label}"] = f"{expected}: {response.status} {response.exception} {response.body[:200]}"
    # A star stands for any text.
    patterns = {entry: re.compile(".*".join(map(re.escape, entry.split("*")))) for entry in accepted}
    used = {entry for entry in accepted if any(patterns[entry].fullmatch(case) for case in differing)}
    unexpected = {
        case: found for case, found in differing.items() if not any(patterns[entry].fullmatch(case) for entry in used)}
    stale = accepted.keys() - used
    print(f"models: {made} requests to {len(seen)} operations, {len(differing)} differences, {len(unexpected)} not accepted")
    for case in sorted(unexpected):
        print(f"  {case}: {unexpected[case]}")
    if unexpected or stale or made < LEAST or seen != requests.keys():
        sys.exit(f"not accepted: {len(unexpected)}; accepted and no difference: {sorted(stale)}; not called: {requests.keys() - seen}")


main()
