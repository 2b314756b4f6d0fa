// Choosing dead letters (dlq.h).
#include "operator/cli/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/words.h"
#include "state/key_text.h"

#define CODES_TEXT_MAX 1024

// ---------------------------------------------------------------------------------------------- what the command line asks for

static bool unknown_code(const char *word, rwd_error *err) {
    const char *names[RWD_E_COUNT];
    size_t count = 0;
    for (int code = RWD_E_NONE + 1; code < RWD_E_COUNT; code++)
        if (rwd_code_decision((rwd_code)code) == RWD_SKIP) names[count++] = rwd_code_name((rwd_code)code);
    const char *nearest = rwd_nearest(word, names, count);
    if (nearest) return rwd_fail(err, RWD_E_USAGE, "no dead letter has the reason '%s'; did you mean '%s'?", word, nearest);
    rwd_buf list = {0};
    for (size_t i = 0; i < count; i++) rwd_buf_appendf(&list, "%s%s", i ? ", " : "", names[i]);
    rwd_fail(err, RWD_E_USAGE, "no dead letter has the reason '%s'; there are: %s", word, rwd_buf_cstr(&list));
    rwd_buf_deinit(&list);
    return false;
}

static bool take_codes(rwd_dlq *d, const char *text, rwd_error *err) {
    char words[CODES_TEXT_MAX], *rest = words, *word;
    if (!text) return true;
    if (strlen(text) >= sizeof words) return rwd_fail(err, RWD_E_USAGE, "--code: the list is too long");
    (void)snprintf(words, sizeof words, "%s", text);
    d->some_codes = true;
    while ((word = strsep(&rest, ","))) {
        int code = RWD_E_NONE + 1;
        while (code < RWD_E_COUNT && (strcmp(rwd_code_name((rwd_code)code), word) != 0 || rwd_code_decision((rwd_code)code) != RWD_SKIP)) code++;
        if (code == RWD_E_COUNT) return unknown_code(word, err);
        d->codes[code] = true;
    }
    return true;
}

// An offset, a time, or else a checkpoint: its X.
static bool take_place(rwd_dlq *d, rwd_flag_id flag, int64_t *offset, int64_t *time_us, rwd_error *err) {
    const char *text = d->cli->in->values[flag];
    char name[16];
    rwd_target target;
    rwd_checkpoint checkpoint;
    if (!text) return true;
    (void)snprintf(name, sizeof name, "--%s", rwd_flag_at(flag)->name);
    if (!rwd_cli_place_target(d->cli, name, text, &target, err)) return false;
    if (target.kind == RWD_TARGET_OFFSET) *offset = target.offset;
    if (target.kind == RWD_TARGET_TIME) *time_us = target.time_us;
    if (target.kind != RWD_TARGET_CHECKPOINT) return true;
    if (!rwd_repo_find(d->side.repo, target.checkpoint, &checkpoint, err)) return rwd_error_at(err, "%s", name);
    *offset = checkpoint.facts.next_offset;
    rwd_checkpoint_deinit(&checkpoint);
    return true;
}

static bool take_id(const char *text, rwd_dead_id *out, rwd_error *err) {
    long long offset = -1, ordinal = -1;
    int end = 0;
    bool ok = sscanf(text, "%lld%n/%lld%n", &offset, &end, &ordinal, &end) >= 1 && text[end] == '\0' && offset >= 0 && ordinal >= -1 && ordinal < (long long)RWD_DEAD_WHOLE;
    *out = (rwd_dead_id){.offset = offset, .inserted = RWD_DEAD_RECORD, .ordinal = ordinal < 0 ? RWD_DEAD_WHOLE : (uint32_t)ordinal};
    return ok || rwd_fail(err, RWD_E_USAGE, "a dead letter is named by its offset, as 1200, or, of an event of a record, 1200/3; not '%s'", text);
}

