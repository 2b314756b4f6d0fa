// How fast the state is, each figure beside a bare loop in the same run.
//
//   upsert       touches through resolve + row + write, beside an open-addressing table that does nothing else
//   checkpoint   freeze to complete checkpoint with some dirty keys of many, while batches go on; beside a bare sort + sorted file +
//                ingest + hard links on a store of its own, configured the same. Pauses: each freeze and each portion of the sweep
//   warm         loading the hot table after open, beside a bare scan of the same store
//   compare      two checkpoints that differ in some keys, compared; beside reading every row of both; and two equal ones
//   over         touches of a state four times the memory for rows; resident memory
//
//   bench_state [upsert|checkpoint|warm|compare|over|all] [--small] [--keys N] [--dirty N,N,...] [--rounds N] [--memory MIB] [--dir PATH]
//
// Each kind has its sizes; --small makes them small, the other options take their place.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "operator/base/fs.h"
#include "state/compare.h"
#include "state/reader.h"
#include "state/row.h"
#include "state/store_private.h"
#include "state/tables.h"

#define BATCH 256
#define SWEEP_PORTION 2048
#define DIRTY_MAX 8
#define KEY_MAX 32

typedef struct options {
    const char *what;
    size_t keys;
    size_t dirty[DIRTY_MAX];
    size_t dirty_count;
    size_t rounds;
    uint64_t memory;
    bool small;
    char dir[256];
} options;

typedef struct bench {
    options o;
    rwd_schema schema;
    rwd_budget budget;
    rwd_tables *tables;
    rwd_participant *participant;
    uint64_t random;
    unsigned folders;
} bench;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void must(bool worked, const rwd_error *err) {
    if (worked) return;
    char text[2048];
    rwd_error_format(err, text, sizeof text);
    fprintf(stderr, "bench_state: %s\n", text);
    exit(1);
}

