"""What a job must compute, calculated a second time: from the job file and the input, with json and Decimal, without a line of Rewind.

    expected = oracle.run("job.yaml", "orders.csv")
    expected.tables["customers"]    {key: row}, key a tuple of parts, row a list of answers
    expected.dead                   list of DeadLetter, in order of offsets
    expected.open_dead              {(offset, ordinal or None): OpenLetter}: those whose event was not applied since
    expected.digest()               root of the state digest, as hex
    expected.input_hash             input digest, as hex
    expected.output(sink, lineage)  the bytes of an output file

Values: str, int, Decimal, bool, float, bytes, or a time as microseconds since 1970 (int); None is null.
"""
import base64
import calendar
import datetime
import decimal
import json
import math
import os
import re
import struct
import zoneinfo

import xxhash
import yaml

import aggregates
import expressions

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
WIDE_MIN, WIDE_MAX = -(2**127), 2**127 - 1
UNITS_MAX = 10**38 - 1
TIME_MIN, TIME_MAX = -62135596800000000, 253402300799999999
KEY_MAX = 8192
EVENTS_MAX = 4096   # of one record
BUCKETS = 4096
WHOLE = 2**32 - 1   # for the ordinal: the record
DEAD_SEED = 0x64656164
RETRIES = 3         # of a redriven record that does not say
SKIPPED = object()  # what an amendment may make of a record
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
UNIT_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
UNIT_US = {"ns": 0.001, "us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}

decimal.getcontext().prec = 200


class Fault(Exception):
    """Why an event fails: the word that stands in the dead letter, and the field."""

    def __init__(self, code, field=None):
        super().__init__(code, field)
        self.code, self.field = code, field


class DeadLetter:
    def __init__(self, offset, code, field, value, ordinal=None):
        self.offset, self.code, self.field, self.value, self.ordinal = offset, code, field, value, ordinal

    def __repr__(self):
        return f"DeadLetter({self.offset}, {self.code}, {self.field}, {self.value[:60]!r})"


class OpenLetter:
    def __init__(self, code, field, time, hashed, attempts=0, failed=False):
        self.code, self.field, self.time, self.hashed, self.attempts, self.failed = code, field, time, hashed, attempts, failed

    def entry(self, offset, ordinal, inserted=WHOLE):
        """What the state digest covers of it. `inserted`: of an amendment's event, how many were inserted before it in front of the same record."""
        key = struct.pack(">QII", offset + 2**63, inserted, WHOLE if ordinal is None else ordinal)
        fixed = struct.pack(">q", INT_MIN if self.time is None else self.time) + self.hashed.to_bytes(16, "big")
        return key + fixed + struct.pack(">IBB", self.attempts, self.failed, len(self.code)) + self.code.encode() + (self.field or "").encode()

    def __eq__(self, other):
        return vars(self) == vars(other)

    def __repr__(self):
        return f"OpenLetter({vars(self)})"


# ------------------------------------------------------------------------------------------------ the job file
def substitute(text):
    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda m: os.environ.get(m[1], m[2] or ""), text)


def bytes_of(text):
    number, unit = re.fullmatch(r"(\d+)(\w*)", str(text)).groups()
    return int(number) * UNIT_BYTES[unit]


def microseconds_of(text):
    return int(sum(int(n) * UNIT_US[u] for n, u in re.findall(r"(\d+)(ns|us|ms|s|m|h|d)", str(text))))


def zone_of(text):
    """Seconds, or a place."""
    if not re.match("[Zz]$|[+-]", text):
        return zoneinfo.ZoneInfo(text)
    return 0 if text in "Zz" else int(text[0] + "1") * (int(text[1:3]) * 3600 + int(text[4:6]) * 60)


class Field:
    def __init__(self, name, given):
        given = given if isinstance(given, dict) else {"type": given}
        self.name = name
        self.path = given.get("path", name)
        self.kind, scale = re.fullmatch(r"(\w+)(?:\((\d+)\))?", given["type"]).groups()
        self.scale = int(scale or 0)
        self.format = given.get("format", "rfc3339")
        self.zone = zone_of(given.get("zone", "Z"))
        self.optional, self.fallback = given.get("optional", False), None
        if "default" in given:
            plain = {k: v for k, v in given.items() if k != "default"}
            if self.format == "protobuf-timestamp":
                plain["format"] = "rfc3339"
            self.fallback = value_of_text(str(given["default"]).lower() if isinstance(given["default"], bool) else str(given["default"]), Field(name, plain))

    def absent(self):
        if self.fallback is None and not self.optional:
            raise Fault("missing-field", self.path)
        return self.fallback


class Part:
    """What an event gives to a key or an aggregate: `path` is that of a field, where it is nothing but one."""

    def __init__(self, name, text, fields):
        self.name, self.expression = name, expressions.compile(text, scope_of(fields.values()))
        self.kind, self.scale = self.expression.type, self.expression.scale
        self.path = fields[self.expression.name].path if getattr(self.expression, "name", None) in fields else None
        self.format = "rfc3339"

    def of(self, event):
        return evaluate(self.expression, event)


def scope_of(named):
    return {n.name: (n.kind, n.scale) for n in named if n.kind != "list"}


def evaluate(expression, values):
    try:
        return expression.value(values)
    except expressions.Fault as fault:
        raise Fault(fault.code) from None


class Column:
    def __init__(self, name, text, fields):
        self.name = name
        self.aggregate, pieces, where = expressions.split_aggregate(text)
        takes, literals = self.aggregate != "count", pieces[1:]
        self.argument = Part(name, pieces[0], fields) if takes else None
        self.where = Part("where", where, fields) if where else None
        self.made = aggregates.make(self.aggregate, self.argument.kind if takes else "int", self.argument.scale if takes else 0, literals)
        self.kind, self.scale = self.made.kind, self.made.scale

    def of(self, event):
        """(is the event wanted, its argument)"""
        if self.where and not self.where.of(event):
            return False, None
        return True, self.argument.of(event) if self.argument else None


class Derived:
    def __init__(self, name, text, scope):
        self.name, self.expression = name, expressions.compile(text, scope)
        self.kind, self.scale = self.expression.type, self.expression.scale


