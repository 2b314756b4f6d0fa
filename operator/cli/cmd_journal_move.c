// journal export, import: records as JSON Lines, out of the journal and into its holes; and from the topic into them.
//
//   {"offset":17,"time":"2026-03-01T12:00:00.123Z","key":"azE=","value":"eyJ9","headers":[["trace","AAE="],["none",null]]}
//
// A line is a record: key, value and header values are base64 (RFC 4648), null where there is none; a record without a time has "time":null; one without headers no "headers".
// Times are whole milliseconds, as Kafka's are.
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoints/journal/fill.h"
#include "operator/base/json_in.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/output.h"
#include "operator/kafka/consumer.h"
#include "operator/pipeline/rooms.h"

#define US_PER_MS 1000
#define LINE_MAX_BYTES ((size_t)2 << 30)   // of a record of the greatest size, as base64
#define PIECE ((size_t)1 << 20)
#define SIZE_UNLESS_GIVEN (20ull << 30)    // of the journal, where no job file says it

// ---- export

static void put_bytes(rwd_json_out *json, rwd_slice bytes, rwd_buf *scratch) {
    rwd_buf_clear(scratch);
    rwd_base64_append(scratch, bytes);
    if (bytes.data) rwd_json_string(json, rwd_buf_cstr(scratch));
    else rwd_json_null(json);
}

static void put_headers(rwd_json_out *json, rwd_slice raw, rwd_buf *scratch) {
    rwd_slice name, value;
    size_t at = 0;
    if (!rwd_kafka_raw_next_header(raw, &at, &name, &value)) return;
    rwd_json_key(json, "headers");
    rwd_json_array(json);
    do {
        rwd_json_array(json);
        rwd_json_slice(json, name);
        put_bytes(json, value, scratch);
        rwd_json_array_end(json);
    } while (rwd_kafka_raw_next_header(raw, &at, &name, &value));
    rwd_json_array_end(json);
}

static bool put_line(const rwd_journal_record *record, rwd_buf *out, rwd_buf *scratch, rwd_error *err) {
    rwd_kafka_record taken;
    rwd_json_out json;
    if (!rwd_kafka_record_from_raw(record->offset, record->raw, &taken)) return rwd_fail(err, RWD_E_CORRUPT, "what was kept of the record at offset %" PRId64 " is no record", record->offset);
    rwd_json_init(&json, out, false);
    rwd_json_object(&json);
    rwd_json_put_int(&json, "offset", record->offset);
    rwd_json_put_time(&json, "time", taken.time_ms < 0 ? RWD_TIME_NONE : taken.time_ms * US_PER_MS);
    rwd_json_key(&json, "key");
    put_bytes(&json, taken.key, scratch);
    rwd_json_key(&json, "value");
    put_bytes(&json, taken.value, scratch);
    put_headers(&json, record->raw, scratch);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
    return true;
}

typedef struct exporting {
    rwd_journal *journal;
    rwd_output *output;
    rwd_buf scratch;
    uint64_t left, done;   // records
    int64_t last;
} exporting;

// From `from` to the end of the run that covers it. `out_end` is that.
static bool export_run(exporting *e, int64_t from, int64_t *out_end, rwd_error *err) {
    rwd_journal_reader *reader;
    int64_t before;
    bool ok = true;
    *out_end = from;
    if (!rwd_journal_reader_open(e->journal, from, &reader, err)) return false;
    do {
        const rwd_journal_record *records;
        size_t count;
        before = *out_end;
        ok = rwd_journal_read(reader, &records, &count, out_end, err);
        for (size_t i = 0; ok && i < count && e->left > 0; i++, e->left--, e->done++) {
            e->last = records[i].offset;
            ok = put_line(&records[i], &e->output->text, &e->scratch, err) && rwd_output_step(e->output, err);
        }
    } while (ok && *out_end != before && e->left > 0);
    rwd_journal_reader_close(reader);
    return ok;
}

static bool export_all(exporting *e, int64_t from, rwd_error *err) {
    int64_t at = from, end, previous = -1;
    while (e->left > 0) {
        if (!rwd_journal_covers(e->journal, at, &end)) {
            if (end == INT64_MAX) break;
            if (previous >= 0) rwd_cli_say("missing: offsets %" PRId64 " to %" PRId64, at, end - 1);
            at = end;
        }
        if (!export_run(e, at, &end, err)) return false;
        previous = at = end > at ? end : at + 1;
    }
    return true;
}

