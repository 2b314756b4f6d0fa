// External merge sort. See sort_private.h.
//
// A record, in memory and in a run: key size (4 bytes), row size (4), key, row.
#include "state/sort_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/base/fs.h"

#define RECORD_HEADER 8u
#define INDEX_COST 16u  // bytes of index per record, counted against the memory
#define READ_LEAST 4096u

typedef struct item {
    uint64_t head;    // first bytes of the key
    uint64_t offset;  // of the record
} item;

typedef struct run {
    uint64_t begin, end;  // in the file
    rwd_buf buffer;       // what was read ahead
    size_t at;            // of the record in `buffer` that comes next
} run;

struct rwd_sort {
    size_t memory;
    const char *temp_dir;
    rwd_buf records;
    item *items;
    size_t item_count, item_capacity;
    int fd;               // -1: nothing has been written out
    uint64_t file_size;
    run runs[RWD_SORT_RUNS_MAX];
    size_t run_count;
};

rwd_sort *rwd_sort_new(size_t memory, const char *temp_dir) {
    rwd_sort *sort = rwd_calloc(1, sizeof *sort);
    sort->memory = memory < RWD_SORT_MEMORY_MIN ? RWD_SORT_MEMORY_MIN : memory;
    sort->temp_dir = temp_dir;
    sort->fd = -1;
    return sort;
}

static void drop_runs(rwd_sort *sort) {
    for (size_t i = 0; i < sort->run_count; i++) rwd_buf_deinit(&sort->runs[i].buffer);
    memset(sort->runs, 0, sizeof sort->runs);
    sort->run_count = 0;
}

void rwd_sort_free(rwd_sort *sort) {
    if (!sort) return;
    drop_runs(sort);
    if (sort->fd >= 0) close(sort->fd);
    rwd_buf_deinit(&sort->records);
    free(sort->items);
    free(sort);
}

// ---------------------------------------------------------------------------------------------- records
static size_t record_at(const uint8_t *at, rwd_slice *key, rwd_slice *row) {
    *key = rwd_slice_of(at + RECORD_HEADER, rwd_get_le32(at));
    *row = rwd_slice_of(key->data + key->size, rwd_get_le32(at + 4));
    return RECORD_HEADER + key->size + row->size;
}

static void append_record(rwd_buf *out, rwd_slice key, rwd_slice row) {
    uint8_t header[RECORD_HEADER];
    rwd_put_le32(header, (uint32_t)key.size);
    rwd_put_le32(header + 4, (uint32_t)row.size);
    rwd_buf_append(out, header, sizeof header);
    rwd_buf_append_slice(out, key);
    rwd_buf_append_slice(out, row);
}

static uint64_t head_of(rwd_slice key) {
    uint8_t bytes[8] = {0};
    memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    return rwd_get_be64(bytes);
}

static int compare_items(const void *a, const void *b, void *context) {
    const item *x = a, *y = b;
    if (x->head != y->head) return x->head < y->head ? -1 : 1;
    const uint8_t *records = context;
    rwd_slice key_x, key_y, row;
    record_at(records + x->offset, &key_x, &row);
    record_at(records + y->offset, &key_y, &row);
    int order = rwd_slice_compare(key_x, key_y);
    if (order != 0) return order;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void sort_memory(rwd_sort *sort) { qsort_r(sort->items, sort->item_count, sizeof *sort->items, compare_items, sort->records.data); }

// ---------------------------------------------------------------------------------------------- the temporary file
static bool temp_fail(const rwd_sort *sort, const char *what, rwd_error *err) {
    rwd_fail_errno(err, errno, "%s", what);
    return rwd_error_at(err, "%s", sort->temp_dir);
}

// A file without a name, where the file system has such; else its name is taken away at once.
static int open_temp(const char *dir) {
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)) return fd;
    char path[RWD_PATH_MAX];
    if (!rwd_path_join(path, dir, "rewind-sort-XXXXXX", NULL)) return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) unlink(path);
    return fd;
}