static uint64_t next_random(bench *b) {
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

static void new_folder(bench *b, const char *what, char out[512]) {
    rwd_error err;
    snprintf(out, 512, "%s/%s-%u", b->o.dir, what, b->folders++);
    must(rwd_mkdirs(out, &err), &err);
}

// ---------------------------------------------------------------------------------------------- keys and rows
static size_t make_key(size_t number, uint8_t out[KEY_MAX]) {
    out[0] = 0x01;
    size_t size = (size_t)snprintf((char *)out + 1, KEY_MAX - 1, "customer-%08zu", number) + 1;
    out[size++] = 0x00;
    out[size++] = 0x01;
    return size;
}

static void make_schema(bench *b) {
    rwd_error err;
    rwd_schema_init(&b->schema, 0, "customers");
    must(rwd_schema_add_part(&b->schema, "customer", RWD_TYPE_STRING, 0, &err), &err);
    const char *names[] = {"count", "sum", "min", "max"};
    for (size_t i = 0; i < 4; i++)
        must(rwd_schema_add_column(&b->schema, names[i], rwd_aggregate_find(names[i]), RWD_TYPE_DECIMAL, 2, &err), &err);
}

static void apply(const bench *b, uint8_t *row, int64_t amount) {
    rwd_value value = {.d = amount, .present = true};
    for (size_t i = 0; i < b->schema.column_count; i++)
        (void)b->schema.columns[i].update(&b->schema.columns[i].how, row + b->schema.columns[i].offset, &value, &(rwd_moment){0});
}

typedef struct keyed {
    uint8_t bytes[KEY_MAX];
    uint32_t size;
    uint64_t hash;
} keyed;

// Keys made ahead, so that only the table is measured.
static keyed *make_stream(bench *b, size_t count) {
    keyed *stream = rwd_malloc(count * sizeof *stream);
    for (size_t i = 0; i < count; i++) {
        stream[i].size = (uint32_t)make_key(next_random(b) % b->o.keys, stream[i].bytes);
        stream[i].hash = rwd_key_hash(0, rwd_slice_of(stream[i].bytes, stream[i].size));
    }
    return stream;
}

// ---------------------------------------------------------------------------------------------- tables
static void open_tables(bench *b, const char *checkpoint) {
    rwd_error err;
    char dir[512];
    must(rwd_budget_init(&b->budget, b->o.memory, &err), &err);
    must(rwd_tables_new(&b->schema, 1, &b->budget, &b->tables, &err), &err);
    b->participant = rwd_tables_participant(b->tables);
    new_folder(b, "live", dir);
    must(b->participant->ops->open(b->participant, checkpoint, dir, &err), &err);
}

static void touch_batch(bench *b, const keyed *keys, size_t count) {
    rwd_touch touches[BATCH];
    rwd_error err;
    uint8_t row[RWD_ROW_BYTES_MAX];
    for (size_t i = 0; i < count; i++)
        touches[i] = (rwd_touch){.hash = keys[i].hash, .key = keys[i].bytes, .key_size = keys[i].size, .event = (uint32_t)i};
    rwd_resolve result = rwd_tables_resolve(b->tables, touches, count, &err);
    if (result != RWD_RESOLVED) must(result == RWD_RESOLVE_FULL ? rwd_fail(&err, RWD_E_INTERNAL, "the table is full") : false, &err);
    for (size_t i = 0; i < count; i++) {
        uint32_t size;
        const uint8_t *old = rwd_tables_row(b->tables, &touches[i], &size);
        if (old) memcpy(row, old, size);
        else rwd_row_init(&b->schema, row);
        apply(b, row, (int64_t)i);
        rwd_tables_write(b->tables, &touches[i], row, b->schema.row_size);
    }
}

static void touch_all(bench *b, const keyed *keys, size_t count) {
    for (size_t i = 0; i < count; i += BATCH) touch_batch(b, keys + i, count - i < BATCH ? count - i : BATCH);
}

// ---------------------------------------------------------------------------------------------- upsert
// The bare table: one array of slots, linear probing, fetched ahead by batch; no growth, no epochs, no durability.
typedef struct bare_slot {
    uint64_t hash;
    uint32_t key_size;
    uint8_t key[24];
    uint8_t row[60];
} bare_slot;

static void bare_touch_all(const bench *b, bare_slot *slots, uint64_t mask, const keyed *keys, size_t count) {
    for (size_t begin = 0; begin < count; begin += BATCH) {
        size_t n = count - begin < BATCH ? count - begin : BATCH;
        for (size_t i = 0; i < n; i++) {
            __builtin_prefetch(&slots[keys[begin + i].hash & mask], 1);
            __builtin_prefetch((uint8_t *)&slots[keys[begin + i].hash & mask] + 64, 1);
        }
        for (size_t i = 0; i < n; i++) {
            const keyed *k = &keys[begin + i];
            uint64_t at = k->hash & mask;
            while (slots[at].key_size && !(slots[at].hash == k->hash && slots[at].key_size == k->size &&
                                           memcmp(slots[at].key, k->bytes, k->size) == 0))
                at = (at + 1) & mask;
            bare_slot *slot = &slots[at];
            if (!slot->key_size) {
                slot->hash = k->hash;
                slot->key_size = k->size;
                memcpy(slot->key, k->bytes, k->size);
            }
            apply(b, slot->row, (int64_t)i);
        }
    }
}

static void bench_upsert(bench *b) {
    size_t count = b->o.keys * 4 < 4000000 ? 4000000 : b->o.keys * 4;
    if (count > 20000000) count = 20000000;
    keyed *stream = make_stream(b, count);
    open_tables(b, NULL);
    uint64_t slots_count = 1;
    while (slots_count < b->o.keys * 3 / 2) slots_count *= 2;
    bare_slot *slots = rwd_calloc(slots_count, sizeof *slots);
    for (int pass = 0; pass < 3; pass++) {
        double begin = now();
        bare_touch_all(b, slots, slots_count - 1, stream, count);
        double bare = now() - begin;
        begin = now();
        touch_all(b, stream, count);
        double ours = now() - begin;
        printf("upsert      %-10s bare %6.2f M/s   tables %6.2f M/s   ratio %.2f\n", pass ? "steady" : "growing",
               (double)count / bare / 1e6, (double)count / ours / 1e6, bare / ours);
    }
    rwd_tables_stats stats;
    rwd_tables_get_stats(b->tables, &stats);
    printf("upsert      %llu keys, %.1f bytes of memory per key, %llu splits\n", (unsigned long long)stats.keys,
           (double)stats.hot_bytes / (double)stats.keys, (unsigned long long)stats.splits);
    rwd_tables_free(b->tables);
    free(slots);
    free(stream);
}

// ---------------------------------------------------------------------------------------------- checkpoint
typedef struct writer {
    bench *b;
    char dir[512];
    double seconds, cpu;
    atomic_bool done;
    pthread_t thread;
} writer;

static double thread_cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_THREAD, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void *write_thread(void *context) {
    writer *w = context;
    rwd_error err;
    double begin = thread_cpu();
    must(w->b->participant->ops->write(w->b->participant, w->dir, &err), &err);
    w->cpu = thread_cpu() - begin;
    atomic_store(&w->done, true);
    return NULL;
}

typedef struct pauses {
    double *seconds;
    size_t count, capacity;
} pauses;

static void note_pause(pauses *p, double seconds) {
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 1024;
        p->seconds = rwd_realloc(p->seconds, p->capacity * sizeof *p->seconds);
    }
    p->seconds[p->count++] = seconds;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *v, size_t count, double p) {
    if (count == 0) return 0;
    qsort(v, count, sizeof *v, by_size);
    size_t at = (size_t)((double)(count - 1) * p);
    return v[at];
}

