// What lists and questions show.
#include "operator/cli/render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/sink/row_text.h"

#define LABEL_WIDTH 15

const char *rwd_checkpoint_state_name(rwd_checkpoint_state state) {
    switch (state) {
    case RWD_CHECKPOINT_GOOD: return "good";
    case RWD_CHECKPOINT_UNVERIFIED: return "unverified";
    case RWD_CHECKPOINT_BAD: return "bad";
    case RWD_CHECKPOINT_PRUNED: return "pruned";
    }
    return "unknown";
}

// ---- checkpoints

static void append_size(rwd_buf *out, uint64_t bytes) {
    char text[RWD_TIME_TEXT_MAX];
    rwd_size_text(bytes, text);
    rwd_buf_append_str(out, text);
}

static void append_time(rwd_buf *out, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    if (us == RWD_TIME_NONE) {
        rwd_buf_append_str(out, "none");
        return;
    }
    rwd_time_text_ms(us, text);
    rwd_buf_append_str(out, text);
}

static void line(rwd_buf *out, const char *label, const char *text) { rwd_buf_appendf(out, "  %-*s%s\n", LABEL_WIDTH, label, text); }

static void hash_line(rwd_buf *out, const char *label, rwd_hash128 hash) {
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(hash, hex);
    line(out, label, hex);
}

static const char *text_or(const char *text, const char *other) { return text && *text ? text : other; }

static void render_facts(const rwd_checkpoint *c, rwd_buf *out) {
    const rwd_facts *f = &c->facts;
    rwd_buf_appendf(out, "  %-*snext offset X %" PRId64 ", committed C %" PRId64 "\n", LABEL_WIDTH, "position", f->next_offset, f->frontier);
    rwd_buf_appendf(out, "  %-*s%" PRIu64 " read, %" PRIu64 " applied, %" PRIu64 " dead letters, %" PRIu64 " late, %" PRIu64 " duplicate, %" PRIu64 " dropped\n", LABEL_WIDTH, "records",
                    f->counts.read, f->counts.applied, f->counts.dead, f->counts.late, f->counts.duplicate, f->counts.dropped);
    if (f->dead.known)
        rwd_buf_appendf(out, "  %-*s%" PRIu64 " open, %" PRIu64 " failed for good\n", LABEL_WIDTH, "dead letters", f->dead.open, f->dead.failed);
    rwd_buf_appendf(out, "  %-*s%" PRIu64 "\n", LABEL_WIDTH, "keys", f->keys);
    rwd_buf_appendf(out, "  %-*s", LABEL_WIDTH, "stream time");
    append_time(out, f->stream_time);
    rwd_buf_append_char(out, '\n');
    hash_line(out, "digest", c->digest);
    hash_line(out, "input digest", f->input_hash);
    hash_line(out, "lineage", f->lineage);
    hash_line(out, "history", f->history);
    hash_line(out, "fingerprint", f->fingerprint);
    hash_line(out, "source", f->source);
    if (f->violated) line(out, "violated", f->violated);
    if (f->rebuilt) line(out, "rebuilt", f->rebuilt);
}

void rwd_render_checkpoint(const rwd_checkpoint *c, bool with_files, int64_t now_us, rwd_buf *out) {
    rwd_buf_appendf(out, "checkpoint %s: %s\n", c->id, rwd_checkpoint_state_name(c->state));
    if (c->why_bad) line(out, "because", c->why_bad);
    if (*c->tag) line(out, "tag", c->tag);
    rwd_buf_appendf(out, "  %-*s", LABEL_WIDTH, "made");
    append_time(out, c->created_us);
    rwd_buf_append_str(out, " (");
    rwd_age_text(c->created_us, now_us, out);
    rwd_buf_appendf(out, " ago), %s, by %s\n", text_or(c->facts.reason, "?"), text_or(c->build, "?"));
    rwd_buf_appendf(out, "  %-*s%" PRIu64 ", sequence %" PRIu64 "\n", LABEL_WIDTH, "term", c->term, c->sequence);
    line(out, "parent", text_or(c->parent, "none"));
    render_facts(c, out);
    hash_line(out, "manifest", c->manifest_hash);
    hash_line(out, "repository", c->repository);
    if (c->below_horizon) line(out, "horizon", "it is below: neither journal nor topic reach from there to now");
    if (c->pinned || c->independent)
        rwd_buf_appendf(out, "  %-*s%s%s%s\n", LABEL_WIDTH, "kept as", c->pinned ? "pinned" : "", c->pinned && c->independent ? ", " : "",
                        c->independent ? "independent copy" : "");
    rwd_buf_appendf(out, "  %-*s%zu, ", LABEL_WIDTH, "files", c->file_count);
    append_size(out, c->bytes);
    rwd_buf_append_char(out, '\n');
    for (size_t i = 0; with_files && i < c->file_count; i++) {
        char hex[RWD_HASH128_HEX];
        rwd_hash128_hex(c->files[i].hash, hex);
        rwd_buf_appendf(out, "    %s  %12" PRIu64 "  %s\n", hex, c->files[i].size, c->files[i].name);
    }
}

