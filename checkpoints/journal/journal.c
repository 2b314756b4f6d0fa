// Opening, the index, and what may go (journal.h).
#include "checkpoints/journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "checkpoints/journal/journal_private.h"
#include "operator/base/cond.h"
#include "operator/base/crash_point.h"
#include "operator/base/log.h"

#define NONE_TIME INT64_MIN

bool rwd_journal_fail(const rwd_journal *j, rwd_error *err, rwd_code code, const char *file, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)rwd_fail(err, code, "%s", text);
    return rwd_error_at(err, "%s/%s", j->dir, file);
}

bool rwd_journal_path(const rwd_journal *j, const char *file, char out[RWD_PATH_MAX], rwd_error *err) { return rwd_path_join(out, j->dir, file, err); }

// ---- entries

void rwd_journal_entry_add(rwd_journal_entries *entries, const rwd_journal_block *block, uint64_t at) {
    uint64_t size = RWD_JOURNAL_HEADER + (uint64_t)block->stored;
    rwd_journal_entry *last = entries->count ? &entries->items[entries->count - 1] : NULL;
    if (last && last->next == block->from && last->at + last->size == at && last->size + size <= RWD_JOURNAL_ENTRY_BYTES) {
        last->next = block->next;
        last->size += size;
        last->blocks++;
        last->records += block->count;
        if (block->min_time != NONE_TIME && (last->min_time == NONE_TIME || block->min_time < last->min_time)) last->min_time = block->min_time;
        if (block->max_time > last->max_time) last->max_time = block->max_time;
        return;
    }
    if (entries->count == entries->capacity) {
        entries->capacity = entries->capacity ? entries->capacity * 2 : 16;
        entries->items = rwd_realloc(entries->items, entries->capacity * sizeof(*entries->items));
    }
    entries->items[entries->count++] = (rwd_journal_entry){block->from, block->next, at, size, block->min_time, block->max_time, 1, block->count};
}

// The last entry that begins at or below `offset`, if it covers it.
static const rwd_journal_entry *entry_at(const rwd_journal_entries *entries, int64_t offset) {
    size_t low = 0, high = entries->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entries->items[middle].from <= offset) low = middle + 1;
        else high = middle;
    }
    return low > 0 && entries->items[low - 1].next > offset ? &entries->items[low - 1] : NULL;
}

const rwd_journal_entry *rwd_journal_lookup(const rwd_journal *j, int64_t offset, size_t *out_segment) {
    for (size_t i = j->segment_count; i-- > 0;) {
        const rwd_journal_entry *entry = entry_at(&j->segments[i].entries, offset);
        if (!entry) continue;
        *out_segment = i;
        return entry;
    }
    return NULL;
}

// ---- coverage

static int compare_ranges(const void *a, const void *b) {
    int64_t x = ((const rwd_journal_range *)a)->from, y = ((const rwd_journal_range *)b)->from;
    return (x > y) - (x < y);
}

// Runs of one segment, appended to `out`, which has room.
static size_t segment_ranges(const rwd_journal_segment *s, rwd_journal_range *out) {
    size_t count = 0;
    for (size_t i = 0; i < s->entries.count; i++) {
        const rwd_journal_entry *e = &s->entries.items[i];
        if (count && out[count - 1].next == e->from) out[count - 1].next = e->next;
        else out[count++] = (rwd_journal_range){e->from, e->next};
    }
    return count;
}

static size_t ranges_locked(const rwd_journal *j, rwd_journal_range **out) {
    size_t room = 1, count = 0, merged = 0;
    for (size_t i = 0; i < j->segment_count; i++) room += j->segments[i].entries.count;
    rwd_journal_range *r = rwd_calloc(room, sizeof(*r));
    for (size_t i = 0; i < j->segment_count; i++) count += segment_ranges(&j->segments[i], r + count);
    qsort(r, count, sizeof(*r), compare_ranges);
    for (size_t i = 0; i < count; i++) {
        if (merged && r[i].from <= r[merged - 1].next) {
            if (r[i].next > r[merged - 1].next) r[merged - 1].next = r[i].next;
        } else {
            r[merged++] = r[i];
        }
    }
    *out = r;
    return merged;
}

size_t rwd_journal_ranges(rwd_journal *j, rwd_journal_range **out) {
    pthread_mutex_lock(&j->mutex);
    size_t count = ranges_locked(j, out);
    pthread_mutex_unlock(&j->mutex);
    return count;
}