// One checkpoint, with `load` touches going on meanwhile. Returns the time from freeze to a complete checkpoint.
static double checkpoint_once(bench *b, pauses *p, const keyed *load, size_t load_count, char out_dir[512], double *out_cpu) {
    writer w = {.b = b};
    new_folder(b, "checkpoint", w.dir);
    double begin = now();
    b->participant->ops->freeze(b->participant, 0);
    note_pause(p, now() - begin);
    pthread_create(&w.thread, NULL, write_thread, &w);
    bool swept = false;
    for (size_t at = 0; !atomic_load(&w.done);) {
        if (!swept) {
            double from = now();
            swept = b->participant->ops->sweep(b->participant, SWEEP_PORTION);
            note_pause(p, now() - from);
        }
        if (load_count && at + BATCH <= load_count) {
            touch_batch(b, load + at, BATCH);
            at += BATCH;
        } else if (swept) {
            usleep(200);
        }
    }
    pthread_join(w.thread, NULL);
    double seconds = now() - begin;
    b->participant->ops->thaw(b->participant);
    strcpy(out_dir, w.dir);
    *out_cpu = w.cpu;
    return seconds;
}

typedef struct bare_entry {
    uint8_t key[RWD_STORE_KEY_PREFIX + KEY_MAX];
    uint32_t size;
    uint8_t row[60];
} bare_entry;

static int by_key(const void *a, const void *b) {
    const bare_entry *x = *(bare_entry *const *)a, *y = *(bare_entry *const *)b;
    return rwd_slice_compare(rwd_slice_of(x->key, x->size), rwd_slice_of(y->key, y->size));
}

// What must be done whatever the design: sort, sorted file, ingest, hard links. On a store of its own.
static double bare_once(bench *b, rwd_store *store, bare_entry *entries, size_t count, char out_dir[512]) {
    rwd_error err;
    char folder[512], file_path[600];
    new_folder(b, "bare-checkpoint", folder);
    snprintf(file_path, sizeof file_path, "%s.sst", folder);
    double begin = now();
    bare_entry **order = rwd_malloc(count * sizeof *order);
    for (size_t i = 0; i < count; i++) order[i] = &entries[i];
    qsort(order, count, sizeof *order, by_key);
    rwd_store_file *file;
    must(rwd_store_file_begin(store, file_path, &file, &err), &err);
    for (size_t i = 0; i < count; i++) {
        if (i && by_key(&order[i - 1], &order[i]) == 0) continue;
        must(rwd_store_file_put(file, rwd_slice_of(order[i]->key, order[i]->size), rwd_slice_of(order[i]->row, b->schema.row_size), &err),
             &err);
    }
    must(rwd_store_file_ingest(file, &err), &err);
    snprintf(out_dir, 512, "%.480s/store", folder);
    must(rwd_store_checkpoint(store, out_dir, &err), &err);
    free(order);
    return now() - begin;
}

