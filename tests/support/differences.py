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
    job = segments[0][1]
    header, records = oracle.records(job, data if isinstance(data, bytes) else open(data or job.source_path, "rb").read())
    return over(segments, ((offset, (raw, header)) for offset, raw in records), until, amendments)


def history_of_messages(segments, messages, until=None, amendments=()):
    """The same over what was read from a partition."""
    return over(segments, ((m.offset(), (m.value(), None, oracle.message_bytes(m.timestamp()[1], m.key(), m.value(), m.headers() or []), m.key(), m.timestamp()[1] * 1000))
                           for m in messages), until, amendments)


def over(segments, records, until, amendments):
    jobs, amended = list(segments), oracle.Amendments(amendments)
    expected = oracle.Expected(jobs[0][1])
    for offset, record in records:
        if until is not None and offset >= until:
            break
        while len(jobs) > 1 and offset >= jobs[1][0]:
            jobs.pop(0)
            expected.become(jobs[0][1])
        for number, insert in enumerate(amended.before(offset)):
            expected.take(offset, oracle.bytes_of_amendment(insert), *record[1:2], inserted=number)
        expected.take(offset, *record, amended=amended.instead.get(offset))
    return expected


def why(old, new, name, key, positions):
    """Offsets behind which the rows of a key differ, with both: [(offset, JSON or None, JSON or None)]. `positions`: where each side stands."""
    rows, found = [{}, {}], []
    for side, run in enumerate((old, new)):
        for offset, k, row in run.events[name]:
            if k == key and offset < positions[side]:
                rows[side][offset] = row and oracle.row_json(run.job.tables[name], range(len(run.job.tables[name].shown)), key, row)
    now = [None, None]
    for offset in sorted({*rows[0], *rows[1]}):
        now = [rows[side].get(offset, now[side]) for side in (0, 1)]
        if now[0] != now[1]:
            found.append((offset, *now))
    return found