static bool write_out(rwd_sort *sort, int fd, uint64_t *size, const uint8_t *data, size_t left, rwd_error *err) {
    while (left > 0) {
        ssize_t n = pwrite(fd, data, left, (off_t)*size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return temp_fail(sort, "cannot write a temporary file for sorting", err);
        data += n;
        left -= (size_t)n;
        *size += (uint64_t)n;
    }
    return true;
}

// A bounded buffer in front of the file.
typedef struct out_file {
    rwd_sort *sort;
    rwd_error *err;
    int fd;
    uint64_t size;
    rwd_buf buffer;
    bool failed;
} out_file;

static bool flush_out(out_file *out) {
    if (!out->failed) out->failed = !write_out(out->sort, out->fd, &out->size, out->buffer.data, out->buffer.size, out->err);
    rwd_buf_clear(&out->buffer);
    return !out->failed;
}

static bool out_visit(void *context, rwd_slice key, rwd_slice row) {
    out_file *out = context;
    append_record(&out->buffer, key, row);
    return out->buffer.size < READ_LEAST * 16 || flush_out(out);
}

// ---------------------------------------------------------------------------------------------- merging
// Makes the run's next record whole in its buffer. `*more` is false at its end.
static bool fill(rwd_sort *sort, run *r, size_t room, bool *more, rwd_error *err) {
    for (;;) {
        size_t have = r->buffer.size - r->at;
        size_t need = RECORD_HEADER;
        if (have >= RECORD_HEADER) {
            rwd_slice key, row;
            need = record_at(r->buffer.data + r->at, &key, &row);
        }
        *more = have >= need;
        if (*more || (have == 0 && r->begin == r->end)) return true;
        if (have) memmove(r->buffer.data, r->buffer.data + r->at, have);
        r->at = 0;
        r->buffer.size = have;
        size_t want = need > room ? need - have : room - have;
        if (want > r->end - r->begin) want = (size_t)(r->end - r->begin);
        rwd_buf_reserve(&r->buffer, want);
        ssize_t n = pread(sort->fd, r->buffer.data + have, want, (off_t)r->begin);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return temp_fail(sort, "cannot read a temporary file for sorting", err);
        if (n == 0) return rwd_fail(err, RWD_E_IO, "a temporary file for sorting is shorter than what was written");
        r->buffer.size += (size_t)n;
        r->begin += (uint64_t)n;
    }
}

// The run with the least next key; ties to the earlier one. -1: all have ended.
static int least_run(rwd_sort *sort, const bool *live) {
    int least = -1;
    rwd_slice least_key = {0};
    for (size_t i = 0; i < sort->run_count; i++) {
        if (!live[i]) continue;
        rwd_slice key, row;
        record_at(sort->runs[i].buffer.data + sort->runs[i].at, &key, &row);
        if (least >= 0 && rwd_slice_compare(key, least_key) >= 0) continue;
        least = (int)i;
        least_key = key;
    }
    return least;
}

static bool merge(rwd_sort *sort, rwd_sort_visit visit, void *context, rwd_error *err) {
    bool live[RWD_SORT_RUNS_MAX] = {0};
    size_t room = sort->memory / (sort->run_count + 1);
    if (room < READ_LEAST) room = READ_LEAST;
    for (size_t i = 0; i < sort->run_count; i++) {
        if (!fill(sort, &sort->runs[i], room, &live[i], err)) return false;
    }
    for (int least; (least = least_run(sort, live)) >= 0;) {
        run *r = &sort->runs[least];
        rwd_slice key, row;
        size_t size = record_at(r->buffer.data + r->at, &key, &row);
        if (!visit(context, key, row)) return true;
        r->at += size;
        if (!fill(sort, r, room, &live[least], err)) return false;
    }
    return true;
}

// Merges all runs into one, in a new file.
static bool merge_into_one(rwd_sort *sort, rwd_error *err) {
    out_file out = {.sort = sort, .err = err, .fd = open_temp(sort->temp_dir)};
    if (out.fd < 0) return temp_fail(sort, "cannot create a temporary file for sorting", err);
    bool worked = merge(sort, out_visit, &out, err) && flush_out(&out);
    rwd_buf_deinit(&out.buffer);
    if (!worked) {
        close(out.fd);
        return false;
    }
    drop_runs(sort);
    close(sort->fd);
    sort->fd = out.fd;
    sort->file_size = out.size;
    sort->runs[sort->run_count++] = (run){.begin = 0, .end = out.size};
    return true;
}

// Writes what is in memory as a run.
static bool spill_run(rwd_sort *sort, rwd_error *err) {
    if (sort->fd < 0 && (sort->fd = open_temp(sort->temp_dir)) < 0)
        return temp_fail(sort, "cannot create a temporary file for sorting", err);
    if (sort->run_count == RWD_SORT_RUNS_MAX && !merge_into_one(sort, err)) return false;
    sort_memory(sort);
    out_file out = {.sort = sort, .err = err, .fd = sort->fd, .size = sort->file_size};
    for (size_t i = 0; i < sort->item_count && !out.failed; i++) {
        rwd_slice key, row;
        record_at(sort->records.data + sort->items[i].offset, &key, &row);
        out_visit(&out, key, row);
    }
    bool worked = flush_out(&out);
    rwd_buf_deinit(&out.buffer);
    if (!worked) return false;
    sort->runs[sort->run_count++] = (run){.begin = sort->file_size, .end = out.size};
    sort->file_size = out.size;
    rwd_buf_clear(&sort->records);
    sort->item_count = 0;
    return true;
}

// ---------------------------------------------------------------------------------------------- adding, finishing
bool rwd_sort_add(rwd_sort *sort, rwd_slice key, rwd_slice row, rwd_error *err) {
    assert(key.size <= UINT32_MAX && row.size <= UINT32_MAX);
    size_t more = RECORD_HEADER + key.size + row.size + INDEX_COST;
    size_t have = sort->records.size + sort->item_count * INDEX_COST;
    if (sort->item_count && have + more > sort->memory && !spill_run(sort, err)) return false;
    if (sort->item_count == sort->item_capacity) {
        sort->item_capacity = sort->item_capacity ? sort->item_capacity * 2 : 256;
        sort->items = rwd_realloc(sort->items, sort->item_capacity * sizeof *sort->items);
    }
    sort->items[sort->item_count++] = (item){head_of(key), sort->records.size};
    append_record(&sort->records, key, row);
    return true;
}

static bool visit_memory(rwd_sort *sort, rwd_sort_visit visit, void *context) {
    sort_memory(sort);
    for (size_t i = 0; i < sort->item_count; i++) {
        rwd_slice key, row;
        record_at(sort->records.data + sort->items[i].offset, &key, &row);
        if (!visit(context, key, row)) break;
    }
    return true;
}

bool rwd_sort_finish(rwd_sort *sort, rwd_sort_visit visit, void *context, rwd_error *err) {
    if (sort->run_count == 0) return visit_memory(sort, visit, context);
    if (sort->item_count && !spill_run(sort, err)) return false;
    rwd_buf_deinit(&sort->records);
    free(sort->items);
    sort->items = NULL;
    sort->item_capacity = 0;
    return merge(sort, visit, context, err);
}
