#!/usr/bin/env python3
"""Decoding compared with Python's own parsers, over random records that are mostly almost right.

    decode_oracle.py DECODE_RECORDS-PROGRAM [seed] [records]

JSON goes through json and Decimal, CSV through the grammar of RFC 4180 as a regular expression (and, where that accepts, through csv).
Both sides must agree on every value and on every fault.
"""

import base64
import csv
import decimal
import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

decimal.getcontext().prec = 6000
decimal.getcontext().Emax = decimal.MAX_EMAX
decimal.getcontext().Emin = decimal.MIN_EMIN

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NESTING = 64
TIME_MIN, TIME_MAX = -62135596800000000, 253402300799999999


class Fault(Exception):
    pass


# ---------------------------------------------------------------------------------------------- types


def to_int(text):
    if not NUMBER.fullmatch(text):
        raise Fault("wrong-type")
    value = decimal.Decimal(text)
    if value != value.to_integral_value():
        raise Fault("wrong-type")
    if not -(2**63) <= value < 2**63:
        raise Fault("out-of-range")
    return int(value)


def to_decimal(text):
    if not NUMBER.fullmatch(text):
        raise Fault("wrong-type")
    units = decimal.Decimal(text) * 100
    if units != units.to_integral_value() or abs(units) > 10**38 - 1:
        raise Fault("out-of-range")
    units = int(units)
    return f"{'-' if units < 0 else ''}{abs(units) // 100}.{abs(units) % 100:02}"


def to_time(text):
    us = to_int(text) * 1000
    if not TIME_MIN <= us <= TIME_MAX:
        raise Fault("out-of-range")
    return us


def to_float(text):
    if not NUMBER.fullmatch(text):
        raise Fault("wrong-type")
    value = float(text) + 0.0
    if value in (float("inf"), float("-inf")):
        raise Fault("out-of-range")
    return struct.pack(">d", value).hex()


def to_bytes(text):
    """Only the one base64 text of some bytes: what b64encode gives back."""
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Fault("wrong-type") from None
    if base64.b64encode(found).decode() != text:
        raise Fault("wrong-type")
    return found.hex()


# ---------------------------------------------------------------------------------------------- JSON


class Number(str):
    pass


class Object(list):
    """All members, also those that others of the same name replaced."""


def judge(value, depth):
    if isinstance(value, str):
        value.encode("utf-8")  # a lone surrogate raises
    if isinstance(value, list):
        if depth == NESTING:
            raise ValueError("nested too deeply")
        for part in value:
            if isinstance(value, Object):
                part[0].encode("utf-8")
                part = part[1]
            judge(part, depth + 1)


def constant(word):
    raise ValueError(word)


def member(value, name):
    found = None
    for key, part in value if isinstance(value, Object) else []:
        if key == name:
            found = part
    return found


def json_field(value, kind):
    if value is None:
        raise Fault("missing-field")
    number, text = isinstance(value, Number), isinstance(value, str) and not isinstance(value, Number)
    if kind == "s" and text:
        return value.encode("utf-8").hex()
    if kind == "d" and (number or text):
        return to_decimal(value)
    if kind == "i" and number:
        return to_int(value)
    if kind == "b" and isinstance(value, bool):
        return int(value)
    if kind == "t" and (number or text):
        return to_time(value)
    if kind == "f" and number:
        return to_float(value)
    if kind == "y" and text:
        return to_bytes(value)
    raise Fault("wrong-type")


def decode_json(record):
    try:
        value = json.loads(record.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=constant, object_pairs_hook=Object)
        judge(value, 0)
    except (ValueError, RecursionError):
        return "fault malformed -"
    if not isinstance(value, Object):
        return "fault wrong-type -"
    values = {name: member(value, name) for name in "dibtfy"}
    values["s"] = member(member(value, "o"), "s")
    return answer(values, json_field)


def element(value, index):
    return value[index] if isinstance(value, list) and not isinstance(value, Object) and index < len(value) else None