class Row:
    """The answers of a row, made when someone asks; and the states that they come from."""

    def __init__(self, table, states, key, end=None):
        self.table, self.states, self.key, self.answers = table, states, key, None
        self.end = end if end is not None or not table.window else table.end_of(key[-1])

    def __getitem__(self, index):
        if self.answers is None:
            self.answers = [c.made.answer(s) for c, s in zip(self.table.columns, self.states)]
            for column in self.table.derived:
                try:
                    self.answers.append(column.expression.value(self.names()))
                except expressions.Fault:
                    self.answers.append(None)
        return self.answers[index]

    def names(self):
        """What expressions over the row can see."""
        names = {p.name: v for p, v in zip(self.table.key, self.key)}
        if self.table.window:
            names["window_end"] = self.end
        return {**names, **{c.name: v for c, v in zip(self.table.shown, self.answers)}}

    def __len__(self):
        return len(self.states)

    def __iter__(self):
        return iter(self[:])

    def __eq__(self, other):
        return self[:] == list(other)

    def __repr__(self):
        return repr(self[:])


class Table:
    def __init__(self, number, name, given, fields):
        self.number, self.name = number, name
        key = given["key"]
        key = {k.strip("`"): k for k in (key if isinstance(key, list) else [key])} if not isinstance(key, dict) else key
        self.key = [Part(n, t, fields) for n, t in key.items()]
        self.where = Part("where", given["where"], fields) if "where" in given else None
        self.columns = [Column(n, t, fields) for n, t in given["aggregates"].items()]
        self.window, self.sessions, self.zone, self.ends = None, False, None, {}
        if "window" in given:
            self.window = {k: microseconds_of(v) for k, v in given["window"].items() if k != "zone"}
            self.zone = zone_of(given["window"].get("zone", "Z")) or None
            self.sessions = "session" in self.window
            self.window["size"] = self.window.get("tumbling") or self.window.get("hopping") or self.window["session"]
            self.window = {"advance": self.window["size"], "grace": 0, "retain": 7 * 86400 * 10**6, "offset": 0, **self.window}
            self.key = self.key + [Field("window_start", "time")]
        self.derived, self.shown = [], list(self.columns)
        for name, text in given.get("derived", {}).items():
            self.derived.append(Derived(name, text, self.scope()))
            self.shown.append(self.derived[-1])

    def scope(self):
        return {**scope_of(self.key), **({"window_end": ("time", 0)} if self.window else {}), **scope_of(self.shown)}

    def windows(self, time):
        """Starts of the windows that hold a moment, by trying every one that could."""
        w = self.window
        if self.zone:
            return [a for a, b in self.days_near(time) if a <= time < b]
        near = (time - w["offset"]) // w["advance"]
        starts = [w["offset"] + k * w["advance"] for k in range(near - w["size"] // w["advance"] - 2, near + 3)]
        return [s for s in starts if s <= time < s + w["size"]]

    def days_near(self, time):
        """(start, end) of windows on the clocks of a zone."""
        size, offset = self.window["size"], self.window["offset"]
        near = (time - offset) // size
        local = [datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=offset + k * size) for k in range(near - 2, near + 4)]
        starts = [(calendar.timegm(t.timetuple()) - int(t.replace(tzinfo=self.zone).utcoffset().total_seconds())) * 10**6 for t in local]
        return list(zip(starts, starts[1:]))

    def end_of(self, start):
        if not self.zone:
            return start + self.window["size"]
        if start not in self.ends:
            self.ends[start] = next(b for a, b in self.days_near(start) if a == start < b)
        return self.ends[start]

    def closes(self, start):
        return self.end_of(start) + self.window["grace"]

    def leaves(self, start):
        return self.end_of(start) + self.window["retain"]


class Session:
    """Its events are kept, so that two that become one are calculated from all of them."""

    def __init__(self, start, end, events):
        self.start, self.end, self.events, self.row = start, end, events, None

    def overlaps(self, other):
        return self.start < other.end and other.start < self.end


class Sink:
    def __init__(self, given, tables):
        self.table = tables[given["table"]] if "table" in given else next(iter(tables.values()))
        self.path = given.get("file", {}).get("path")
        self.topic = given.get("kafka", {}).get("topic")
        self.format = given.get("format", "json")
        self.raw = given.get("raw", {})
        self.emit = given.get("emit", "commit")
        names = given.get("fields") or [c.name for c in self.table.shown]
        self.columns = [[c.name for c in self.table.shown].index(n) for n in names]
        self.where = expressions.compile(given["where"], self.table.scope()) if "where" in given else None

    def passes(self, row):
        """Is the row published? One that is not there is not."""
        if row is None or self.where is None:
            return row is not None
        try:
            return bool(row[:] and self.where.value(row.names()))
        except expressions.Fault:
            return False


class Invariant:
    def __init__(self, given, tables):
        self.table = tables[given["table"]] if "table" in given else next(iter(tables.values()))
        self.check = expressions.compile(given["check"], self.table.scope())
        self.parks = given.get("on_violation", "alert") == "park"

    def violated(self, row):
        """Is it false for the row? Null and what cannot be evaluated are not."""
        try:
            return bool(row is not None and row[:]) and self.check.value(row.names()) is False
        except expressions.Fault:
            return False


class Job:
    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.given = given = yaml.safe_load(substitute(f.read()))
        self.name = given["job"]
        source = given["source"]
        self.source_path = source.get("file", {}).get("path")
        self.tombstone = source.get("tombstone", "ignore")
        self.format = source.get("format", "json")
        self.protobuf, self.raw = source.get("protobuf"), source.get("raw", {})
        self.folder = os.path.dirname(path)
        self.message_class = None
        self.csv_header = source.get("csv", {}).get("header", True)
        self.csv_delimiter = source.get("csv", {}).get("delimiter", ",")
        event = given["event"]
        self.fields = {n: Field(n, g) for n, g in event["fields"].items()}
        self.max_size = bytes_of(event.get("max_size", "1MiB"))
        self.time_field, self.ahead = None, 0
        self.late = event.get("late", "dead-letter")
        self.missing, self.each = event.get("missing", "dead-letter"), event.get("each")
        self.id_field = self.fields.get(event.get("id"))
        self.within = microseconds_of(event["dedup"]["within"]) if "dedup" in event else 0
        self.duplicates = event.get("dedup", {}).get("duplicates", "drop")
        if "time" in event:
            time = event["time"] if isinstance(event["time"], dict) else {"field": event["time"]}
            if time["field"] not in self.fields:
                self.fields[time["field"]] = Field(time["field"], {"type": "time"})
            self.time_field = self.fields[time["field"]]
            self.time_field.format = time.get("format", self.time_field.format)
            self.time_field.zone = zone_of(time["zone"]) if "zone" in time else self.time_field.zone
            self.ahead = microseconds_of(time["ahead"]) if "ahead" in time else 0
        self.tables = {n: Table(i, n, g, self.fields) for i, (n, g) in enumerate(given["tables"].items())}
        self.sinks = [Sink(s, self.tables) for s in given.get("sinks", [])]
        self.invariants = [Invariant(i, self.tables) for i in given.get("invariants", [])]
        self.offset_multiple = given.get("delivery", {}).get("commit_at", {}).get("offset_multiple", 0)


# ------------------------------------------------------------------------------------------------ records
def lines(data):
    """Raw lines without their end, and where each begins."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = data[at:end]
        yield at, line[:-1] if line.endswith(b"\r") else line
        at = end + 1


def rows(data, delimiter):
    """Raw CSV rows: a field that begins with a quote ends behind the quote that closes it, whatever stands between."""
    delimiter = delimiter.encode()
    plain = re.compile(b"[" + re.escape(delimiter) + b"\n]")
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data):
        begin = at
        while True:
            if data[at:at + 1] == b'"':
                closed = re.compile(b'"(?:[^"]|"")*"').match(data, at)
                at = closed.end() if closed else len(data)
            found = plain.search(data, at)
            end = found.start() if found else len(data)
            at = end + 1
            if data[end:end + 1] != delimiter:
                break
        row = data[begin:end]
        yield begin, row[:-1] if row.endswith(b"\r") else row


def records(job, data):
    """(offset, raw bytes) of every record, and the CSV header."""
    if job.format == "protobuf":
        import proto_messages
        return None, enumerate(proto_messages.split(data))
    raw = (r for _, r in (rows(data, job.csv_delimiter) if job.format == "csv" else lines(data)) if r)
    header = None
    if job.format == "csv" and job.csv_header:
        first = next(raw, None)
        header = cells_of(first.decode(), job.csv_delimiter) if first is not None else []
    return header, enumerate(raw)


# ------------------------------------------------------------------------------------------------ fields
def number_of(text, field):
    if not NUMBER.fullmatch(text):
        raise Fault("wrong-type", field.path)
    if field.kind == "float":
        value = float(text) + 0.0
        if math.isinf(value):
            raise Fault("out-of-range", field.path)
        return value
    value = decimal.Decimal(text)
    if field.kind == "int":
        if value != value.to_integral_value():
            raise Fault("wrong-type", field.path)
        if not INT_MIN <= value <= INT_MAX:
            raise Fault("out-of-range", field.path)
        return int(value)
    units = value.scaleb(field.scale)
    if units != units.to_integral_value() or abs(units) > UNITS_MAX:
        raise Fault("out-of-range", field.path)
    return value


def bytes_value_of(text, field):
    """Only the one base64 text of some bytes: what b64encode gives back."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Fault("wrong-type", field.path) from None
    if base64.b64encode(found).decode() != text:
        raise Fault("wrong-type", field.path)
    return found


def time_of(text, field):
    try:
        if field.format.startswith("epoch-"):
            if not re.fullmatch(r"[+-]?[0-9]+", text):
                raise Fault("wrong-type", field.path)
            number = int(text)
            us = {"s": lambda n: n * 10**6, "ms": lambda n: n * 1000, "us": lambda n: n, "ns": lambda n: n // 1000}[field.format[6:]](number)
        else:
            if field.format == "rfc3339":
                match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text)
                if not match:
                    raise Fault("wrong-type", field.path)
                moment = datetime.datetime.strptime(f"{match[1]}T{match[2]}", "%Y-%m-%dT%H:%M:%S")
                fraction = int(((match[3] or ".") + "000000")[1:7])
                zone = match[4]
                shift = 0 if zone in "Zz" else int(zone[:3]) * 3600 + int(zone[0] + zone[4:6]) * 60
                us = (calendar.timegm(moment.timetuple()) - shift) * 10**6 + fraction
            else:
                moment = datetime.datetime.strptime(text, field.format)
                shift = moment.utcoffset().total_seconds() if moment.utcoffset() is not None else field.zone
                if isinstance(shift, zoneinfo.ZoneInfo):
                    shift = int(moment.replace(tzinfo=shift).utcoffset().total_seconds())
                us = int(calendar.timegm(moment.timetuple()) - shift) * 10**6 + moment.microsecond
    except ValueError:
        raise Fault("wrong-type", field.path) from None
    if not TIME_MIN <= us <= TIME_MAX:
        raise Fault("out-of-range", field.path)
    return us


def value_of_text(text, field):
    if text is None:
        return field.absent()
    if field.kind == "string":
        return text
    if field.kind == "bool":
        if text not in ("true", "false"):
            raise Fault("wrong-type", field.path)
        return text == "true"
    if field.kind == "bytes":
        return bytes_value_of(text, field)
    return time_of(text, field) if field.kind == "time" else number_of(text, field)


class NumberToken(str):
    """A JSON number as it stands."""


def value_of_json(found, field):
    if found is None:
        return field.absent()
    if isinstance(found, NumberToken):
        if field.kind in ("int", "decimal", "float"):
            return number_of(found, field)
        if field.kind == "time" and field.format.startswith("epoch-"):
            return time_of(found, field)
    elif isinstance(found, bool):
        if field.kind == "bool":
            return found
    elif isinstance(found, str):
        if field.kind == "string":
            return found
        if field.kind == "decimal":
            return number_of(found, field)
        if field.kind == "bytes":
            return bytes_value_of(found, field)
        if field.kind == "time":
            return time_of(found, field)
    raise Fault("wrong-type", field.path)


def decode_json(job, raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("malformed") from None
    try:
        found = json.loads(text, parse_int=NumberToken, parse_float=NumberToken, parse_constant=lambda c: 1 / 0)
    except (ValueError, ZeroDivisionError, RecursionError):
        raise Fault("malformed") from None
    if not isinstance(found, dict):
        raise Fault("wrong-type")
    if job.each is None:
        return json_event(job, found, None)
    elements = follow(found, job.each)
    if elements is not None and not isinstance(elements, list):
        raise Fault("wrong-type")
    if elements and len(elements) > EVENTS_MAX:
        raise Fault("too-large")
    return [attempt(json_event, job, found, element) for element in elements or []]


def steps_of(path):
    """["a", 0, "b.c"] of a[0]["b.c"]."""
    steps = []
    for quoted, other, index, name in re.findall(r"""\["((?:[^"\\]|\\.)*)"\]|\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]|([^.\[]+)""", path):
        steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted or other))
    return steps


