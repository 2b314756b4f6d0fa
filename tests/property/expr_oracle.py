#!/usr/bin/env python3
"""Expressions compared with Python's numbers: random trees, written with random spaces and parentheses, over random rows.

    expr_oracle.py EXPR_ROWS-PROGRAM [seed] [expressions]

A tree knows its type by the rules of deploy/docs/expressions.md and evaluates itself with int, Decimal, Fraction and str. Both sides must agree on type, scale,
nullability and value, or on the error and its column. REWIND_TEST_LONG makes the default a million expressions.
"""

import decimal
import os
import random
import subprocess
import sys
import tempfile
from decimal import Decimal
from fractions import Fraction

decimal.getcontext().prec = 80
decimal.getcontext().rounding = decimal.ROUND_HALF_EVEN
DIGITS = 10**38
TIME_MIN, TIME_MAX = -62135596800000000, 253402300799999999
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
STRINGS = ["", "a", "A", "refund", "Refund", "REF", "sale", "é", "É", "straße", "İ", "Σ", "ſ", "Ⱥ", "zürich 😀", "ǅ", "ᾳ", "\ufffd", "\U00010400", "quo\"te", "it's", "back\\slash"]
NUMERIC = ("int", "decimal", "float")


class Fault(Exception):
    def __init__(self, code, column):
        super().__init__(code)
        self.code, self.column = code, column


# ---------------------------------------------------------------------------------------------- values


def check_int(value, node):
    if not INT_MIN <= value <= INT_MAX:
        raise Fault("overflow", node.column)
    return value


def check_decimal(value, scale, node):
    """A Decimal (or Fraction) at a scale, rounded half to even."""
    units = round(Fraction(value) * 10**scale)
    if abs(units) >= DIGITS:
        raise Fault("overflow", node.column)
    return Decimal(units).scaleb(-scale)


def check_float(function, node):
    try:
        value = function()
    except OverflowError:
        raise Fault("overflow", node.column) from None
    if value in (float("inf"), float("-inf")) or value != value:
        raise Fault("overflow", node.column)
    return value + 0.0


def check_time(value, node):
    if not TIME_MIN <= value <= TIME_MAX:
        raise Fault("out-of-range", node.column)
    return value


def simple_lower(text):
    return "".join({"İ": "i"}.get(c) or (c.lower() if len(c.lower()) == 1 else c) for c in text)


def simple_upper(text):
    def one(c):
        for mapped in (c.upper(), c.title()):
            if len(mapped) == 1:
                return mapped
        return c
    return "".join(one(c) for c in text)


# ---------------------------------------------------------------------------------------------- trees


class Node:
    """type, scale, nullable, constant; `args`; write(out) fills in `column`; value(row)."""
    rank = 100
    scale = 0
    column = 0

    def __init__(self, args=()):
        self.args = list(args)
        self.constant = bool(self.args) and all(a.constant for a in self.args)
        self.nullable = any(a.nullable for a in self.args)

    def put(self, out, least):
        parentheses = self.rank < least or random.random() < 0.08
        if parentheses:
            out.write("(")
        self.write(out)
        if parentheses:
            out.write(")")


class Text:
    """The text so far; a space wherever one does not matter."""

    def __init__(self):
        self.parts, self.size = [], 0

    def write(self, text):
        if random.random() < 0.15:
            text = random.choice(["  ", "\t", " "]) + text if not text.startswith(" ") else " " + text
        self.parts.append(text)
        self.size += len(text)

    def mark(self, text):
        """Writes a token and gives its column."""
        column = self.size + 1
        self.parts.append(text)
        self.size += len(text)
        return column


class Name(Node):
    def __init__(self, name, type_, scale, nullable):
        super().__init__()
        self.name, self.type, self.scale, self.nullable = name, type_, scale, nullable

    def write(self, out):
        self.column = out.mark(self.name)

    def value(self, row):
        return row[self.name]


class Literal(Node):
    def __init__(self, type_, value, text, scale=0):
        super().__init__()
        self.constant = True
        self.type, self.literal, self.text, self.scale = type_, value, text, scale
        self.nullable = value is None
        if text.startswith("-"):
            self.rank = 7

    def write(self, out):
        self.column = out.mark(self.text)

    def value(self, row):
        return self.literal