static bare_entry *make_entries(const bench *b, const keyed *keys, size_t count) {
    bare_entry *entries = rwd_calloc(count, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        rwd_store_key_prefix(entries[i].key, 0, keys[i].hash);
        memcpy(entries[i].key + RWD_STORE_KEY_PREFIX, keys[i].bytes, keys[i].size);
        entries[i].size = RWD_STORE_KEY_PREFIX + keys[i].size;
        rwd_row_init(&b->schema, entries[i].row);
        apply(b, entries[i].row, (int64_t)i);
    }
    return entries;
}

// All keys once, in a stride that visits each.
static keyed *make_all(const bench *b) {
    keyed *keys = rwd_malloc(b->o.keys * sizeof *keys);
    for (size_t i = 0; i < b->o.keys; i++) {
        keys[i].size = (uint32_t)make_key(i, keys[i].bytes);
        keys[i].hash = rwd_key_hash(0, rwd_slice_of(keys[i].bytes, keys[i].size));
    }
    return keys;
}

static void remove_folder(const char *dir) {
    rwd_error err;
    must(rwd_remove_tree(dir, &err), &err);
}

static rwd_store *open_bare(bench *b) {
    rwd_error err;
    rwd_store *store;
    char dir[512], path[600];
    new_folder(b, "bare", dir);
    snprintf(path, sizeof path, "%s/store", dir);
    must(rwd_store_open(path, RWD_STORE_CREATE, b->budget.limit[RWD_SHARE_STORE] / 2, &store, &err), &err);
    return store;
}

static uint64_t bytes_written(void) {
    FILE *f = fopen("/proc/self/io", "r");
    uint64_t bytes = 0;
    char line[128];
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "wchar: ", 7) == 0) bytes = strtoull(line + 7, NULL, 10);
    }
    if (f) fclose(f);
    return bytes;
}

static void bench_checkpoint(bench *b) {
    char dir[512], bare_dir[512], last[512] = "", bare_last[512] = "";
    double cpu;
    pauses first = {0};
    open_tables(b, NULL);
    rwd_store *bare = open_bare(b);
    keyed *all = make_all(b);
    touch_all(b, all, b->o.keys);
    double seconds = checkpoint_once(b, &first, NULL, 0, last, &cpu);
    printf("checkpoint  first, all %zu keys: %.2f s (thread %.2f s cpu)\n", b->o.keys, seconds, cpu);
    bare_entry *entries = make_entries(b, all, b->o.keys);
    seconds = bare_once(b, bare, entries, b->o.keys, bare_last);
    printf("checkpoint  first, bare: %.2f s\n", seconds);
    free(entries);
    free(all);
    free(first.seconds);
    for (size_t d = 0; d < b->o.dirty_count; d++) {
        size_t count = b->o.dirty[d];
        double *ours = rwd_calloc(b->o.rounds, sizeof *ours), *theirs = rwd_calloc(b->o.rounds, sizeof *theirs), cpu_sum = 0;
        pauses p = {0};
        uint64_t written = bytes_written(), bare_written = 0;
        for (size_t round = 0; round < b->o.rounds; round++) {
            keyed *dirty = make_stream(b, count), *load = make_stream(b, count / 4);
            touch_all(b, dirty, count);
            ours[round] = checkpoint_once(b, &p, load, count / 4, dir, &cpu);
            cpu_sum += cpu;
            remove_folder(last);
            strcpy(last, dir);
            entries = make_entries(b, dirty, count);
            uint64_t before = bytes_written();
            theirs[round] = bare_once(b, bare, entries, count, bare_dir);
            bare_written += bytes_written() - before;
            remove_folder(bare_last);
            strcpy(bare_last, bare_dir);
            free(entries);
            free(dirty);
            free(load);
        }
        rwd_store_shape shape;
        rwd_store_get_shape(bare, &shape);
        double ours_sum = 0, bare_sum = 0;
        for (size_t i = 0; i < b->o.rounds; i++) {
            ours_sum += ours[i];
            bare_sum += theirs[i];
        }
        printf("checkpoint  dirty %8zu  ours mean %7.1f ms p50 %7.1f max %7.1f (thread %.1f ms cpu) | bare mean %7.1f p50 %7.1f max "
               "%7.1f | ratio %.2f\n",
               count, ours_sum / (double)b->o.rounds * 1e3, percentile(ours, b->o.rounds, 0.5) * 1e3,
               percentile(ours, b->o.rounds, 1) * 1e3, cpu_sum / (double)b->o.rounds * 1e3, bare_sum / (double)b->o.rounds * 1e3,
               percentile(theirs, b->o.rounds, 0.5) * 1e3, percentile(theirs, b->o.rounds, 1) * 1e3, ours_sum / bare_sum);
        printf("            pauses p50 %.3f ms p99 %.3f ms max %.3f ms (%zu) | store: %llu files, %llu MiB, pending %llu MiB | written "
               "in all %llu MiB, of it the bare files %llu MiB\n",
               percentile(p.seconds, p.count, 0.5) * 1e3, percentile(p.seconds, p.count, 0.99) * 1e3,
               percentile(p.seconds, p.count, 1) * 1e3, p.count, (unsigned long long)shape.files,
               (unsigned long long)(shape.bytes >> 20), (unsigned long long)(shape.pending_bytes >> 20),
               (unsigned long long)((bytes_written() - written) >> 20), (unsigned long long)(bare_written >> 20));
        free(p.seconds);
        free(ours);
        free(theirs);
    }
    rwd_store_close(bare);
    rwd_tables_free(b->tables);
}