// Absent and empty are both null.
static void put(rwd_json_out *json, const char *key, const char *text) { rwd_json_put_string(json, key, text_or(text, NULL)); }

static void put_facts(const rwd_checkpoint *c, rwd_json_out *json) {
    const rwd_facts *f = &c->facts;
    rwd_json_put_int(json, "next_offset", f->next_offset);
    rwd_json_put_int(json, "committed", f->frontier);
    rwd_json_key(json, "counts");
    rwd_json_object(json);
    rwd_json_put_uint(json, "read", f->counts.read);
    rwd_json_put_uint(json, "applied", f->counts.applied);
    rwd_json_put_uint(json, "late", f->counts.late);
    rwd_json_put_uint(json, "duplicate", f->counts.duplicate);
    rwd_json_put_uint(json, "dropped", f->counts.dropped);
    rwd_json_put_uint(json, "dead_letters", f->counts.dead);
    rwd_json_object_end(json);
    rwd_json_key(json, "dead_letters");
    if (f->dead.known) {
        rwd_json_object(json);
        rwd_json_put_uint(json, "open", f->dead.open);
        rwd_json_put_uint(json, "failed", f->dead.failed);
        rwd_json_object_end(json);
    } else {
        rwd_json_null(json);
    }
    rwd_json_put_uint(json, "keys", f->keys);
    rwd_json_put_time(json, "stream_time", f->stream_time);
    rwd_json_put_hash(json, "digest", c->digest);
    rwd_json_put_uint(json, "input_count", f->input_count);
    rwd_json_put_hash(json, "input_digest", f->input_hash);
    rwd_json_put_hash(json, "lineage", f->lineage);
    rwd_json_put_hash(json, "history", f->history);
    rwd_json_put_hash(json, "fingerprint", f->fingerprint);
    rwd_json_put_hash(json, "source", f->source);
    put(json, "reason", f->reason);
    put(json, "violated", f->violated);
    put(json, "rebuilt", f->rebuilt);
}

