// Windows, sessions among them, and remembered ids in the pipeline against a model of theirs: random events, commits with every outcome, also between the windows that one record
// closes, checkpoints, lives that end anywhere, going back inside the process, too little memory.
//
// Whatever happens, once the input is read to its end: what was published of closed windows is the model's, row for row (E1); so are the dead letters and
// the newest values of the others, the rows that are left, and the digest is that of an uninterrupted run.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"
#include "operator/sink/memory.h"
#include "operator/source/memory.h"
#include "state/dead.h"
#include "state/reader.h"
#include "state/row.h"
#include "tests/support/random.h"
#include "tests/unit/test.h"

#define EVENTS_MAX 3000
#define WINDOWS_MAX 60000
#define SECOND INT64_C(1000000)
#define BASE_S INT64_C(1700000000)
#define WITHIN_S 40
#define NEVER INT64_MIN

static test_random dice;
static uint64_t draw(uint64_t below) { return test_random_below(&dice, below); }

// ---------------------------------------------------------------------------------------------- the model

// The tables of the job, in seconds.
static const struct table { int64_t size, advance, grace, retain; bool closes, sessions; } tables[] = {
    {10, 10, 3, 60, true, false},
    {9, 3, 0, 5, false, false},
    {20, 20, 5, 5, true, false},
    {3, 3, 30, 45, true, true},
};
#define TABLES (sizeof tables / sizeof *tables)

typedef struct window {
    size_t table;
    unsigned key;
    int64_t start, end, count, sum;
    bool closed, left, gone;   // gone: a session that vanished into another
} window;

typedef struct closing { window row; int64_t offset; } closing;

typedef struct event { unsigned key; int64_t time, amount; size_t id; } event;

typedef struct model {
    window windows[WINDOWS_MAX];
    size_t count;
    closing closings[WINDOWS_MAX];
    size_t closing_count, left, gone;
    int64_t dead[EVENTS_MAX];
    size_t dead_count;
    int64_t ids[EVENTS_MAX];   // moment
    int64_t now;
    uint64_t late, twice;
} model;

static int64_t closes(const window *w) { return w->end + tables[w->table].grace; }
static int64_t leaves(const window *w) { return w->end + tables[w->table].retain; }

static int by_close(const void *a, const void *b) {
    const window *x = &((const closing *)a)->row, *y = &((const closing *)b)->row;
    if (closes(x) != closes(y)) return closes(x) < closes(y) ? -1 : 1;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    char left[16], right[16];
    snprintf(left, sizeof left, "k%u", x->key);
    snprintf(right, sizeof right, "k%u", y->key);
    return strcmp(left, right);
}

static void model_move(model *m, int64_t now, int64_t offset) {
    if (now <= m->now) return;
    m->now = now;
    size_t first = m->closing_count;
    for (size_t i = 0; i < m->count; i++) {
        window *w = &m->windows[i];
        if (w->gone) continue;
        if (!w->closed && closes(w) <= now) {
            w->closed = true;
            if (tables[w->table].closes) m->closings[m->closing_count++] = (closing){*w, offset};
        }
        if (!w->left && leaves(w) <= now) {
            w->left = true;
            m->left++;
        }
    }
    qsort(m->closings + first, m->closing_count - first, sizeof *m->closings, by_close);
}

static window *model_window(model *m, size_t table, unsigned key, int64_t start) {
    for (size_t i = m->count; i-- > 0;)
        if (m->windows[i].table == table && m->windows[i].key == key && m->windows[i].start == start) return &m->windows[i];
    assert_true(m->count < WINDOWS_MAX);
    m->windows[m->count] = (window){.table = table, .key = key, .start = start, .end = start + tables[table].size};
    return &m->windows[m->count++];
}

static int64_t first_start(const struct table *t, int64_t time) {
    int64_t start = time / t->advance * t->advance;
    while (start - t->advance + t->size > time) start -= t->advance;
    return start;
}