// ---------------------------------------------------------------------------------------------- warm-up
static bool count_row(void *context, uint16_t table, rwd_slice key, rwd_slice row) {
    (void)table, (void)key, (void)row;
    ++*(uint64_t *)context;
    return true;
}

static void bench_warm(bench *b) {
    rwd_error err;
    char dir[512];
    double cpu;
    pauses p = {0};
    open_tables(b, NULL);
    keyed *all = make_all(b);
    touch_all(b, all, b->o.keys);
    (void)checkpoint_once(b, &p, NULL, 0, dir, &cpu);
    for (size_t round = 0; round < 5; round++) {
        keyed *dirty = make_stream(b, b->o.keys / 20);
        touch_all(b, dirty, b->o.keys / 20);
        (void)checkpoint_once(b, &p, NULL, 0, dir, &cpu);
        free(dirty);
    }
    rwd_tables_free(b->tables);
    for (int pass = 0; pass < 3; pass++) {
        uint64_t rows = 0;
        rwd_reader_db *reader;
        double begin = now();
        must(rwd_state_open(dir, &reader, &err), &err);
        must(rwd_state_scan(reader, -1, count_row, &rows, &err), &err);
        rwd_state_close(reader);
        double bare = now() - begin;
        begin = now();
        open_tables(b, dir);
        double opened = now() - begin, working = 0;
        while (true) {
            double from = now();
            bool done = rwd_tables_warm(b->tables, 4096);
            working += now() - from;
            if (done) break;
            usleep(100);
        }
        double ours = now() - begin;
        rwd_tables_stats stats;
        rwd_tables_get_stats(b->tables, &stats);
        printf("warm        %llu rows: open %.3f s, loaded %.2f s (pipeline busy %.2f s), complete %d | bare scan %.2f s | ratio %.2f\n",
               (unsigned long long)rows, opened, ours, working, stats.complete, bare, ours / bare);
        rwd_tables_free(b->tables);
    }
    free(all);
    free(p.seconds);
}