class Convert(Node):
    """What types need: an int or a smaller scale as a decimal, an int or a literal decimal as a float."""

    def __init__(self, arg, type_, scale=0):
        super().__init__([arg])
        self.type, self.scale, self.rank = type_, scale, arg.rank

    def write(self, out):
        self.args[0].write(out)

    @property
    def column(self):
        return self.args[0].column

    def value(self, row):
        value = self.args[0].value(row)
        if value is None:
            return None
        return float(value) if self.type == "float" else check_decimal(value, self.scale, self)


def as_type(node, type_, scale):
    if node.type == "null":
        return Literal(type_, None, "null", scale)
    if node.type == type_ and (type_ != "decimal" or node.scale == scale):
        return node
    return Convert(node, type_, scale)


class Prefix(Node):
    def __init__(self, sign, arg):
        super().__init__([arg])
        self.sign, self.type, self.scale = sign, arg.type, arg.scale
        self.rank = 3 if sign == "not" else 7

    def write(self, out):
        self.column = out.mark(self.sign)
        out.mark(" " if self.sign == "not" else "")
        # A sign before a literal number is part of the literal.
        self.args[0].put(out, 101 if self.sign == "-" and isinstance(self.args[0], Literal) else self.rank)

    def value(self, row):
        value = self.args[0].value(row)
        if value is None:
            return None
        if self.sign == "not":
            return not value
        return {"int": lambda: check_int(-value, self), "decimal": lambda: check_decimal(-value, self.scale, self), "float": lambda: 0.0 - value}[self.type]()


class Infix(Node):
    def __init__(self, sign, rank, args, type_, scale=0):
        super().__init__(args)
        self.sign, self.rank, self.type, self.scale = sign, rank, type_, scale

    def write(self, out):
        compares = self.rank == 4
        self.args[0].put(out, self.rank + compares)
        out.write(" ")
        self.column = out.mark(self.sign)
        out.write(" ")
        self.args[1].put(out, self.rank + 1)


class Arithmetic(Infix):
    def value(self, row):
        a, b = (arg.value(row) for arg in self.args)
        if a is None or b is None:
            return None
        if self.type == "string":
            return a + b
        if self.sign == "/" and b == 0:
            raise Fault("division-by-zero", self.column)
        if self.type == "time":
            return check_time(a + b if self.sign == "+" else a - b, self)
        if self.type == "float":
            return check_float({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[self.sign], self)
        result = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: Fraction(a) / Fraction(b)}[self.sign]()
        return check_int(result, self) if self.type == "int" else check_decimal(result, self.scale, self)


class Compare(Infix):
    def value(self, row):
        a, b = (arg.value(row) for arg in self.args)
        if a is None or b is None:
            return None
        if self.args[0].type == "string":
            a, b = a.encode(), b.encode()
        return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[self.sign]


class Logic(Infix):
    def value(self, row):
        decides = self.sign == "or"
        a = self.args[0].value(row)
        if a is decides:
            return decides
        b = self.args[1].value(row)
        if b is decides:
            return decides
        return None if a is None or b is None else not decides


class In(Node):
    rank = 4
    type = "bool"

    def __init__(self, args, negated):
        super().__init__(args)
        self.negated = negated

    def write(self, out):
        self.args[0].put(out, 5)
        out.write(" ")
        self.column = out.mark("not" if self.negated else "in")
        out.write(" in (" if self.negated else " (")
        for i, item in enumerate(self.args[1:]):
            out.write(", " if i else "")
            item.put(out, 0)
        out.write(")")

    def value(self, row):
        x, answer = self.args[0].value(row), False
        for item in self.args[1:]:
            value = item.value(row)
            if x is None or value is None:
                answer = None
            elif x == value:
                answer = True
                break
        return answer if answer is None or not self.negated else not answer


class IsNull(Node):
    rank = 4
    type = "bool"

    def __init__(self, arg, negated):
        super().__init__([arg])
        self.negated, self.nullable = negated, False

    def write(self, out):
        self.args[0].put(out, 5)
        out.write(" ")
        self.column = out.mark("is")
        out.write(" not null" if self.negated else " null")

    def value(self, row):
        return (self.args[0].value(row) is None) != self.negated


