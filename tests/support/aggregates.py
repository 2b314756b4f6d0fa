"""Aggregates, calculated a second time: from the formats that stand at the top of state/aggregate_*.c, without a line of Rewind.

    mean = aggregates.make("mean", "decimal", 2, [])
    state = mean.empty
    state = mean.update(state, decimal.Decimal("1.25"), (time_us, offset, ordinal))    a new state, or aggregates.Fault
    mean.encode(state)      the cell's canonical bytes
    mean.answer(state)      of mean.kind and mean.scale; a list is its JSON text
    mean.variable           the cell is a tail

Values are as in oracle.py: str, bytes, int, Decimal, bool, float, times as microseconds.
"""
import decimal
import fractions
import math
import struct

import xxhash

decimal.getcontext().prec = 200

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
WIDE_MIN, WIDE_MAX = -(2**127), 2**127 - 1
NO_TIME = INT_MIN


class Fault(Exception):
    """The word that stands in the dead letter."""


def units(value, kind, scale):
    return int(value.scaleb(scale)) if kind == "decimal" else int(value)


def value_of(number, kind, scale):
    return decimal.Decimal(number).scaleb(-scale) if kind == "decimal" else number


def fixed_bytes(value, kind, scale):
    """As a fixed cell has it: little-endian."""
    if kind == "float":
        return struct.pack("<d", value)
    if kind == "bool":
        return bytes([value])
    return units(value, kind, scale).to_bytes(16 if kind == "decimal" else 8, "little", signed=True)


def plain_bytes(value, kind, scale):
    if kind == "string":
        return value.encode()
    if kind == "bytes":
        return value
    if kind == "bool":
        return bytes([value])
    if kind == "float":
        bits = struct.unpack(">Q", struct.pack(">d", value))[0]
        return struct.pack(">Q", bits ^ (2**64 - 1 if bits >> 63 else 2**63))
    size = 16 if kind == "decimal" else 8
    return (units(value, kind, scale) + 2**(8 * size - 1)).to_bytes(size, "big")


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def finite(value):
    if math.isinf(value) or math.isnan(value):
        raise Fault("overflow")
    return value + 0.0


def wide(number):
    if not WIDE_MIN <= number <= WIDE_MAX:
        raise Fault("overflow")
    return number


class Aggregate:
    """A cell of one column. `kind` and `scale` are the answer's, `arg` and `arg_scale` the argument's."""

    def __init__(self, arg, arg_scale, given):
        self.arg, self.arg_scale = arg, arg_scale if arg == "decimal" else 0
        self.kind, self.scale = arg, self.arg_scale
        self.variable = False
        self.set_up(given)

    def set_up(self, given):
        assert not given

    def update(self, state, value, when):
        return state if value is None else self.take(state, value, when)


class Count(Aggregate):
    empty = 0

    def set_up(self, given):
        self.kind, self.scale = "int", 0

    def update(self, state, value, when):
        return state + 1

    def encode(self, state):
        return state.to_bytes(8, "little")

    def answer(self, state):
        return state


class Sum(Aggregate):
    @property
    def empty(self):
        return value_of(0, self.arg, 0) if self.arg != "float" else 0.0

    def take(self, state, value, when):
        if self.arg == "float":
            return finite(state + value)
        number = units(state + value, self.arg, self.arg_scale)
        if not (WIDE_MIN if self.arg == "decimal" else INT_MIN) <= number <= (WIDE_MAX if self.arg == "decimal" else INT_MAX):
            raise Fault("overflow")
        return state + value

    def encode(self, state):
        return fixed_bytes(state, self.arg, self.arg_scale)

    def answer(self, state):
        return state


class Kept(Aggregate):
    """One value, with what decides about it."""
    empty = None

    def set_up(self, given):
        assert not given
        self.variable = self.arg in ("string", "bytes")

    def take(self, state, value, when):
        return (value, when) if state is None or self.better(value, when, *state) else state

    def answer(self, state):
        return None if state is None else state[0]

    def text(self, state):
        return plain_bytes(state[0], self.arg, self.arg_scale)

    def value_size(self):
        return {"decimal": 16, "bool": 1}.get(self.arg, 8)