static bool take_filters(rwd_dlq *d, rwd_error *err) {
    const rwd_invocation *in = d->cli->in;
    const char *state = in->values[RWD_FLAG_ID_STATE], *key = in->values[RWD_FLAG_ID_KEY];
    d->to = d->to_us = INT64_MAX;
    d->from_us = RWD_TIME_NONE;
    d->open = !state || strcmp(state, "failed") != 0;
    d->failed = !state || strcmp(state, "open") != 0;
    if (key) d->key = rwd_slice_str(key);
    for (size_t i = 0; i < in->arg_count; i++)
        if (!take_id(in->args[i], &d->ids[d->id_count++], err)) return false;
    return take_codes(d, in->values[RWD_FLAG_ID_CODE], err);
}

static bool is_named(const rwd_dlq *d, const rwd_dead_id *id) {
    if (d->id_count == 0) return true;
    for (size_t i = 0; i < d->id_count; i++) {
        bool whole = d->ids[i].ordinal == RWD_DEAD_WHOLE;  // all of the record's
        if (d->ids[i].offset == id->offset && (whole || d->ids[i].ordinal == id->ordinal)) return true;
    }
    return false;
}

// All but the key.
static bool passes(const rwd_dlq *d, const rwd_dead_entry *entry) {
    bool timed = d->from_us != RWD_TIME_NONE || d->to_us != INT64_MAX;
    if (entry->id.offset < d->from || entry->id.offset >= d->to || (d->some_codes && !d->codes[entry->code])) return false;
    if (timed && (entry->time_us == RWD_TIME_NONE || entry->time_us < d->from_us || entry->time_us >= d->to_us)) return false;
    return (entry->failed ? d->failed : d->open) && is_named(d, &entry->id);
}

// ---------------------------------------------------------------------------------------------- life

// One that starts, or is parked, makes no checkpoint: what it has is read.
static bool open_side(rwd_dlq *d, rwd_error *err) {
    const char *word = d->cli->in->values[RWD_FLAG_ID_CHECKPOINT];
    if (rwd_cli_side_open(d->cli, &d->place, word ? word : "live", &d->side, err)) return true;
    if (word || err->code != RWD_E_BUSY) return false;
    rwd_cli_side_close(&d->side);
    rwd_cli_say("The operator cannot make a checkpoint now; the newest is read.");
    return rwd_cli_side_open(d->cli, &d->place, "latest", &d->side, err);
}

bool rwd_dlq_open(rwd_cli *cli, bool with_bytes, rwd_dlq *d, rwd_error *err) {
    *d = (rwd_dlq){.cli = cli, .with_bytes = with_bytes || rwd_given(cli->in, RWD_FLAG_ID_KEY)};
    d->items = rwd_calloc(RWD_DLQ_CHUNK, sizeof *d->items);
    if (!take_filters(d, err) || !rwd_place_find(cli, &d->place, err) || !open_side(d, err)) return false;
    d->job = d->place.job ? d->place.job : d->side.job;
    if (!rwd_dead_reader_open(d->side.dir, &d->reader, err)) return false;
    if (!take_place(d, RWD_FLAG_ID_FROM_PLACE, &d->from, &d->from_us, err) || !take_place(d, RWD_FLAG_ID_TO_PLACE, &d->to, &d->to_us, err)) return false;
    rwd_dead_reader_seek(d->reader, d->from);
    if (d->side.checkpoint.facts.dead.since > 0)
        rwd_cli_say("The index of dead letters begins at offset %" PRId64 ": the job is older than it. What failed before is in the dead-letter output only.", d->side.checkpoint.facts.dead.since);
    return !d->with_bytes || rwd_dead_fetcher_open(d->job, d->side.repo, d->side.io, cli->clock, &d->fetcher, err);
}

