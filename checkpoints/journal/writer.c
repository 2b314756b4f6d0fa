// Appending: the pipeline fills blocks, a thread compresses and writes them, many with one write.
//
//   pipeline                          thread
//   fill jobs[head]; hand over   ->   take jobs[tail]; header, checksum, codec, into the buffer; give the job back
//                                     the buffer is full, or somebody wants what is in it: write, wait
//                                     what was written goes into the index, where readers see it
//
// The thread goes to work once for WAKE_AT blocks, or when somebody flushes: a wake-up and a write for each block would cost more than all the rest. Blocks that nobody asks for wait for others
// LINGER_NS at most while none come.
//
// A full buffer goes past the page cache (O_DIRECT) in whole pages, which spares the kernel a copy; what is left of its last page goes with the next one. What somebody waits for goes through the page
// cache as it is: it is there at once, and the file ends with it. The page that it ends in may be written once more then, with the same bytes in the same places, as the page cache would.
//
// What must stay true: the index never has a block whose write, or that of a block before it in its segment, is not known to have worked; a segment in which a write
// failed is not written to again; the file holds nothing but blocks, one behind the other.
//
// Thread: the functions of journal.h are the pipeline's.
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/cond.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"
#include "operator/base/time.h"

#define NONE_TIME INT64_MIN
#define DIRECT_SHARE 4u                    // less than this part of a buffer goes through the page cache
#define PLACED_MAX 256u                    // blocks whose write is not known to have worked
#define WAKE_AT (RWD_JOURNAL_QUEUE / 4)    // blocks handed over
#define LINGER_NS 100000000L               // of real time
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

// The block is full. The mutex is held.
static void hand_over(rwd_journal *j) {
    j->filling = NULL;
    j->head++;
    if (j->head - j->tail == 1 || j->head - j->tail >= WAKE_AT) pthread_cond_signal(&j->work);
}

static void close_block(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    hand_over(j);
    pthread_mutex_unlock(&j->mutex);
}

void rwd_journal_flush(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    if (j->filling) hand_over(j);
    j->wanted = j->head;
    if (j->written < j->wanted) pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->mutex);
}

