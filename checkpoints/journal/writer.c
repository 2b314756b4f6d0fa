// Appending: the pipeline fills blocks, a thread compresses and writes them.
//
//   pipeline                          thread
//   fill jobs[head]; hand over   ->   take jobs[tail]; header, checksum, codec; submit the write; give the job back
//                                     completion, in order of blocks: into the index, where readers see it
//
// What must stay true: the index never has a block whose write, or that of a block before it in its segment, is not known to have worked; a segment in which a write
// failed is not written to again.
//
// Thread: the functions of journal.h are the pipeline's.
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/base/time.h"

#define NONE_TIME INT64_MIN
#define WRITES 4u                          // blocks in flight
#define BUFFER_SIZE (20u * RWD_IO_ALIGN)   // holds a usual block, compressed or not
#define KEPT_MAX (1u << 20)                // a job's memory above this is given back
#define SEGMENT_MAX (256ull << 20)
#define TRY_AGAIN_NS 10000000000LL         // while the disk is full
#define ROOM_LOOK (1ull << 20)             // that much is written between two looks at the room on the disk

// ---- the pipeline's side

static bool take_failure(rwd_journal *j, rwd_error *err) {
    bool failed = j->failed;
    if (failed && err) *err = j->error;
    return failed;
}

// The job that is being filled; waits for room. NULL after a failure.
static rwd_journal_job *fill(rwd_journal *j) {
    if (j->filling) return j->filling;
    pthread_mutex_lock(&j->mutex);
    j->stats.waits += j->head - j->tail == RWD_JOURNAL_QUEUE;
    while (j->head - j->tail == RWD_JOURNAL_QUEUE && !j->failed) pthread_cond_wait(&j->changed, &j->mutex);
    bool failed = j->failed;
    rwd_journal_job *job = &j->jobs[j->head % RWD_JOURNAL_QUEUE];
    pthread_mutex_unlock(&j->mutex);
    if (failed) return NULL;
    if (job->plain.capacity > KEPT_MAX) rwd_buf_deinit(&job->plain);
    rwd_buf_clear(&job->plain);
    job->block = (rwd_journal_block){.from = j->position, .next = j->position, .min_time = NONE_TIME, .max_time = NONE_TIME};
    job->expected = j->position;
    job->time = 0;
    job->new_segment = j->leap;
    job->part = !j->confirmed;
    j->leap = false;
    return j->filling = job;
}

void rwd_journal_flush(rwd_journal *j) {
    if (!j->filling) return;
    j->filling = NULL;
    pthread_mutex_lock(&j->mutex);
    j->head++;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

void rwd_journal_begin(rwd_journal *j, int64_t offset) {
    assert(j->options.term > 0 && offset >= 0);
    rwd_journal_flush(j);
    j->position = offset;
    j->leap = true;
}

int64_t rwd_journal_position(const rwd_journal *j) { return j->position; }

static void put_record(rwd_journal_job *job, const rwd_journal_record *record) {
    rwd_journal_record_put(&job->plain, record, &job->expected, &job->time);
    rwd_journal_block *b = &job->block;
    b->count++;
    b->next = record->offset + 1;
    if (record->time_us == NONE_TIME) return;
    if (b->min_time == NONE_TIME || record->time_us < b->min_time) b->min_time = record->time_us;
    if (record->time_us > b->max_time) b->max_time = record->time_us;
}

bool rwd_journal_append(rwd_journal *j, const rwd_journal_record *records, size_t count, rwd_error *err) {
    assert(j->position >= 0 && "begin first");
    for (size_t i = 0; i < count; i++) {
        rwd_journal_job *job = fill(j);
        if (!job) break;
        assert(records[i].offset >= j->position && "offsets rise");
        put_record(job, &records[i]);
        j->position = records[i].offset + 1;
        if (job->plain.size >= RWD_JOURNAL_BLOCK_SIZE) rwd_journal_flush(j);
    }
    pthread_mutex_lock(&j->mutex);
    bool failed = take_failure(j, err);
    pthread_mutex_unlock(&j->mutex);
    return !failed;
}

void rwd_journal_pass(rwd_journal *j, int64_t next) {
    if (next <= j->position) return;
    rwd_journal_job *job = fill(j);
    if (!job) return;
    job->block.next = next;
    job->expected = j->position = next;
}

bool rwd_journal_settle(rwd_journal *j, rwd_error *err) {
    rwd_journal_flush(j);
    pthread_mutex_lock(&j->mutex);
    while (j->written < j->head && !j->failed) pthread_cond_wait(&j->changed, &j->mutex);
    bool failed = take_failure(j, err);
    pthread_mutex_unlock(&j->mutex);
    return !failed;
}

// The mutex is held.
static bool name_segment(rwd_journal *j, rwd_journal_segment *s, rwd_error *err) {
    char from[RWD_PATH_MAX], to[RWD_PATH_MAX], file[sizeof s->file];
    size_t size = strlen(s->file) - strlen(RWD_JOURNAL_PART);
    memcpy(file, s->file, size);
    file[size] = '\0';
    if (!rwd_journal_path(j, s->file, from, err) || !rwd_journal_path(j, file, to, err) || !rwd_io_rename(j->read_io, from, to, err)) return false;
    memcpy(s->file, file, size + 1);
    s->part = false;
    return true;
}

bool rwd_journal_confirm(rwd_journal *j, rwd_error *err) {
    if (j->confirmed) return true;
    if (!rwd_journal_settle(j, err)) return false;
    bool ok = true, any = false;
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->segment_count && ok; i++) {
        if (!j->segments[i].part) continue;
        any = true;
        ok = name_segment(j, &j->segments[i], err);
    }
    pthread_mutex_unlock(&j->mutex);
    j->confirmed = ok;
    return ok && (!any || rwd_io_sync_dir(j->read_io, j->dir, err));
}