// The open sessions of the event's key that its own would overlap, in no order. Returns how many.
static size_t model_sessions(model *m, size_t table, const event *e, window **out) {
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        window *w = &m->windows[i];
        if (w->table != table || w->key != e->key || w->gone || closes(w) <= m->now) continue;
        if (w->start < e->time + tables[table].size && e->time < w->end) out[count++] = w;
    }
    return count;
}

static void model_join(model *m, size_t table, const event *e) {
    window *joined[8], made = {.table = table, .key = e->key, .start = e->time, .end = e->time + tables[table].size, .count = 1, .sum = e->amount};
    size_t count = model_sessions(m, table, e, joined);
    for (size_t i = 0; i < count; i++) {
        made.start = joined[i]->start < made.start ? joined[i]->start : made.start;
        made.end = joined[i]->end > made.end ? joined[i]->end : made.end;
        made.count += joined[i]->count;
        made.sum += joined[i]->sum;
        joined[i]->gone = true;
    }
    for (size_t i = 0; i < count; i++) {
        if (joined[i]->start != made.start) continue;
        *joined[i] = made;
        m->gone += count - 1;
        return;
    }
    m->gone += count;
    assert_true(m->count < WINDOWS_MAX);
    m->windows[m->count++] = made;
}

static bool model_takes(model *m, size_t table, const event *e) {
    int64_t newest = e->time / tables[table].advance * tables[table].advance;
    if (!tables[table].sessions) return newest + tables[table].size + tables[table].grace > m->now;
    if (e->time + tables[table].size + tables[table].grace > m->now) return true;
    window *joined[8];
    size_t count = model_sessions(m, table, e, joined);
    for (size_t i = 0; i < count; i++)
        if (joined[i]->start <= e->time) return true;
    return false;
}

// An event that a table has no open window for is late; such a one goes to the dead letters whole, or else only to the tables that take it.
static void model_add(model *m, const event *e, int64_t offset, bool drop) {
    if (m->ids[e->id] != NEVER && m->ids[e->id] + WITHIN_S > m->now) {
        m->twice++;
        return;
    }
    size_t taken = 0;
    for (size_t t = 0; t < TABLES; t++) taken += model_takes(m, t, e);
    if (taken == 0 || (taken < TABLES && !drop)) {
        m->late++;
        if (!drop) m->dead[m->dead_count++] = offset;
        return;
    }
    for (size_t t = 0; t < TABLES; t++) {
        if (tables[t].sessions && model_takes(m, t, e)) model_join(m, t, e);
        if (tables[t].sessions) continue;
        for (int64_t start = first_start(&tables[t], e->time); start <= e->time; start += tables[t].advance) {
            if (start + tables[t].size + tables[t].grace <= m->now) continue;
            window *w = model_window(m, t, e->key, start);
            w->count++;
            w->sum += e->amount;
        }
    }
    model_move(m, e->time, offset);
    m->ids[e->id] = m->now;
}

// ---------------------------------------------------------------------------------------------- events

typedef struct world {
    char dir[64];
    rwd_memory_record records[EVENTS_MAX];
    char *texts[EVENTS_MAX];
    size_t count;
    model truth;
    rwd_job *job;
    rwd_memory_disk disk;
    rwd_sink *sink;
    rwd_sink_ops ops;
    const rwd_sink_ops *real;
    rwd_clock clock;
    atomic_int_fast64_t ns;
    uint64_t hot;     // bytes; 0: what the job has
    bool violent, held;
    unsigned lives, sessions, partial;   // partial: commits with windows still to close
} world;

static world *playing;  // ops of a sink have no context
static unsigned sessions;
static size_t bridged;

typedef struct plan { size_t count; unsigned keys; int64_t step_ms; unsigned leap; bool drop; uint64_t hot; const char *delivery; } plan;