bool rwd_journal_covers(rwd_journal *j, int64_t offset, int64_t *out_until) {
    rwd_journal_range *r;
    size_t count = rwd_journal_ranges(j, &r);
    bool covered = false;
    *out_until = INT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (r[i].next <= offset) continue;
        covered = r[i].from <= offset;
        *out_until = covered ? r[i].next : r[i].from;
        break;
    }
    free(r);
    return covered;
}

// ---- for people

// What is durable in an unbroken run up to the end of what is.
static int64_t durable_of(const rwd_journal *j) {
    int64_t best = -1;
    for (size_t i = 0; i < j->segment_count; i++)
        for (size_t k = 0; k < j->segments[i].entries.count; k++) {
            const rwd_journal_entry *e = &j->segments[i].entries.items[k];
            bool durable = j->segments[i].durable || e->at + e->size <= j->segments[i].durable_size;
            if (durable && e->next > best) best = e->next;
        }
    return best;
}

void rwd_journal_get_stats(rwd_journal *j, rwd_journal_stats *out) {
    rwd_journal_range *r;
    pthread_mutex_lock(&j->mutex);
    *out = j->stats;
    out->segments = j->segment_count;
    out->suspended = j->suspended;
    for (size_t i = 0; i < j->segment_count; i++) {
        out->bytes += j->segments[i].size;
        for (size_t k = 0; k < j->segments[i].entries.count; k++) {
            out->blocks += j->segments[i].entries.items[k].blocks;
            out->records += j->segments[i].entries.items[k].records;
        }
    }
    size_t count = ranges_locked(j, &r);
    out->durable = durable_of(j);
    pthread_mutex_unlock(&j->mutex);
    out->first = count ? r[0].from : -1;
    out->next = count ? r[count - 1].next : -1;
    out->holes = count ? count - 1 : 0;
    free(r);
}

static int compare_infos(const void *a, const void *b) {
    const rwd_journal_segment_info *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->term != y->term ? (x->term > y->term) - (x->term < y->term) : (x->number > y->number) - (x->number < y->number);
}

static void fill_info(const rwd_journal_segment *s, rwd_journal_segment_info *out) {
    *out = (rwd_journal_segment_info){.term = s->name.term, .number = s->name.number, .bytes = s->size, .first = -1, .next = -1, .min_time = NONE_TIME,
                                      .max_time = NONE_TIME, .torn = s->torn};
    (void)snprintf(out->name, sizeof out->name, "%s", s->file);
    for (size_t i = 0; i < s->entries.count; i++) {
        const rwd_journal_entry *e = &s->entries.items[i];
        if (out->first < 0) out->first = e->from;
        else if (e->from != out->next) out->holes++;
        out->next = e->next;
        out->blocks += e->blocks;
        out->records += e->records;
        if (e->min_time != NONE_TIME && (out->min_time == NONE_TIME || e->min_time < out->min_time)) out->min_time = e->min_time;
        if (e->max_time > out->max_time) out->max_time = e->max_time;
    }
}

size_t rwd_journal_list(rwd_journal *j, rwd_journal_segment_info **out) {
    pthread_mutex_lock(&j->mutex);
    size_t count = j->segment_count;
    *out = rwd_calloc(count + 1, sizeof(**out));
    for (size_t i = 0; i < count; i++) fill_info(&j->segments[i], &(*out)[i]);
    pthread_mutex_unlock(&j->mutex);
    qsort(*out, count, sizeof(**out), compare_infos);
    return count;
}

// All payloads of a segment. What is bad is told in `info`.
static bool check_one(rwd_journal *j, rwd_io *io, rwd_journal_segment_info *info, const atomic_bool *stop, rwd_error *err) {
    char path[RWD_PATH_MAX];
    int fd = -1;
    rwd_journal_entries good = {0};
    rwd_error why;
    if (!rwd_journal_path(j, info->name, path, err)) return false;
    if (!rwd_io_open(io, path, O_RDONLY, 0, &fd, &why)) {
        if (why.code == RWD_E_NOT_FOUND) (void)snprintf(info->why, sizeof info->why, "it has just gone");
        else if (err) *err = why;
        return why.code == RWD_E_NOT_FOUND;
    }
    rwd_journal_scan scan = {.io = io, .fd = fd, .path = path, .name = {j->options.repository, info->term, info->number}, .end = info->bytes, .verify_from = -1,
                             .torn_from = INT64_MAX, .entries = &good, .stop = stop};
    bool ok = rwd_journal_scan_run(&scan, err);
    uint64_t blocks = 0;
    for (size_t i = 0; i < good.count; i++) blocks += good.items[i].blocks;
    if (ok && !(stop && atomic_load(stop)) && (scan.damaged || scan.torn || blocks != info->blocks))
        (void)snprintf(info->why, sizeof info->why, "damaged: %" PRIu64 " of %" PRIu64 " blocks are good", blocks, info->blocks > blocks ? info->blocks : blocks + 1);
    rwd_io_close(io, fd);
    free(good.items);
    return ok;
}

