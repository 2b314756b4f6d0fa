// Counts of violations (invariants.h).
//
// The file of a checkpoint, `invariants`: one frame (checkpoints/frame.h) "RWIV" whose payload is
//   16   hash of the invariants that were counted (rwd_invariants_hash)
//   4    how many, and for each of them:
//        8    keys that violate it
//        4    examples, and for each:  16 hash of (table, key); 4 + n key as text; 4 + n row as text
// Integers are little-endian.
#include "operator/pipeline/invariants.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/frame.h"
#include "operator/base/fs.h"
#include "operator/base/log.h"
#include "state/reader.h"

#define FILE_NAME "invariants"
#define MAGIC "RWIV"
#define VERSION 1
#define FILE_BYTES_MAX (1u << 20)
// Keys that are remembered by name: one is shown, the others stand in when that one is well again.
#define EXAMPLES_MAX 4
// An invariant that keeps being violated by new keys is said so again at most this often.
#define SAY_AGAIN_NS 60000000000LL

typedef struct example {
    rwd_hash128 hash;  // of table and key
    char key[RWD_INVARIANT_TEXT_MAX];
    char row[RWD_INVARIANT_TEXT_MAX];
} example;

typedef struct counted {
    uint64_t keys;     // that violate it
    size_t example_count;
    example examples[EXAMPLES_MAX];  // the newest last
} counted;

struct rwd_watch {
    rwd_participant participant;
    const rwd_job *job;
    rwd_clock *clock;
    rwd_tables *tables;
    rwd_answers answers;
    counted *now, *frozen;   // one for each invariant
    uint64_t *said_keys;     // as the log last had it,
    int64_t *said_ns;        // and when; 0: never
    uint32_t begun;          // violated by a key since the last judgement that was well before
    bool silent;
    int64_t from;            // where the open transaction begins
    uint32_t parking;        // of those that park: violated by a key of the open transaction
    example parked;          // the first of these keys
};

static const rwd_participant_ops watch_ops;

rwd_watch *rwd_watch_new(const rwd_job *job, rwd_clock *clock, rwd_tables *tables) {
    if (job->invariant_count == 0) return NULL;
    rwd_watch *watch = rwd_calloc(1, sizeof *watch);
    watch->participant.ops = &watch_ops;
    watch->job = job;
    watch->clock = clock;
    watch->tables = tables;
    watch->now = rwd_calloc(job->invariant_count, sizeof *watch->now);
    watch->frozen = rwd_calloc(job->invariant_count, sizeof *watch->frozen);
    watch->said_keys = rwd_calloc(job->invariant_count, sizeof *watch->said_keys);
    watch->said_ns = rwd_calloc(job->invariant_count, sizeof *watch->said_ns);
    return watch;
}

void rwd_watch_free(rwd_watch *watch) {
    if (!watch) return;
    rwd_answers_deinit(&watch->answers);
    free(watch->now);
    free(watch->frozen);
    free(watch->said_keys);
    free(watch->said_ns);
    free(watch);
}

rwd_participant *rwd_watch_participant(rwd_watch *watch) { return &watch->participant; }

// ---- one key

static rwd_hash128 hash_of(uint16_t table, rwd_slice key) { return rwd_hash128_of(key.data, key.size, table); }

static example *find_example(counted *c, rwd_hash128 hash) {
    for (size_t i = 0; i < c->example_count; i++)
        if (rwd_hash128_equal(c->examples[i].hash, hash)) return &c->examples[i];
    return NULL;
}

static void forget_example(counted *c, rwd_hash128 hash) {
    example *at = find_example(c, hash);
    if (!at) return;
    size_t behind = (size_t)(c->examples + c->example_count - at) - 1;
    memmove(at, at + 1, behind * sizeof *at);
    c->example_count--;
}

// The newest one stands last; the oldest makes room.
static void keep_example(counted *c, const example *one) {
    forget_example(c, one->hash);
    if (c->example_count == EXAMPLES_MAX) {
        memmove(c->examples, c->examples + 1, (EXAMPLES_MAX - 1) * sizeof *c->examples);
        c->example_count--;
    }
    c->examples[c->example_count++] = *one;
}