bool rwd_run_journal_export(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_output output;
    exporting e = {.output = &output, .last = -1};
    const char *file = cli->in->values[RWD_FLAG_ID_FILE];
    if (!rwd_cli_open_journal(cli, &place, &e.journal, err)) return false;
    uint64_t from = rwd_count_of(cli->in, RWD_FLAG_ID_OFFSET, 0), most = rwd_count_of(cli->in, RWD_FLAG_ID_RECORDS, 0);
    e.left = most ? most : UINT64_MAX;
    bool worked = from <= INT64_MAX || rwd_fail(err, RWD_E_USAGE, "--offset: no record has such an offset");
    if (worked && rwd_output_open(place.io, file, &output, err)) {
        worked = export_all(&e, (int64_t)from, err) && rwd_output_commit(&output, err);
        rwd_output_close(&output);
    } else {
        worked = false;
    }
    if (worked && (file || isatty(STDERR_FILENO))) rwd_cli_say("%" PRIu64 " records%s%s", e.done, file ? " written to " : "", file ? file : "");
    rwd_buf_deinit(&e.scratch);
    rwd_journal_close(e.journal);
    rwd_place_deinit(&place);
    return worked;
}

// ---- a line of the file that is imported

typedef enum member { OFFSET, TIME, KEY, VALUE, HEADERS, MEMBER_COUNT } member;
static const char *const members[MEMBER_COUNT] = {"offset", "time", "key", "value", "headers"};

typedef struct line {
    rwd_json_in in;
    bool seen[MEMBER_COUNT];
    int64_t offset, time_us;
    rwd_buf key, value, headers, name, raw;
    bool has_key, has_value;
} line;

static void line_deinit(line *l) {
    rwd_buf_deinit(&l->key);
    rwd_buf_deinit(&l->value);
    rwd_buf_deinit(&l->headers);
    rwd_buf_deinit(&l->name);
    rwd_buf_deinit(&l->raw);
}

static bool take_null(rwd_json_in *in) {
    rwd_json_pass_space(in);
    return rwd_json_word_is(in, "null");
}

// Base64, or null: then `out_is` is false.
static bool take_bytes(rwd_json_in *in, rwd_buf *out, bool *out_is) {
    rwd_buf_clear(out);
    *out_is = !take_null(in);
    return !*out_is || rwd_json_take_base64(in, out);
}

static rwd_slice slice_or_none(const rwd_buf *bytes, bool is) {
    return !is ? rwd_slice_of(NULL, 0) : bytes->size ? rwd_buf_slice(bytes) : rwd_slice_of("", 0);
}

static bool take_header(line *l) {
    rwd_json_in *in = &l->in;
    rwd_buf name = {0}, value = {0};
    bool is = false;
    bool ok = (rwd_json_next_is(in, '[') || rwd_json_fails(in, "a header is [name, base64]")) && rwd_json_take_quoted(in, &name, "a header's name is wanted, in quotes") &&
              (rwd_json_next_is(in, ',') || rwd_json_fails(in, "',' is wanted")) && take_bytes(in, &value, &is) && (rwd_json_next_is(in, ']') || rwd_json_fails(in, "']' is wanted"));
    if (ok) rwd_kafka_raw_header(slice_or_none(&name, true), slice_or_none(&value, is), &l->headers);
    rwd_buf_deinit(&name);
    rwd_buf_deinit(&value);
    return ok;
}

static bool take_headers(line *l) {
    if (!rwd_json_next_is(&l->in, '[')) return rwd_json_fails(&l->in, "headers are an array of [name, base64]");
    if (rwd_json_next_is(&l->in, ']')) return true;
    bool ok;
    do ok = take_header(l);
    while (ok && rwd_json_next_is(&l->in, ','));
    return ok && (rwd_json_next_is(&l->in, ']') || rwd_json_fails(&l->in, "',' or ']' is wanted"));
}

static bool take_time(line *l) {
    l->time_us = RWD_TIME_NONE;
    if (take_null(&l->in)) return true;
    if (!rwd_json_take_time(&l->in, &l->time_us)) return false;
    return (l->time_us >= 0 && l->time_us % US_PER_MS == 0) || rwd_json_fails(&l->in, "a record's time is in whole milliseconds since 1970");
}