def decode_each(record):
    """An event for each element of o.e, with the members of the record around it."""
    try:
        value = json.loads(record.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=constant, object_pairs_hook=Object)
        judge(value, 0)
    except (ValueError, RecursionError):
        return "fault malformed -"
    if not isinstance(value, Object):
        return "fault wrong-type -"
    array = member(member(value, "o"), "e")
    if array is None:
        return ""
    if isinstance(array, Object) or not isinstance(array, list):
        return "fault wrong-type -"
    out = []
    for one in array:
        values = {"s": member(one, "s.t"), "d": member(element(member(one, "x"), 1), "d"), "i": member(one, "i"), "b": member(element(array, 1), "b"),
                  "t": member(value, "t"), "f": element(member(one, "x"), 0), "y": member(one, "y")}
        out.append(answer(values, each_field))
    return " | ".join(out)


def each_field(value, kind):
    if value is None and kind in "sbfy":
        return "-"
    return -7 if value is None and kind == "i" else json_field(value, kind)


# ---------------------------------------------------------------------------------------------- CSV

FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')


def split_row(text):
    """The fields, None for one that is empty and not quoted."""
    fields, at = [], 0
    while True:
        match = FIELD.match(text, at)
        fields.append(match.group(1).replace('""', '"') if match.group(1) is not None else match.group(2) or None)
        at = match.end()
        if at == len(text):
            return fields
        if text[at] != ",":
            raise ValueError("not RFC 4180")
        at += 1


def csv_field(text, kind):
    if text is None:
        raise Fault("missing-field")
    if kind == "s":
        return text.encode("utf-8").hex()
    if kind == "b":
        if text not in ("true", "false"):
            raise Fault("wrong-type")
        return int(text == "true")
    return {"d": to_decimal, "i": to_int, "t": to_time, "f": to_float, "y": to_bytes}[kind](text)


def decode_csv(record):
    try:
        fields = split_row(record.decode("utf-8"))
    except ValueError:
        return "fault malformed -"
    text = record.decode("utf-8")
    if text and "\0" not in text:
        again = next(csv.reader(io.StringIO(text, newline=""), strict=True))
        assert again == [f or "" for f in fields], (record, again, fields)
    if len(fields) != 7:
        return "fault malformed -"
    return answer(dict(zip("sdibtfy", fields)), csv_field)


def answer(values, convert):
    out = []
    for kind in "sdibtfy":
        try:
            out.append(str(convert(values[kind], kind)))
        except Fault as fault:
            return f"fault {fault} {kind}"
    return "ok " + " ".join(out)


# ---------------------------------------------------------------------------------------------- random records


def random_text(r, letters='abc"\\\n\r\t,;/ \u00e4\u20ac\U0001f600\x00\x7f'):
    return "".join(r.choice(letters) for _ in range(r.choice([0, 1, 2, 5, 14, 15, 16, 17, 40])))


def random_number(r):
    kind = r.randrange(8)
    if kind == 0:
        return str(r.choice([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 10**38, 10**36, 253402300799999, 253402300800000, 0]))
    if kind == 1:
        return f"{r.randrange(-99, 100)}e{r.randrange(-30, 45)}"
    if kind == 2:
        return f"{r.randrange(10**r.randrange(1, 40))}.{r.randrange(10**r.randrange(1, 6)):0{r.randrange(1, 6)}}"
    if kind == 3:
        return r.choice(["-0", "0.0", "-0.00", "1E5", "1.50", "1.500", "0.001", "1e-2", "12.5e1", "100e-2", "0e99", "1e5000", "1.25e1"])
    if kind == 4 and r.randrange(4) == 0:
        return r.choice(["01", "1.", ".5", "+1", "--1", "1e", "1e+", "0x1", "NaN", "Infinity", "-", "1_0", "1 "])
    return str(r.randrange(-(10 ** r.randrange(1, 20)), 10 ** r.randrange(1, 20)))