static void note(rwd_watch *watch, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t was, uint32_t is) {
    example one = {.hash = hash_of(table, key)};
    uint32_t parking = watch->silent ? 0 : rwd_invariants_parking(watch->job, is);
    if (is) rwd_invariants_show(&watch->answers, watch->job, table, key, row, one.key, one.row);
    for (size_t i = 0; i < watch->job->invariant_count; i++) {
        uint32_t bit = (uint32_t)1 << i;
        counted *c = &watch->now[i];
        assert((!(was & bit) || c->keys > 0) && "a key that violated was counted");
        c->keys += !!(is & bit);
        c->keys -= !!(was & bit);
        if (is & bit) keep_example(c, &one);
        else if (was & bit) forget_example(c, one.hash);
    }
    watch->begun |= is & ~was;
    if (parking && !watch->parking) watch->parked = one;
    watch->parking |= parking;
}

bool rwd_watch_wants(const rwd_watch *watch, uint16_t table) { return rwd_invariants_has(watch->job, table); }

uint64_t rwd_watch_mark(rwd_watch *watch, uint16_t table, rwd_slice key, const uint8_t *row) {
    return (uint64_t)rwd_invariants_violated(&watch->answers, watch->job, table, key, row, false) << 32;
}

void rwd_watch_change(rwd_watch *watch, uint16_t table, rwd_slice key, const uint8_t *row, uint64_t mark) {
    uint32_t was = (uint32_t)(mark >> 32), is = rwd_invariants_violated(&watch->answers, watch->job, table, key, row, false);
    if (was | is) note(watch, table, key, row, was, is);
}

// Its last value counts, too, where it is published: as violating, and then as gone.
void rwd_watch_leave(rwd_watch *watch, const rwd_touch *touch, const uint8_t *row) {
    uint64_t mark;
    rwd_slice key = rwd_slice_of(touch->key, touch->key_size);
    if (!rwd_watch_wants(watch, touch->table)) return;
    uint32_t is = rwd_invariants_violated(&watch->answers, watch->job, touch->table, key, row, false);
    uint32_t was = rwd_tables_is_changed(watch->tables, touch, &mark) ? (uint32_t)(mark >> 32) : is;
    if (was != is) note(watch, touch->table, key, row, was, is);
    if (is) note(watch, touch->table, key, NULL, is, 0);
}

// ---- silent replay

static uint64_t mark_silently(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size) {
    (void)row_size;
    return rwd_watch_mark(context, table, key, row);
}

static void take_silently(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t mark) {
    (void)row_size;
    rwd_watch_change(context, table, key, row, mark);
}

void rwd_watch_silently(rwd_watch *watch) {
    watch->silent = true;
    for (size_t t = 0; t < watch->job->table_count; t++)
        if (rwd_watch_wants(watch, (uint16_t)t)) rwd_tables_track_changes(watch->tables, (uint16_t)t, true, mark_silently, watch);
}

void rwd_watch_look(rwd_watch *watch) {
    if (!watch->silent) return;
    for (size_t t = 0; t < watch->job->table_count; t++)
        if (rwd_watch_wants(watch, (uint16_t)t)) rwd_tables_take_changes(watch->tables, (uint16_t)t, take_silently, watch);
}

void rwd_watch_take_job(rwd_watch *watch, const rwd_job *job) {
    assert(watch->silent && watch->job->invariant_count == job->invariant_count);
    rwd_watch_look(watch);
    rwd_answers_deinit(&watch->answers);  // of the earlier job's tables
    watch->answers = (rwd_answers){0};
    watch->job = job;
}

void rwd_watch_live(rwd_watch *watch, int64_t from) {
    rwd_watch_look(watch);
    watch->silent = false;
    watch->from = from;
    watch->parking = 0;
}

// ---- what follows