// ---- the thread's side

typedef struct output {
    rwd_io_op op;
    void *pooled;           // NULL: in heap
    rwd_buf heap;
    rwd_journal_block block;
} output;

typedef struct writer {
    rwd_journal *j;
    rwd_io_queue *queue;
    output outputs[WRITES];
    uint64_t begun, done;
    bool open;              // a segment is
    int fd;
    char path[RWD_PATH_MAX];
    rwd_journal_name name;
    uint64_t at;            // where the next block goes
    uint32_t before;
    int64_t begun_us;       // wall clock: when the segment was made
    uint64_t room;          // so much may be written before the disk is looked at again
} writer;

static uint64_t segment_bytes(const rwd_journal *j) {
    uint64_t bytes = j->options.size / RWD_JOURNAL_SEGMENTS;
    return bytes < SEGMENT_MAX ? bytes : SEGMENT_MAX;
}

// The segment being written is the newest one.
static rwd_journal_segment *newest(rwd_journal *j) { return &j->segments[j->segment_count - 1]; }

// Nothing more goes into it. Nothing of it is in flight.
static void seal(writer *w) {
    rwd_journal *j = w->j;
    if (!w->open) return;
    w->open = false;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = newest(j);
    s->open = false;
    if (s->size == s->durable_size) {
        s->durable = true;
        rwd_io_close(j->io, s->fd);
        s->fd = -1;
    }
    pthread_mutex_unlock(&j->mutex);
}

// A job whose fate is known.
static void count_written(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    j->written++;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

static void fail_with(rwd_journal *j, const rwd_error *why) {
    bool full = why->code == RWD_E_DISK_FULL && j->options.on_full_continue;
    pthread_mutex_lock(&j->mutex);
    if (full) {
        if (!j->suspended) rwd_log_error(RWD_LOG_WARN, "journal", why);
        if (!j->suspended) rwd_log(RWD_LOG_WARN, "journal", "goes on without: what is read from now on can be replayed from the topic only");
        j->suspended = true;
        j->suspended_ns = rwd_clock_ns(j->clock);
    } else if (!j->failed) {
        j->failed = true;
        j->error = *why;
    }
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

// What to do about a disk or a journal that is full. False.
static bool full_hint(const rwd_journal *j, const char *remedies, rwd_error *err) {
    return rwd_error_next(err, "%s%s", remedies, j->options.on_full_continue ? "" : ", or let it go on without: journal: {on_full: continue}");
}

static void enter_index(writer *w, const output *out) {
    rwd_journal *j = w->j;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = newest(j);
    rwd_journal_entry_add(&s->entries, &out->block, out->op.offset);
    s->size = out->op.offset + out->op.size;
    s->changed_us = rwd_clock_wall_us(j->clock);
    j->stats.appended_blocks++;
    j->stats.appended_bytes += out->op.size;
    j->stats.appended_records += out->block.count;
    pthread_mutex_unlock(&j->mutex);
    RWD_CRASH_POINT(journal_block_written);
}

// Takes completions in order of blocks; with `wait`, of all.
static void settle(writer *w, bool wait) {
    while (w->done < w->begun) {
        output *out = &w->outputs[w->done % WRITES];
        if (!out->op.finished && !wait) return;
        rwd_io_await(w->queue, &out->op);
        rwd_error why;
        if (!w->open) {
            // A write before it failed: what is behind that does not count.
        } else if (rwd_io_check(&out->op, w->path, &why)) {
            enter_index(w, out);
        } else {
            seal(w);
            if (why.code == RWD_E_DISK_FULL) why.next[0] = '\0', (void)full_hint(w->j, "free space there, lower journal.size", &why);
            fail_with(w->j, &why);
        }
        if (out->pooled) rwd_io_buffer_give(w->queue, out->pooled);
        if (out->heap.capacity > KEPT_MAX) rwd_buf_deinit(&out->heap);
        w->done++;
        count_written(w->j);
    }
}

// K7: what must stay is as much as may be. False: no segment may be added.
static bool room_above_floor(rwd_journal *j, rwd_error *err) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->segment_count && j->floor >= 0; i++) {
        const rwd_journal_segment *s = &j->segments[i];
        if (s->entries.count && s->entries.items[s->entries.count - 1].next > j->floor) bytes += s->size;
    }
    int64_t floor = j->floor;
    pthread_mutex_unlock(&j->mutex);
    if (bytes <= j->options.size) return true;
    (void)rwd_fail(err, RWD_E_DISK_FULL, "journal.size is %" PRIu64 " bytes, and what came since offset %" PRId64 ", from where the second newest checkpoint must be able "
                   "to replay, is more", j->options.size, floor);
    (void)rwd_error_at(err, "%s", j->dir);
    return full_hint(j, "raise journal.size, make checkpoints more often (checkpoints.every)", err);
}