def follow(found, path):
    for step in steps_of(path):
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def json_event(job, record, element):
    return {f.name: value_of_json(follow(element if f.path[0] == "." else record, f.path), f) for f in job.fields.values()}


def attempt(make, *given):
    try:
        return make(*given)
    except Fault as fault:
        return fault


def cells_of(text, delimiter):
    """The fields of a row; None is an empty one without quotes."""
    cells, at = [], 0
    while True:
        if text[at:at + 1] == '"':
            match = re.compile('"((?:[^"]|"")*)"').match(text, at)
            if not match:
                raise Fault("malformed")
            cell, at = match[1].replace('""', '"'), match.end()
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            cell, at = text[at:end] or None, end
            if cell and re.search('["\r\n]', cell):
                raise Fault("malformed")
        cells.append(cell)
        if at == len(text):
            return cells
        if text[at] != delimiter:
            raise Fault("malformed")
        at += 1


def decode_csv(job, header, raw):
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("malformed") from None
    cells = cells_of(text, job.csv_delimiter)
    if len(cells) != len(header if header is not None else job.fields):
        raise Fault("malformed")
    columns = header if header is not None else list(job.fields)
    return {f.name: value_of_text(cells[columns.index(f.path)], f) for f in job.fields.values()}


def decode_protobuf(job, raw):
    import proto_messages
    if job.message_class is None:
        job.message_class = proto_messages.class_of(os.path.join(job.folder, job.protobuf["descriptor"]), job.protobuf["message"])
    if job.protobuf.get("framing") == "confluent":
        raw = proto_messages.unframed(job.message_class, raw)
    return proto_messages.decode(job.message_class, job, raw)


