"""Random message types, random messages of them, and the jobs that read them: with the protobuf package, without a line of Rewind.

    kind = Kind(random.Random(7))       a descriptor set and its message
    kind.descriptor_set()               bytes, as protoc writes them
    kind.fields()                       fields of a job, by name
    kind.message(pick)                  a random message
    kind.event(raw)                     what an event must hold, or oracle.Fault
"""
import decimal
import math

import oracle
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import DecodeError

F = descriptor_pb2.FieldDescriptorProto
INTS = ["INT32", "INT64", "UINT32", "UINT64", "SINT32", "SINT64", "FIXED32", "FIXED64", "SFIXED32", "SFIXED64"]
SCALARS = INTS + ["BOOL", "STRING", "BYTES", "FLOAT", "DOUBLE", "ENUM"]
RANGES = {"INT32": (-2**31, 2**31 - 1), "SINT32": (-2**31, 2**31 - 1), "SFIXED32": (-2**31, 2**31 - 1), "UINT32": (0, 2**32 - 1), "FIXED32": (0, 2**32 - 1),
          "INT64": (-2**63, 2**63 - 1), "SINT64": (-2**63, 2**63 - 1), "SFIXED64": (-2**63, 2**63 - 1), "UINT64": (0, 2**64 - 1), "FIXED64": (0, 2**64 - 1)}
TEXTS = ["", "a", "Ünï", "日本", "12.50", "-3", "x" * 200, "\0", "🎈"]
NUMBERS = [0, 1, -1, 127, 128, 300, 2**31 - 1, -2**31, 2**32 - 1, 2**53 + 1, 2**63 - 1, -2**63, 2**64 - 1]
REALS = [0.0, -0.0, 1.5, -2.25, 0.1, 1e300, -1e-300, 3.4e38, math.inf, math.nan]


def type_name(field):
    return F.Type.Name(field.type)[5:]