class Call(Node):
    def __init__(self, name, args, type_, scale=0):
        super().__init__(args)
        self.name, self.type, self.scale = name, type_, scale
        if name == "coalesce":
            self.nullable = all(a.nullable for a in args)
        if name == "if":
            self.nullable = args[1].nullable or args[2].nullable

    def write(self, out):
        self.column = out.mark(self.name)
        out.write("(")
        for i, arg in enumerate(self.args):
            out.write(", " if i else "")
            arg.put(out, 0)
        out.write(")")

    def value(self, row):
        if self.name == "if":
            return self.args[1 if self.args[0].value(row) else 2].value(row)
        if self.name == "coalesce":
            for arg in self.args:
                value = arg.value(row)
                if value is not None:
                    break
            return value
        values = [arg.value(row) for arg in self.args]
        if None in values:
            return None
        return getattr(self, "call_" + self.name)(*values)

    def call_lower(self, text):
        return simple_lower(text)

    def call_upper(self, text):
        return simple_upper(text)

    def call_starts_with(self, text, beginning):
        return text.startswith(beginning)

    def call_len(self, text):
        return len(text)

    def call_abs(self, number):
        return {"int": lambda: check_int(abs(number), self), "decimal": lambda: check_decimal(abs(number), self.scale, self), "float": lambda: abs(number)}[self.type]()

    def call_round(self, number, digits=None):
        if digits is None:
            return check_int(round(Fraction(number)), self)
        return check_decimal(Fraction(number), digits, self)

    def call_int(self, number):
        return check_int(int(number), self)

    def call_float(self, number):
        return float(number)


# ---------------------------------------------------------------------------------------------- making trees

SCOPE = [(f"{t[0]}{i}", t, s, n) for t, s, n, count in [
    ("int", 0, 0, 2), ("int", 0, 1, 2), ("decimal", 2, 0, 2), ("decimal", 2, 1, 1), ("decimal", 5, 0, 1), ("decimal", 0, 1, 1), ("decimal", 18, 0, 1), ("float", 0, 0, 2),
    ("float", 0, 1, 1), ("string", 0, 0, 2), ("string", 0, 1, 2), ("bool", 0, 0, 1), ("bool", 0, 1, 2), ("time", 0, 0, 2), ("time", 0, 1, 1), ("bytes", 0, 0, 1), ("bytes", 0, 1, 1),
] for i in range(count)]
SCOPE = [(f"{name}_{at}", type_, scale, bool(nullable)) for at, (name, type_, scale, nullable) in enumerate(SCOPE)]
METADATA = {"int": [("record.offset", 0)], "time": [("event_time", 1), ("record.timestamp", 1)], "string": [("record.key", 1), ('record.header("h")', 1), ("record.header('x')", 1)]}


def random_int():
    return random.choice([0, 1, 2, 3, 7, 10, 100, random.randint(0, 1000), random.getrandbits(31), random.getrandbits(62), INT_MAX])


def random_units():
    return random.choice([0, 1, 5, 50, 125, 1250, random.randint(0, 10**6), random.getrandbits(60), random.getrandbits(64), random.getrandbits(100), DIGITS - 1])


def quoted(text):
    quote = random.choice("\"'")
    escaped = "".join(f"\\{c}" if c in ("\\", quote) else c for c in text)
    return quote + escaped + quote


def literal(type_):
    sign = random.choice(["", "", "", "-"])
    factor = -1 if sign else 1
    if type_ == "int":
        value = random_int()
        return Literal("int", factor * value, sign + str(value))
    if type_ == "decimal":
        scale, units = random.choice([1, 2, 2, 3, 6, 18]), random_units()
        digits = str(units).rjust(scale + 1, "0")
        return Literal("decimal", Decimal(factor * units).scaleb(-scale), f"{sign}{digits[:-scale]}.{digits[-scale:]}", scale)
    if type_ == "float":
        text = f"{random.choice([0.1, 1.5, 3.0, 2.5, 1e10, 123.456])!r}e{random.choice([0, 0, 1, -3, 290])}" if random.random() < 0.8 else "1e0"
        return Literal("float", factor * float(text) + 0.0, sign + text)
    if type_ == "string":
        value = random.choice(STRINGS)
        return Literal("string", value, quoted(value))
    if type_ == "bool":
        value = random.random() < 0.5
        return Literal("bool", value, "true" if value else "false")
    return None


def leaf(type_):
    if random.random() < 0.3 and type_ in ("int", "decimal", "float", "string", "bool"):
        return literal(type_)
    if type_ in METADATA and random.random() < 0.15:
        name, nullable = random.choice(METADATA[type_])
        return Name(name, type_, 0, bool(nullable))
    return Name(*random.choice([entry for entry in SCOPE if entry[1] == type_]))