class Min(Kept):
    def better(self, value, when, old, _):
        return plain_bytes(value, self.arg, self.arg_scale) < plain_bytes(old, self.arg, self.arg_scale)

    def encode(self, state):
        if self.variable:
            return b"" if state is None else b"\1" + self.text(state)
        return bytes(1 + self.value_size()) if state is None else b"\1" + fixed_bytes(state[0], self.arg, self.arg_scale)


class Max(Min):
    def better(self, value, when, old, _):
        return plain_bytes(value, self.arg, self.arg_scale) > plain_bytes(old, self.arg, self.arg_scale)


class First(Kept):
    def better(self, value, when, old, moment):
        return when < moment

    def encode(self, state):
        if state is None:
            return b"" if self.variable else bytes(21 + self.value_size())
        moment = struct.pack("<qqI", *state[1])
        return moment + self.text(state) if self.variable else b"\1" + moment + fixed_bytes(state[0], self.arg, self.arg_scale)


class Last(First):
    def better(self, value, when, old, moment):
        return when > moment


def half_even(fraction):
    return round(fraction)  # Python's rounds a Fraction half-even, exactly


class Mean(Aggregate):
    def set_up(self, given):
        if self.arg == "float":
            self.empty = (0, 0.0)
            return
        self.empty = (0, 0)
        self.kind = "decimal"
        self.scale = given[0] if given else 6 if self.arg == "int" else min(self.arg_scale + 4, 18)

    def take(self, state, value, when):
        count, total = state
        if self.arg == "float":
            return count + 1, finite(total + value)
        number = units(value, self.arg, self.arg_scale)
        if abs(number) * 10**max(self.scale - self.arg_scale, 0) > WIDE_MAX:
            raise Fault("overflow")
        return count + 1, wide(total + number)

    def encode(self, state):
        count, total = state
        return struct.pack("<Q", count) + (struct.pack("<d", total) if self.arg == "float" else total.to_bytes(16, "little", signed=True))

    def answer(self, state):
        count, total = state
        if count == 0:
            return None
        if self.arg == "float":
            return total / count + 0.0
        exact = fractions.Fraction(total, 10**self.arg_scale) / count
        return decimal.Decimal(half_even(exact * 10**self.scale)).scaleb(-self.scale)