class Kind:
    """package t; message Outer with scalars of every kind, submessages, oneofs, repeated fields; syntax proto2 or proto3."""

    def __init__(self, pick, syntax):
        self.pick, self.syntax = pick, syntax
        file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax=syntax, dependency=["google/protobuf/timestamp.proto"])
        if syntax == "proto2":
            file.ClearField("syntax")
        kind = file.enum_type.add(name="Color")
        for name, number in [("NONE", 0), ("RED", 1), ("BLUE", -5), ("GREEN", 70000)]:
            kind.value.add(name=name, number=number)
        inner = file.message_type.add(name="Inner")
        self.fill(inner, 6, [])
        other = file.message_type.add(name="Other")
        self.fill(other, 5, [".t.Inner"])
        self.outer = file.message_type.add(name="Outer")
        self.fill(self.outer, 14, [".t.Inner", ".t.Other", ".google.protobuf.Timestamp"])
        self.file = file
        pool = descriptor_pool.DescriptorPool()
        timestamp = descriptor_pb2.FileDescriptorProto()
        timestamp_pb2.DESCRIPTOR.CopyToProto(timestamp)
        pool.Add(timestamp)
        pool.Add(file)
        self.timestamp = timestamp
        self.type = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Outer"))
        self.job = {}

    def fill(self, message, count, messages):
        pick = self.pick
        numbers = pick.sample([*range(1, 40), 127, 128, 300, 5000, 2**29 - 1], count)
        oneofs = pick.randrange(3)
        for i in range(oneofs):
            message.oneof_decl.add(name=f"one{i}")
        optional = []
        for i, number in enumerate(numbers):
            field = message.field.add(name=f"f{i}", number=number, label=F.LABEL_OPTIONAL)
            name = pick.choice(SCALARS + ["MESSAGE"] * 4 if messages else SCALARS)
            field.type = F.Type.Value("TYPE_" + name)
            if name == "MESSAGE":
                field.type_name = pick.choice(messages)
            if name == "ENUM":
                field.type_name = ".t.Color"
            if pick.randrange(4) == 0:
                field.label = F.LABEL_REPEATED
                if name not in ("STRING", "BYTES", "MESSAGE"):
                    field.options.packed = pick.random() < 0.5
            elif oneofs and pick.randrange(2):
                field.oneof_index = pick.randrange(oneofs)
            elif self.syntax == "proto3" and name != "MESSAGE" and pick.randrange(3) == 0:
                field.proto3_optional = True
                optional.append(field)
            elif self.syntax == "proto2" and name != "MESSAGE" and pick.randrange(2):
                field.default_value = self.default(name)
        used = {f.oneof_index for f in message.field if f.HasField("oneof_index")}
        for i in range(oneofs):   # a oneof has a member
            if i not in used:
                message.field.add(name=f"m{i}", number=60 + i, label=F.LABEL_OPTIONAL, type=F.TYPE_BOOL, oneof_index=i)
        for field in optional:    # synthetic ones come last
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")

    def default(self, name):
        pick = self.pick
        if name in INTS:
            low, high = RANGES[name]
            return str(pick.choice([n for n in NUMBERS if low <= n <= high]))
        return {"BOOL": "true", "STRING": pick.choice(["12.50", "Ünï", 'a"\\b']), "BYTES": "a\\000\\377\\n\\\"", "FLOAT": pick.choice(["1.5", "inf", "-0.25"]),
                "DOUBLE": pick.choice(["0.1", "nan", "1e+300"]), "ENUM": "GREEN"}[name]

    def descriptor_set(self):
        return descriptor_pb2.FileDescriptorSet(file=[self.timestamp, self.file]).SerializeToString()

    # -------------------------------------------------------------------------------------------- paths and fields of the job
    def paths(self, message, prefix, depth):
        """(path, FieldDescriptor) of all that a path can name."""
        for field in message.fields:
            path = prefix + field.name + (f"[{self.pick.randrange(3)}]" if field.is_repeated else "")
            yield path, field
            if field.message_type and depth < 3:
                yield from self.paths(field.message_type, path + ".", depth + 1)

    def repeated(self):
        """(path, message type) of what event.each can name."""
        for path, field in self.paths(self.type.DESCRIPTOR, "", 0):
            if field.is_repeated and field.message_type:
                yield path[:path.rindex("[")], field.message_type

    def fields(self, count=7, root=None, prefix="", name="j"):
        """Fields of a job over random paths, each of a type that its kind can be."""
        kinds = {F.TYPE_BOOL: ["bool"], F.TYPE_STRING: ["string", "decimal(2)"], F.TYPE_BYTES: ["bytes"], F.TYPE_FLOAT: ["float"], F.TYPE_DOUBLE: ["float"],
                 F.TYPE_ENUM: ["string", "int"]}
        paths = [(p, f) for p, f in self.paths(root or self.type.DESCRIPTOR, prefix, 0)]
        found = {}
        for path, field in self.pick.sample(paths, min(len(paths), 3 * count)):
            if field.message_type and field.message_type.full_name != "google.protobuf.Timestamp":
                continue
            given = {"type": self.pick.choice(kinds.get(field.type, ["int", "decimal(3)", "float", "time"])), "path": path}
            if field.message_type:
                given = {"type": "time", "format": "protobuf-timestamp", "path": path}
            elif given["type"] == "time":
                given["format"] = self.pick.choice(["epoch-s", "epoch-ms", "epoch-us", "epoch-ns"])
            found[f"{name}{len(found)}"] = given
            if len(found) == count:
                break
        return found

    # -------------------------------------------------------------------------------------------- messages
    def value(self, field, pick):
        name = type_name(field)
        if name in INTS:
            low, high = RANGES[name]
            return pick.choice([pick.randrange(low, high + 1), pick.choice([n for n in NUMBERS if low <= n <= high])])
        if name in ("FLOAT", "DOUBLE"):
            return pick.choice(REALS + [pick.uniform(-1e6, 1e6)])
        if name == "ENUM":
            return pick.choice([0, 1, -5, 70000] + ([3] if self.syntax == "proto3" and pick.randrange(8) == 0 else []))
        return {"BOOL": pick.random() < 0.5, "STRING": pick.choice(TEXTS), "BYTES": pick.randbytes(pick.randrange(5))}[name]

    def set(self, message, pick, depth=0):
        for field in message.DESCRIPTOR.fields:
            if pick.randrange(5) == 0:
                continue
            if field.message_type:
                for _ in range(pick.randrange(4) if field.is_repeated else 1):
                    inside = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
                    if field.message_type.full_name == "google.protobuf.Timestamp":
                        inside.seconds = pick.choice([0, -1, 1700000000, 253402300799, 253402300800, -62135596800, pick.randrange(-10**10, 10**10)])
                        inside.nanos = pick.choice([0, 1, 999, 1000, 999999999, -1, pick.randrange(10**9)])
                        inside.SetInParent()
                    else:
                        inside.SetInParent()
                        self.set(inside, pick, depth + 1)
            elif field.is_repeated:
                getattr(message, field.name).extend(self.value(field, pick) for _ in range(pick.randrange(4)))
            else:
                setattr(message, field.name, self.value(field, pick))

    def message(self, pick):
        """Bytes of a message. Now and then two of them one behind the other, which merge."""
        out = b""
        for _ in range(2 if pick.randrange(4) == 0 else 1):
            message = self.type()
            self.set(message, pick)
            out += message.SerializeToString(deterministic=True)
        return out