void rwd_dlq_close(rwd_dlq *d) {
    if (d->step) d->step->ops->free(d->step);
    rwd_decoder_free(d->decoder);
    rwd_dead_fetcher_close(d->fetcher);
    rwd_dead_reader_close(d->reader);
    rwd_cli_side_close(&d->side);
    rwd_place_deinit(&d->place);
    rwd_arena_deinit(&d->bytes);
    rwd_arena_deinit(&d->names);
    rwd_buf_deinit(&d->key_text);
    rwd_buf_deinit(&d->scratch);
    free(d->items);
    d->items = NULL;
}

// ---------------------------------------------------------------------------------------------- keys

static bool need_decoder(rwd_dlq *d, rwd_error *err) {
    size_t columns;
    const char *const *names = rwd_dead_fetcher_columns(d->fetcher, &columns);
    if (d->decoder) return true;
    if (!rwd_decoder_new(d->job, names, columns, &d->decoder, err)) return false;
    d->step = rwd_step_new(d->job);
    return true;
}

static bool touches_key(rwd_dlq *d, const rwd_event *event) {
    size_t reach = d->step->ops->reach(d->step), count = 0, used = 0;
    rwd_touch *touches = rwd_calloc(reach, sizeof *touches);
    uint8_t *keys = rwd_malloc(reach * RWD_KEY_BYTES_MAX);
    rwd_fault fault;
    bool found = false;
    if (d->step->ops->begin) d->step->ops->begin(d->step);
    if (d->step->ops->route(d->step, event, 0, touches, &count, keys, &used, &fault)) {
        for (size_t i = 0; !found && i < count; i++) {
            rwd_buf_clear(&d->key_text);
            found = rwd_key_write_partition_text(&d->job->tables[touches[i].table].schema, rwd_slice_of(touches[i].key, touches[i].key_size), &d->scratch, &d->key_text) &&
                    rwd_slice_equal(rwd_buf_slice(&d->key_text), d->key);
        }
    }
    free(touches);
    free(keys);
    return found;
}

// A key of one of its events, where they can be read so far.
static bool has_table_key(rwd_dlq *d, const rwd_dead_item *item) {
    rwd_record record = {.offset = item->entry.id.offset, .time_us = item->time_us, .value = item->value, .full_size = item->full_size, .key = item->key, .raw = item->raw};
    size_t count = 0;
    rwd_fault fault = {.code = RWD_E_NONE, .field = -1};
    if (!item->has_value || item->full_size > item->value.size || item->full_size > d->job->event.max_size) return false;
    rwd_decoder_begin(d->decoder, RWD_EVENTS_PER_RECORD_MAX);
    if (!rwd_decode_record(d->decoder, &record, &count, &fault)) return false;
    for (size_t i = 0; i < count; i++) {
        rwd_event event = {.record = &record, .time_us = RWD_TIME_NONE};
        bool decoded = rwd_decode_event(d->decoder, &event, &fault);
        bool wanted = item->entry.id.ordinal == RWD_DEAD_WHOLE || event.ordinal == item->entry.id.ordinal;
        if (decoded && wanted && touches_key(d, &event)) return true;
    }
    return false;
}

static bool has_key(rwd_dlq *d, const rwd_dead_item *item, bool *out, rwd_error *err) {
    *out = !d->key.data || (item->has_key && rwd_slice_equal(item->key, d->key));
    if (*out || item->found == RWD_DEAD_NOWHERE) return true;
    if (!need_decoder(d, err)) return false;
    *out = has_table_key(d, item);
    return true;
}

// ---------------------------------------------------------------------------------------------- one by one

static bool read_entries(rwd_dlq *d, rwd_error *err) {
    bool found = true;
    rwd_dead_entry entry;
    rwd_arena_reset(&d->names);
    d->count = 0;
    while (found && d->count < RWD_DLQ_CHUNK) {
        if (!rwd_dead_reader_next(d->reader, &found, &entry, err)) return false;
        if (!found || entry.id.offset >= d->to) break;
        if (!passes(d, &entry)) {
            d->passed++;
            continue;
        }
        entry.field = rwd_arena_copy(&d->names, entry.field);
        d->items[d->count++] = (rwd_dead_item){.entry = entry, .time_us = RWD_TIME_NONE};
    }
    d->ended = d->count < RWD_DLQ_CHUNK;
    return true;
}