static void say_one(rwd_watch *watch, size_t i, int64_t next_offset) {
    counted *c = &watch->now[i];
    bool first = watch->said_keys[i] == 0, any = c->keys > 0;
    int64_t now = rwd_clock_ns(watch->clock);
    if (!any && first) return;
    if (any && (!(watch->begun >> i & 1) || (!first && now - watch->said_ns[i] < SAY_AGAIN_NS))) return;
    rwd_buf text = {0};
    rwd_invariant_text(watch->job, i, &text);
    const example *newest = c->example_count ? &c->examples[c->example_count - 1] : NULL;
    if (any) rwd_log(RWD_LOG_WARN, "invariant", "%s does not hold for %" PRIu64 " keys, such as %s: %s; the newest after a record in offsets [%" PRId64 ", %" PRId64 ")", rwd_buf_cstr(&text),
                     c->keys, newest ? newest->key : "?", newest ? newest->row : "?", watch->from, next_offset);
    else rwd_log(RWD_LOG_INFO, "invariant", "%s holds again for all keys, at offset %" PRId64, rwd_buf_cstr(&text), next_offset);
    rwd_buf_deinit(&text);
    watch->said_keys[i] = c->keys;
    watch->said_ns[i] = now;
}

static bool park(const rwd_watch *watch, const char *source, int64_t next_offset, rwd_error *err) {
    rwd_buf text = {0};
    size_t which = (size_t)__builtin_ctz(watch->parking);
    const rwd_job_invariant *invariant = &watch->job->invariants[which];
    rwd_invariant_text(watch->job, which, &text);
    rwd_fail(err, RWD_E_INVARIANT, "%s does not hold for the key %s: %.300s; nothing of offsets [%" PRId64 ", %" PRId64 ") is published", rwd_buf_cstr(&text), watch->parked.key,
             watch->parked.row, watch->from, next_offset);
    rwd_error_at(err, "%s, offsets [%" PRId64 ", %" PRId64 ")", source, watch->from, next_offset);
    rwd_error_next(err, "find the record: rewind bisect %s --table %s --check '%s'; a restart parks here again; to publish it all the same, set on_violation: alert", watch->job->file,
                   watch->job->tables[invariant->table].schema.name, rwd_expr_text(invariant->check));
    rwd_buf_deinit(&text);
    return false;
}

bool rwd_watch_judge(rwd_watch *watch, const char *source, int64_t next_offset, rwd_error *err) {
    if (watch->parking) return park(watch, source, next_offset, err);
    for (size_t i = 0; i < watch->job->invariant_count; i++) say_one(watch, i, next_offset);
    watch->begun = 0;
    watch->from = next_offset;
    return true;
}

char *rwd_watch_violated(const rwd_watch *watch) {
    rwd_buf text = {0};
    for (size_t i = 0; i < watch->job->invariant_count; i++) {
        const counted *c = &watch->now[i];
        if (c->keys == 0) continue;
        if (text.size > 0) rwd_buf_append_str(&text, "; ");
        rwd_invariant_text(watch->job, i, &text);
        rwd_buf_appendf(&text, " (%" PRIu64 " keys", c->keys);
        if (c->example_count > 0) rwd_buf_appendf(&text, ", such as %s", c->examples[c->example_count - 1].key);
        rwd_buf_append_char(&text, ')');
    }
    char *out = text.size > 0 ? rwd_strdup(rwd_buf_cstr(&text)) : NULL;
    rwd_buf_deinit(&text);
    return out;
}

void rwd_watch_status(const rwd_watch *watch, rwd_status *out) {
    out->invariant_count = watch->job->invariant_count;
    for (size_t i = 0; i < out->invariant_count; i++) {
        const counted *c = &watch->now[i];
        rwd_invariant_status *one = &out->invariants[i];
        const rwd_job_invariant *which = &watch->job->invariants[i];
        (void)snprintf(one->table, sizeof one->table, "%s", watch->job->tables[which->table].schema.name);
        (void)snprintf(one->check, sizeof one->check, "%.*s", (int)sizeof one->check - 1, rwd_expr_text(which->check));
        one->parks = which->on_violation == RWD_ON_VIOLATION_PARK;
        one->violations = c->keys;
        const example *newest = c->example_count ? &c->examples[c->example_count - 1] : NULL;
        (void)snprintf(one->key, sizeof one->key, "%.*s", (int)sizeof one->key - 1, newest ? newest->key : "");
        (void)snprintf(one->row, sizeof one->row, "%.*s", (int)sizeof one->row - 1, newest ? newest->row : "");
    }
}