class Variance(Aggregate):
    root, population = False, False

    def set_up(self, given):
        if self.arg == "float":
            self.empty = (0, 0.0, 0.0)
            return
        self.empty = (0, 0, 0)
        self.kind = "decimal"
        self.scale = given[0] if given else 6 if self.arg == "int" else min(self.arg_scale + 4, 18)

    def limit(self):
        """The greatest magnitude in units whose answer is sure to fit."""
        if self.root:
            return WIDE_MAX // 2 // 10**max(self.scale - self.arg_scale, 0)
        more = self.scale - 2 * self.arg_scale
        most = WIDE_MAX // 2 * 10**-more if more < 0 else WIDE_MAX // 2 // 10**more
        root = math.isqrt(most)
        root += most - root * root > root  # to the nearest
        return min(max(root - 1, 0), WIDE_MAX // 2)

    def take(self, state, value, when):
        if self.arg == "float":
            count, mean, differences = state
            difference = value - mean
            following = mean + difference / (count + 1)
            return count + 1, finite(following), finite(differences + difference * (value - following))
        count, total, squares = state
        number = units(value, self.arg, self.arg_scale)
        if abs(number) > self.limit():
            raise Fault("overflow")
        if squares + number * number >= 2**256:
            raise Fault("overflow")
        return count + 1, wide(total + number), squares + number * number

    def encode(self, state):
        if self.arg == "float":
            return struct.pack("<Qdd", *state)
        count, total, squares = state
        return struct.pack("<Q", count) + total.to_bytes(16, "little", signed=True) + squares.to_bytes(32, "little")

    def answer(self, state):
        count = state[0]
        if count < (1 if self.population else 2):
            return None
        if self.arg == "float":
            variance = state[2] / (count if self.population else count - 1)
            return math.sqrt(variance) if self.root else variance
        _, total, squares = state
        variance = (fractions.Fraction(squares) - fractions.Fraction(total * total, count)) / (count if self.population else count - 1) / 10**(2 * self.arg_scale)
        if not self.root:
            return decimal.Decimal(half_even(variance * 10**self.scale)).scaleb(-self.scale)
        deviation = (decimal.Decimal(variance.numerator) / decimal.Decimal(variance.denominator)).sqrt()
        return deviation.quantize(decimal.Decimal(1).scaleb(-self.scale), rounding=decimal.ROUND_HALF_EVEN)


class StdDev(Variance):
    root = True


class VariancePop(Variance):
    population = True


class StdDevPop(Variance):
    root, population = True, True


def leading(number, width):
    """Leading zeros of so many bits, and one."""
    return width - number.bit_length() + 1


class Distinct(Aggregate):
    empty = ("entries", {})

    def set_up(self, given):
        self.precision = given[0] if given else 12
        self.kind, self.scale, self.variable = "int", 0, True

    def take(self, state, value, when):
        hashed = xxhash.xxh3_64_intdigest(plain_bytes(value, self.arg, self.arg_scale))
        form, held = state
        if form == "registers":
            return form, self.raised(held, hashed >> 38, leading(hashed % 2**38, 38))
        prefix, rank = hashed >> 38, leading(hashed % 2**38, 38)
        if held.get(prefix, 0) >= rank:
            return state
        held = {**held, prefix: rank}
        if len(held) <= 2**self.precision // 8:
            return form, held
        registers = bytes(2**self.precision)
        for prefix, rank in held.items():
            registers = self.raised(registers, prefix, rank)
        return "registers", registers

    def raised(self, registers, prefix, rank):
        width = 26 - self.precision
        index, between = prefix >> width, prefix % 2**width
        rank = leading(between, width) if between else width + rank
        return registers if registers[index] >= rank else registers[:index] + bytes([rank]) + registers[index + 1:]

    def encode(self, state):
        form, held = state
        if form == "registers":
            return b"\2" + held
        return b"\1" + b"".join(struct.pack("<I", p << 6 | r) for p, r in sorted(held.items())) if held else b""

    def answer(self, state):
        form, held = state
        if form == "entries":
            return len(held)
        # Ertl's algorithm 6.
        m, q = len(held), 64 - self.precision
        counts = [held.count(k) for k in range(q + 2)]
        z = m * self.tau((m - counts[q + 1]) / m)
        for k in range(q, 0, -1):
            z = 0.5 * (z + counts[k])
        z += m * self.sigma(counts[0] / m)
        return int(0.7213475204444817 * m * m / z + 0.5)

    @staticmethod
    def sigma(x):
        if x == 1:
            return math.inf
        y, z = 1.0, x
        while True:
            x *= x
            before, z = z, z + x * y
            y += y
            if z == before:
                return z

    @staticmethod
    def tau(x):
        if x in (0, 1):
            return 0.0
        y, z = 1.0, 1 - x
        while True:
            x = math.sqrt(x)
            y *= 0.5
            before, z = z, z - (1 - x) * (1 - x) * y
            if z == before:
                return z / 3


class Quantile(Aggregate):
    """The bins of every value are kept; what the bound of 1024 does follows from them."""
    empty = {}
    BINS = 1024

    def set_up(self, given):
        self.millionths = int(decimal.Decimal(given[0]).scaleb(6))
        self.variable = True

    def bin_of(self, value):
        if self.arg == "float":
            bits = struct.unpack("<Q", struct.pack("<d", abs(value)))[0] >> 46
            return -bits if value < 0 else bits
        number = units(value, self.arg, self.arg_scale)
        size = abs(number)
        if size >= 128:
            shift = size.bit_length() - 7
            size = 64 * shift + (size >> shift)
        return -size if number < 0 else size

    def middle(self, place):
        size = abs(place)
        if self.arg == "float":
            found = struct.unpack("<d", struct.pack("<Q", size << 46 | 1 << 45))[0] if size else 0.0
            return -found if place < 0 else found
        if size >= 128:
            shift = size // 64 - 1
            size = ((64 + size % 64) << shift) + (1 << (shift - 1))
        greatest = WIDE_MAX if self.arg == "decimal" else INT_MAX
        number = max(-size, -greatest - (self.arg == "int")) if place < 0 else min(size, greatest)
        return value_of(number, self.arg, self.arg_scale)

    def take(self, state, value, when):
        place = self.bin_of(value)
        return {**state, place: state.get(place, 0) + 1}

    def kept(self, state):
        places = sorted(state)
        low = places[-self.BINS:][0]
        return [(p, state[p] if p > low else sum(state[x] for x in places if x <= low)) for p in places[-self.BINS:]]

    def encode(self, state):
        out, before = b"", None
        for place, count in self.kept(state) if state else []:
            step = place - before if before is not None else 2 * place if place >= 0 else -2 * place - 1
            out += varint(step) + varint(count)
            before = place
        return out

    def answer(self, state):
        if not state:
            return None
        rank = self.millionths * (sum(state.values()) - 1) // 10**6
        for place, count in self.kept(state):
            rank -= count
            if rank < 0:
                return self.middle(place)


class TopK(Aggregate):
    empty = {}
    write = None  # how a value looks in JSON: oracle.value_json

    def set_up(self, given):
        self.k = int(given[0])
        self.counters = max(self.k, int(given[1]) if len(given) > 1 else 10 * self.k)
        self.kind, self.scale, self.variable = "list", 0, True

    @staticmethod
    def ordered(state):
        return sorted(state.items(), key=lambda item: (-item[1][0], item[0]))

    def take(self, state, value, when):
        plain = plain_bytes(value, self.arg, self.arg_scale)
        state = dict(state)
        if plain in state:
            count, error, value = state[plain]
            state[plain] = (count + 1, error, value)
        elif len(state) < self.counters:
            state[plain] = (1, 0, value)
        else:
            lost, (least, _, _) = self.ordered(state)[-1]
            del state[lost]
            state[plain] = (least + 1, least, value)
        return state

    def encode(self, state):
        out = b""
        for plain, (count, error, _) in self.ordered(state):
            out += varint(count) + varint(error) + (varint(len(plain)) if self.arg in ("string", "bytes") else b"") + plain
        return out

    def answer(self, state):
        cells = []
        for _, (count, error, value) in self.ordered(state)[:self.k]:
            cells.append('{"value":' + TopK.write(value, self.arg, self.arg_scale) + f',"count":{count}' + (f',"error":{error}' if error else "") + "}")
        return "[" + ",".join(cells) + "]"


FAMILIES = {"count": Count, "sum": Sum, "min": Min, "max": Max, "mean": Mean, "first": First, "last": Last, "variance": Variance, "stddev": StdDev,
            "variance_pop": VariancePop, "stddev_pop": StdDevPop, "distinct": Distinct, "quantile": Quantile, "topk": TopK}


def make(name, kind, scale, given):
    """`given`: the literals behind the field, as text or numbers."""
    given = [g if name == "quantile" else int(g) for g in given]
    return FAMILIES[name](kind, scale, given)


def row_bytes(cells):
    """The canonical bytes of a row: (aggregate, state) of its columns, in order."""
    fixed, tails = b"", b""
    for aggregate, state in cells:
        encoded = aggregate.encode(state)
        if aggregate.variable:
            fixed += struct.pack("<I", len(encoded))
            tails += encoded
        else:
            fixed += encoded
    if len(fixed) + len(tails) > 65536:
        raise Fault("too-large")
    return fixed + tails
