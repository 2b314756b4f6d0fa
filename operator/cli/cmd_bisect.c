// bisect: the first record behind which something is not true any more.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "operator/cli/cli_private.h"
#include "operator/cli/signals.h"
#include "operator/pipeline/bisect.h"

// Of a record's bytes, on a screen.
#define SHOWN_BYTES 2000

typedef struct guard {
    rwd_signals *signals;
} guard;

static bool begun(void *context, rwd_shadow *shadow, rwd_error *err) { return rwd_signals_start_shadow(shadow, &((guard *)context)->signals, err); }

static void ended(void *context) {
    guard *g = context;
    (void)rwd_signals_stop(g->signals);
    g->signals = NULL;
}

// ---- for people

static void line(rwd_buf *out, const char *label, const char *text) { rwd_buf_appendf(out, "  %-12s%s\n", label, text); }

static void append_bytes(rwd_buf *out, rwd_slice bytes) {
    size_t size = bytes.size < SHOWN_BYTES ? bytes.size : SHOWN_BYTES;
    while (size < bytes.size && size > 0 && (bytes.data[size] & 0xC0) == 0x80) size--;
    rwd_slice shown = rwd_slice_of(bytes.data, size);
    if (rwd_utf8_valid(shown)) rwd_buf_append_slice(out, shown);
    else rwd_buf_append_str(out, "(base64) "), rwd_base64_append(out, shown);
    if (size < bytes.size) rwd_buf_append_str(out, "...");
}

static void show_record(const rwd_bisect *found, rwd_buf *out) {
    static const char *const amended[] = {
        [RWD_AMENDED_NOT] = "", [RWD_AMENDED_SKIPPED] = ", skipped by an amendment", [RWD_AMENDED_REPLACED] = ", replaced by an amendment", [RWD_AMENDED_INSERTED] = ", inserted by an amendment"};
    rwd_buf_appendf(out, "  %-12soffset %" PRId64 ", %" PRIu64 " bytes%s", "record", found->offset, found->record_size, amended[found->amended]);
    if (found->time_us != RWD_TIME_NONE) {
        char time[RWD_TIME_TEXT_MAX];
        rwd_time_text_ms(found->time_us, time);
        rwd_buf_appendf(out, ", %s", time);
    }
    rwd_buf_append_char(out, '\n');
    if (found->has_record_key) {
        rwd_buf_appendf(out, "  %-12s", "its key");
        append_bytes(out, rwd_buf_slice(&found->record_key));
        rwd_buf_append_char(out, '\n');
    }
    rwd_buf_appendf(out, "  %-12s", "its value");
    append_bytes(out, rwd_buf_slice(&found->record));
    rwd_buf_append_char(out, '\n');
}

static void show_places(const rwd_bisect *found, rwd_buf *out) {
    for (size_t i = 0; i < found->place_count; i++) {
        const rwd_bisect_place *place = &found->places[i];
        rwd_buf_appendf(out, "  %-12s%s at offset %" PRId64 ": %s%s%s\n", i ? "" : "looked at", place->id, place->next_offset, rwd_bisect_verdict_text(place->verdict),
                        *place->why ? ", " : "", place->why);
    }
    if (found->from < 0) return;
    rwd_buf_appendf(out, "  %-12s%" PRIu64 " records, the last of them in [%" PRId64 ", %" PRId64 ") from checkpoint %s\n", "replayed", found->records, found->from, found->to, found->base);
}

static void show(rwd_bisect *found, rwd_buf *out) {
    rwd_buf_appendf(out, "%s: %s ", found->table, found->check);
    switch (found->outcome) {
    case RWD_BISECT_HOLDS: rwd_buf_appendf(out, "is true at offset %" PRId64 ", and at every checkpoint below\n\n", found->until); break;
    case RWD_BISECT_BEFORE: rwd_buf_append_str(out, "became untrue before the oldest checkpoint that is left\n\n"); break;
    case RWD_BISECT_FOUND:
        rwd_buf_appendf(out, "became untrue at offset %" PRId64 "\n\n", found->offset);
        show_record(found, out);
        line(out, "key", rwd_buf_cstr(&found->key));
        line(out, "before", found->before.size ? rwd_buf_cstr(&found->before) : "(no row)");
        line(out, "after", rwd_buf_cstr(&found->after));
        break;
    }
    show_places(found, out);
}

// ---- for programs