static bool next_items(rwd_dlq *d, rwd_error *err) {
    d->count -= d->done;
    memmove(d->items, d->items + d->done, d->count * sizeof *d->items);
    d->at = d->done = 0;
    rwd_arena_reset(&d->bytes);
    if (d->count == 0 && !d->ended && !read_entries(d, err)) return false;
    d->done = d->count;
    return d->count == 0 || !d->with_bytes || rwd_dead_fetch(d->fetcher, d->items, d->count, &d->bytes, &d->done, err);
}

bool rwd_dlq_next(rwd_dlq *d, const rwd_dead_item **out, rwd_error *err) {
    for (;;) {
        bool wanted;
        if (d->at == d->done && !next_items(d, err)) return false;
        *out = d->at < d->done ? &d->items[d->at++] : NULL;
        if (!*out) return true;
        if (!has_key(d, *out, &wanted, err)) return false;
        if (wanted) return true;
        d->passed++;
    }
}

void rwd_dlq_again(rwd_dlq *d) {
    rwd_dead_reader_seek(d->reader, d->from);
    d->count = d->done = d->at = 0;
    d->passed = 0;
    d->ended = false;
}

// ---------------------------------------------------------------------------------------------- shown

void rwd_dlq_name(const rwd_dead_id *id, rwd_buf *out) {
    rwd_buf_append_int(out, id->offset);
    if (id->inserted != RWD_DEAD_RECORD) rwd_buf_appendf(out, "+%u", id->inserted);
    if (id->ordinal != RWD_DEAD_WHOLE) rwd_buf_appendf(out, "/%u", id->ordinal);
}

static void put_bytes(rwd_json_out *json, const char *text_name, const char *base64_name, bool has, rwd_slice bytes) {
    rwd_buf encoded = {0};
    if (has && rwd_utf8_valid(bytes)) {
        rwd_json_key(json, text_name);
        rwd_json_slice(json, bytes);
    }
    rwd_json_key(json, base64_name);
    if (has) {
        rwd_base64_append(&encoded, bytes);
        rwd_json_slice(json, rwd_buf_slice(&encoded));
    } else {
        rwd_json_null(json);
    }
    rwd_buf_deinit(&encoded);
}

void rwd_dlq_json(const rwd_dead_item *item, bool bytes, bool indent, rwd_buf *out) {
    const rwd_dead_entry *entry = &item->entry;
    rwd_json_out json;
    rwd_json_init(&json, out, indent);
    rwd_json_object(&json);
    rwd_json_put_int(&json, "offset", entry->id.offset);
    if (entry->id.inserted != RWD_DEAD_RECORD) rwd_json_put_uint(&json, "inserted", entry->id.inserted);
    if (entry->id.ordinal != RWD_DEAD_WHOLE) rwd_json_put_uint(&json, "ordinal", entry->id.ordinal);
    rwd_json_put_string(&json, "reason", rwd_code_name(entry->code));
    rwd_json_key(&json, "field");
    if (entry->field.size) rwd_json_slice(&json, entry->field);
    else rwd_json_null(&json);
    rwd_json_put_time(&json, "time", entry->time_us);
    rwd_json_put_string(&json, "state", entry->failed ? "failed" : "open");
    rwd_json_put_uint(&json, "attempts", entry->attempts);
    rwd_json_put_hash(&json, "hash", entry->hash);
    if (bytes) {
        rwd_json_put_string(&json, "found_in", rwd_dead_found_name(item->found));
        rwd_json_put_time(&json, "record_time", item->time_us);
        put_bytes(&json, "key_text", "key", item->has_key, item->key);
        rwd_json_put_uint(&json, "size", item->full_size);
        put_bytes(&json, "text", "value", item->has_value, item->value);
    }
    rwd_json_object_end(&json);
    if (!indent) rwd_buf_append_char(out, '\n');
}