def random_float(r):
    if r.randrange(3):
        return r.choice([repr(struct.unpack(">d", r.randbytes(8))[0]), repr(r.uniform(-1e6, 1e6)), str(r.randrange(2**60)),
                         f"{r.randrange(10**17)}.{r.randrange(10**9)}", f"1e{r.randrange(-400, 400)}", "1.7976931348623158e308", "2.4703282292062327e-324",
                         "2.4703282292062328e-324", "9007199254740993", "-0.0", "0.1"]).replace("nan", "0").replace("inf", "1e999")
    return random_number(r)


def random_base64(r):
    text = base64.b64encode(r.randbytes(r.randrange(9))).decode()
    kind = r.randrange(12)
    if kind == 0:
        return text.rstrip("=")
    if kind == 1:
        return text.replace("A", "B").replace("Q", "R").replace("g", "h")
    return text + "=" if kind == 2 else text


def json_string(r, text):
    out = []
    for c in text:
        if c in '"\\' or c < " ":
            out.append(json.dumps(c)[1:-1])
        elif r.randrange(4) == 0:
            out.append(json.dumps(c)[1:-1])
        elif r.randrange(8) == 0 and c < "\uffff":
            out.append(f"\\u{ord(c):04X}")
        else:
            out.append(c)
    return '"' + "".join(out) + '"'


def random_json(r, depth):
    kind = r.randrange(9 if depth < 4 else 6)
    if kind < 2:
        return json_string(r, random_text(r))
    if kind < 4:
        return random_number(r)
    if kind < 6:
        return r.choice(["true", "false", "null", "1", "[]", "{}"] * 5 + ['"\\ud800"', "tru", "'a'"])
    space = r.choice(["", "", " ", "\n\t"])
    if kind == 6:
        return "[" + ("," + space).join(random_json(r, depth + 1) for _ in range(r.randrange(4))) + "]"
    return random_object(r, depth + 1, [])


def random_object(r, depth, members):
    members = members + [(r.choice(["s", "d", "x", "o", "", "long member name"]), random_json(r, depth)) for _ in range(r.randrange(3))]
    r.shuffle(members)
    space = r.choice(["", "", " ", "\r\n"])
    return "{" + ("," + space).join(f"{json_string(r, k)}{space}:{space}{v}" for k, v in members) + "}"


def good_value(r, kind):
    if r.randrange(12) == 0:
        return random_json(r, 2)
    if kind == "s":
        return json_string(r, random_text(r))
    if kind == "b":
        return r.choice(["true", "false"])
    if kind == "i":
        return r.choice(["1", "-5", "3.0", random_number(r)])
    if kind == "f":
        return random_float(r)
    if kind == "y":
        return json_string(r, random_base64(r))
    value = r.choice(["1.25", "0", "-3", random_number(r)])
    return json_string(r, value) if r.randrange(3) == 0 else value