def number(depth):
    return tree(random.choice(["int", "decimal", "decimal", "float"]), depth)


def exact(depth):
    return tree(random.choice(["int", "decimal"]), depth)


def is_literal_decimal(node):
    return isinstance(node, Literal) and node.type == "decimal"


def make_int(depth):
    pick = random.random()
    if pick < 0.5:
        sign = random.choice("+-*")
        return Arithmetic(sign, 6 if sign == "*" else 5, [tree("int", depth), tree("int", depth)], "int")
    if pick < 0.58:
        return Prefix("-", tree("int", depth))
    if pick < 0.66:
        return Call("abs", [tree("int", depth)], "int")
    if pick < 0.74:
        return Call("len", [tree(random.choice(["string", "bytes"]), depth)], "int")
    if pick < 0.8:
        return Arithmetic("-", 5, [tree("time", depth), tree("time", depth)], "int")
    if pick < 0.9:
        return make_round(number(depth) if random.random() < 0.5 else make_product(depth, random.choice("*/"), True), None)
    return Call("int", [number(depth)], "int")


def make_product(depth, sign, free=False):
    """A product or quotient of exact numbers that is a decimal."""
    while True:
        args = [exact(depth), exact(depth)]
        if sign == "*" and all(a.type == "int" for a in args):
            continue
        scale = sum(a.scale for a in args) if sign == "*" else max(6, *(a.scale for a in args))
        if scale > 18 and not free:
            return None
        return Arithmetic(sign, 6, args, "decimal", scale)


def make_round(arg, digits):
    """round() around a product or quotient states its scale."""
    fusible = isinstance(arg, Arithmetic) and arg.type == "decimal" and arg.sign in "*/"
    wanted = 0 if digits is None else digits
    if fusible and (arg.sign == "/" or arg.scale > wanted):
        arg.scale = wanted
    if isinstance(arg, Arithmetic) and arg.type == "decimal" and arg.scale > 18:
        return None
    if digits is None:
        return Call("round", [arg], "int")
    return Call("round", [arg, Literal("int", digits, str(digits))], "decimal", digits)


def make_decimal(depth):
    pick = random.random()
    if pick < 0.3:
        args = [exact(depth), exact(depth)]
        if all(a.type == "int" for a in args):
            return None
        scale = max(a.scale for a in args)
        return Arithmetic(random.choice("+-"), 5, [as_type(a, "decimal", scale) for a in args], "decimal", scale)
    if pick < 0.6:
        return make_product(depth, random.choice("*/"))
    if pick < 0.7:
        arg = tree("decimal", depth)
        made = Prefix("-", arg) if random.random() < 0.5 else Call("abs", [arg], "decimal", arg.scale)
        return made
    digits = random.randint(0, 18)
    if pick < 0.85:
        return make_round(make_product(depth, random.choice("*/"), True), digits)
    return make_round(number(depth), digits)


def make_float(depth):
    pick = random.random()
    if pick < 0.7:
        sign = random.choice("+-*/")
        args = [tree("float", depth), tree(random.choice(["float", "int"]), depth) if random.random() < 0.8 else literal("decimal")]
        random.shuffle(args)
        return Arithmetic(sign, 6 if sign in "*/" else 5, [as_type(a, "float", 0) for a in args], "float")
    if pick < 0.8:
        return Prefix("-", tree("float", depth))
    if pick < 0.88:
        return Call("abs", [tree("float", depth)], "float")
    return Call("float", [number(depth)], "float")


def make_string(depth):
    pick = random.random()
    if pick < 0.5:
        return Arithmetic("+", 5, [tree("string", depth), tree("string", depth)], "string")
    return Call(random.choice(["lower", "upper"]), [tree("string", depth)], "string")


def pair(depth):
    """Two comparable trees."""
    type_ = random.choice(["int", "exact", "exact", "float", "string", "time", "bool", "bytes"])
    if type_ == "exact":
        args = [exact(depth), exact(depth)]
    elif type_ == "float":
        args = [tree("float", depth), tree(random.choice(["float", "int"]), depth) if random.random() < 0.8 else literal("decimal")]
        args = [as_type(a, "float", 0) for a in args]
    else:
        args = [tree(type_, depth), tree(type_, depth)]
    random.shuffle(args)
    return args