def decode_raw(job, key, value):
    event = {}
    parts = {"key": (key, job.raw.get("key", "none")), "value": (value, job.raw.get("value", "none"))}
    sizes = {"int32be": 4, "int64be": 8, "float64be": 8}
    for data, kind in parts.values():
        if data is not None and kind in sizes and len(data) != sizes[kind]:
            raise Fault("malformed")
        try:
            if data is not None and kind == "string":
                data.decode()
        except UnicodeDecodeError:
            raise Fault("malformed") from None
    for field in job.fields.values():
        data, kind = parts[field.path]
        if data is None:
            event[field.name] = field.absent()
            continue
        if kind == "string":
            event[field.name] = value_of_text(data.decode(), field)
            continue
        found = {"int32be": lambda d: struct.unpack(">i", d)[0], "int64be": lambda d: struct.unpack(">q", d)[0],
                 "float64be": lambda d: struct.unpack(">d", d)[0], "bytes": lambda d: d}[kind](data)
        if kind == "bytes":
            event[field.name] = found
        elif field.kind == "float":
            if not math.isfinite(found):
                raise Fault("out-of-range", field.path)
            event[field.name] = float(found) + 0.0
        else:
            event[field.name] = time_of(str(found), field) if field.kind == "time" else number_of(str(found), field)
    return event


# ------------------------------------------------------------------------------------------------ canonical bytes
def units(value, scale):
    return int(value.scaleb(scale))


def encode_key(table, key):
    out = bytearray()
    for field, value in zip(table.key, key):
        if value is None:
            out += b"\0"
            continue
        out += b"\1"
        if field.kind == "float":
            bits = struct.unpack(">Q", struct.pack(">d", value))[0]
            out += struct.pack(">Q", bits ^ (2**64 - 1 if bits >> 63 else 2**63))
        elif field.kind in ("string", "bytes"):
            out += (value.encode() if field.kind == "string" else value).replace(b"\0", b"\0\xff") + b"\0\1"
        elif field.kind == "decimal":
            out += (units(value, field.scale) + 2**127).to_bytes(16, "big")
        elif field.kind == "bool":
            out += bytes([value])
        else:
            out += (value + 2**63).to_bytes(8, "big")
    return bytes(out)


def encode_row(table, row):
    end = struct.pack("<q", row.end) if table.sessions else b""
    return end + aggregates.row_bytes([(c.made, state) for c, state in zip(table.columns, row.states)])


def key_of_text(table, text):
    """The key whose text this is, as output records have it; None: it is no key of the table."""
    try:
        text = text.decode()
        texts = [text]
        if len(table.key) > 1:
            texts = json.loads(text, parse_int=NumberToken, parse_float=NumberToken, parse_constant=lambda c: 1 / 0)
            if not isinstance(texts, list) or len(texts) != len(table.key):
                return None
            bare = {"int": NumberToken, "decimal": NumberToken, "float": NumberToken, "bool": bool}
            if any(t is not None and type(t) is not bare.get(f.kind, str) for f, t in zip(table.key, texts)):
                return None
            texts = [str(t).lower() if isinstance(t, bool) else t for t in texts]
        return tuple(None if t is None else value_of_text(t, as_key(f)) for f, t in zip(table.key, texts))
    except (UnicodeDecodeError, ValueError, ZeroDivisionError, Fault):
        return None


def as_key(field):
    """Keys have times as RFC 3339, however the event has them."""
    return field if field.kind != "time" else Field(field.name, {"type": "time"})


def store_key(table, key):
    return struct.pack(">HH", table.number, xxhash.xxh3_64_intdigest(key, table.number) >> 52) + key


# ------------------------------------------------------------------------------------------------ answers as text
def time_text(us):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if us % 10**6:
        text += "." + (f"{us // 1000 % 1000:03}" if us % 1000 == 0 else f"{us % 10**6:06}")
    return text + "Z"


def number_text(value, scale):
    return f"{units(value, scale) / decimal.Decimal(10) ** scale:.{scale}f}" if scale else str(units(value, 0))


def float_text(value):
    """The digits of repr, laid out as ECMAScript does."""
    if value == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    digits, point = "".join(map(str, digits)), len(digits) + exponent
    if len(digits) <= point <= 21:
        text = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1:+d}"
    return "-" * sign + text


