"""What two states differ in, and what a reader of outputs would see change: calculated from two runs of the oracle."""
import decimal
import json

import oracle


def key_text(table, key):
    """As output records have it."""
    if len(table.key) == 1:
        return oracle.value_text(key[0], table.key[0].kind, table.key[0].scale)
    bare = ("int", "decimal", "float", "bool")
    return "[" + ",".join(
        "null" if v is None else oracle.value_text(v, f.kind, f.scale) if f.kind in bare else json.dumps(oracle.value_text(v, f.kind, f.scale), ensure_ascii=False)
        for f, v in zip(table.key, key)) + "]"


def token(table, row, name):
    """A column as JSON; of no row, or no such column, null."""
    names = [c.name for c in table.shown]
    if row is None or name not in names:
        return "null"
    column = table.shown[names.index(name)]
    return oracle.value_json(row[names.index(name)], column.kind, column.scale)


def number(text):
    return decimal.Decimal(0) if text == "null" else decimal.Decimal(text)


def is_number(*columns):
    return all(c.kind in ("int", "decimal") for c in columns if c is not None)


def of_tables(a, b, name):
    """{key text: (change, {column: (old, new, delta)})}, all as JSON texts; delta None where there is none."""
    ta, tb = a.job.tables[name], b.job.tables[name]
    found = {}
    columns = {c.name: [None, None] for c in [*tb.shown, *ta.shown]}
    for side, table in enumerate((ta, tb)):
        for c in table.shown:
            columns[c.name][side] = c
    for key in {*a.tables[name], *b.tables[name]}:
        x, y = a.tables[name].get(key), b.tables[name].get(key)
        changed = {}
        for column, kinds in columns.items():
            old, new = token(ta, x, column), token(tb, y, column)
            if old != new:
                changed[column] = (old, new, number(new) - number(old) if is_number(*kinds) else None)
        if changed or x is None or y is None:
            found[key_text(tb, key)] = ("added" if x is None else "vanished" if y is None else "changed", changed)
    return found


def of_views(a, b):
    """For each sink, by place: {key as texts: (old answers or None, new answers or None)} of those that differ."""
    found = []
    for old_sink, new_sink in zip(a.job.sinks, b.job.sinks):
        old, new = a.view(old_sink), b.view(new_sink)
        found.append({key: (old.get(key), new.get(key)) for key in {*old, *new} if old.get(key) != new.get(key)})
    return found


def history(segments, data=None, until=None, amendments=()):
    """The oracle over a history: `segments` is [(first offset, Job)], the first from the beginning on; amendments as a file has them."""
    jobs = [job for _, job in segments]
    expected = oracle.Expected(jobs[0])
    header, records = oracle.records(jobs[0], data if isinstance(data, bytes) else open(data or jobs[0].source_path, "rb").read())
    at = {}
    for a in amendments:
        kind = next(k for k in ("skip", "replace", "insert") if k in a)
        at.setdefault(a[kind], []).append((kind, a))
    switches = dict(segments[1:])
    for offset, raw in records:
        if until is not None and offset >= until:
            break
        if offset in switches:
            change_logic(expected, switches[offset])
        value = raw
        for kind, a in at.get(offset, []):
            if kind == "insert":
                expected.take(offset, a["value"].encode(), header)
            else:
                value = a["value"].encode() if kind == "replace" else None
        if value is not None:
            expected.take(offset, value, header)
    return expected


def change_logic(expected, job):
    """From here on this one decides; rows that are there are its own from now on. Tables have the same names, keys and aggregates."""
    expected.job = job

    def anew(name, row):
        return row and oracle.Row(job.tables[name], row.states, row.key)

    for kept in (expected.tables, expected.last):
        for name, rows in kept.items():
            for key in rows:
                rows[key] = anew(name, rows[key])
    for name, closed in expected.closed.items():
        closed[:] = [(offset, key, anew(name, row)) for offset, key, row in closed]