// A journal that took the last of the disk would take the next start, and every checkpoint, with it.
static bool room_on_disk(writer *w, const rwd_journal_job *job, rwd_error *err) {
    uint64_t keeps = w->j->options.room, wanted = RWD_JOURNAL_HEADER + job->plain.size, free_bytes;
    char have[RWD_TIME_TEXT_MAX], left[RWD_TIME_TEXT_MAX];
    rwd_error ignored;
    bool look = w->room < wanted;
    w->room = (look ? wanted + ROOM_LOOK : w->room) - wanted;
    if (!look || !rwd_disk_free(w->j->dir, &free_bytes, &ignored) || keeps == 0 || free_bytes >= keeps + wanted) return true;  // a disk that does not say it, the write will tell
    w->room = 0;
    rwd_size_text(free_bytes, have);
    rwd_size_text(keeps, left);
    (void)rwd_fail(err, RWD_E_DISK_FULL, "no space left on the disk for the journal: %s are free, and %s are for the state and its checkpoints", have, left);
    (void)rwd_error_at(err, "%s", w->j->dir);
    return full_hint(w->j, "free space there, lower journal.size", err);
}

static bool make_file(writer *w, const rwd_journal_job *job, char file[96], rwd_error *err) {
    rwd_journal *j = w->j;
    (void)snprintf(file, 96, "%020" PRId64 "-%016" PRIx64 "-%08" PRIx64 RWD_JOURNAL_SUFFIX "%s", job->block.from, w->name.term, w->name.number,
                   job->part ? RWD_JOURNAL_PART : "");
    if (!rwd_journal_path(j, file, w->path, err) || !rwd_io_open(j->io, w->path, O_WRONLY | O_CREAT | O_EXCL, 0600, &w->fd, err)) return false;
    RWD_CRASH_POINT(journal_segment_made);
    if (rwd_io_sync_dir(j->io, j->dir, err)) return true;
    rwd_io_close(j->io, w->fd);
    return false;
}

// Nothing is in flight.
static bool new_segment(writer *w, const rwd_journal_job *job, rwd_error *err) {
    rwd_journal *j = w->j;
    char file[96];
    seal(w);
    w->name = (rwd_journal_name){j->options.repository, j->options.term, ++j->number};  // the thread's while it runs
    if (!room_above_floor(j, err) || !make_file(w, job, file, err)) return false;
    w->at = 0;
    w->before = 0;
    w->begun_us = rwd_clock_wall_us(j->clock);
    w->open = true;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = rwd_journal_segment_add(j);
    memcpy(s->file, file, sizeof s->file);
    s->name = w->name;
    s->own = s->open = true;
    s->part = job->part;
    s->fd = w->fd;
    s->changed_us = w->begun_us;
    bool resumed = j->suspended;
    j->suspended = false;
    pthread_mutex_unlock(&j->mutex);
    if (resumed) rwd_log(RWD_LOG_INFO, "journal", "goes on at offset %" PRId64, job->block.from);
    return true;
}