def make_bool(depth):
    pick = random.random()
    if pick < 0.4:
        args = pair(depth)
        ordered = args[0].type not in ("bool", "bytes")
        return Compare(random.choice(["==", "!=", "<", "<=", ">", ">="] if ordered else ["==", "!="]), 4, args, "bool")
    if pick < 0.65:
        sign = random.choice(["and", "or"])
        return Logic(sign, 2 if sign == "and" else 1, [tree("bool", depth), tree("bool", depth)], "bool")
    if pick < 0.75:
        return Prefix("not", tree("bool", depth))
    if pick < 0.8:
        return IsNull(tree(random.choice(["int", "decimal", "float", "string", "time", "bool", "bytes"]), depth), random.random() < 0.5)
    if pick < 0.85:
        return Call("starts_with", [tree("string", depth), tree("string", depth)], "bool")
    type_ = random.choice(["int", "string", "time", "exact"])
    args = [exact(depth) if type_ == "exact" else tree(type_, depth) for _ in range(random.randint(2, 5))]
    return In(args, random.random() < 0.4)


def make_time(depth):
    duration = random.choice([("1h", 3600 * 10**6), ("90s", 90 * 10**6), ("250ms", 250000), ("7d", 7 * 86400 * 10**6), ("1h30m", 5400 * 10**6)])
    by = Literal("int", duration[1], duration[0]) if random.random() < 0.6 else tree("int", depth)
    return Arithmetic(random.choice("+-"), 5, [tree("time", depth), by], "time")


def make_choice(type_, depth):
    name = random.choice(["if", "coalesce"])
    if type_ == "decimal":
        args = [tree("decimal", depth)] + [exact(depth) for _ in range(1 if name == "if" else random.randint(1, 3))]
    elif type_ == "float":
        args = [tree("float", depth), tree(random.choice(["float", "int"]), depth)]
    else:
        args = [tree(type_, depth) for _ in range(2 if name == "if" else random.randint(2, 3))]
    if random.random() < 0.15:
        args[-1] = Literal("null", None, "null")
    random.shuffle(args)
    scale = max(a.scale for a in args) if type_ == "decimal" else 0
    args = [as_type(a, type_, scale) for a in args]
    return Call(name, ([tree("bool", depth)] if name == "if" else []) + args, type_, scale)


MAKERS = {"int": make_int, "decimal": make_decimal, "float": make_float, "string": make_string, "bool": make_bool, "time": make_time}


def tree(type_, depth):
    if depth <= 0 or random.random() < 0.15 or type_ == "bytes":
        return leaf(type_)
    depth -= 1
    made = make_choice(type_, depth) if random.random() < 0.12 else MAKERS[type_](depth)
    return made or leaf(type_)


# ---------------------------------------------------------------------------------------------- comparing


def constant_fault(node):
    """What folding constants meets, innermost first."""
    for arg in node.args:
        fault = constant_fault(arg)
        if fault:
            return fault
    if node.constant and node.args:
        try:
            node.value({})
        except Fault as fault:
            return fault
    return None


WORDS = {"overflow": "the number does not fit", "division-by-zero": "a division by zero", "out-of-range": "a time beyond the years 1 to 9999"}


def expected(node, row):
    fault = constant_fault(node)
    if fault:
        return f"? {fault.column} this is an error for every event: {WORDS[fault.code]}"
    try:
        value = node.value(row)
    except Fault as fault:
        return f"! {fault.code} {fault.column}"
    return [node.type, node.scale if node.type == "decimal" else 0, int(node.nullable), value]


def show(value, type_, scale):
    if value is None:
        return "\\N"
    if type_ in ("string", "bytes"):
        return (value.encode() if type_ == "string" else value).hex()
    if type_ == "bool":
        return "true" if value else "false"
    if type_ == "decimal":
        return f"{value:.{scale}f}"
    return repr(value) if type_ == "float" else str(value)


def agrees(answer, want):
    if isinstance(want, str):
        return answer == want
    head, _, text = answer.partition("= ")
    if head or not answer.startswith("= "):
        return False
    type_, scale, nullable, value = text.split(" ", 3)
    if [type_, int(scale), int(nullable)] != want[:3]:
        return False
    if type_ == "float" and want[3] is not None:
        return value != "\\N" and float(value) == want[3]
    return value == show(want[3], type_, int(scale))