void rwd_journal_begin(rwd_journal *j, int64_t offset) {
    assert(j->options.term > 0 && offset >= 0);
    if (j->filling) close_block(j);
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
        if (job->plain.size >= RWD_JOURNAL_BLOCK_SIZE) close_block(j);
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
    job->block.next = j->position = next;  // `expected` stays: a record that follows in this block counts from the one before it
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

// A block in the buffer, all or the end of it.
typedef struct placed {
    rwd_journal_block block;
    uint64_t at;            // in the file
} placed;

typedef struct writer {
    rwd_journal *j;
    rwd_io_queue *queue;
    uint8_t *buffer;
    size_t capacity;        // of it
    size_t used, flushed;   // of it; of these: in the file already
    uint64_t base;          // where it goes: a multiple of RWD_IO_ALIGN
    placed placed[PLACED_MAX];
    uint64_t encoded, known;  // blocks of it
    bool open;              // a segment is
    bool direct, can_direct;  // how its file is open; how it may be
    int fd;
    char path[RWD_PATH_MAX];
    rwd_journal_name name;
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

// Jobs whose fate is known.
static void count_written(rwd_journal *j, uint64_t count) {
    if (count == 0) return;
    pthread_mutex_lock(&j->mutex);
    j->written += count;
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

// What was written up to `end`.
static void enter_index(writer *w, uint64_t end) {
    rwd_journal *j = w->j;
    uint64_t count = 0;
    pthread_mutex_lock(&j->mutex);
    rwd_journal_segment *s = newest(j);
    s->changed_us = rwd_clock_wall_us(j->clock);
    for (; w->known + count < w->encoded; count++) {
        const placed *p = &w->placed[(w->known + count) % PLACED_MAX];
        uint64_t size = RWD_JOURNAL_HEADER + (uint64_t)p->block.stored;
        if (p->at + size > end) break;
        rwd_journal_entry_add(&s->entries, &p->block, p->at);
        s->size = p->at + size;
        j->stats.appended_blocks++;
        j->stats.appended_bytes += size;
        j->stats.appended_records += p->block.count;
    }
    pthread_mutex_unlock(&j->mutex);
    w->known += count;
    RWD_CRASH_POINT(journal_block_written);
    count_written(j, count);
}

// What is in the buffer does not count, and nothing more goes into the segment.
static void give_up_segment(writer *w, const rwd_error *why) {
    uint64_t count = w->encoded - w->known;
    seal(w);
    fail_with(w->j, why);
    w->known = w->encoded;
    count_written(w->j, count);
}

static bool set_direct(writer *w, bool direct) {
    if (w->direct == direct || (direct && !w->can_direct)) return w->direct == direct;
    if (rwd_io_set_direct(w->fd, direct)) w->direct = direct;
    else w->can_direct = false;
    return w->direct == direct;
}

// Writes [from, until) of `data`, whose first byte goes to `base`, and waits for it.
static bool transfer(writer *w, uint8_t *data, size_t from, size_t until, rwd_error *err) {
    rwd_io_op op = {.kind = RWD_IO_WRITE, .fd = w->fd, .data = data + from, .size = until - from, .offset = w->base + from}, *ops[] = {&op};
    rwd_io_submit(w->queue, ops, 1);
    rwd_io_await(w->queue, &op);
    if (op.result != -EINVAL || !w->direct) return rwd_io_check(&op, w->path, err);
    w->can_direct = false;  // the file system took the flag, and not the write
    return set_direct(w, false) ? transfer(w, data, from, until, err) : rwd_io_check(&op, w->path, err);
}

// Writes what is in `data`: the buffer, or memory that begins as it does and holds more. All of it, or, past the page cache, its whole pages.
static void write_out(writer *w, uint8_t *data, bool all) {
    rwd_error why;
    size_t whole = w->used - w->used % RWD_IO_ALIGN;
    bool direct = set_direct(w, !all && whole >= w->capacity / DIRECT_SHARE) && w->direct;
    size_t from = direct ? 0 : w->flushed, until = direct ? whole : w->used;
    if (from == until) return;
    if (!transfer(w, data, from, until, &why)) {
        if (why.code == RWD_E_DISK_FULL) why.next[0] = '\0', (void)full_hint(w->j, "free space there, lower journal.size", &why);
        give_up_segment(w, &why);
        return;
    }
    enter_index(w, w->base + until);
    w->used -= whole;
    w->flushed = direct ? 0 : w->used;
    w->base += whole;
    memmove(w->buffer, data + whole, w->used);
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
    w->base = 0;
    w->used = w->flushed = 0;
    w->direct = false;
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

// Most bytes of a block.
static size_t bound_of(rwd_journal_codec codec, size_t plain) {
    size_t bound = rwd_journal_bound(codec, plain);
    return RWD_JOURNAL_HEADER + (bound > plain ? bound : plain);
}

// Header and payload as they go to the file, at `bytes`. Returns their size.
static size_t encode(writer *w, const rwd_journal_job *job, uint8_t *bytes, size_t most) {
    rwd_journal_codec codec = w->j->options.codec;
    placed *p = &w->placed[w->encoded++ % PLACED_MAX];
    rwd_journal_block *b = &p->block;
    uint8_t *payload = bytes + RWD_JOURNAL_HEADER;
    *b = job->block;
    p->at = w->base + w->used;
    b->name = w->name;
    b->plain = (uint32_t)job->plain.size;
    b->before = w->before;
    b->stored = codec == RWD_JOURNAL_PLAIN ? 0 : (uint32_t)rwd_journal_compress(codec, rwd_buf_slice(&job->plain), payload, most - RWD_JOURNAL_HEADER);
    if (b->stored) {
        b->codec = (uint32_t)codec;
        b->payload_checksum = rwd_crc32c(0, payload, b->stored);
    } else {
        b->codec = RWD_JOURNAL_PLAIN;
        b->stored = b->plain;
        b->payload_checksum = rwd_crc32c_copy(0, payload, job->plain.data, job->plain.size);
    }
    rwd_journal_block_put(b, bytes);
    w->before = b->checksum;
    return RWD_JOURNAL_HEADER + (size_t)b->stored;
}

static bool may_try(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    bool waits = j->failed || (j->suspended && rwd_clock_ns(j->clock) - j->suspended_ns < TRY_AGAIN_NS);
    pthread_mutex_unlock(&j->mutex);
    return !waits;
}

static bool rolls(const writer *w, const rwd_journal_job *job) {
    const rwd_journal_options *o = &w->j->options;
    if (job->new_segment || !w->open || w->base + w->used >= segment_bytes(w->j)) return true;
    return rwd_clock_wall_us(w->j->clock) - w->begun_us >= o->keep_ns / 1000 / RWD_JOURNAL_SEGMENTS;
}

// All that was encoded is written, or its fate known.
static void finish(writer *w) {
    if (w->encoded > w->known) write_out(w, w->buffer, true);
}

// A segment for that block, with `anew` a new one, and room on the disk. False: there is none, and nothing more goes into the one that was.
static bool prepare(writer *w, const rwd_journal_job *job, bool anew) {
    rwd_error why;
    bool tried = !anew || may_try(w->j);
    if (tried && room_on_disk(w, job, &why) && (!anew || new_segment(w, job, &why))) return true;
    finish(w);
    seal(w);
    if (tried) fail_with(w->j, &why);
    return false;
}

// A block that is larger than the buffer.
static void write_large(writer *w, const rwd_journal_job *job, size_t most) {
    uint8_t *data = rwd_aligned_alloc(RWD_IO_ALIGN, w->used + most);
    memcpy(data, w->buffer, w->used);
    w->used += encode(w, job, data + w->used, most);
    write_out(w, data, true);
    free(data);
}

// True: it is in the buffer, or written.
static bool take(writer *w, const rwd_journal_job *job) {
    size_t most = bound_of(w->j->options.codec, job->plain.size);
    bool anew = rolls(w, job);
    if (anew) finish(w);
    if (!prepare(w, job, anew)) return false;
    if (most > w->capacity - w->used) write_out(w, w->buffer, false);
    if (w->encoded - w->known == PLACED_MAX) finish(w);
    if (!w->open) return false;  // a write before it failed
    if (most > w->capacity - w->used) write_large(w, job, most);
    else w->used += encode(w, job, w->buffer + w->used, most);
    return true;
}

// What the thread does next: JOB is worth taking; FINISH what was encoded; END, for nothing comes any more.
typedef enum act { JOB, FINISH, END } act;

// Until there may be something to do, or what lingers has done so long enough: `until`, if it was set before. The mutex is held. True: that time has come.
static bool wait_for_work(rwd_journal *j, bool lingers, struct timespec *until) {
    if (!lingers) return pthread_cond_wait(&j->work, &j->mutex) != 0;
    if (until->tv_sec == 0) *until = rwd_deadline_in(LINGER_NS);
    return pthread_cond_timedwait(&j->work, &j->mutex, until) == ETIMEDOUT;
}

// `running`: it has begun to take jobs, and goes on until there are none.
static act next_act(writer *w, bool running) {
    rwd_journal *j = w->j;
    struct timespec until = {0};
    bool urgent = false;
    pthread_mutex_lock(&j->mutex);
    for (;;) {
        uint64_t waiting = j->head - j->tail;
        bool unwritten = w->encoded > w->known;
        urgent |= j->wanted > j->written || j->stop;
        act next = waiting > 0 ? JOB : unwritten ? FINISH : END;
        bool now = next == JOB ? running || urgent || waiting >= WAKE_AT : next == FINISH ? urgent : j->stop;
        if (now) {
            pthread_mutex_unlock(&j->mutex);
            return next;
        }
        running = false;
        urgent = wait_for_work(j, next != END, &until);
    }
}

// The pipeline, if it waits for room, is woken once there is much of it.
static void give_job_back(rwd_journal *j) {
    pthread_mutex_lock(&j->mutex);
    j->tail++;
    if (j->head - j->tail == RWD_JOURNAL_QUEUE / 2) pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mutex);
}

static void run(writer *w) {
    rwd_journal *j = w->j;
    for (act next = next_act(w, false); next != END; next = next_act(w, next == JOB)) {
        if (next == FINISH) {
            finish(w);
            continue;
        }
        bool taken = take(w, &j->jobs[j->tail % RWD_JOURNAL_QUEUE]);
        give_job_back(j);
        if (!taken) count_written(j, 1);
    }
    seal(w);
}

void *rwd_journal_thread(void *context) {
    rwd_journal *j = context;
    writer *w = rwd_calloc(1, sizeof(*w));
    rwd_error why;
    w->j = j;
    w->fd = -1;
    w->can_direct = true;
    w->capacity = j->options.write_size ? j->options.write_size : RWD_JOURNAL_WRITE_SIZE;
    const rwd_io_queue_options options = {.depth = 1, .buffer_count = 1, .buffer_size = w->capacity};
    if (rwd_io_queue_open(j->io, &options, &w->queue, &why)) {
        w->buffer = rwd_io_buffer_take(w->queue);
        run(w);
    } else {
        fail_with(j, &why);
    }
    rwd_io_queue_close(w->queue);
    free(w);
    return NULL;
}