// Header and payload as they go to the file.
static void encode(writer *w, rwd_journal_job *job, output *out) {
    rwd_journal_codec codec = w->j->options.codec;
    size_t plain = job->plain.size, bound = rwd_journal_bound(codec, plain), most = RWD_JOURNAL_HEADER + (bound > plain ? bound : plain);
    out->pooled = most <= BUFFER_SIZE ? rwd_io_buffer_take(w->queue) : NULL;
    rwd_buf_clear(&out->heap);
    if (!out->pooled) rwd_buf_reserve(&out->heap, most);
    uint8_t *bytes = out->pooled ? out->pooled : out->heap.data;
    rwd_journal_block *b = &out->block;
    *b = job->block;
    size_t stored = codec == RWD_JOURNAL_PLAIN ? 0 : rwd_journal_compress(codec, rwd_buf_slice(&job->plain), bytes + RWD_JOURNAL_HEADER, most - RWD_JOURNAL_HEADER);
    b->codec = (uint32_t)(stored ? codec : RWD_JOURNAL_PLAIN);
    if (!stored && plain) memcpy(bytes + RWD_JOURNAL_HEADER, job->plain.data, plain);
    b->name = w->name;
    b->plain = (uint32_t)plain;
    b->stored = (uint32_t)(stored ? stored : plain);
    b->before = w->before;
    b->payload_checksum = rwd_crc32c(0, bytes + RWD_JOURNAL_HEADER, b->stored);
    rwd_journal_block_put(b, bytes);
    out->op = (rwd_io_op){.kind = RWD_IO_WRITE, .fd = w->fd, .data = bytes, .size = RWD_JOURNAL_HEADER + (size_t)b->stored, .offset = w->at};
}

static bool may_try(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    bool waits = j->failed || (j->suspended && rwd_clock_ns(j->clock) - j->suspended_ns < TRY_AGAIN_NS);
    pthread_mutex_unlock(&j->mutex);
    return !waits;
}

static bool rolls(const writer *w, const rwd_journal_job *job) {
    const rwd_journal_options *o = &w->j->options;
    if (job->new_segment || !w->open || w->at >= segment_bytes(w->j)) return true;
    return rwd_clock_wall_us(w->j->clock) - w->begun_us >= o->keep_ns / 1000 / RWD_JOURNAL_SEGMENTS;
}

// True: its write is in flight.
static bool begin_write(writer *w, rwd_journal_job *job) {
    rwd_error why;
    bool roll = rolls(w, job);
    if (roll) settle(w, true);
    bool tried = !roll || may_try(w->j);
    if (!tried || !room_on_disk(w, job, &why) || (roll && !new_segment(w, job, &why))) {
        settle(w, true);
        seal(w);
        if (tried) fail_with(w->j, &why);
        return false;
    }
    output *out = &w->outputs[w->begun % WRITES];
    encode(w, job, out);
    rwd_io_op *op = &out->op;
    rwd_io_submit(w->queue, &op, 1);
    w->begun++;
    w->at += out->op.size;
    w->before = out->block.checksum;
    return true;
}

// The next job, or NULL: there is none now; `out_ends`: nor ever.
static rwd_journal_job *next_job(writer *w, bool *out_ends) {
    rwd_journal *j = w->j;
    pthread_mutex_lock(&j->mutex);
    while (j->head == j->tail && !j->stop && w->done == w->begun) pthread_cond_wait(&j->changed, &j->mutex);
    bool none = j->head == j->tail;
    *out_ends = none && j->stop;
    pthread_mutex_unlock(&j->mutex);
    return none ? NULL : &j->jobs[j->tail % RWD_JOURNAL_QUEUE];
}

static void run(writer *w) {
    rwd_journal *j = w->j;
    bool ends = false;
    while (!ends) {
        rwd_journal_job *job = next_job(w, &ends);
        if (!job) {
            settle(w, true);
            continue;
        }
        if (w->begun - w->done == WRITES) rwd_io_await(w->queue, &w->outputs[w->done % WRITES].op);
        (void)rwd_io_poll(w->queue);
        settle(w, false);
        bool begun = begin_write(w, job);
        pthread_mutex_lock(&j->mutex);
        j->tail++;
        pthread_cond_broadcast(&j->changed);
        pthread_mutex_unlock(&j->mutex);
        if (!begun) count_written(j);
    }
    seal(w);
}

void *rwd_journal_thread(void *context) {
    rwd_journal *j = context;
    writer *w = rwd_calloc(1, sizeof(*w));
    rwd_error why;
    w->j = j;
    w->fd = -1;
    const rwd_io_queue_options options = {.depth = WRITES, .buffer_count = WRITES, .buffer_size = BUFFER_SIZE};
    if (rwd_io_queue_open(j->io, &options, &w->queue, &why)) run(w);
    else fail_with(j, &why);
    rwd_io_queue_close(w->queue);
    for (size_t i = 0; i < WRITES; i++) rwd_buf_deinit(&w->outputs[i].heap);
    free(w);
    return NULL;
}