def value_text(value, kind, scale):
    if value is None:
        return ""
    if kind == "list":
        return value
    if kind == "decimal":
        return number_text(value, scale)
    if kind == "time":
        return time_text(value)
    if kind == "float":
        return float_text(value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return str(value).lower() if kind == "bool" else str(value)


def value_json(value, kind, scale):
    if value is None:
        return "null"
    if kind == "string":
        return json.dumps(value, ensure_ascii=False)
    text = value_text(value, kind, scale)
    return f'"{text}"' if kind in ("time", "bytes") else text


aggregates.TopK.write = staticmethod(value_json)


def csv_cell(text, present=True):
    if text == "" and present:
        return '""'
    return '"' + text.replace('"', '""') + '"' if re.search('[,"\r\n]', text) else text


def members(table, columns, key, row):
    for field, value in zip(table.key, key):
        yield field.name, value, field.kind, field.scale
    if table.window:
        yield "window_end", row.end if row is not None else None if table.sessions else table.end_of(key[-1]), "time", 0
    for i in columns if row is not None else []:
        column = table.shown[i]
        yield column.name, row[i], column.kind, column.scale


def row_json(table, columns, key, row, offset=None, lineage=None):
    cells = [f"{json.dumps(n)}:{value_json(v, k, s)}" for n, v, k, s in members(table, columns, key, row)]
    if offset is not None:
        cells += [f'"_offset":{offset}', f'"_lineage":"{lineage}"'] + ['"deleted":true'] * (row is None)
    return ("{" + ",".join(cells) + "}\n").encode()


def row_csv(table, columns, key, row, offset=None, lineage=None):
    cells = [csv_cell(value_text(v, k, s), v is not None) for _, v, k, s in members(table, columns, key, row)]
    if offset is not None:
        cells += [""] * (len(columns) if row is None else 0) + [str(offset), lineage, str(row is None).lower()]
    return (",".join(cells) + "\n").encode()


def header_csv(table, columns, output):
    names = [f.name for f in table.key] + ["window_end"] * bool(table.window) + [table.shown[i].name for i in columns]
    return (",".join(map(csv_cell, names + (["_offset", "_lineage", "deleted"] if output else []))) + "\n").encode()


# ------------------------------------------------------------------------------------------------ the run
class Expected:
    def __init__(self, job):
        self.job = job
        self.tables = {name: {} for name in job.tables}
        self.dead = []
        self.open_dead = {}
        self.redrive = None                               # the redriven record in hand: (its origin's ordinal, the letter, the limit)
        self.time, self.hashed = None, 0                  # of the record in hand
        self.read = self.applied = 0
        self.stream_time = None
        self.input_sum = 0
        self.events = {name: [] for name in job.tables}   # for emit: update: (offset, key, row)
        self.closed = {name: [] for name in job.tables}   # for emit: close
        self.last = {name: {} for name in job.tables}     # also of windows that have left
        self.late = self.duplicates = self.dropped = 0
        self.ids = {}                                     # bytes of an id: the stream time behind its event
        self.left = {}                                    # (table, key): offset behind which it left
        self.shut = set()                                 # (table, key) of windows that are closed and have not left
        self.open = {name: {} for name in job.tables}     # start of a window: keys that have not left
        self.sessions = {name: {} for name in job.tables}  # key without a window: sessions that have not left

    def take(self, offset, raw, header, hashed=None, key=None, time=None, origin=None, retries=RETRIES, amended=None, inserted=None):
        """`raw`: what is decoded, None for a tombstone; `hashed`: what the input digest covers, where that is more; `key` and `time` (microseconds): of a record of Kafka;
        `origin`: of a redriven one, the (offset, ordinal) of its dead letter; `amended`: SKIPPED, or a value instead of its own; `inserted`: it is no record, but an
        amendment's event in front of the one at `offset`, behind so many others."""
        self.time, self.inserted = time, inserted
        self.hashed = xxhash.xxh3_128_intdigest(raw if hashed is None else hashed, offset)
        if inserted is None:
            self.read += 1
            self.input_sum = (self.input_sum + self.hashed) % 2**128
        if amended is SKIPPED:
            return self.move(offset)
        raw = raw if amended is None else amended
        self.redrive = None
        if origin is not None:
            letter = self.open_dead.get(origin)
            if letter is None or letter.failed:
                self.duplicates += 1
                return
            self.redrive = Redrive(self, origin, letter, retries)
        if raw is None and self.job.tombstone == "ignore":
            self.applied += 1
            return
        try:
            if raw is not None:
                decoded = self.decode(raw, header, key)
                if self.redrive and isinstance(decoded, list):
                    return self.take_part(offset, raw, decoded)
                for ordinal, event in enumerate(decoded if isinstance(decoded, list) else [decoded]):
                    self.take_event(offset, raw, event, ordinal, isinstance(decoded, list))
            elif self.job.tombstone == "delete":
                self.delete(offset, key)
                self.applied += 1
            else:
                raise Fault("malformed")
        except Fault as fault:
            self.set_aside(fault, DeadLetter(offset, fault.code, fault.field, raw))
        if self.redrive:
            self.redrive.close()
        self.move(offset)

    def move(self, offset):
        """Behind a record; an inserted event is one with the record that it stands before."""
        if self.stream_time is not None and self.inserted is None:
            self.advance(offset)

    def take_part(self, offset, raw, decoded):
        """A redriven record of many events: only the one that failed counts; if the whole record did, all of them, as new ones."""
        redrive, whole = self.redrive, self.redrive.origin[1] is None
        if whole:
            self.redrive = None
        for ordinal, event in enumerate(decoded):
            if whole or ordinal == redrive.origin[1]:
                self.take_event(offset, raw, event, ordinal, True)
        if whole or redrive.origin[1] < len(decoded):
            redrive.close()
        else:
            redrive.fail(redrive.letter.code, redrive.letter.field)
        if self.stream_time is not None:
            self.advance(offset)

    def become(self, job):
        """From the next record on the logic is this job's: rows go on by the names of their columns, new ones are as before any event."""
        def moved(rows, old, new):
            names = [c.name for c in old.columns]
            return {key: Row(new, [row.states[names.index(c.name)] if c.name in names else c.made.empty for c in new.columns], key, row.end) for key, row in rows.items()}

        for name, table in job.tables.items():
            old = self.job.tables.get(name)
            for kept in (self.tables, self.last):
                kept[name] = moved(kept[name], old, table) if old else {}
            for kept in (self.events, self.closed):
                kept[name] = [(offset, key, row and moved({key: row}, old, table)[key]) for offset, key, row in kept.get(name, [])]
            for kept in (self.open, self.sessions):
                kept.setdefault(name, {})
        self.job = job

    def take_event(self, offset, raw, event, ordinal, several):
        try:
            if isinstance(event, Fault):
                raise event
            self.apply(offset, event, ordinal)
            self.applied += 1
        except Fault as fault:
            self.set_aside(fault, DeadLetter(offset, fault.code, fault.field, raw, ordinal if several else None))

    def set_aside(self, fault, letter):
        self.late += fault.code == "late"
        self.duplicates += fault.code == "duplicate"
        if fault.code == "duplicate" and self.job.duplicates == "drop" or fault.code == "late" and self.job.late == "drop":
            return
        if self.job.missing == "drop" and fault.field is not None and fault.code in ("missing-field", "wrong-type", "out-of-range"):
            self.dropped += 1
            return
        self.dead.append(letter)
        if self.redrive:
            return self.redrive.fail(fault.code, fault.field)
        which = (letter.offset, letter.ordinal) if self.inserted is None else (letter.offset, letter.ordinal, self.inserted)
        self.open_dead[which] = OpenLetter(fault.code, fault.field, self.stream_time if self.time is None else self.time, self.hashed)

    def decode(self, raw, header, key):
        if len(raw) > self.job.max_size:
            raise Fault("too-large")
        if self.job.format == "protobuf":
            return decode_protobuf(self.job, raw)
        if self.job.format == "raw":
            return decode_raw(self.job, key, raw)
        return decode_csv(self.job, header, raw) if self.job.format == "csv" else decode_json(self.job, raw)

    def apply(self, offset, event, ordinal):
        time = event[self.job.time_field.name] if self.job.time_field else None
        touched, routed, late = [], [], False
        values = {**event, "event_time": time, "record.offset": offset, "record.key": None, "record.timestamp": None}
        for table in self.job.tables.values():
            if table.where and not table.where.of(values):
                continue
            key = tuple(p.of(values) for p in table.key if not (table.window and p is table.key[-1]))
            if table.sessions:
                keys = [key + (time,)]
            else:
                keys = [key + (start,) for start in table.windows(time)] if table.window else [key]
            if any(len(encode_key(table, key)) > KEY_MAX for key in keys):
                raise Fault("too-large")
            routed.append((table, keys, [c.of(values) for c in table.columns]))
        if time is not None and self.job.ahead and self.stream_time is not None and time > self.stream_time + self.job.ahead:
            raise Fault("future", self.job.time_field.path)
        event_id = id_bytes(self.job, event)
        if event_id is not None and event_id in self.ids and (self.stream_time is None or self.ids[event_id] + self.job.within > self.stream_time):
            raise Fault("duplicate", self.job.id_field.path)
        for table, keys, cells in routed:
            if table.sessions:
                late |= not self.takes_session(table, keys[0])
                touched += [(table, keys[0], cells)] * self.takes_session(table, keys[0])
                continue
            taken = [k for k in keys if not table.window or self.stream_time is None or table.closes(k[-1]) > self.stream_time]
            late |= not taken
            touched += [(table, k, cells) for k in taken]
        if late and (self.job.late != "drop" or not touched):
            raise Fault("late", self.job.time_field.path)
        new = []
        for table, key, cells in touched:
            if table.sessions:
                new.append((table.name, *self.join_sessions(table, key, (cells, event, offset, ordinal))))
                continue
            old = self.tables[table.name].get(key)
            states = old.states if old else [c.made.empty for c in table.columns]
            row = Row(table, [self.cell(c, s, *cell, event, offset, ordinal) for c, s, cell in zip(table.columns, states, cells)], key)
            if any(c.made.variable for c in table.columns):
                try:
                    encode_row(table, row)
                except aggregates.Fault as fault:
                    raise Fault(str(fault)) from None
            new.append((table.name, key, row))
        for name, key, row, *session in new:
            for gone in self.replace_sessions(name, *session) if session else []:
                self.events[name].append((offset, gone, None))
            self.tables[name][key] = self.last[name][key] = row
            self.events[name].append((offset, key, row))
            if self.job.tables[name].window and not session:
                self.open[name].setdefault(key[-1], set()).add(key)
        if time is not None:
            self.stream_time = time if self.stream_time is None else max(self.stream_time, time)
        if event_id is not None:
            self.ids.pop(event_id, None)
            self.ids[event_id] = self.stream_time

    # A session is what overlaps; who knows all of its events knows its row.
    def open_sessions(self, table, key):
        grace = table.window["grace"]
        return [s for s in self.sessions[table.name].get(key[:-1], []) if self.stream_time is None or s.end + grace > self.stream_time]

    def takes_session(self, table, key):
        own_is_open = self.stream_time is None or key[-1] + table.window["size"] + table.window["grace"] > self.stream_time
        return own_is_open or any(s.start <= key[-1] < s.end for s in self.open_sessions(table, key))

    def join_sessions(self, table, key, event):
        own = Session(key[-1], key[-1] + table.window["size"], [event])
        joined = [s for s in self.open_sessions(table, key) if s.overlaps(own)]
        every = joined + [own]
        made = Session(min(s.start for s in every), max(s.end for s in every), [e for s in every for e in s.events])
        if len(joined) == 1:
            states, events = joined[0].row.states, [event]
        else:
            states, events = [c.made.empty for c in table.columns], made.events
        for cells, values, offset, ordinal in events:
            states = [self.cell(c, s, *cell, values, offset, ordinal) for c, s, cell in zip(table.columns, states, cells)]
        made.row = Row(table, states, key[:-1] + (made.start,), made.end)
        return made.row.key, made.row, made, joined

    def replace_sessions(self, name, made, joined):
        """The keys that are no more."""
        kept = [s for s in self.sessions[name].get(made.row.key[:-1], []) if s not in joined]
        self.sessions[name][made.row.key[:-1]] = kept + [made]
        gone = [s.row.key for s in joined if s.start != made.start]
        for key in gone:
            del self.tables[name][key], self.last[name][key]
        return gone

    def advance_sessions(self, table, offset, due):
        for key, sessions in list(self.sessions[table.name].items()):
            for session in [s for s in sessions if s.end + table.window["grace"] <= self.stream_time]:
                if (table.name, session.row.key) not in self.shut:
                    due.append((session.end + table.window["grace"], table.number, encode_key(table, session.row.key), table.name, session.row.key))
                    self.shut.add((table.name, session.row.key))
                if session.end + table.window["retain"] <= self.stream_time:
                    sessions.remove(session)
                    del self.tables[table.name][session.row.key]
                    self.shut.discard((table.name, session.row.key))
                    self.left[table.name, session.row.key] = offset
            if not sessions:
                del self.sessions[table.name][key]

    def advance(self, offset):
        """Windows close, in order of (when, table, key), and leave."""
        due = []
        for table in self.job.tables.values():
            if table.sessions:
                self.advance_sessions(table, offset, due)
            for start in [s for s in self.open[table.name] if table.window and table.closes(s) <= self.stream_time]:
                keys = self.open[table.name][start]
                due += [(table.closes(start), table.number, encode_key(table, k), table.name, k) for k in keys if (table.name, k) not in self.shut]
                self.shut |= {(table.name, k) for k in keys}
                if table.leaves(start) <= self.stream_time:
                    for key in self.open[table.name].pop(start):
                        del self.tables[table.name][key]
                        self.shut.discard((table.name, key))
                        self.left[table.name, key] = offset
        for *_, name, key in sorted(due, key=lambda d: d[:3]):
            self.closed[name].append((offset, key, self.last[name][key]))

    def cell(self, column, state, wanted, argument, event, offset, ordinal):
        if not wanted:
            return state
        try:
            return column.made.update(state, argument, (self.time_of(event), offset, ordinal))
        except aggregates.Fault as fault:
            raise Fault(str(fault), column.argument.path if column.argument else None) from None

    def time_of(self, event):
        time = event[self.job.time_field.name] if self.job.time_field else None
        return aggregates.NO_TIME if time is None else time

    def delete(self, offset, text):
        """The rows whose key is the key of a record without a value. A key that no table can have is at fault."""
        keys = {table.name: key_of_text(table, text) for table in self.job.tables.values() if not table.window} if text is not None else {}
        if not any(key is not None for key in keys.values()):
            raise Fault("malformed")
        for name, key in keys.items():
            if key is not None and self.tables[name].pop(key, None) is not None:
                self.events[name].append((offset, key, None))

    # -------------------------------------------------------------------------------------------- what can be compared
    @property
    def input_hash(self):
        return f"{self.input_sum:032x}"

    def buckets(self):
        sums = [0] * BUCKETS
        for table in self.job.tables.values():
            for key, row in self.tables[table.name].items():
                stored = store_key(table, encode_key(table, key))
                bucket = struct.unpack(">H", stored[2:4])[0]
                sums[bucket] = (sums[bucket] + xxhash.xxh3_128_intdigest(stored + encode_row(table, row), len(stored))) % 2**128
        for number, table in enumerate([t for t in self.job.tables.values() if t.sessions], len(self.job.tables)):
            for key in self.sessions[table.name]:
                listed = sorted((s.start, s.end) for s in self.open_sessions(table, key + (0,)))
                encoded = encode_key(table, key)
                bucket = xxhash.xxh3_64_intdigest(encoded, number) >> 52
                stored = struct.pack(">HH", number, bucket) + encoded
                row = b"".join(struct.pack("<qq", *pair) for pair in listed)
                sums[bucket] = (sums[bucket] + (xxhash.xxh3_128_intdigest(stored + row, len(stored)) if row else 0)) % 2**128
        return sums

    def digest(self):
        root = xxhash.xxh3_128_intdigest(b"".join(s.to_bytes(16, "big") for s in self.buckets()))
        return f"{(root + self.ids_digest() + self.dead_digest()) % 2**128:032x}"

    def dead_digest(self):
        return sum(xxhash.xxh3_128_intdigest(letter.entry(*at), DEAD_SEED) for at, letter in self.open_dead.items())

    def ids_digest(self):
        """Over the ids of all 256ths of the span that have not wholly expired as of the newest id."""
        total, width = 0, -(-self.job.within // 256)
        newest = next(reversed(self.ids.values()), None)
        for event_id, moment in reversed(self.ids.items()):
            if (moment // width + 1) * width <= newest - self.job.within:
                break
            total += xxhash.xxh3_128_intdigest(xxhash.xxh3_128_digest(event_id) + struct.pack(">q", moment))
        return total

    def sorted_rows(self, name):
        table = self.job.tables[name]
        return sorted(self.tables[name].items(), key=lambda item: encode_key(table, item[0]))

    def export(self, name, format="csv"):
        table = self.job.tables[name]
        columns = range(len(table.shown))
        body = b"".join((row_csv if format == "csv" else row_json)(table, columns, key, row) for key, row in self.sorted_rows(name))
        return (header_csv(table, columns, False) if format == "csv" else b"") + body

    def output(self, sink, lineage):
        """The bytes of an output: emit update, or emit commit with commits fixed to offsets and a run to the end."""
        write = row_csv if sink.format == "csv" else row_json
        out = [header_csv(sink.table, sink.columns, True)] if sink.format == "csv" else []
        boundaries = list(range(self.job.offset_multiple, self.read, self.job.offset_multiple)) + [self.read] if self.job.offset_multiple else []
        out += [write(sink.table, sink.columns, key, row, offset, lineage) for offset, key, row in self.published(sink, boundaries)]
        return b"".join(out)

    def published(self, sink, boundaries):
        """(offset, key, row) of each row of an output; None for a key that passed and does no more. With emit: commit, by transactions that end before these offsets."""
        passed = {}

        def judge(offset, key, row):
            now, before = sink.passes(row), passed.get(key, False)
            passed[key] = now
            return [(offset, key, row if now else None)] if now or before else []

        events, at, out = self.events[sink.table.name], 0, []
        if sink.emit == "close":
            return [c for c in self.closed[sink.table.name] if sink.passes(c[2])]
        if sink.emit == "update":
            return [row for event in events for row in judge(*event)]
        for boundary in boundaries:
            changed = {}
            while at < len(events) and events[at][0] < boundary:
                changed[events[at][1]] = events[at][2]
                at += 1
            for key, row in sorted(changed.items(), key=lambda item: encode_key(sink.table, item[0])):
                out += judge(min(boundary - 1, self.left.get((sink.table.name, key), boundary)), key, row)
        return out

    def violations(self):
        """The keys that violate each of the job's invariants."""
        return [{k for k, row in self.tables[i.table.name].items() if i.violated(row)} for i in self.job.invariants]

    def view(self, sink):
        """Key to the answers that the sink shows, both as text: what a reader of the whole output ends up with."""
        return {
            tuple(value_text(v, f.kind, f.scale) for f, v in zip(sink.table.key, key)):
                tuple(value_text(row[i], sink.table.shown[i].kind, sink.table.shown[i].scale) for i in sink.columns)
            for key, row in (((k, r) for _, k, r in self.closed[sink.table.name]) if sink.emit == "close" else self.last[sink.table.name].items())
            if sink.passes(row)
        }


class Redrive:
    """What becomes of the dead letter that a record was sent again for: once."""

    def __init__(self, expected, origin, letter, retries):
        self.expected, self.origin, self.letter, self.retries, self.done = expected, origin, letter, retries, False

    def close(self):
        if not self.done:
            del self.expected.open_dead[self.origin]
        self.done = True

    def fail(self, code, field):
        letter, self.done = self.letter, True
        letter.attempts += 1
        letter.code, letter.field, letter.failed = code, field, letter.attempts >= self.retries


def origin_of(source, headers):
    """(offset, ordinal) of the dead letter that a record was sent again for, where that was one of this source: "CLUSTER/TOPIC/PARTITION"."""
    text = (next((value for name, value in reversed(headers) if name == "rewind-origin"), None) or b"").decode()
    found = re.fullmatch(re.escape(source or "") + r"/(\d+)(?:/(\d+))?", text)
    if not source or not found or int(found[1]) >= 2**63 or int(found[2] or 0) >= WHOLE:
        return None
    return int(found[1]), None if found[2] is None else int(found[2])


def id_bytes(job, event):
    """What an id is known by; None where there is none."""
    if not job.within or event[job.id_field.name] is None:
        return None
    value = event[job.id_field.name]
    if job.id_field.kind in ("string", "bytes"):
        return value.encode() if job.id_field.kind == "string" else value
    if job.id_field.kind == "float":
        return struct.pack("<d", value) + bytes(8)
    size = 16 if job.id_field.kind == "decimal" else 8
    return (units(value, job.id_field.scale) if size == 16 else int(value)).to_bytes(size, "little", signed=True) + bytes(16 - size)


def message_bytes(time_ms, key, value, headers):
    """What the input digest covers of a record of Kafka (E4)."""
    def sized(data):
        return struct.pack("<I", 0xFFFFFFFF if data is None else len(data)) + (data or b"")

    sizes = struct.pack("<qII", time_ms, *(0xFFFFFFFF if data is None else len(data) for data in (value, key)))
    return sizes + (value or b"") + (key or b"") + b"".join(sized(name.encode()) + sized(data) for name, data in headers)


def run_messages(job, messages, until=None, source=None):
    """The same for what confluent-kafka read from a partition. `source`: "CLUSTER/TOPIC/PARTITION", which origins of redriven records speak of."""
    expected = Expected(job if isinstance(job, Job) else Job(job))
    for m in messages:
        if until is not None and m.offset() >= until:
            break
        take_message(expected, m, source)
    return expected


def take_message(expected, m, source=None):
    headers = m.headers() or []
    retries = int(next((value for name, value in reversed(headers) if name == "rewind-retries"), RETRIES))
    expected.take(m.offset(), m.value(), None, message_bytes(m.timestamp()[1], m.key(), m.value(), headers), m.key(), m.timestamp()[1] * 1000,
                  origin_of(source, headers), retries)


def run(job, data=None, until=None):
    """`job`: a path or a Job. `data`: bytes or a path, the job's source unless given. `until`: stop before this offset."""
    job = job if isinstance(job, Job) else Job(job)
    data = data if isinstance(data, bytes) else open(data or job.source_path, "rb").read()
    expected = Expected(job)
    header, all_records = records(job, data)
    for offset, raw in all_records:
        if until is not None and offset >= until:
            break
        expected.take(offset, raw, header)
    return expected


class Segments:
    """`segments`: (first offset, path of the job file) of each, in order; the first offset of the first does not matter."""

    def __init__(self, segments):
        self.jobs = [(first, Job(path)) for first, path in segments]
        self.expected = Expected(self.jobs.pop(0)[1])

    def before(self, offset):
        """What has come, with the logic that decides the record at `offset`."""
        while self.jobs and offset >= self.jobs[0][0]:
            self.expected.become(self.jobs.pop(0)[1])
        return self.expected


def run_segments(segments, data):
    all_of = Segments(segments)
    header, all_records = records(all_of.expected.job, data if isinstance(data, bytes) else open(data, "rb").read())
    for offset, raw in all_records:
        all_of.before(offset).take(offset, raw, header)
    return all_of.before(math.inf)


def run_message_segments(segments, messages):
    all_of = Segments(segments)
    for m in messages:
        take_message(all_of.before(m.offset()), m)
    return all_of.before(math.inf)


class Amendments:
    """What a list of amendments, as in the file of --amend, makes of records in order."""

    def __init__(self, given):
        self.inserts = sorted((a for a in given if "insert" in a), key=lambda a: a["insert"])[::-1]   # the next one last
        self.instead = {**{a["skip"]: SKIPPED for a in given if "skip" in a}, **{a["replace"]: bytes_of_amendment(a) for a in given if "replace" in a}}

    def before(self, offset):
        """The inserted events that act in front of the record at `offset`; each is given once."""
        found = []
        while self.inserts and self.inserts[-1]["insert"] <= offset:
            found.append(self.inserts.pop())
        return found


def bytes_of_amendment(given):
    if "value_base64" in given:
        return base64.b64decode(given["value_base64"])
    value = given.get("value")
    return value.encode() if isinstance(value, str) else None if value is None else json.dumps(value).encode()


def run_amended(job, amendments, data=None, until=None, logics=()):
    """As run, over an amended input. `logics`: (offset, path of a job file) of logics that decide from an offset on, in order."""
    job = Job(job)
    logics = [(at, Job(path)) for at, path in logics]
    data = data if isinstance(data, bytes) else open(data or job.source_path, "rb").read()
    expected, amendments = Expected(job), Amendments(amendments)
    header, all_records = records(job, data)
    for offset, raw in all_records:
        if until is not None and offset >= until:
            break
        while logics and logics[0][0] <= offset:
            expected.become(logics.pop(0)[1])
        for number, insert in enumerate(amendments.before(offset)):
            expected.take(offset, bytes_of_amendment(insert), header, inserted=number)
        expected.take(offset, raw, header, amended=amendments.instead.get(offset))
    return expected


def run_amended_messages(job, amendments, messages, until=None):
    """The same for what confluent-kafka read from a partition. Events have the time of the record that they stand before, unless the amendment gives one."""
    expected, amendments = Expected(Job(job)), Amendments(amendments)
    for m in messages:
        if until is not None and m.offset() >= until:
            break
        time = m.timestamp()[1] * 1000
        for number, insert in enumerate(amendments.before(m.offset())):
            expected.take(m.offset(), bytes_of_amendment(insert), None, None, insert["key"].encode() if "key" in insert else None, time, inserted=number)
        expected.take(m.offset(), m.value(), None, message_bytes(m.timestamp()[1], m.key(), m.value(), m.headers() or []), m.key(), time, amended=amendments.instead.get(m.offset()))
    return expected