static void make_events(world *w, const plan *p) {
    int64_t offset = 0, now_ms = BASE_S * 1000;
    w->count = p->count;
    w->truth.now = NEVER;
    for (size_t i = 0; i < EVENTS_MAX; i++) w->truth.ids[i] = NEVER;
    for (size_t i = 0; i < p->count; i++) {
        now_ms += (int64_t)draw((uint64_t)(2 * p->step_ms + 1));
        if (draw(p->leap) == 0) now_ms += (int64_t)draw(200) * 1000;
        int64_t time = now_ms / 1000 - (draw(4) == 0 ? (int64_t)draw(50) : 0);
        event e = {.key = (unsigned)draw(p->keys), .time = time, .amount = (int64_t)draw(1000), .id = i > 0 && draw(6) == 0 ? draw(i) : i};
        offset += 1 + (draw(10) == 0 ? (int64_t)draw(3) : 0);
        w->texts[i] = rwd_strf("{\"id\":\"e%zu\",\"key\":\"k%u\",\"ts\":%" PRId64 ",\"amount\":%" PRId64 "}", e.id, e.key, e.time, e.amount);
        w->records[i] = (rwd_memory_record){.offset = offset, .time_us = RWD_TIME_NONE, .value = w->texts[i]};
        model_add(&w->truth, &e, offset, p->drop);
    }
}

// ---------------------------------------------------------------------------------------------- the operator in that world

#define JOB \
    "job: model\n" \
    "source: {file: {path: in.jsonl}, format: json}\n" \
    "event: {id: id, time: {field: ts, format: epoch-s}, late: %s, dedup: {within: 40s}, fields: {id: string, key: string, amount: int}}\n" \
    "tables:\n" \
    "  tens: {key: key, window: {tumbling: 10s, grace: 3s, retain: 60s}, aggregates: {n: count(), s: sum(amount)}}\n" \
    "  hops: {key: key, window: {hopping: 9s, advance: 3s, grace: 0s, retain: 5s}, aggregates: {n: count(), s: sum(amount)}}\n" \
    "  twenties: {key: key, window: {tumbling: 20s, grace: 5s, retain: 5s}, aggregates: {n: count(), s: sum(amount)}}\n" \
    "  visits: {key: key, window: {session: 3s, grace: 30s, retain: 45s}, aggregates: {n: count(), s: sum(amount)}}\n" \
    "sinks:\n" \
    "  - {table: tens, file: {path: tens.jsonl}, format: json, emit: close}\n" \
    "  - {table: hops, file: {path: hops.jsonl}, format: json}\n" \
    "  - {table: twenties, file: {path: twenties.jsonl}, format: json, emit: close}\n" \
    "  - {table: tens, file: {path: changes.jsonl}, format: json}\n" \
    "  - {table: visits, file: {path: visits.jsonl}, format: json, emit: close}\n" \
    "  - {table: visits, file: {path: open.jsonl}, format: json}\n" \
    "errors: {dead_letter: {file: {path: dead.jsonl}}}\n" \
    "state: {path: %s, memory: 64MiB}\n" \
    "checkpoints: {every: 1s, keep: {last: 3}}\n" \
    "delivery: {%s}\n" \
    "http: {listen: off}\n"

// Time goes on a little with every look at it: commits and checkpoints fall due anywhere.
static int64_t monotonic_ns(rwd_clock *clock) {
    world *w = (world *)(void *)((uint8_t *)clock - offsetof(world, clock));
    return atomic_fetch_add(&w->ns, 5000000) + 1;
}
static int64_t wall_us(rwd_clock *clock) { return BASE_S * SECOND + monotonic_ns(clock) / 1000; }
static void sleep_ns(rwd_clock *clock, int64_t ns) { atomic_fetch_add(&((world *)(void *)((uint8_t *)clock - offsetof(world, clock)))->ns, ns); }

static rwd_source *open_source(void *context) {
    world *w = context;
    return rwd_memory_source_new(w->records, w->count, w->violent || w->truth.count ? 1 + draw(60) : w->count);
}

static void let_go(world *w, rwd_commit_outcome outcome) {
    if (w->held) rwd_memory_sink_release(w->sink, outcome, draw(2) == 0);
    w->held = false;
}