// ---------------------------------------------------------------------------------------------- over the memory
static size_t resident(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (f && fscanf(f, "%*u %lu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * 4096;
}

// Touches a batch; where the tables are full or pressed, a checkpoint first. Returns the seconds that checkpoints took.
static double touch_under_pressure(bench *b, const keyed *keys, size_t count, char last[512]) {
    rwd_touch touches[BATCH];
    rwd_error err;
    uint8_t row[RWD_ROW_BYTES_MAX];
    pauses p = {0};
    char dir[512];
    double seconds = 0, cpu;
    for (size_t i = 0; i < count; i++)
        touches[i] = (rwd_touch){.hash = keys[i].hash, .key = keys[i].bytes, .key_size = keys[i].size};
    while (rwd_tables_pressed(b->tables) || rwd_tables_resolve(b->tables, touches, count, &err) != RWD_RESOLVED) {
        seconds += checkpoint_once(b, &p, NULL, 0, dir, &cpu);
        if (last[0]) remove_folder(last);
        strcpy(last, dir);
    }
    free(p.seconds);
    for (size_t i = 0; i < count; i++) {
        uint32_t size;
        const uint8_t *old = rwd_tables_row(b->tables, &touches[i], &size);
        if (old) memcpy(row, old, size);
        else rwd_row_init(&b->schema, row);
        apply(b, row, (int64_t)i);
        rwd_tables_write(b->tables, &touches[i], row, b->schema.row_size);
    }
    return seconds;
}

static void bench_over(bench *b) {
    char last[512] = "";
    open_tables(b, NULL);
    for (int pass = 0; pass < 3; pass++) {
        rwd_tables_stats before, after;
        rwd_tables_get_stats(b->tables, &before);
        double checkpoints = 0, begin = now();
        size_t most = 0;
        for (size_t at = 0; at < b->o.keys; at += BATCH) {
            keyed keys[BATCH];
            for (size_t i = 0; i < BATCH; i++) {
                keys[i].size = (uint32_t)make_key(pass ? next_random(b) % b->o.keys : at + i, keys[i].bytes);
                keys[i].hash = rwd_key_hash(0, rwd_slice_of(keys[i].bytes, keys[i].size));
            }
            checkpoints += touch_under_pressure(b, keys, BATCH, last);
            if (at % (BATCH * 64) == 0 && resident() > most) most = resident();
        }
        double seconds = now() - begin;
        rwd_tables_get_stats(b->tables, &after);
        printf("over        %-7s %.3f M touches/s (%.3f without the time in checkpoints), %.2f of them from the store, state %.1f times the "
               "hot share, resident %zu MiB of %llu\n",
               pass ? "random" : "filling", (double)b->o.keys / seconds / 1e6, (double)b->o.keys / (seconds - checkpoints) / 1e6,
               (double)(after.store_reads - before.store_reads) / (double)b->o.keys,
               (double)after.keys / (double)after.hot_slots, most >> 20, (unsigned long long)(b->o.memory >> 20));
    }
    rwd_tables_free(b->tables);
}

// ---------------------------------------------------------------------------------------------- comparing
#define COMPARE_CHANGED 100

static bool count_difference(void *context, size_t pair, rwd_slice key, rwd_slice old_row, rwd_slice new_row) {
    (void)pair, (void)key, (void)old_row, (void)new_row;
    ++*(uint64_t *)context;
    return true;
}

static double read_both(const char *const dirs[2], uint64_t *rows) {
    rwd_error err;
    double begin = now();
    for (size_t i = 0; i < 2; i++) {
        rwd_reader_db *reader;
        must(rwd_state_open(dirs[i], &reader, &err), &err);
        must(rwd_state_scan(reader, -1, count_row, rows, &err), &err);
        rwd_state_close(reader);
    }
    return now() - begin;
}

// From opening to closing, as the other.
static double compare_both(const bench *b, const char *const dirs[2], uint64_t *told, rwd_compare_stats *stats) {
    rwd_error err;
    rwd_reader_db *readers[2];
    rwd_compare_pair pairs[2];
    const rwd_schema *schema = &b->schema;
    double begin = now();
    for (size_t i = 0; i < 2; i++) must(rwd_state_open(dirs[i], &readers[i], &err), &err);
    rwd_compare_options compared = {.old_side = readers[0], .new_side = readers[1], .pairs = pairs, .visit = count_difference, .context = told};
    compared.pair_count = rwd_compare_match(&schema, 1, &schema, 1, pairs);
    must(rwd_compare_run(&compared, stats, &err), &err);
    for (size_t i = 0; i < 2; i++) rwd_state_close(readers[i]);
    return now() - begin;
}

static void bench_compare(bench *b) {
    char dirs[2][512];
    double cpu;
    pauses p = {0};
    open_tables(b, NULL);
    keyed *all = make_all(b), *changed = make_stream(b, COMPARE_CHANGED);
    touch_all(b, all, b->o.keys);
    for (size_t i = 0; i < 2; i++) {
        if (i == 1) touch_all(b, changed, COMPARE_CHANGED);
        (void)checkpoint_once(b, &p, NULL, 0, dirs[i], &cpu);
    }
    rwd_tables_free(b->tables);
    const char *different[] = {dirs[0], dirs[1]}, *equal[] = {dirs[1], dirs[1]};
    for (int pass = 0; pass < 3; pass++) {
        uint64_t rows = 0, told = 0, none = 0;
        rwd_compare_stats stats, same;
        double read = read_both(different, &rows), compared = compare_both(b, different, &told, &stats), alike = compare_both(b, equal, &none, &same);
        printf("compare     %zu keys each, %llu differ: %.1f ms (%u parts, %llu rows read) | reading all %llu rows %.1f ms | ratio %.4f | equal ones %.2f ms, %llu rows read\n", b->o.keys,
               (unsigned long long)told, compared * 1e3, stats.buckets, (unsigned long long)stats.rows_read, (unsigned long long)rows, read * 1e3, compared / read, alike * 1e3,
               (unsigned long long)same.rows_read);
    }
    free(all);
    free(changed);
    free(p.seconds);
}

// ---------------------------------------------------------------------------------------------- main
static const struct kind {
    const char *name;
    void (*run)(bench *b);
    size_t keys, small_keys, memory_mib;
} kinds[] = {
    {"upsert", bench_upsert, 1000000, 200000, 1024},
    {"checkpoint", bench_checkpoint, 10000000, 300000, 4096},
    {"warm", bench_warm, 10000000, 300000, 4096},
    {"compare", bench_compare, 10000000, 1000000, 4096},
    {"over", bench_over, 1000000, 1000000, 64},
};

static void parse_dirty(options *o, const char *text) {
    for (char *at = (char *)(uintptr_t)text; *at && o->dirty_count < DIRTY_MAX;) {
        o->dirty[o->dirty_count++] = strtoull(at, &at, 10);
        if (*at == ',') at++;
    }
}

static void parse(options *o, int argc, char **argv) {
    *o = (options){.what = "all"};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        bool takes_value = true;
        if (strcmp(argv[i], "--keys") == 0) o->keys = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0) o->rounds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--memory") == 0) o->memory = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0) snprintf(o->dir, sizeof o->dir, "%s", value);
        else if (strcmp(argv[i], "--dirty") == 0) parse_dirty(o, value);
        else {
            takes_value = false;
            if (strcmp(argv[i], "--small") == 0) o->small = true;
            else o->what = argv[i];
        }
        i += takes_value;
    }
    if (!o->dir[0]) snprintf(o->dir, sizeof o->dir, "bench-state-%d", (int)getpid());
}

// What was not given is the kind's own.
static void choose(options *o, const options *given, const struct kind *kind) {
    *o = *given;
    if (!o->keys) o->keys = given->small ? kind->small_keys : kind->keys;
    if (!o->memory) o->memory = given->small && kind->memory_mib > 512 ? 512 : kind->memory_mib;
    if (!o->rounds) o->rounds = given->small ? 5 : 30;
    if (!o->dirty_count) parse_dirty(o, given->small ? "3000,30000" : "10000,100000,1000000");
    o->memory <<= 20;
}

int main(int argc, char **argv) {
    static bench b = {.random = 88172645463325252u};
    options given;
    parse(&given, argc, argv);
    make_schema(&b);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(given.what, "all") != 0 && strcmp(given.what, kinds[i].name) != 0) continue;
        choose(&b.o, &given, &kinds[i]);
        kinds[i].run(&b);
        if (rwd_path_exists(b.o.dir)) remove_folder(b.o.dir);
    }
    rwd_schema_deinit(&b.schema);
    return 0;
}