static bool take_member(line *l) {
    rwd_buf_clear(&l->name);
    if (!rwd_json_take_quoted(&l->in, &l->name, "the name of a member is wanted, in quotes")) return false;
    size_t which = 0;
    while (which < MEMBER_COUNT && !rwd_slice_equal(rwd_buf_slice(&l->name), rwd_slice_str(members[which]))) which++;
    if (which == MEMBER_COUNT) return rwd_json_fails(&l->in, "no such member; there are offset, time, key, value, headers");
    if (l->seen[which]) return rwd_json_fails(&l->in, "a member is there twice");
    l->seen[which] = true;
    if (!rwd_json_next_is(&l->in, ':')) return rwd_json_fails(&l->in, "':' is wanted");
    switch ((member)which) {
    case OFFSET: return rwd_json_take_offset(&l->in, &l->offset);
    case TIME: return take_time(l);
    case KEY: return take_bytes(&l->in, &l->key, &l->has_key);
    case VALUE: return take_bytes(&l->in, &l->value, &l->has_value);
    case HEADERS: return take_headers(l);
    case MEMBER_COUNT: break;
    }
    return false;
}

static bool take_object(line *l) {
    rwd_json_in *in = &l->in;
    if (!rwd_json_next_is(in, '{')) return rwd_json_fails(in, "an object is wanted: {\"offset\": N, \"time\": ..., \"key\": ..., \"value\": ...}");
    bool ok;
    do ok = take_member(l);
    while (ok && rwd_json_next_is(in, ','));
    if (!ok) return false;
    if (!rwd_json_next_is(in, '}')) return rwd_json_fails(in, "',' or '}' is wanted");
    rwd_json_pass_space(in);
    if (in->at < in->end) return rwd_json_fails(in, "there is something behind the object");
    for (int i = OFFSET; i <= VALUE; i++)
        if (!l->seen[i]) return rwd_json_fails(in, "offset, time, key and value are wanted");
    return true;
}

// The record of one line of text; `out` *borrows* from `l` until the next. `out_any` false: the line is empty.
static bool take_line(line *l, rwd_slice text, rwd_journal_record *out, bool *out_any) {
    l->in.line++;
    l->in.begin = l->in.at = text.data;
    l->in.end = text.data + text.size;
    memset(l->seen, 0, sizeof l->seen);
    rwd_buf_clear(&l->headers);
    rwd_buf_clear(&l->raw);
    rwd_json_pass_space(&l->in);
    *out_any = l->in.at < l->in.end;
    if (!*out_any) return true;
    if (!rwd_utf8_valid(text)) return rwd_json_fails(&l->in, "the line is not UTF-8");
    if (!take_object(l)) return false;
    rwd_kafka_raw_begin(l->time_us == RWD_TIME_NONE ? -1 : l->time_us / US_PER_MS, slice_or_none(&l->value, l->has_value), slice_or_none(&l->key, l->has_key), &l->raw);
    rwd_buf_append_slice(&l->raw, rwd_buf_slice(&l->headers));
    *out = (rwd_journal_record){l->offset, l->time_us, rwd_buf_slice(&l->raw)};
    return true;
}

// ---- import

typedef bool (*give)(rwd_journal_fill *fill, const rwd_journal_record *record, rwd_error *err);

static bool give_line(line *l, rwd_slice text, rwd_journal_fill *fill, give to, rwd_error *err) {
    rwd_journal_record record;
    bool any;
    if (!take_line(l, text, &record, &any)) return false;
    if (!any || to(fill, &record, err)) return true;
    if (!*err->place) (void)rwd_json_at_line(&l->in);
    return false;
}

// All lines of the file, each given away as a record.
static bool read_lines(rwd_io *io, const char *path, rwd_journal_fill *fill, give to, rwd_error *err) {
    line l = {.in = {.name = path, .err = err}};
    rwd_buf text = {0};
    uint64_t at = 0;
    int fd = -1;
    bool ok = rwd_io_open(io, path, O_RDONLY, 0, &fd, err), ended = false;
    while (ok && !ended) {
        size_t got = 0, used = 0;
        rwd_buf_reserve(&text, PIECE);
        ok = rwd_io_read(io, fd, path, text.data + text.size, PIECE, at, &got, err);
        text.size += got;
        at += got;
        ended = got == 0;
        for (const uint8_t *end; ok && (end = memchr(text.data + used, '\n', text.size - used)); used = (size_t)(end - text.data) + 1)
            ok = give_line(&l, rwd_slice_of(text.data + used, (size_t)(end - text.data) - used), fill, to, err);
        if (ok && ended) ok = give_line(&l, rwd_slice_of(text.data + used, text.size - used), fill, to, err), used = text.size;
        if (text.size > used) memmove(text.data, text.data + used, text.size - used);
        text.size -= used;
        if (ok && text.size > LINE_MAX_BYTES) ok = rwd_json_fails(&l.in, "the line is too long for a record");
    }
    rwd_io_close(io, fd);
    rwd_buf_deinit(&text);
    line_deinit(&l);
    return ok;
}