def json_record(r):
    members = [(k, good_value(r, k)) for k in "dibtfy"]
    members.append(("o", random_object(r, 1, [("s", good_value(r, "s"))])))
    if r.randrange(4) == 0:
        members.append(r.choice(members))
    text = random_object(r, 0, members)
    if r.randrange(100) == 0:
        depth = r.randrange(60, 68)
        text = text[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
    return text.encode("utf-8")


def each_element(r):
    if r.randrange(12) == 0:
        return random_json(r, 3)
    members = [(k, v) for k, v in [("s.t", good_value(r, "s")), ("y", good_value(r, "y")), ("i", good_value(r, "i")), ("b", r.choice(["true", "false", "null"])),
                                   ("x", f"[{random_float(r)},{random_object(r, 3, [('d', good_value(r, 'd'))])}]")] if r.randrange(6)]
    return random_object(r, 3, members)


def each_record(r):
    members = [("t", good_value(r, "t")), ("i", "null")]
    array = "[" + ",".join(each_element(r) for _ in range(r.randrange(5))) + "]"
    members.append(("o", random_object(r, 1, [("e", array if r.randrange(12) else random_json(r, 2))])))
    if r.randrange(5) == 0:
        members.append(r.choice(members))
    return random_object(r, 0, members).encode("utf-8")


def csv_cell(r, text):
    if r.randrange(3) == 0 or any(c in text for c in ',"\r\n'):
        if r.randrange(30):
            return '"' + text.replace('"', '""') + '"'
    return text


def csv_row(r):
    values = [random_text(r), r.choice(["1.25", random_number(r)]), r.choice(["7", random_number(r)]), r.choice(["true", "false", "1"] + ["true"] * 9),
              r.choice(["1000", random_number(r)]), random_float(r), random_base64(r)]
    if r.randrange(20) == 0:
        values.append("more") if r.randrange(2) else values.pop()
    return ",".join(csv_cell(r, v) for v in values).encode("utf-8")


def mutated(r, record):
    data = bytearray(record)
    for _ in range(r.randrange(1, 3)):
        at = r.randrange(len(data) + 1)
        kind = r.randrange(4)
        if kind == 0:
            del data[at:at + r.randrange(1, 4)]
        elif kind == 1:
            data[at:at] = bytes([r.choice(b'{}[]:,"\\ 0-.eE\n\r\x0c\x1a\x00\x80\xff\xc3\xed')])
        elif kind == 2 and at < len(data):
            data[at] = r.randrange(256)
        else:
            data = data[:at]
    return bytes(data)


# ---------------------------------------------------------------------------------------------- comparison


def run(program, arguments, given):
    done = subprocess.run([program, *arguments], input=given, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("ascii").split("\n")[:-1]


def compare(name, records, wanted, got):
    assert len(got) == len(records), f"{name}: {len(got)} answers to {len(records)} records"
    for record, want, have in zip(records, wanted, got):
        if want != have:
            print(f"{name}: {record!r}\n  python  {want}\n  rewind  {have}")
            return False
    kinds = {}
    for want in wanted:
        kinds[" ".join(want.split()[:2]) if want.startswith("fault") else "ok"] = kinds.get(
            " ".join(want.split()[:2]) if want.startswith("fault") else "ok", 0) + 1
    print(f"{name}: {len(records)} records agree: " + ", ".join(f"{k} {v}" for k, v in sorted(kinds.items())))
    assert kinds.get("ok", 0) > len(records) // 20, "hardly any record is good: the test looks at nothing"
    return True


def compare_records(program, name, make, decode, r, count):
    records = [make(r) for _ in range(count)]
    records = [mutated(r, record) if r.randrange(2) else record for record in records]
    given = b"".join(struct.pack("<I", len(record)) + record for record in records)
    return compare(name, records, [decode(record) for record in records], run(program, [name], given))


def compare_csv_file(program, r, count):
    """Rows as Python's writer writes them, split and decoded by both."""
    out = io.StringIO(newline="")
    # With "\n" the writer leaves a lone "\r" unquoted, which is no CSV.
    end, quoting = r.choice([("\n", csv.QUOTE_NONNUMERIC), ("\r\n", csv.QUOTE_MINIMAL)])
    writer = csv.writer(out, lineterminator=end, quoting=quoting)
    writer.writerow(["x", "t", "s", "d", "note", "b", "i", "f", "y"])
    for _ in range(count):
        letters = 'abc",;\n\r \u00e4'
        writer.writerow([random_text(r, letters), r.randrange(10**12), random_text(r, letters) or "-", f"{r.randrange(-10**6, 10**6) / 100:.2f}",
                         random_text(r, letters), r.choice(["true", "false"]), r.randrange(-10**9, 10**9), r.uniform(-1e9, 1e9),
                         base64.b64encode(r.randbytes(1 + r.randrange(5))).decode()])
    text = out.getvalue()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    wanted = [answer({k: row[k] for k in "sdibtfy"}, csv_field) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(r.choice(["", "\ufeff"]) + text)
        return compare("csv-file", rows, wanted, run(program, ["csv-file", path], b""))


def main():
    program = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("REWIND_TEST_SEED", "1"))
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20000
    r = random.Random(seed)
    good = compare_records(program, "json", json_record, decode_json, r, count)
    good = compare_records(program, "each", each_record, decode_each, r, count) and good
    good = compare_records(program, "csv", csv_row, decode_csv, r, count) and good
    good = compare_csv_file(program, r, 3000) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