static void put_bytes(rwd_json_out *json, const char *name, const char *name_base64, rwd_slice bytes) {
    rwd_buf text = {0};
    bool plain = rwd_utf8_valid(bytes);
    if (plain) rwd_buf_append_slice(&text, bytes);
    else rwd_base64_append(&text, bytes);
    rwd_json_put_string(json, plain ? name : name_base64, rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
}

static void put_row(rwd_json_out *json, const char *name, rwd_buf *row) { rwd_json_put_string(json, name, row->size ? rwd_buf_cstr(row) : NULL); }

static void put_found(rwd_json_out *json, rwd_bisect *found) {
    rwd_json_put_int(json, "offset", found->offset);
    rwd_json_put_object(json, "record");
    rwd_json_put_uint(json, "bytes", found->record_size);
    rwd_json_put_time(json, "time", found->time_us);
    rwd_json_put_bool(json, "inserted", found->amended == RWD_AMENDED_INSERTED);
    rwd_json_put_bool(json, "replaced", found->amended == RWD_AMENDED_REPLACED);
    if (found->has_record_key) put_bytes(json, "key", "key_base64", rwd_buf_slice(&found->record_key));
    put_bytes(json, "value", "value_base64", rwd_buf_slice(&found->record));
    rwd_json_object_end(json);
    rwd_json_put_string(json, "key", rwd_buf_cstr(&found->key));
    put_row(json, "before", &found->before);
    put_row(json, "after", &found->after);
}

static void show_json(rwd_bisect *found, rwd_buf *out) {
    static const char *const outcomes[] = {[RWD_BISECT_HOLDS] = "true", [RWD_BISECT_FOUND] = "found", [RWD_BISECT_BEFORE] = "before-oldest"};
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "outcome", outcomes[found->outcome]);
    rwd_json_put_string(&json, "table", found->table);
    rwd_json_put_string(&json, "check", found->check);
    rwd_json_put_int(&json, "until", found->until);
    if (found->outcome == RWD_BISECT_FOUND) put_found(&json, found);
    rwd_json_key(&json, "looked_at");
    rwd_json_array(&json);
    for (size_t i = 0; i < found->place_count; i++) {
        rwd_json_object(&json);
        rwd_json_put_string(&json, "checkpoint", found->places[i].id);
        rwd_json_put_int(&json, "next_offset", found->places[i].next_offset);
        rwd_json_put_string(&json, "verdict", rwd_bisect_verdict_text(found->places[i].verdict));
        rwd_json_put_string(&json, "why", *found->places[i].why ? found->places[i].why : NULL);
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_put_uint(&json, "records_replayed", found->records);
    rwd_json_put_string(&json, "base", found->from >= 0 ? found->base : NULL);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

// ---- the command

static bool bisect(rwd_cli *cli, rwd_place *place, const rwd_job *job, const char *folder, rwd_error *err) {
    char shadow[RWD_PATH_MAX];
    guard g = {0};
    rwd_bisect found;
    if (!rwd_path_join(shadow, folder, "shadow", err)) return false;
    rwd_bisect_options options = {
        .job = job, .repo = place->repo, .io = place->io, .tier = rwd_cli_io_tier(cli, job), .clock = cli->clock, .table = cli->in->values[RWD_FLAG_ID_TABLE],
        .check = cli->in->values[RWD_FLAG_ID_CHECK], .key = cli->in->values[RWD_FLAG_ID_KEY],
        .until = rwd_given(cli->in, RWD_FLAG_ID_OFFSET) ? (int64_t)rwd_count_of(cli->in, RWD_FLAG_ID_OFFSET, 0) : -1,
        .folder = shadow, .progress = isatty(STDERR_FILENO), .begun = begun, .ended = ended, .context = &g,
    };
    if (!rwd_bisect_run(&options, &found, err)) return false;
    if (cli->json) show_json(&found, &cli->out);
    else show(&found, &cli->out);
    if (found.outcome != RWD_BISECT_HOLDS) cli->exit_code = RWD_EXIT_DIFFERENT;
    rwd_bisect_deinit(&found);
    return true;
}

static bool with_job(rwd_cli *cli, rwd_place *place, const char *folder, rwd_error *err) {
    rwd_checkpoint latest;
    rwd_job *kept = NULL;
    if (place->job) return bisect(cli, place, place->job, folder, err);
    if (!rwd_place_checkpoint(place, "latest", &latest, err)) return false;
    bool worked = rwd_repo_job_of(place->repo, &latest, &kept, NULL, err) && bisect(cli, place, kept, folder, err);
    rwd_checkpoint_deinit(&latest);
    rwd_job_free(kept);
    return worked;
}

bool rwd_run_bisect(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    char folder[RWD_PATH_MAX];
    if (!rwd_given(cli->in, RWD_FLAG_ID_CHECK)) {
        rwd_fail(err, RWD_E_USAGE, "--check EXPR is missing");
        return rwd_error_next(err, "rewind bisect JOB --check \"revenue >= 0\"");
    }
    if (!rwd_place_find(cli, &place, err)) return false;
    rwd_signals_block();
    bool worked = rwd_place_open_reader(cli, &place, err) && rwd_cli_private_folder(folder, err);
    if (worked) {
        worked = with_job(cli, &place, folder, err);
        (void)rmdir(folder);
    }
    rwd_place_deinit(&place);
    return worked;
}