// ---------------------------------------------------------------------------------------------- the participant

static rwd_watch *watch_of(rwd_participant *self) { return (rwd_watch *)(void *)self; }

static void freeze(rwd_participant *self, int64_t next_offset) {
    rwd_watch *watch = watch_of(self);
    (void)next_offset;
    memcpy(watch->frozen, watch->now, watch->job->invariant_count * sizeof *watch->now);
}

static bool sweep(rwd_participant *self, size_t limit) {
    (void)self, (void)limit;
    return true;
}

static void put_u32(rwd_buf *out, uint32_t value) {
    uint8_t bytes[4];
    rwd_put_le32(bytes, value);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static void put_hash(rwd_buf *out, rwd_hash128 hash) {
    uint8_t bytes[16];
    rwd_hash128_put(hash, bytes);
    rwd_buf_append(out, bytes, sizeof bytes);
}

static void put_text(rwd_buf *out, const char *text) {
    put_u32(out, (uint32_t)strlen(text));
    rwd_buf_append_str(out, text);
}

static void put_counted(rwd_buf *out, const counted *c) {
    uint8_t bytes[8];
    rwd_put_le64(bytes, c->keys);
    rwd_buf_append(out, bytes, sizeof bytes);
    put_u32(out, (uint32_t)c->example_count);
    for (size_t i = 0; i < c->example_count; i++) {
        put_hash(out, c->examples[i].hash);
        put_text(out, c->examples[i].key);
        put_text(out, c->examples[i].row);
    }
}

static bool write_bytes(int fd, rwd_slice bytes) {
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes = rwd_slice_of(bytes.data + n, bytes.size - (size_t)n);
    }
    return true;
}

// Thread: checkpoint.
static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    rwd_watch *watch = watch_of(self);
    char path[RWD_PATH_MAX];
    rwd_buf payload = {0}, frame = {0};
    if (!rwd_path_join(path, dir, FILE_NAME, err)) return false;
    put_hash(&payload, rwd_invariants_hash(watch->job));
    put_u32(&payload, (uint32_t)watch->job->invariant_count);
    for (size_t i = 0; i < watch->job->invariant_count; i++) put_counted(&payload, &watch->frozen[i]);
    rwd_frame_append(&frame, MAGIC, VERSION, rwd_buf_slice(&payload));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_bytes(fd, rwd_buf_slice(&frame));
    int why = errno;
    if (fd >= 0 && close(fd) != 0 && ok) ok = false, why = errno;
    rwd_buf_deinit(&payload);
    rwd_buf_deinit(&frame);
    if (ok) return true;
    rwd_fail_errno(err, why, "cannot write the counts of invariants");
    return rwd_error_at(err, "%s", path);
}

static rwd_hash128 digest(rwd_participant *self) {
    (void)self;
    return (rwd_hash128){0};
}

static void thaw(rwd_participant *self) { (void)self; }

static void discard(rwd_participant *self) {
    rwd_watch *watch = watch_of(self);
    memset(watch->now, 0, watch->job->invariant_count * sizeof *watch->now);
    watch->parking = watch->begun = 0;
}

// ---- opening

static bool take_text(rwd_reader *in, char out[RWD_INVARIANT_TEXT_MAX]) {
    uint32_t size;
    rwd_slice text;
    if (!rwd_reader_le32(in, &size) || size >= RWD_INVARIANT_TEXT_MAX || !rwd_reader_take(in, size, &text)) return false;
    if (size > 0) memcpy(out, text.data, size);
    out[size] = '\0';
    return true;
}

static bool take_hash(rwd_reader *in, rwd_hash128 *out) {
    rwd_slice bytes;
    if (!rwd_reader_take(in, 16, &bytes)) return false;
    *out = rwd_hash128_get(bytes.data);
    return true;
}