def end_of(message, path):
    """(message or list that holds it, FieldDescriptor, index) of a path; None if something on the way is absent."""
    *way, last = path.split(".")
    for step in way:
        name, _, index = step.rstrip("]").partition("[")
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.is_repeated:
            if int(index) >= len(getattr(message, name)):
                return None
            message = getattr(message, name)[int(index)]
        else:
            if not message.HasField(name):
                return None
            message = getattr(message, name)
    name, _, index = last.rstrip("]").partition("[")
    return message, message.DESCRIPTOR.fields_by_name[name], int(index or 0)


def found_at(message, path):
    """The value that a path names, as the protobuf package has it, and its field; (None, None): absent."""
    place = end_of(message, path)
    if place is None:
        return None, None
    message, field, index = place
    values = getattr(message, field.name)
    if field.is_repeated:
        return (values[index], field) if index < len(values) else (None, None)
    if field.has_presence and not message.HasField(field.name) and not field.has_default_value:
        return None, None
    return values, field


def value_of(message, field):
    """The value of a job's field, or oracle.Fault. A path that begins with a dot is the element's own."""
    found, at = found_at(message, field.path.lstrip("."))
    if at is None:
        return field.absent()
    if field.kind == "time":
        if field.format == "protobuf-timestamp":
            us = found.seconds * 10**6 + found.nanos // 1000
            if not 0 <= found.nanos < 10**9 or not oracle.TIME_MIN <= us <= oracle.TIME_MAX:
                raise oracle.Fault("out-of-range", field.path)
            return us
        if not oracle.INT_MIN <= found <= oracle.INT_MAX:
            raise oracle.Fault("out-of-range", field.path)
        return oracle.time_of(str(found), field)
    if field.kind == "float":
        value = float(found) + 0.0
        if not math.isfinite(value):
            raise oracle.Fault("out-of-range", field.path)
        return value
    if field.kind == "int":
        if not oracle.INT_MIN <= found <= oracle.INT_MAX:
            raise oracle.Fault("out-of-range", field.path)
        return int(found)
    if field.kind == "decimal":
        return oracle.number_of(found, field) if isinstance(found, str) else decimal.Decimal(found)
    if field.kind == "string" and at.enum_type:
        if found not in at.enum_type.values_by_number:
            raise oracle.Fault("wrong-type", field.path)
        return at.enum_type.values_by_number[found].name
    return found


def decode(message_class, job, raw):
    message = message_class()
    try:
        message.ParseFromString(raw)
    except DecodeError:
        raise oracle.Fault("malformed") from None
    if job.each is None:
        return event_of(job, message, None)
    place = end_of(message, job.each)
    elements = getattr(place[0], place[1].name) if place else []
    if len(elements) > oracle.EVENTS_MAX:
        raise oracle.Fault("too-large")
    return [oracle.attempt(event_of, job, message, element) for element in elements]


def event_of(job, message, element):
    return {field.name: value_of(element if field.path[0] == "." else message, field) for field in job.fields.values()}


def class_of(path, name):
    """The class of a message, from a file that holds a descriptor set."""
    with open(path, "rb") as f:
        found = descriptor_pb2.FileDescriptorSet.FromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def places(kind):
    """Where a message stands in its file: its number, or the numbers of those around it and its own."""
    if kind.containing_type:
        return [*places(kind.containing_type), list(kind.containing_type.nested_types).index(kind)]
    return [list(kind.file.message_types_by_name.values()).index(kind)]


def zigzag(number):
    return varint(number << 1)


def framed(message_class, raw, schema=7):
    """As Confluent's serializers write it."""
    place = places(message_class.DESCRIPTOR)
    where = b"\0" if place == [0] else zigzag(len(place)) + b"".join(map(zigzag, place))
    return b"\0" + schema.to_bytes(4, "big") + where + raw


def unframed(message_class, raw):
    if len(raw) < 5 or raw[0] != 0:
        raise oracle.Fault("malformed")
    frame = framed(message_class, b"")[5:]
    if not raw[5:].startswith(frame):
        raise oracle.Fault("wrong-type" if len(raw) > 5 else "malformed")
    return raw[5 + len(frame):]


# ------------------------------------------------------------------------------------------------ files
def varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def delimited(messages):
    return b"".join(varint(len(m)) + m for m in messages)


def split(data):
    """Messages, each behind its length."""
    at = 0
    while at < len(data):
        size = shift = 0
        while True:
            size |= (data[at] & 127) << shift
            shift += 7
            at += 1
            if data[at - 1] < 128:
                break
        yield data[at:at + size]
        at += size
