#!/usr/bin/env python3
"""Reads rows and dead letters as other programs do, and compares every value with what was put in.

    row_text_oracle.py PROGRAM      runs sink_row_text_rows and checks what it prints (its head says how that looks)

Exit code 0: every value is the same. 1: a difference, printed.
"""

import base64
import csv
import datetime
import decimal
import io
import json
import re
import subprocess
import sys

decimal.getcontext().prec = 100  # more digits than any value has
EPOCH = datetime.datetime(1, 1, 1)
MINIMUM = -62135596800000000
LINEAGE = "00112233445566778899aabbccddeeff"


def unhex(word):
    return bytes.fromhex(word)


def time_text(us):
    """RFC 3339 by way of datetime; as many digits (0, 3, 6) as needed."""
    moment = EPOCH + datetime.timedelta(microseconds=us - MINIMUM)
    digits = "" if us % 1000000 == 0 else moment.strftime(".%f") if us % 1000 else moment.strftime(".%f")[:4]
    return moment.isoformat().split(".")[0] + digits + "Z"


def from_plain(word, kind, scale):
    if word == "-":
        return None
    if kind == "bytes":
        return base64.b64encode(unhex(word)).decode()
    text = unhex(word).decode()
    if kind == "float":
        return float.fromhex(text)
    if kind == "string":
        return text
    if kind == "bool":
        return text == "1"
    if kind == "time":
        return time_text(int(text))
    if kind == "decimal":
        return (int(text), int(scale))
    return int(text)


class Token(str):
    """A number as it stands in the text."""


def decimal_is(token, units, scale):
    exact = decimal.Decimal(token).scaleb(scale)
    pattern = r"-?\d+" + (r"\.\d{%d}" % scale if scale else "")
    return exact == units and re.fullmatch(pattern, token) is not None


def float_text(value):
    """The digits of repr, as ECMAScript lays them out."""
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


def same(token, want, kind):
    """Is the member read from JSON what was put in?"""
    if want is None or kind in ("string", "bool", "time", "bytes"):
        return token == want and type(token) is type(want)
    if kind == "decimal":
        return isinstance(token, Token) and decimal_is(token, *want)
    if kind == "float":
        return isinstance(token, Token) and float(token) == want and token == float_text(want)
    return isinstance(token, Token) and token == str(want)


def csv_same(field, quoted_empty, want, kind):
    if want is None:
        return field == "" and not quoted_empty
    if kind == "float":
        return float(field) == want and field == float_text(want)
    if kind in ("string", "bytes"):
        return field == want and (want != "" or quoted_empty)
    if kind == "bool":
        return field == ("true" if want else "false")
    if kind == "decimal":
        return decimal_is(field, *want)
    return field == str(want)


def read_csv(line):
    rows = list(csv.reader(io.StringIO(line, newline=""), strict=True))
    if len(rows) != 1:
        raise SystemExit(f"not one row: {line!r}")
    return rows[0]


def quoted_empties(line):
    """Fields that are written as "" : told from nothing by a scan of our own."""
    found, at, index = set(), 0, 0
    while at <= len(line):
        start = at
        if line[at:at + 1] == '"':
            at += 1
            while line[at] != '"' or line[at + 1:at + 2] == '"':
                at += 2 if line[at] == '"' else 1
            at += 1
            if line[start:at] == '""':
                found.add(index)
        while at < len(line) and line[at] != ",":
            at += 1
        at += 1
        index += 1
    return found


def check_json(line, schema, want):
    value = json.loads(line, parse_int=Token, parse_float=Token)
    assert line.endswith("\n") and line.count("\n") == 1, line
    assert list(value) == [n for n, _, _ in schema] + ["_offset", "_lineage"], line
    assert value["_offset"] == "77" and value["_lineage"] == LINEAGE, line
    for (name, kind, _), wanted in zip(schema, want):
        assert same(value[name], wanted, kind), (line, name, wanted)


def check_csv(line, schema, want):
    assert line.endswith("\n"), line
    fields, empties = read_csv(line), quoted_empties(line[:-1])
    assert len(fields) == len(schema) + 3, line
    for index, ((_, kind, _), wanted) in enumerate(zip(schema, want)):
        assert csv_same(fields[index], index in empties, wanted, kind), (line, index, wanted)
    assert fields[-3:] == ["77", LINEAGE, "false"], line


def check_dead(record, line):
    value = json.loads(line)
    assert base64.b64decode(value["value"], validate=True) == record, line
    assert value["size"] == len(record) and value["position"] == 2**64 - 1 and value["source"] == 'orders "1".csv', line
    assert value["time"] == "1970-01-01T00:00:00Z" and value["reason"] == "malformed" and value["field"] is None, line
    try:
        text = record.decode() if len(record) <= 4096 else None
    except UnicodeDecodeError:
        text = None
    assert value.get("text") == text and ("text" in value) == (text is not None), line


def main(program):
    output = subprocess.run([program], check=True, capture_output=True).stdout.decode()
    schema, want, rows, dead = [], [], 0, 0
    for line in output.splitlines():
        word, *rest = line.split("\t")
        if word == "schema":
            schema = [tuple(column.rsplit(":", 2)) for column in rest]
        elif word == "want":
            want = [from_plain(w, kind, scale) for w, (_, kind, scale) in zip(rest, schema, strict=True)]
        elif word == "json":
            check_json(unhex(rest[0]).decode(), schema, want)
            rows += 1
        elif word == "csv":
            check_csv(unhex(rest[0]).decode(), schema, want)
        elif word == "header":
            assert read_csv(unhex(rest[0]).decode()) == [n for n, _, _ in schema] + ["_offset", "_lineage", "deleted"], rest
        elif word == "dead":
            check_dead(unhex(rest[0]), unhex(rest[1]).decode())
            dead += 1
    assert rows > 1000 and dead > 100, (rows, dead)
    print(f"{rows} rows, {dead} dead letters")


if __name__ == "__main__":
    main(*sys.argv[1:])