// ---- from the topic

#define LOOK_WAIT_NS 20000000LL
#define LOOKS_WITHOUT_MAX 500  // empty batches in a row: nobody answers

typedef struct topic {
    rwd_budget budget;
    rwd_source *source;  // NULL: the records come from a file
} topic;

static bool open_topic(rwd_cli *cli, rwd_place *place, topic *t, rwd_error *err) {
    rwd_checkpoint newest;
    if (!place->job || !place->job->source.topic) return rwd_fail(err, RWD_E_USAGE, "say which FILE has the records, or name a job file whose topic has them");
    if (!rwd_budget_init(&t->budget, place->job->state.memory, err) || !rwd_open_source(place->job, place->io, cli->clock, &t->budget, &t->source, err)) return false;
    if (!rwd_repo_find(place->repo, "latest", &newest, err)) return false;
    bool same = t->source->ops->check_identity(t->source, newest.facts.source_identity, err);
    rwd_checkpoint_deinit(&newest);
    return same;
}

static bool give_batch(const rwd_batch *batch, int64_t until, rwd_journal_fill *fill, give to, rwd_error *err) {
    for (size_t i = 0; i < batch->count && batch->records[i].offset < until; i++) {
        const rwd_journal_record record = {batch->records[i].offset, batch->records[i].time_us, batch->records[i].raw};
        if (!to(fill, &record, err)) return false;
    }
    return true;
}

// What the topic still has of [from, until).
static bool read_part(topic *t, int64_t from, int64_t until, rwd_journal_fill *fill, give to, rwd_error *err) {
    bool ok = t->source->ops->assign(t->source, from, rwd_slice_of(NULL, 0), err), ended = false;
    int looks = 0;
    while (ok && !ended) {
        rwd_batch batch;
        ok = t->source->ops->batch(t->source, RWD_BATCH_MAX, LOOK_WAIT_NS, &batch, err) && give_batch(&batch, until, fill, to, err);
        ended = !ok || batch.end || (batch.count > 0 && batch.records[batch.count - 1].offset >= until - 1);
        looks = batch.count > 0 ? 0 : looks + 1;
        t->source->ops->release(t->source);
        if (ok && !ended && looks > LOOKS_WITHOUT_MAX) ok = rwd_fail(err, RWD_E_BROKER, "no record came from %s", t->source->ops->label(t->source));
    }
    return ok;
}

static bool read_holes(topic *t, rwd_journal_fill *fill, give to, rwd_error *err) {
    size_t count;
    int64_t low, high;
    const rwd_journal_fill_range *ranges = rwd_journal_fill_ranges(fill, &count);
    if (!t->source->ops->bounds(t->source, &low, &high, err)) return false;
    for (size_t i = 0; i < count; i++) {
        int64_t from = ranges[i].from > low ? ranges[i].from : low;
        if (from < ranges[i].next && from < high && !read_part(t, from, ranges[i].next, fill, to, err)) return false;
    }
    return true;
}

// ---- what is known of the input

static int compare_points(const void *a, const void *b) {
    int64_t x = ((const rwd_journal_point *)a)->offset, y = ((const rwd_journal_point *)b)->offset;
    return (x > y) - (x < y);
}

// E4: what each manifest says of the records below its X. Those of bad ones are not believed; those of pruned ones are as good as others.
static bool find_points(rwd_place *place, rwd_journal_point **out, size_t *out_count, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    size_t count = 0, distinct = 0;
    if (!rwd_repo_list(place->repo, &list, err)) return false;
    rwd_journal_point *points = rwd_calloc(list.count + 1, sizeof(*points));
    for (size_t i = 0; i < list.count; i++) {
        const rwd_facts *facts = &list.items[i].facts;
        if (list.items[i].state != RWD_CHECKPOINT_BAD) points[count++] = (rwd_journal_point){facts->next_offset, facts->input_count, facts->input_hash};
    }
    rwd_checkpoint_list_deinit(&list);
    qsort(points, count, sizeof(*points), compare_points);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || points[i].offset != points[i - 1].offset) points[distinct++] = points[i];
    *out = points;
    *out_count = distinct;
    return true;
}