bool rwd_journal_check(rwd_journal *j, rwd_io *io, const atomic_bool *stop, rwd_journal_segment_info **out, size_t *out_count, rwd_error *err) {
    *out_count = rwd_journal_list(j, out);
    for (size_t i = 0; i < *out_count && !(stop && atomic_load(stop)); i++) {
        if (check_one(j, io, &(*out)[i], stop, err)) continue;
        free(*out);
        *out = NULL;
        return false;
    }
    return true;
}

// ---- opening

rwd_journal_segment *rwd_journal_segment_add(rwd_journal *j) {
    if (j->segment_count == j->segment_capacity) {
        j->segment_capacity = j->segment_capacity ? j->segment_capacity * 2 : 16;
        j->segments = rwd_realloc(j->segments, j->segment_capacity * sizeof(*j->segments));
    }
    rwd_journal_segment *s = &j->segments[j->segment_count++];
    *s = (rwd_journal_segment){.fd = -1};
    return s;
}

rwd_journal_segment *rwd_journal_segment_find(rwd_journal *j, const rwd_journal_name *name) {
    for (size_t i = 0; i < j->segment_count; i++)
        if (j->segments[i].name.term == name->term && j->segments[i].name.number == name->number) return &j->segments[i];
    return NULL;
}

static void close_segment(rwd_journal *j, rwd_journal_segment *s) {
    rwd_io_close(j->sync_io, s->fd);
    free(s->entries.items);
}

void rwd_journal_segment_drop(rwd_journal *j, rwd_journal_segment *s) {
    close_segment(j, s);
    size_t at = (size_t)(s - j->segments);
    memmove(s, s + 1, (--j->segment_count - at) * sizeof(*s));
}

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

// "<20 digits>-<16 hex digits>-<8 hex digits>.jnl"
static bool parse_name(const char *file, uint64_t *out_term, uint64_t *out_number) {
    int used = 0;
    int64_t from;
    if (sscanf(file, "%20" SCNd64 "-%16" SCNx64 "-%8" SCNx64 "%n", &from, out_term, out_number, &used) != 3) return false;
    return used == 46 && strcmp(file + used, RWD_JOURNAL_SUFFIX) == 0;
}

// The blocks of a file from s->size on: all of a new one, of a known one what was appended since.
static bool scan_segment(rwd_journal *j, rwd_journal_segment *s, rwd_error *err) {
    char path[RWD_PATH_MAX];
    struct stat info;
    int fd = -1;
    uint64_t at = s->size;
    if (!rwd_journal_path(j, s->file, path, err) || !rwd_io_open(j->io, path, O_RDONLY, 0, &fd, err)) return false;
    if (fstat(fd, &info) != 0) {
        rwd_io_close(j->io, fd);
        return rwd_fail_errno(err, errno, "cannot look at %s", path);
    }
    s->changed_us = (int64_t)info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000;
    if (at == 0 && rwd_journal_take_known(j, s, (uint64_t)info.st_size)) {
        rwd_io_close(j->io, fd);
        return true;
    }
    rwd_journal_scan scan = {.io = j->io, .fd = fd, .path = path, .name = s->name, .at = at, .end = (uint64_t)info.st_size, .verify_from = j->options.durable_to,
                             .torn_from = j->options.durable_to, .inside = at > 0, .after = s->entries.count ? s->entries.items[s->entries.count - 1].next : -1,
                             .entries = &s->entries};
    bool ok = rwd_journal_scan_run(&scan, err);
    rwd_io_close(j->io, fd);
    s->size = scan.size;
    s->torn = scan.torn;
    // K3: what lies below a checkpoint's X was synced before its manifest, if it was there then.
    s->durable = s->entries.count > 0 && s->entries.items[s->entries.count - 1].next <= j->options.durable_to && s->name.term < j->options.durable_term;
    j->stats.damaged += scan.damaged;
    if (ok && scan.newer) {
        ok = rwd_journal_fail(j, err, RWD_E_NEWER_FORMAT, s->file, "was written by a newer version of the program");
        (void)rwd_error_next(err, "run the version that wrote it");
    }
    if (ok && scan.damaged) rwd_log(RWD_LOG_WARN, "journal", "%s is damaged in %" PRIu64 " places: rewind journal check --data %s", path, scan.damaged, j->options.data);
    return ok;
}