def random_value(type_, scale, nullable):
    if nullable and random.random() < 0.35:
        return None
    sign = random.choice([1, 1, 1, -1])
    if type_ == "int":
        return random.choice([sign * random_int(), INT_MIN])
    if type_ == "decimal":
        return Decimal(sign * random_units()).scaleb(-scale)
    if type_ == "float":
        return sign * random.choice([0.0, 0.1, 0.5, 1.0, 2.5, 1e16, 1e-300, 1.7e308, random.random() * 1000]) + 0.0
    if type_ == "string":
        return random.choice(STRINGS)
    if type_ == "bytes":
        return random.choice([b"", b"a", b"\x00\xff", b"refund"])
    if type_ == "bool":
        return random.random() < 0.5
    return random.choice([0, TIME_MIN, TIME_MAX, random.randint(0, 2 * 10**15)])


def random_row():
    row = {name: random_value(type_, scale, nullable) for name, type_, scale, nullable in SCOPE}
    cells = [show(row[name], type_, scale) for name, type_, scale, _ in SCOPE]
    row["record.offset"] = random.getrandbits(40)
    row["event_time"] = row["record.timestamp"] = random_value("time", 0, True)
    row["record.key"], row['record.header("h")'], row["record.header('x')"] = random_value("string", 0, True), random_value("string", 0, True), None
    cells += [str(row["record.offset"]), show(row["event_time"], "int", 0), show(row["record.key"], "string", 0), show(row['record.header("h")'], "string", 0)]
    return row, "\t".join(cells)


def every_code_point():
    """lower and upper of everything but ASCII's neighbours, against this Python's data: (code points, lines)."""
    points = [c for c in range(0x20, 0x30000) if not 0xD800 <= c < 0xE000 and chr(c) not in "\"\\\x7f" and c >= 0x80]
    return [points[i:i + 500] for i in range(0, len(points), 500)]


def run_batch(program, count):
    lines = [f"N {name} {type_} {scale} {int(nullable)}" for name, type_, scale, nullable in SCOPE]
    wanted = []
    for at in range(count):
        if at % 4 == 0:
            row, cells = random_row()
            lines.append("R " + cells)
        node = tree(random.choice(["int", "decimal", "decimal", "float", "string", "bool", "bool", "time"]), random.randint(1, 5))
        out = Text()
        node.put(out, 0)
        text = "".join(out.parts)
        lines.append("E " + text)
        wanted.append((text, cells, expected(node, row)))
    with tempfile.TemporaryFile() as given:
        given.write(("\n".join(lines) + "\n").encode())
        given.seek(0)
        answers = subprocess.run([program], stdin=given, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    assert len(answers) == len(wanted), (len(answers), len(wanted))
    tally = {"=": 0, "!": 0, "?": 0}
    for answer, (text, cells, want) in zip(answers, wanted):
        if not agrees(answer, want):
            print(f"expression: {text}\nrow:        {cells}\nanswer:     {answer}\nexpected:   {want}", file=sys.stderr)
            sys.exit(1)
        tally[answer[0]] += 1
    return tally


def check_case(program):
    """Every assigned code point of the table's Unicode version keeps its mapping in later ones."""
    lines, wanted = ["N s string 0 0"], []
    for points in every_code_point():
        text = "".join(map(chr, points))
        lines.append("R " + text.encode().hex() + "\t0\t\\N\t\\N\t\\N")
        lines += ["E lower(s)", "E upper(s)"]
        wanted += [simple_lower(text), simple_upper(text)]
    done = subprocess.run([program], input=("\n".join(lines) + "\n").encode(), stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    import unicodedata
    same = unicodedata.unidata_version == "14.0.0"
    for answer, want in zip(done, wanted):
        got = bytes.fromhex(answer.split(" ", 4)[4]).decode()
        assert got == want or not same, next((hex(ord(a)), hex(ord(b))) for a, b in zip(got, want) if a != b)


def main():
    program = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    long = bool(os.environ.get("REWIND_TEST_LONG"))
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000 if long else 20000
    random.seed(seed)
    check_case(program)
    total = {"=": 0, "!": 0, "?": 0}
    while sum(total.values()) < count:
        for kind, times in run_batch(program, min(20000, count - sum(total.values()))).items():
            total[kind] += times
    print(f"{total['=']} values, {total['!']} errors of events, {total['?']} errors of constants agree")
    assert total["="] > count / 3 and total["!"] > count / 50, "the expressions do not reach what they are for"


if __name__ == "__main__":
    main()