// Between the windows that one record closes no one else is asked: a life can end here.
static rwd_commit_outcome poll(rwd_sink *self, rwd_commit *out, rwd_error *err) {
    world *w = playing;
    if (w->violent && draw(50) == 0) {
        let_go(w, RWD_COMMIT_UNKNOWN);
        rwd_fail(err, RWD_E_FENCED, "the test ends this life");
        return RWD_COMMIT_FENCED;
    }
    if (w->held && draw(3) == 0) let_go(w, w->violent && draw(4) == 0 ? RWD_COMMIT_UNKNOWN : RWD_COMMIT_COMMITTED);
    return w->real->poll(self, out, err);
}

static void commit_async(rwd_sink *self, const rwd_commit *commit) {
    world *w = playing;
    w->partial += commit->closings > 0 && commit->closings % RWD_CLOSE_BOUNDARY == 0;
    if (!w->held && draw(3) == 0) {
        rwd_memory_sink_hold(self);
        w->held = true;
    }
    w->real->commit_async(self, commit);
}

static void wait_for(rwd_sink *self, int64_t timeout_ns) {
    let_go(playing, RWD_COMMIT_COMMITTED);
    playing->real->wait(self, timeout_ns);
}

static rwd_sink *open_sink(void *context) {
    world *w = context;
    w->held = false;
    w->sessions++;
    w->sink = rwd_memory_sink_new(w->job, &w->disk);
    w->real = w->sink->ops;
    w->ops = *w->real;
    w->ops.poll = poll;
    w->ops.commit_async = commit_async;
    w->ops.wait = wait_for;
    w->sink->ops = &w->ops;
    return w->sink;
}

static bool at_batch(void *context, rwd_operator *op) {
    (void)op;
    world *w = context;
    if (!w->violent || draw(25) != 0) return true;
    let_go(w, RWD_COMMIT_UNKNOWN);
    return false;
}

// One life. True: it came to the end of the input.
static bool live(world *w) {
    rwd_operator_options options = {.job = w->job, .clock = &w->clock};
    rwd_operator_hooks hooks = {.open_source = open_source, .open_sink = open_sink, .at_batch = at_batch, .context = w};
    rwd_operator *op = NULL;
    rwd_error err;
    playing = w;
    assert_true(rwd_operator_new_with(&options, &hooks, &op, &err));
    if (w->hot) op->budget.limit[RWD_SHARE_HOT] = w->hot;
    if (!rwd_operator_open(op, &err)) fail_msg("open: %s", err.cause);
    bool ended = rwd_operator_run(op, &err);
    if (!ended && err.code != RWD_E_FENCED && err.decision != RWD_ROLLBACK) fail_msg("%s: %s (%s)", err.place, err.cause, rwd_code_name(err.code));
    rwd_operator_free(op);
    w->lives++;
    return ended;
}

// ---------------------------------------------------------------------------------------------- comparing

static void expect_row(const world *w, const rwd_memory_row *row, const window *want) {
    const rwd_schema *schema = &w->job->tables[want->table].schema;
    uint8_t key[RWD_KEY_BYTES_MAX];
    char name[16];
    snprintf(name, sizeof name, "k%u", want->key);
    rwd_value parts[] = {{.s = rwd_slice_str(name), .present = true}, {.i = want->start * SECOND, .present = true}}, n, s;
    size_t size = rwd_key_encode(schema, parts, key);
    assert_true(rwd_slice_equal(rwd_slice_of(row->key, row->key_size), rwd_slice_of(key, size)));
    rwd_row_read(schema, 0, row->row, &n);
    rwd_row_read(schema, 1, row->row, &s);
    assert_int_equal(n.i, want->count);
    assert_int_equal(s.i, want->sum);
    assert_int_equal(rwd_row_window_end(schema, want->start * SECOND, row->row), want->end * SECOND);
}

