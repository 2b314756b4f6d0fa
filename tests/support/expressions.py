"""Expressions of job files read a second time: text to the trees of tests/property/expr_oracle.py, which evaluate themselves with Python's numbers.

    expression = compile("amount * quantity", scope)      scope: {name: (type, scale)}
    expression.type, expression.scale, expression.value({"amount": Decimal("1.50"), "quantity": 3})

A fault is an expr_oracle.Fault, whose `code` is the word that stands in dead letters.
"""
import datetime
import json
import os
import re
import sys
from decimal import Decimal

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "property"))

from expr_oracle import Arithmetic, Call, Compare, Convert, Fault, In, IsNull, Literal, Logic, Name, Prefix, as_type  # noqa: E402,F401

METADATA = {"record.key": ("string", 0), "record.offset": ("int", 0), "record.timestamp": ("time", 0), "event_time": ("time", 0)}
TOKEN = re.compile(r"""\s*(?:(?P<duration>(?:\d+(?:us|ms|s|m|h|d))+(?![\w.]))|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
                   r"""|(?P<name>record\.\w+|\w+|`[^`]*`)|(?P<sign>==|!=|<=|>=|[-+*/<>(),]))""")
UNITS = {"us": 1, "ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
RANKS = {"or": 1, "and": 2, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4, "not": 4, "is": 4, "+": 5, "-": 5, "*": 6, "/": 6}


def text_of(token):
    if token[0] == "'":
        token = '"' + re.sub(r'\\.|"', lambda m: {"\\'": "'", '"': '\\"'}.get(m[0], m[0]), token[1:-1]) + '"'
    return json.loads(token)


def time_of(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return moment // datetime.timedelta(microseconds=1)


def common(nodes):
    """All of one type: an int beside a decimal is one, a number beside a float is one, a text beside a time is a time."""
    types = {n.type for n in nodes} - {"null"}
    if "float" in types:
        type_, scale = "float", 0
    elif "decimal" in types:
        type_, scale = "decimal", max(n.scale for n in nodes)
    elif "time" in types:
        type_, scale = "time", 0
    else:
        type_, scale = types.pop(), 0
    return [Literal("time", time_of(n.literal), n.text) if type_ == "time" and n.type == "string" else as_type(n, type_, scale) for n in nodes]


class Parser:
    def __init__(self, text, scope):
        self.text, self.scope, self.tokens, at = text, scope, [], 0
        while text[at:].strip():
            found = TOKEN.match(text, at)
            assert found, f"no token at {at} of {text!r}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()
        self.tokens.append(("end", ""))

    def peek(self, ahead=0):
        return self.tokens[min(ahead, len(self.tokens) - 1)][1]

    def take(self, wanted=None):
        kind, token = self.tokens.pop(0)
        assert wanted in (None, token), f"{token!r} instead of {wanted!r} in {self.text!r}"
        return kind, token

    def expression(self, least=0):
        left = self.prefix()
        while RANKS.get(self.peek(), -1) > least:
            left = self.infix(left)
        return left

    def infix(self, left):
        sign = self.take()[1]
        if sign == "is":
            negated = self.peek() == "not"
            if negated:
                self.take()
            self.take("null")
            return IsNull(left, negated)
        if sign in ("in", "not"):
            if sign == "not":
                self.take("in")
            return In(common([left] + self.arguments()), sign == "not")
        right = self.expression(RANKS[sign])
        if sign in ("or", "and"):
            return Logic(sign, RANKS[sign], [left, right], "bool")
        if RANKS[sign] == 4:
            return Compare(sign, 4, common([left, right]), "bool")
        return self.arithmetic(sign, left, right)

    def arithmetic(self, sign, a, b):
        types = {a.type, b.type}
        if types == {"time"}:
            return Arithmetic(sign, 5, [a, b], "int")
        if "time" in types or types == {"string"}:
            return Arithmetic(sign, 5, [a, b], "time" if "time" in types else "string")
        if "float" in types:
            return Arithmetic(sign, RANKS[sign], common([a, b]), "float")
        if types == {"int"} and sign != "/":
            return Arithmetic(sign, RANKS[sign], [a, b], "int")
        scale = {"*": a.scale + b.scale, "/": max(a.scale, b.scale, 6)}.get(sign, max(a.scale, b.scale))
        return Arithmetic(sign, RANKS[sign], [a, b], "decimal", scale)

    def prefix(self):
        if self.peek() in ("not", "-"):
            sign = self.take()[1]
            return Prefix(sign, self.expression(2 if sign == "not" else 6))
        return self.primary()

    def arguments(self):
        self.take("(")
        nodes = [self.expression()]
        while self.peek() == ",":
            self.take()
            nodes.append(self.expression())
        self.take(")")
        return nodes

    def primary(self):
        kind, token = self.take()
        if token == "(":
            node = self.expression()
            self.take(")")
            return node
        if kind == "duration":
            return Literal("int", sum(int(n) * UNITS[u] for n, u in re.findall(r"(\d+)([a-z]+)", token)), token)
        if kind == "number":
            if "e" in token.lower():
                return Literal("float", float(token), token)
            return Literal("decimal", Decimal(token), token, len(token.split(".")[1])) if "." in token else Literal("int", int(token), token)
        if kind == "string":
            return Literal("string", text_of(token), token)
        if token in ("true", "false", "null"):
            return Literal("null" if token == "null" else "bool", {"true": True, "false": False, "null": None}[token], token)
        if self.peek() == "(" and not token.startswith("`"):
            return self.call(token)
        name = token.strip("`")
        return Name(name, *(METADATA if token in METADATA else self.scope)[name], True)

    def call(self, name):
        args = self.arguments()
        if name in ("if", "coalesce"):
            args[name == "if":] = common(args[name == "if":])
            return Call(name, args, args[-1].type, args[-1].scale)
        if name == "round" and len(args) == 2:
            # The digits belong to a product or quotient that stands directly in it, which is rounded once.
            digits = args[1].literal
            if isinstance(args[0], Arithmetic) and args[0].sign in "*/" and args[0].type != "float":
                args[0].type, args[0].scale = "decimal", digits
            return Call(name, args, "decimal", digits)
        type_ = {"lower": "string", "upper": "string", "starts_with": "bool", "len": "int", "round": "int", "int": "int", "float": "float"}.get(name, args[0].type)
        return Call(name, args, type_, args[0].scale if type_ == "decimal" else 0)


def compile(text, scope):  # noqa: A001
    parser = Parser(text, scope)
    node = parser.expression()
    parser.take("")
    return node


def split_aggregate(text):
    """("sum", ["amount * quantity"], "kind == 1" or None) of `sum(amount * quantity) where kind == 1`."""
    name, rest = re.fullmatch(r"\s*(\w+)\s*\((.*)", text, re.S).groups()
    pieces, depth, at, begin = [], 1, 0, 0
    while depth:
        quoted = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`').match(rest, at)
        if quoted:
            at = quoted.end()
            continue
        depth += {"(": 1, ")": -1}.get(rest[at], 0)
        if depth == 0 or depth == 1 and rest[at] == ",":
            pieces.append(rest[begin:at].strip())
            begin = at + 1
        at += 1
    behind = rest[at:].strip()
    return name, [p for p in pieces if p], re.fullmatch(r"where\b(.*)", behind, re.S)[1] if behind else None