static bool take_counted(rwd_reader *in, counted *out) {
    uint32_t examples;
    if (!rwd_reader_le64(in, &out->keys) || !rwd_reader_le32(in, &examples) || examples > EXAMPLES_MAX) return false;
    for (out->example_count = 0; out->example_count < examples; out->example_count++) {
        example *one = &out->examples[out->example_count];
        if (!take_hash(in, &one->hash) || !take_text(in, one->key) || !take_text(in, one->row)) return false;
    }
    return true;
}

// `out_same` false: they are those of other invariants.
static bool decode(rwd_watch *watch, rwd_slice bytes, bool *out_same, rwd_error *err) {
    rwd_slice payload;
    size_t size;
    rwd_hash128 hash;
    uint32_t count;
    rwd_frame_state state = rwd_frame_read(bytes, MAGIC, VERSION, &payload, &size);
    if (state == RWD_FRAME_NEWER) return rwd_fail(err, RWD_E_NEWER_FORMAT, "the counts of invariants were written by a newer version");
    if (state != RWD_FRAME_WHOLE || size != bytes.size) return rwd_fail(err, RWD_E_CORRUPT, "the counts of invariants do not match their checksum");
    rwd_reader in = rwd_reader_of(payload);
    bool ok = take_hash(&in, &hash) && rwd_reader_le32(&in, &count);
    *out_same = ok && count == watch->job->invariant_count && rwd_hash128_equal(hash, rwd_invariants_hash(watch->job));
    for (size_t i = 0; *out_same && ok && i < count; i++) ok = take_counted(&in, &watch->now[i]);
    return ok || rwd_fail(err, RWD_E_CORRUPT, "the counts of invariants are none");
}

// NOT_FOUND is no error: the checkpoint was made without invariants.
static bool read_counts(rwd_watch *watch, const char *dir, bool *out_same, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_buf bytes = {0};
    *out_same = false;
    if (!rwd_path_join(path, dir, FILE_NAME, err)) return false;
    if (!rwd_path_exists(path)) return true;
    bool ok = rwd_read_file(path, FILE_BYTES_MAX, &bytes, err) && decode(watch, rwd_buf_slice(&bytes), out_same, err);
    rwd_buf_deinit(&bytes);
    return ok || rwd_error_at(err, "%s", path);
}

typedef struct scan {
    rwd_watch *watch;
    rwd_error *err;
    bool failed;
} scan;

static bool scan_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    scan *s = context;
    rwd_watch *watch = s->watch;
    if (table >= watch->job->table_count || !rwd_watch_wants(watch, table)) return true;
    if (!rwd_answers_open(&watch->answers, &watch->job->tables[table], key, row.data, (uint32_t)row.size, s->err)) {
        s->failed = true;
        return false;
    }
    uint32_t is = rwd_invariants_violated(&watch->answers, watch->job, table, key, row.data, true);
    if (is) note(watch, table, key, row.data, 0, is);
    return true;
}

static bool count_all(rwd_watch *watch, const char *dir, rwd_error *err) {
    rwd_reader_db *reader = NULL;
    scan s = {.watch = watch, .err = err};
    bool ok = rwd_state_open(dir, &reader, err);
    watch->silent = true;
    for (size_t t = 0; ok && t < watch->job->table_count; t++)
        if (rwd_watch_wants(watch, (uint16_t)t)) ok = rwd_state_scan(reader, (int)t, scan_row, &s, err) && !s.failed;
    if (reader) rwd_state_close(reader);
    return ok;
}

static bool open_counts(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    rwd_watch *watch = watch_of(self);
    bool same;
    (void)live_dir;
    discard(self);
    if (!checkpoint_dir) return true;
    if (!read_counts(watch, checkpoint_dir, &same, err)) return false;
    return same || count_all(watch, checkpoint_dir, err);
}

static uint64_t bytes_of(const rwd_participant *self) {
    const rwd_watch *watch = (const rwd_watch *)(const void *)self;
    return sizeof *watch + 2 * watch->job->invariant_count * sizeof *watch->now;
}

static const rwd_participant_ops watch_ops = {
    .name = FILE_NAME, .freeze = freeze, .sweep = sweep, .write = write_frozen, .digest = digest, .thaw = thaw, .discard = discard, .open = open_counts, .bytes = bytes_of,
};