static bool open_owned(rwd_cli *cli, rwd_place *place, int64_t durable_to, rwd_journal **out, rwd_error *err) {
    rwd_io *io = NULL;
    const rwd_job *job = place->job;
    rwd_journal_options options = {
        .data = place->data, .repository = rwd_repo_id(place->repo), .term = rwd_repo_term(place->repo), .durable_to = durable_to, .keep_ns = INT64_MAX,
        .codec = job && job->journal.mode == RWD_JOURNAL_ON ? (rwd_journal_codec)job->journal.codec : RWD_JOURNAL_LZ4,
        .size = job && job->journal.mode == RWD_JOURNAL_ON ? job->journal.size : SIZE_UNLESS_GIVEN,
    };
    return rwd_io_clone(place->io, &io, err) && rwd_journal_open(&options, io, cli->clock, out, err);
}

static void show_plan(rwd_cli *cli, const rwd_journal_fill *fill) {
    size_t count;
    const rwd_journal_fill_range *ranges = rwd_journal_fill_ranges(fill, &count);
    rwd_journal_fill_counts counts = rwd_journal_fill_get_counts(fill);
    for (size_t i = 0; i < count && !cli->json; i++)
        rwd_buf_appendf(&cli->out, "offsets %" PRId64 " to %" PRId64 ": %s (%" PRIu64 " records)\n", ranges[i].from, ranges[i].next - 1,
                        ranges[i].fits ? "will be filled: the digest of the input is reproduced" : "stay missing", ranges[i].records);
    if (!cli->json) {
        rwd_buf_appendf(&cli->out, "%" PRIu64 " records fill holes, %" PRIu64 " are in the journal already and equal", counts.filled, counts.there);
        if (counts.outside) rwd_buf_appendf(&cli->out, ", %" PRIu64 " lie where no checkpoint says what was read, and are left out", counts.outside);
        rwd_buf_append_char(&cli->out, '\n');
        return;
    }
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_put_uint(&json, "filled", counts.filled);
    rwd_json_put_uint(&json, "there", counts.there);
    rwd_json_put_uint(&json, "outside", counts.outside);
    rwd_json_key(&json, "holes");
    rwd_json_array(&json);
    for (size_t i = 0; i < count; i++) {
        rwd_json_object(&json);
        rwd_json_put_int(&json, "from", ranges[i].from);
        rwd_json_put_int(&json, "next", ranges[i].next);
        rwd_json_put_uint(&json, "records", ranges[i].records);
        rwd_json_put_bool(&json, "filled", ranges[i].fits);
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
}

static bool read_records(rwd_cli *cli, rwd_place *place, topic *t, rwd_journal_fill *fill, give to, rwd_error *err) {
    return t->source ? read_holes(t, fill, to, err) : read_lines(place->io, cli->in->args[0], fill, to, err);
}

static bool import(rwd_cli *cli, rwd_place *place, topic *t, rwd_journal_fill *fill, rwd_error *err) {
    bool act = false;
    // A file says what is to be filled; of what the topic still has, whatever fits is taken.
    if (!read_records(cli, place, t, fill, rwd_journal_fill_offer, err) || !rwd_journal_fill_judge(fill, t->source != NULL, err)) return false;
    show_plan(cli, fill);
    if (!rwd_cli_may_act(cli, "Import?", &act, err)) return false;
    if (!act) return true;
    return read_records(cli, place, t, fill, rwd_journal_fill_write, err) && rwd_journal_fill_finish(fill, err);
}

bool rwd_run_journal_import(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_journal *journal = NULL;
    rwd_journal_fill *fill = NULL;
    rwd_journal_point *points = NULL;
    topic t = {0};
    size_t count = 0;
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_error_clear(err);  // its place is asked for
    bool worked = rwd_place_open_owner(cli, &place, err) && find_points(&place, &points, &count, err) &&
                  open_owned(cli, &place, count ? points[count - 1].offset : 0, &journal, err) && rwd_journal_fill_new(journal, points, count, &fill, err) &&
                  (cli->in->arg_count > 0 || open_topic(cli, &place, &t, err)) && import(cli, &place, &t, fill, err);
    if (t.source) t.source->ops->close(t.source);
    rwd_journal_fill_free(fill);
    free(points);
    rwd_journal_close(journal);
    rwd_place_deinit(&place);
    return worked;
}