// Those of one table, in order.
static void expect_closings(const world *w, size_t sink, size_t table) {
    size_t at = 0;
    for (size_t i = 0; i < w->disk.row_count; i++) {
        const rwd_memory_row *row = &w->disk.rows[i];
        if (row->sink != sink) continue;
        while (at < w->truth.closing_count && w->truth.closings[at].row.table != table) at++;
        assert_true(at < w->truth.closing_count);
        expect_row(w, row, &w->truth.closings[at].row);
        assert_int_equal(row->offset, w->truth.closings[at].offset);
        at++;
    }
    for (; at < w->truth.closing_count; at++) assert_true(w->truth.closings[at].row.table != table);
}

static int by_key(const void *a, const void *b) {
    const rwd_memory_row *x = *(const rwd_memory_row *const *)a, *y = *(const rwd_memory_row *const *)b;
    int order = rwd_slice_compare(rwd_slice_of(x->key, x->key_size), rwd_slice_of(y->key, y->key_size));
    return order ? order : x < y ? -1 : x > y;
}

// The newest value of every window that ever was: one that left is no tombstone, a session that vanished into another is one.
static void expect_view(const world *w, size_t sink, size_t table) {
    const rwd_schema *schema = &w->job->tables[table].schema;
    const rwd_memory_row **rows = rwd_calloc(w->disk.row_count + 1, sizeof *rows);
    size_t count = 0, kept = 0, wanted = 0;
    for (size_t i = 0; i < w->disk.row_count; i++)
        if (w->disk.rows[i].sink == sink) rows[count++] = &w->disk.rows[i];
    qsort(rows, count, sizeof *rows, by_key);
    for (size_t i = 0; i < count; i++) {
        bool newest = i + 1 == count || !rwd_slice_equal(rwd_slice_of(rows[i]->key, rows[i]->key_size), rwd_slice_of(rows[i + 1]->key, rows[i + 1]->key_size));
        assert_true(rows[i]->row || tables[table].sessions);
        if (newest && rows[i]->row) rows[kept++] = rows[i];
    }
    for (size_t i = 0; i < w->truth.count; i++) {
        const window *want = &w->truth.windows[i];
        if (want->table != table || want->gone) continue;
        wanted++;
        uint8_t key[RWD_KEY_BYTES_MAX];
        char name[16];
        snprintf(name, sizeof name, "k%u", want->key);
        rwd_value parts[] = {{.s = rwd_slice_str(name), .present = true}, {.i = want->start * SECOND, .present = true}};
        rwd_memory_row sought = {.key = key, .key_size = rwd_key_encode(schema, parts, key)};
        size_t low = 0, high = kept;
        while (low < high) {
            size_t middle = (low + high) / 2;
            int order = rwd_slice_compare(rwd_slice_of(rows[middle]->key, rows[middle]->key_size), rwd_slice_of(sought.key, sought.key_size));
            if (order < 0) low = middle + 1;
            else high = middle;
        }
        assert_true(low < kept);
        expect_row(w, rows[low], want);
    }
    assert_int_equal(kept, wanted);
    free(rows);
}

static void expect_outputs(const world *w) {
    expect_closings(w, 0, 0);
    expect_view(w, 1, 1);
    expect_closings(w, 2, 2);
    expect_view(w, 3, 0);
    expect_closings(w, 4, 3);
    expect_view(w, 5, 3);
    assert_int_equal(w->disk.dead_count, w->truth.dead_count);
    for (size_t i = 0; i < w->truth.dead_count; i++) assert_int_equal(w->disk.dead_offsets[i], w->truth.dead[i]);
    assert_int_equal(w->disk.commit.next_offset, w->records[w->count - 1].offset + 1);
    assert_int_equal(w->disk.commit.input_count, w->count);
}

// Keys that have open sessions: each of them has a list.
static size_t model_lists(const model *m) {
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        const window *w = &m->windows[i];
        bool listed = tables[w->table].sessions && !w->gone && !w->closed, first = true;
        for (size_t k = 0; listed && k < i; k++) {
            const window *other = &m->windows[k];
            first = first && !(tables[other->table].sessions && !other->gone && !other->closed && other->key == w->key);
        }
        count += listed && first;
    }
    return count;
}