// A segment that nobody confirmed, or a part of one, left by a process that did not come so far: what it holds may be wrong, and somebody else has it.
static bool drop_unconfirmed(rwd_journal *j, const char *file, rwd_error *err) {
    char path[RWD_PATH_MAX];
    return rwd_journal_path(j, file, path, err) && rwd_io_unlink(j->io, path, err);
}

static int compare_segments(const void *a, const void *b) {
    const rwd_journal_name *x = &((const rwd_journal_segment *)a)->name, *y = &((const rwd_journal_segment *)b)->name;
    if (x->term != y->term) return x->term < y->term ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

// Not a folder or a pipe, whose opening waits for somebody.
static bool is_file(const rwd_journal *j, const char *file) {
    char path[RWD_PATH_MAX];
    struct stat info;
    rwd_error ignored;
    if (!rwd_journal_path(j, file, path, &ignored) || stat(path, &info) != 0 || S_ISREG(info.st_mode)) return true;  // what cannot be asked, the opening will tell
    rwd_log(RWD_LOG_WARN, "journal", "%s is no file, and is passed over", path);
    return false;
}

static bool scan_one(rwd_journal *j, const char *file, rwd_error *err) {
    uint64_t term, number;
    if (j->options.term && (ends_with(file, RWD_JOURNAL_PART) || ends_with(file, RWD_JOURNAL_COPYING))) return drop_unconfirmed(j, file, err);
    if (!parse_name(file, &term, &number) || !is_file(j, file)) return true;
    if (term == j->options.term && number > j->number) j->number = number;
    rwd_journal_segment *s = rwd_journal_segment_add(j);
    (void)snprintf(s->file, sizeof s->file, "%s", file);
    s->name = (rwd_journal_name){j->options.repository, term, number};
    if (scan_segment(j, s, err)) return true;
    // A reader comes by while the owner deletes.
    if (j->options.term || !err || err->code != RWD_E_NOT_FOUND) return false;
    free(s->entries.items);
    j->segment_count--;
    return true;
}

static bool scan_all(rwd_journal *j, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    if (!j->options.term && !rwd_path_exists(j->dir)) return true;
    if (!rwd_list_dir(j->dir, &names, &count, err)) return false;
    bool ok = true;
    rwd_journal_load_index(j);
    for (size_t i = 0; i < count && ok; i++) ok = scan_one(j, names[i], err);
    rwd_journal_forget_index(j);
    rwd_names_free(names, count);
    if (ok && j->segment_count > 1) qsort(j->segments, j->segment_count, sizeof(*j->segments), compare_segments);
    return ok;
}

static bool start_thread(rwd_journal *j, rwd_error *err) {
    int result = pthread_create(&j->thread, NULL, rwd_journal_thread, j);
    if (result != 0) return rwd_fail_errno(err, result, "cannot start the journal's thread");
    j->has_thread = true;
    return true;
}

bool rwd_journal_open(const rwd_journal_options *options, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err) {
    assert(!options->term || options->size >= RWD_JOURNAL_SIZE_MIN);
    rwd_journal *j = rwd_calloc(1, sizeof(*j));
    j->participant.ops = &rwd_journal_participant_ops;
    j->options = *options;
    j->clock = clock;
    j->io = io;
    j->position = -1;
    j->floor = -1;
    pthread_mutex_init(&j->mutex, NULL);
    pthread_cond_init(&j->changed, NULL);
    rwd_cond_init(&j->work);
    bool ok = rwd_path_join(j->dir, options->data, RWD_JOURNAL_FOLDER, err) && rwd_io_clone(io, &j->sync_io, err) && rwd_io_clone(io, &j->read_io, err) &&
              (!options->term || rwd_io_make_dirs(io, j->dir, err)) && scan_all(j, err) && (!options->term || start_thread(j, err));
    if (!ok) {
        rwd_journal_close(j);
        return false;
    }
    if (options->term) rwd_journal_save_index(j, j->read_io);
    *out = j;
    return true;
}

bool rwd_journal_open_reader(const char *data, rwd_hash128 repository, int64_t durable_to, rwd_io *io, rwd_clock *clock, rwd_journal **out, rwd_error *err) {
    return rwd_journal_open(&(rwd_journal_options){.data = data, .repository = repository, .durable_to = durable_to}, io, clock, out, err);
}

bool rwd_journal_is_reader(const rwd_journal *j) { return j->options.term == 0; }

// ---- looking again (readers)

static bool is_listed(char *const *names, size_t count, const char *file) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], file) == 0) return true;
    return false;
}