static void put_files(const rwd_checkpoint *c, rwd_json_out *json) {
    rwd_json_key(json, "files");
    rwd_json_array(json);
    for (size_t i = 0; i < c->file_count; i++) {
        rwd_json_object(json);
        put(json, "name", c->files[i].name);
        rwd_json_put_uint(json, "size", c->files[i].size);
        rwd_json_put_hash(json, "hash", c->files[i].hash);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
}

void rwd_render_checkpoint_json(const rwd_checkpoint *c, bool with_files, rwd_json_out *json) {
    rwd_json_object(json);
    put(json, "id", c->id);
    put(json, "state", rwd_checkpoint_state_name(c->state));
    put(json, "why_bad", c->why_bad);
    put(json, "tag", c->tag);
    rwd_json_put_time(json, "created", c->created_us);
    put(json, "build", c->build);
    rwd_json_put_uint(json, "term", c->term);
    rwd_json_put_uint(json, "sequence", c->sequence);
    put(json, "parent", c->parent);
    put_facts(c, json);
    rwd_json_put_hash(json, "manifest", c->manifest_hash);
    rwd_json_put_hash(json, "repository", c->repository);
    rwd_json_put_bool(json, "pinned", c->pinned);
    rwd_json_put_bool(json, "independent", c->independent);
    rwd_json_put_bool(json, "below_horizon", c->below_horizon);
    rwd_json_put_uint(json, "file_count", c->file_count);
    rwd_json_put_uint(json, "bytes", c->bytes);
    if (with_files) put_files(c, json);
    rwd_json_object_end(json);
}

static void checkpoint_cells(const rwd_checkpoint *c, int64_t now_us, rwd_grid *grid) {
    rwd_buf text = {0};
    char marks[4];
    (void)snprintf(marks, sizeof(marks), "%s%s%s", c->independent ? "I" : "", c->pinned ? "P" : "", c->below_horizon && c->state != RWD_CHECKPOINT_PRUNED ? "H" : "");
    rwd_grid_text(grid, c->id);
    rwd_grid_text(grid, rwd_checkpoint_state_name(c->state));
    rwd_grid_int(grid, c->facts.next_offset);
    rwd_grid_int(grid, (int64_t)c->facts.keys);
    append_size(&text, c->bytes);
    rwd_grid_cell(grid, rwd_buf_slice(&text));
    rwd_buf_clear(&text);
    rwd_age_text(c->created_us, now_us, &text);
    rwd_grid_cell(grid, rwd_buf_slice(&text));
    rwd_grid_text(grid, text_or(c->facts.reason, ""));
    rwd_grid_text(grid, marks);
    rwd_grid_text(grid, c->tag);
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(c->digest, hex);
    rwd_grid_text(grid, hex);
    rwd_buf_deinit(&text);
}

void rwd_render_checkpoints(const rwd_checkpoint_list *list, bool with_pruned, int64_t now_us, rwd_buf *out) {
    rwd_grid grid;
    rwd_grid_init(&grid);
    static const struct { const char *title; bool right; } columns[] = {
        {"ID", false}, {"STATE", false}, {"X", true}, {"KEYS", true}, {"SIZE", true}, {"AGE", true}, {"REASON", false}, {"", false}, {"TAG", false}, {"DIGEST", false},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) rwd_grid_column(&grid, columns[i].title, columns[i].right);
    size_t hidden = 0;
    bool below = false;
    for (size_t i = 0; i < list->count; i++) {
        below |= list->items[i].below_horizon && list->items[i].state != RWD_CHECKPOINT_PRUNED;
        if (with_pruned || list->items[i].state != RWD_CHECKPOINT_PRUNED) checkpoint_cells(&list->items[i], now_us, &grid);
        else hidden++;
    }
    rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
    if (below) rwd_buf_append_str(out, "H: below the horizon: neither journal nor topic reach from there to now; it can be read and exported, not replayed from\n");
    if (hidden) rwd_buf_appendf(out, "and %zu pruned, of which the manifest is left (--all shows them)\n", hidden);
}

void rwd_render_checkpoints_json(const rwd_checkpoint_list *list, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_array(&json);
    for (size_t i = 0; i < list->count; i++) rwd_render_checkpoint_json(&list->items[i], false, &json);
    rwd_json_array_end(&json);
    rwd_buf_append_char(out, '\n');
}

// ---- retention

static void render_plan_json(const rwd_prune_plan *plan, bool done, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_bool(&json, "done", done);
    rwd_json_put_uint(&json, "freed", plan->freed);
    rwd_json_key(&json, "checkpoints");
    rwd_json_array(&json);
    for (size_t i = 0; i < plan->count; i++) {
        rwd_json_object(&json);
        put(&json, "id", plan->items[i].id);
        rwd_json_put_bool(&json, "removed", plan->items[i].removed);
        put(&json, "why_kept", plan->items[i].why_kept);
        rwd_json_put_uint(&json, "bytes", plan->items[i].bytes);
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

void rwd_render_prune_plan(const rwd_prune_plan *plan, bool done, bool json, rwd_buf *out) {
    if (json) {
        render_plan_json(plan, done, out);
        return;
    }
    rwd_grid grid;
    rwd_grid_init(&grid);
    rwd_grid_column(&grid, "ID", false);
    rwd_grid_column(&grid, done ? "" : "WOULD BE", false);
    rwd_grid_column(&grid, "SIZE", true);
    rwd_grid_column(&grid, "BECAUSE", false);
    size_t removed = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const rwd_prune_item *item = &plan->items[i];
        char size[RWD_TIME_TEXT_MAX];
        rwd_size_text(item->bytes, size);
        removed += item->removed;
        rwd_grid_text(&grid, item->id);
        rwd_grid_text(&grid, item->removed ? "removed" : "kept");
        rwd_grid_text(&grid, size);
        rwd_grid_text(&grid, text_or(item->why_kept, item->removed ? "older than what is kept" : ""));
    }
    if (plan->count) rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
    rwd_buf_appendf(out, "%zu checkpoint%s %s, ", removed, removed == 1 ? "" : "s", done ? "removed" : "to remove");
    append_size(out, plan->freed);
    rwd_buf_append_str(out, done ? " freed\n" : " to free\n");
}

// ---- rows

static bool row_json(const rwd_job_table *table, rwd_slice key, rwd_slice row, int64_t offset, rwd_answers *answers, rwd_buf *out, rwd_error *err) {
    rwd_row_text how = {.table = table, .format = RWD_FORMAT_JSON};
    rwd_buf text = {0};
    bool worked = rwd_row_text_append(&how, key, row.data, (uint32_t)row.size, offset, answers, &text, err);
    if (worked) {
        rwd_json_out json;
        rwd_json_init(&json, out, false);
        rwd_json_object(&json);
        put(&json, "table", table->schema.name);
        rwd_json_put_int(&json, "offset", offset);
        rwd_json_key(&json, "row");
        rwd_json_raw(&json, rwd_slice_of(text.data, text.size > 0 ? text.size - 1 : 0));
        rwd_json_object_end(&json);
        rwd_buf_append_char(out, '\n');
    }
    rwd_buf_deinit(&text);
    return worked;
}

static size_t member_count(const rwd_job_table *table) { return table->schema.part_count + rwd_job_table_columns(table); }

// A part of the key, or behind them a column.
static rwd_job_column member_at(const rwd_job_table *table, size_t index) {
    const rwd_schema *schema = &table->schema;
    if (index >= schema->part_count) return rwd_job_table_column(table, index - schema->part_count);
    return (rwd_job_column){.name = schema->parts[index].name, .type = schema->parts[index].type, .scale = schema->parts[index].scale};
}

static void append_member(rwd_answers *answers, size_t index, rwd_buf *out) {
    const rwd_schema *schema = &answers->table->schema;
    bool present;
    if (index < schema->part_count) {
        const rwd_value *part = rwd_answers_part(answers, index);
        rwd_value_text(part, schema->parts[index].type, schema->parts[index].scale, out);
        present = part->present;
    } else {
        present = rwd_answers_append_text(answers, index - schema->part_count, out);
    }
    if (!present) rwd_buf_append_str(out, "null");
}

static void row_lines(const rwd_job_table *table, int64_t offset, rwd_answers *answers, rwd_buf *out) {
    rwd_grid grid;
    rwd_buf text = {0};
    rwd_grid_init(&grid);
    rwd_buf_appendf(&text, "%s at offset %" PRId64, table->schema.name, offset);
    rwd_grid_column(&grid, rwd_buf_cstr(&text), false);
    rwd_grid_column(&grid, "", false);
    for (size_t i = 0; i < member_count(table); i++) {
        rwd_buf_clear(&text);
        rwd_buf_appendf(&text, "  %s", member_at(table, i).name);
        rwd_grid_cell(&grid, rwd_buf_slice(&text));
        rwd_buf_clear(&text);
        append_member(answers, i, &text);
        rwd_grid_cell(&grid, rwd_buf_slice(&text));
    }
    rwd_grid_flush(&grid, out);
    rwd_grid_deinit(&grid);
    rwd_buf_deinit(&text);
}

bool rwd_render_row(const rwd_job_table *table, rwd_slice key, rwd_slice row, int64_t offset, bool json, rwd_buf *out, rwd_error *err) {
    rwd_answers *answers = rwd_calloc(1, sizeof *answers);
    bool worked = json ? row_json(table, key, row, offset, answers, out, err)
                       : rwd_answers_open(answers, table, key, row.data, (uint32_t)row.size, err);
    if (worked && !json) row_lines(table, offset, answers, out);
    rwd_answers_deinit(answers);
    free(answers);
    return worked;
}

static bool is_number(rwd_type type) { return type == RWD_TYPE_INT || type == RWD_TYPE_DECIMAL || type == RWD_TYPE_FLOAT; }

void rwd_render_row_columns(const rwd_job_table *table, rwd_grid *grid) {
    for (size_t i = 0; i < member_count(table); i++) rwd_grid_column(grid, member_at(table, i).name, is_number(member_at(table, i).type));
}

bool rwd_render_row_cells(const rwd_job_table *table, rwd_slice key, rwd_slice row, rwd_answers *answers, rwd_grid *grid, rwd_error *err) {
    if (!rwd_answers_open(answers, table, key, row.data, (uint32_t)row.size, err)) return false;
    rwd_buf text = {0};
    for (size_t i = 0; i < member_count(table); i++) {
        rwd_buf_clear(&text);
        append_member(answers, i, &text);
        rwd_grid_cell(grid, rwd_buf_slice(&text));
    }
    rwd_buf_deinit(&text);
    return true;
}