static rwd_hash128 newest_digest(const world *w) {
    char data[4096], dir[4096];
    static rwd_digest scanned;
    rwd_io *io = NULL;
    rwd_repo *repo = NULL;
    rwd_checkpoint checkpoint;
    rwd_reader_db *reader = NULL;
    rwd_hash128 ids, dead;
    rwd_error err;
    uint64_t keys = 0;
    assert_true(rwd_job_data_path(w->job, data, &err) && rwd_io_pread_new(&io, &err));
    assert_true(rwd_repo_open_reader(data, io, rwd_clock_system(), &repo, &err) && rwd_repo_find(repo, "latest", &checkpoint, &err));
    assert_int_equal(checkpoint.facts.next_offset, w->records[w->count - 1].offset + 1);
    assert_int_equal(checkpoint.facts.closings, w->disk.commit.closings);
    assert_int_equal(checkpoint.facts.counts.duplicate, w->truth.twice);
    assert_int_equal(checkpoint.facts.counts.late, w->truth.late);
    assert_true(rwd_repo_checkpoint_path(repo, checkpoint.id, dir, &err) && rwd_state_open(dir, &reader, &err));
    assert_true(rwd_state_scan_digest(reader, &scanned, &keys, &err));
    assert_int_equal(keys, w->truth.count - w->truth.left - w->truth.gone + model_lists(&w->truth));
    if (!rwd_dedup_scan_digest(dir, &ids, &err) || !rwd_dead_scan_digest(dir, &dead, &err)) fail_msg("%s", err.cause);
    rwd_hash128 digest = rwd_hash128_add(rwd_hash128_add(rwd_digest_root(&scanned), ids), dead);
    assert_true(rwd_hash128_equal(digest, checkpoint.digest));  // kept up from dirty keys, and from scratch
    rwd_state_close(reader);
    rwd_checkpoint_deinit(&checkpoint);
    rwd_repo_close(repo);
    rwd_io_free(io);
    return digest;
}

static world *world_of(const char *job, const char *first, const char *delivery, uint64_t hot) {
    world *w = rwd_calloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/rewind-windows-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    rwd_error err;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    char *text = rwd_strf(job, first, w->dir, delivery);
#pragma GCC diagnostic pop
    if (!rwd_job_parse("model", rwd_slice_str(text), NULL, 0, &w->job, &err)) fail_msg("%s: %s", err.place, err.cause);
    free(text);
    w->clock = (rwd_clock){monotonic_ns, wall_us, sleep_ns};
    w->hot = hot;
    return w;
}

static world *new_world(uint64_t seed, const plan *p) {
    world *w = world_of(JOB, p->drop ? "drop" : "dead-letter", p->delivery, p->hot);
    dice = test_random_of(seed);
    make_events(w, p);
    return w;
}

static void free_world(world *w) {
    rwd_error err;
    assert_true(rwd_remove_tree(w->dir, &err));
    for (size_t i = 0; i < w->count; i++) free(w->texts[i]);
    rwd_memory_disk_deinit(&w->disk);
    rwd_job_free(w->job);
    free(w);
}

// The same events twice: lives that end anywhere, and one that does not. Returns commits that fell between closings.
static unsigned compare_lives(uint64_t seed, const plan *p) {
    world *calm = new_world(seed, p), *wild = new_world(seed, p);
    assert_true(live(calm));
    expect_outputs(calm);
    wild->violent = true;
    while (!live(wild))
        if (wild->lives > 60) wild->violent = false;
    expect_outputs(wild);
    rwd_hash128 a = newest_digest(calm), b = newest_digest(wild);
    assert_true(rwd_hash128_equal(a, b));
    assert_true(calm->truth.late > 0 && calm->truth.twice > 0 && calm->truth.left > 0);
    bridged += calm->truth.gone;
    unsigned partial = wild->partial;
    sessions += wild->sessions;
    free_world(calm);
    free_world(wild);
    return partial;
}