static void drop_gone(rwd_journal *j, char *const *names, size_t count) {
    for (size_t i = j->segment_count; i-- > 0;)
        if (!is_listed(names, count, j->segments[i].file)) rwd_journal_segment_drop(j, &j->segments[i]);
}

// The mutex is held: a reader's other callers wait meanwhile, which are few.
static bool look_again(rwd_journal *j, char *const *names, size_t count, rwd_error *err) {
    bool ok = true;
    drop_gone(j, names, count);
    for (size_t i = 0; i < count && ok; i++) {
        rwd_journal_name name = {.repository = j->options.repository};
        rwd_journal_segment *known = parse_name(names[i], &name.term, &name.number) ? rwd_journal_segment_find(j, &name) : NULL;
        rwd_error why;
        if (!known) ok = scan_one(j, names[i], err);
        else if (!scan_segment(j, known, &why) && why.code == RWD_E_NOT_FOUND) rwd_journal_segment_drop(j, known);
    }
    if (j->segment_count > 1) qsort(j->segments, j->segment_count, sizeof(*j->segments), compare_segments);
    return ok;
}

bool rwd_journal_refresh(rwd_journal *j, rwd_error *err) {
    char **names = NULL;
    size_t count = 0;
    int64_t now = rwd_clock_ns(j->clock);
    if (!rwd_journal_is_reader(j) || now - j->looked_ns < RWD_JOURNAL_LOOK_AGAIN_NS || !rwd_path_exists(j->dir)) return true;
    j->looked_ns = now;
    if (!rwd_list_dir(j->dir, &names, &count, err)) return false;
    pthread_mutex_lock(&j->mutex);
    bool ok = look_again(j, names, count, err);
    pthread_mutex_unlock(&j->mutex);
    rwd_names_free(names, count);
    return ok;
}

void rwd_journal_close(rwd_journal *j) {
    if (!j) return;
    if (j->has_thread) {
        rwd_journal_flush(j);
        pthread_mutex_lock(&j->mutex);
        j->stop = true;
        pthread_cond_signal(&j->work);
        pthread_mutex_unlock(&j->mutex);
        pthread_join(j->thread, NULL);
    }
    for (size_t i = 0; i < j->segment_count; i++) close_segment(j, &j->segments[i]);
    for (size_t i = 0; i < RWD_JOURNAL_QUEUE; i++) rwd_buf_deinit(&j->jobs[i].plain);
    free(j->segments);
    rwd_io_free(j->read_io);
    rwd_io_free(j->sync_io);
    rwd_io_free(j->io);
    pthread_cond_destroy(&j->work);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->mutex);
    free(j);
}

// ---- what may go (K7)

static uint64_t bytes_locked(const rwd_journal *j) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < j->segment_count; i++) bytes += j->segments[i].size;
    return bytes;
}

static int64_t end_of(const rwd_journal_segment *s) { return s->entries.count ? s->entries.items[s->entries.count - 1].next : 0; }

// The one that goes next: the one that ends lowest, if it lies below the floor and there is too much, or it is too old. NULL: none.
static rwd_journal_segment *next_to_go(rwd_journal *j, int64_t now_us) {
    rwd_journal_segment *lowest = NULL;
    for (size_t i = 0; i < j->segment_count; i++) {
        rwd_journal_segment *s = &j->segments[i];
        if (s->open || s->part || end_of(s) > j->floor) continue;
        if (!lowest || end_of(s) < end_of(lowest)) lowest = s;
    }
    if (!lowest) return NULL;
    bool old = now_us - lowest->changed_us > j->options.keep_ns / 1000;
    return old || bytes_locked(j) > j->options.size ? lowest : NULL;
}

bool rwd_journal_prune(rwd_journal *j, rwd_io *io, int64_t floor, uint64_t *out_freed, rwd_error *err) {
    char path[RWD_PATH_MAX];
    bool ok = true, any = false;
    int64_t now_us = rwd_clock_wall_us(j->clock);
    pthread_mutex_lock(&j->mutex);
    j->floor = floor;
    for (rwd_journal_segment *s = next_to_go(j, now_us); s && ok; s = next_to_go(j, now_us)) {
        ok = rwd_journal_path(j, s->file, path, err) && rwd_io_unlink(io, path, err);
        if (!ok) break;
        RWD_CRASH_POINT(journal_segment_removed);
        any = true;
        if (out_freed) *out_freed += s->size;
        rwd_journal_segment_drop(j, s);
    }
    pthread_mutex_unlock(&j->mutex);
    if (ok) rwd_journal_save_index(j, io);
    return ok && (!any || rwd_io_sync_dir(io, j->dir, err));
}