static uint64_t seeds(uint64_t usual) { return getenv("REWIND_TEST_LONG") ? usual * 10 : usual; }

static void windows_close_once_and_in_order_whatever_happens(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= seeds(5); seed++) {
        plan p = {.count = 300 + seed % 8 * 100, .keys = 10, .step_ms = 400, .leap = 60, .drop = seed % 2, .delivery = "commit_every: 20ms"};
        (void)compare_lives(seed, &p);
    }
    assert_true(sessions > 2 * seeds(5) && bridged > 20);
}

static void many_that_close_at_one_record_span_transactions(void **state) {
    (void)state;
    unsigned partial = 0;
    for (uint64_t seed = 31; seed < 31 + seeds(2); seed++) {
        plan p = {.count = 2500, .keys = 5000, .step_ms = 2, .leap = 1000, .drop = seed % 2, .delivery = "commit_every: 5ms"};
        partial += compare_lives(seed, &p);
    }
    assert_true(partial > 2);
}

static void with_commits_fixed_to_offsets_too(void **state) {
    (void)state;
    for (uint64_t seed = 51; seed < 51 + seeds(2); seed++) {
        plan p = {.count = 1200, .keys = 40, .step_ms = 100, .leap = 200, .drop = seed % 2, .delivery = "commit_at: {offset_multiple: 41}"};
        (void)compare_lives(seed, &p);
    }
}

static void with_hardly_any_memory_too(void **state) {
    (void)state;
    for (uint64_t seed = 71; seed < 71 + seeds(1); seed++) {
        plan p = {.count = 2500, .keys = 5000, .step_ms = 2, .leap = 1000, .hot = 5u << 20, .delivery = "commit_every: 20ms"};
        (void)compare_lives(seed, &p);
    }
}

#define WIDE_JOB \
    "job: wide\n" \
    "source: {file: {path: in.jsonl}, format: json}\n" \
    "event: {time: {field: ts, format: epoch-s}, fields: {key: string, a: int}}\n" \
    "tables:\n  wide: {key: key, window: {hopping: 256s, advance: 1s, retain: %s}, aggregates: {a: mean(a), b: min(a), c: max(a), d: sum(a), e: first(a), f: last(a), " \
    "g: variance(a), h: mean(a), i: first(a), j: last(a), k: variance(a), l: variance(a)}}\n" \
    "sinks:\n  - {table: wide, file: {path: wide.jsonl}, format: json, emit: update}\n" \
    "state: {path: %s, memory: 64MiB}\n" \
    "delivery: {%s}\n" \
    "http: {listen: off}\n"

// 256 windows each: the keys of a full group are more than the memory holds, those of a few records are not.
static void a_group_that_memory_cannot_hold_goes_in_parts(void **state) {
    (void)state;
    world *w = world_of(WIDE_JOB, "10d", "commit_every: 20ms", 8u << 20);
    dice = test_random_of(91);
    w->count = 90;
    for (size_t i = 0; i < w->count; i++) {
        w->texts[i] = rwd_strf("{\"key\":\"k%zu\",\"a\":1,\"ts\":%" PRId64 "}", i, BASE_S);
        w->records[i] = (rwd_memory_record){.offset = (int64_t)i, .time_us = RWD_TIME_NONE, .value = w->texts[i]};
    }
    assert_true(live(w));
    assert_int_equal(w->disk.row_count, w->count * 256);
    assert_int_equal(w->disk.commit.next_offset, w->count);
    free_world(w);
}

int main(void) {
    rwd_log_setup(RWD_LOG_SILENT, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_close_once_and_in_order_whatever_happens),
        cmocka_unit_test(many_that_close_at_one_record_span_transactions),
        cmocka_unit_test(with_commits_fixed_to_offsets_too),
        cmocka_unit_test(with_hardly_any_memory_too),
        cmocka_unit_test(a_group_that_memory_cannot_hold_goes_in_parts),
    };
    return cmocka_run_group_tests_name("pipeline_windows", tests, NULL, NULL);
}
