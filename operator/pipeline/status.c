// The status in its four shapes: JSON, OpenMetrics text (https://openmetrics.io, version 1.0), a screen and an end summary for people.
//
// Pure functions of one rwd_status: no clock, no operator. What is a metric is decided by RWD_METRIC_TABLE alone.
#include "operator/pipeline/status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "operator/base/json_out.h"

#define SCREEN_LABEL_WIDTH 14

// ---- phases

static const struct {
    const char *name;
    bool ready;
} phases[RWD_PHASE_COUNT] = {
#define RWD_PHASE_ROW(id, name, ready, doc) {name, ready},
    RWD_PHASE_TABLE(RWD_PHASE_ROW)
#undef RWD_PHASE_ROW
};

const char *rwd_phase_name(rwd_phase phase) {
    assert(phase < RWD_PHASE_COUNT);
    return phases[phase].name;
}

bool rwd_phase_ready(rwd_phase phase) {
    assert(phase < RWD_PHASE_COUNT);
    return phases[phase].ready;
}

static const char *const stage_names[RWD_STAGE_COUNT] = {
#define RWD_STAGE_ROW(id, name, seconds, doc) name,
    RWD_STAGE_TABLE(RWD_STAGE_ROW)
#undef RWD_STAGE_ROW
};

const char *rwd_stage_name(rwd_stage stage) {
    assert(stage < RWD_STAGE_COUNT);
    return stage_names[stage];
}

static void append_since(rwd_buf *out, const char *what, int64_t us) {
    char since[RWD_TIME_TEXT_MAX];
    rwd_time_text_ms(us, since);
    rwd_buf_appendf(out, "%s since %s\n", what, since);
}

bool rwd_status_ready(const rwd_status *status, rwd_buf *out) {
    bool ready = rwd_phase_ready(status->phase);
    for (int i = 0; i < RWD_STAGE_COUNT; i++) ready = ready && status->stuck_us[i] == 0;
    if (ready || !out) return ready;
    rwd_buf_appendf(out, "%s\n", rwd_phase_name(status->phase));
    for (int i = 0; i < RWD_STAGE_COUNT; i++) {
        if (status->stuck_us[i] == 0) continue;
        rwd_buf_appendf(out, "stuck: %s", stage_names[i]);
        append_since(out, "", status->stuck_us[i]);
    }
    if (status->source_away_us) append_since(out, "no broker answers the source", status->source_away_us);
    if (status->sink_away_us) append_since(out, "no broker takes the output", status->sink_away_us);
    if (*status->reason) rwd_buf_appendf(out, "because: %s\n", status->reason);
    if (*status->next) rwd_buf_appendf(out, "next: %s\n", status->next);
    return false;
}

// ---- metrics

typedef struct number {
    enum { SIGNED, UNSIGNED } kind;
    int64_t i;
    uint64_t u;
} number;

static number number_of_signed(int64_t value) { return (number){SIGNED, value, 0}; }
static number number_of_unsigned(uint64_t value) { return (number){UNSIGNED, 0, value}; }
#define NUMBER_OF(value) _Generic((value), int64_t: number_of_signed, uint64_t: number_of_unsigned)(value)

static void append_number(rwd_buf *out, number value, double divisor) {
    if (divisor == 1 && value.kind == SIGNED) rwd_buf_appendf(out, "%" PRId64, value.i);
    else if (divisor == 1) rwd_buf_appendf(out, "%" PRIu64, value.u);
    else rwd_buf_appendf(out, "%.15g", (value.kind == SIGNED ? (double)value.i : (double)value.u) / divisor);
}

// A label's value: backslash, quote and newline are escaped (OpenMetrics, "ABNF": escaped-string).
static void append_label(rwd_buf *out, const char *text) {
    for (; *text; text++) {
        if (*text == '\n') rwd_buf_append_str(out, "\\n");
        else {
            if (*text == '\\' || *text == '"') rwd_buf_append_char(out, '\\');
            rwd_buf_append_char(out, *text);
        }
    }
}

static void append_family(rwd_buf *out, const char *name, const char *type, const char *unit, const char *help) {
    rwd_buf_appendf(out, "# TYPE rewind_%s %s\n", name, type);
    if (*unit) rwd_buf_appendf(out, "# UNIT rewind_%s %s\n", name, unit);
    rwd_buf_appendf(out, "# HELP rewind_%s %s\n", name, help);
}

static void append_metric(rwd_buf *out, const char *name, const char *type, const char *unit, const char *help, number value, double divisor) {
    append_family(out, name, type, unit, help);
    rwd_buf_appendf(out, "rewind_%s%s ", name, strcmp(type, "counter") == 0 ? "_total" : "");
    append_number(out, value, divisor);
    rwd_buf_append_char(out, '\n');
}

static void append_invariants(rwd_buf *out, const rwd_status *status) {
    if (status->invariant_count > 0) append_family(out, "invariant_violations", "gauge", "", "Keys for which an invariant of the job does not hold");
    for (size_t i = 0; i < status->invariant_count; i++) {
        rwd_buf_append_str(out, "rewind_invariant_violations{table=\"");
        append_label(out, status->invariants[i].table);
        rwd_buf_append_str(out, "\",check=\"");
        append_label(out, status->invariants[i].check);
        rwd_buf_appendf(out, "\",on_violation=\"%s\"} %" PRIu64 "\n", status->invariants[i].parks ? "park" : "alert", status->invariants[i].violations);
    }
}

static void append_words(rwd_buf *out, const rwd_status *status) {
    append_family(out, "operator", "info", "", "The job, the build, and how it reads and writes files");
    rwd_buf_append_str(out, "rewind_operator_info{name=\"");
    append_label(out, status->job);
    rwd_buf_append_str(out, "\",version=\"");
    append_label(out, status->version);
    rwd_buf_append_str(out, "\",source=\"");
    append_label(out, status->source);
    rwd_buf_append_str(out, "\",io_tier=\"");
    append_label(out, status->io_tier);
    rwd_buf_append_str(out, "\"} 1\n");
    if (status->plugin_count > 0) append_family(out, "plugin", "info", "", "A plugin of the job, by the hash of its file");
    for (size_t i = 0; i < status->plugin_count; i++) {
        char hash[RWD_HASH128_HEX];
        rwd_hash128_hex(status->plugins[i].hash, hash);
        rwd_buf_appendf(out, "rewind_plugin_info{plugin=\"%s\",hash=\"%s\"} 1\n", status->plugins[i].name, hash);
    }
    append_family(out, "phase", "stateset", "", "What the operator is doing");
    for (int i = 0; i < RWD_PHASE_COUNT; i++)
        rwd_buf_appendf(out, "rewind_phase{rewind_phase=\"%s\"} %d\n", phases[i].name, (int)status->phase == i);
    append_family(out, "stuck_seconds", "gauge", "seconds", "For how long nothing has moved in a stage; 0: it moves");
    for (int i = 0; i < RWD_STAGE_COUNT; i++)
        rwd_buf_appendf(out, "rewind_stuck_seconds{stage=\"%s\"} %.15g\n", stage_names[i], (double)status->stuck_ns[i] / 1e9);
    append_family(out, "table_keys", "gauge", "", "Keys present, by table");
    for (size_t i = 0; i < status->table_count; i++) {
        rwd_buf_append_str(out, "rewind_table_keys{table=\"");
        append_label(out, status->tables[i].name);
        rwd_buf_appendf(out, "\"} %" PRIu64 "\n", status->tables[i].keys);
    }
    bool begun = false;
    for (size_t i = 0; i < status->table_count; i++) {
        if (!status->tables[i].windowed) continue;
        if (!begun) append_family(out, "table_late", "gauge", "", "Events that came after all their windows were closed, by table, since this start");
        begun = true;
        rwd_buf_append_str(out, "rewind_table_late{table=\"");
        append_label(out, status->tables[i].name);
        rwd_buf_appendf(out, "\"} %" PRIu64 "\n", status->tables[i].late);
    }
    append_invariants(out, status);
    append_family(out, "dead_letters_open", "gauge", "", "Dead letters that are open (they may be redriven) or failed for good, by reason");
    for (int code = RWD_E_NONE + 1; code < RWD_E_COUNT; code++) {
        if (rwd_code_decision((rwd_code)code) != RWD_SKIP) continue;
        const char *reason = rwd_code_name((rwd_code)code);
        rwd_buf_appendf(out, "rewind_dead_letters_open{reason=\"%s\",state=\"open\"} %" PRIu64 "\n", reason, status->dead_open_by[code]);
        rwd_buf_appendf(out, "rewind_dead_letters_open{reason=\"%s\",state=\"failed\"} %" PRIu64 "\n", reason, status->dead_failed_by[code]);
    }
    append_family(out, "start_time_seconds", "gauge", "seconds", "When this process started");
    rwd_buf_append_str(out, "rewind_start_time_seconds ");
    append_number(out, number_of_signed(status->started_us), 1e6);
    rwd_buf_append_char(out, '\n');
}

void rwd_status_metrics(const rwd_status *status, rwd_buf *out) {
    assert(status->table_count <= RWD_STATUS_TABLES_MAX);
    append_words(out, status);
#define RWD_METRIC_ROW(name, type, unit, help, member, divisor) \
    append_metric(out, name, type, unit, help, NUMBER_OF(status->member), divisor);
    RWD_METRIC_TABLE(RWD_METRIC_ROW)
#undef RWD_METRIC_ROW
    rwd_buf_append_str(out, "# EOF\n");
}

// ---- JSON

// The time where it is known.
static int64_t known(int64_t us, bool is_known) { return is_known ? us : RWD_TIME_NONE; }

static void put_lineage(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_bool(json, "earlier_job_file", status->earlier_job_file != 0);
    if (status->since_count == 0) return;
    rwd_json_key(json, "since");
    rwd_json_array(json);
    for (size_t i = 0; i < status->since_count; i++) {
        rwd_json_object(json);
        rwd_json_put_string(json, "table", status->since[i].table);
        rwd_json_put_string(json, "aggregate", status->since[i].aggregate);
        rwd_json_put_int(json, "offset", status->since[i].offset);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
}

static void put_identity(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_string(json, "job", status->job);
    rwd_json_put_string(json, "phase", rwd_phase_name(status->phase));
    rwd_json_put_bool(json, "ready", rwd_status_ready(status, NULL));
    rwd_json_put_string(json, "reason", *status->reason ? status->reason : NULL);
    rwd_json_put_string(json, "next", *status->next ? status->next : NULL);
    rwd_json_put_object(json, "stuck");
    for (int i = 0; i < RWD_STAGE_COUNT; i++)
        if (status->stuck_us[i]) rwd_json_put_time(json, stage_names[i], status->stuck_us[i]);
    rwd_json_object_end(json);
    rwd_json_put_string(json, "data", status->data);
    rwd_json_put_string(json, "version", status->version);
    rwd_json_put_uint(json, "pid", status->pid);
    rwd_json_put_uint(json, "term", status->term);
    rwd_json_put_hash(json, "repository", status->repository);
    rwd_json_put_hash(json, "lineage", status->lineage);
    rwd_json_put_hash(json, "fingerprint", status->fingerprint);
    put_lineage(json, status);
    rwd_json_put_object(json, "plugins");
    for (size_t i = 0; i < status->plugin_count; i++) rwd_json_put_hash(json, status->plugins[i].name, status->plugins[i].hash);
    rwd_json_object_end(json);
    rwd_json_put_string(json, "io_tier", status->io_tier);
    rwd_json_put_time(json, "started", known(status->started_us, status->started_us != 0));
}

// Unknown is null.
static void put_lag(rwd_json_out *json, const rwd_status *status) {
    bool is_known = status->lag_records != RWD_LAG_UNKNOWN;
    rwd_json_put_object(json, "lag");
    rwd_json_key(json, "records");
    if (is_known) rwd_json_int(json, status->lag_records);
    else rwd_json_null(json);
    rwd_json_key(json, "seconds");
    if (status->lag_s != RWD_LAG_UNKNOWN) rwd_json_int(json, status->lag_s);
    else rwd_json_null(json);
    rwd_json_object_end(json);
}

static void put_progress(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_object(json, "source");
    rwd_json_put_string(json, "label", status->source);
    rwd_json_put_uint(json, "done_bytes", status->source_done);
    rwd_json_put_uint(json, "total_bytes", status->source_total);
    rwd_json_put_time(json, "away_since", known(status->source_away_us, status->source_away_us != 0));
    rwd_json_object_end(json);
    put_lag(json, status);
    rwd_json_put_int(json, "genesis", status->genesis);
    rwd_json_put_int(json, "position", status->position);
    rwd_json_put_int(json, "committed", status->frontier);
    rwd_json_put_object(json, "replay");
    rwd_json_put_int(json, "from", status->replay_from);
    rwd_json_put_int(json, "to", status->replay_to);
    rwd_json_put_seconds(json, "left_seconds", status->replay_left_ns);
    rwd_json_object_end(json);
    rwd_json_put_time(json, "stream_time", status->stream_time);
    rwd_json_key(json, "records_per_second");
    rwd_json_float(json, status->rate);
    rwd_json_put_hash(json, "input_digest", status->input_hash);
}

static void put_counts(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_object(json, "counts");
    rwd_json_put_uint(json, "read", status->read);
    rwd_json_put_uint(json, "read_since_start", status->read_live);
    rwd_json_put_uint(json, "applied", status->applied);
    rwd_json_put_uint(json, "late", status->late);
    rwd_json_put_uint(json, "duplicate", status->duplicate);
    rwd_json_put_uint(json, "dropped", status->dropped);
    rwd_json_put_uint(json, "dead_letters", status->dead);
    rwd_json_object_end(json);
}

static void put_dead(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_object(json, "dead_letters");
    rwd_json_put_uint(json, "open", status->dead_open);
    rwd_json_put_uint(json, "failed", status->dead_failed);
    rwd_json_put_object(json, "by_reason");
    for (int code = RWD_E_NONE + 1; code < RWD_E_COUNT; code++) {
        uint64_t count = status->dead_open_by[code] + status->dead_failed_by[code];
        if (count > 0) rwd_json_put_uint(json, rwd_code_name((rwd_code)code), count);
    }
    rwd_json_object_end(json);
    rwd_json_key(json, "oldest_offset");
    if (status->dead_oldest >= 0) rwd_json_int(json, status->dead_oldest);
    else rwd_json_null(json);
    rwd_json_put_time(json, "oldest", known(status->dead_oldest_us, status->dead_oldest_us != 0));
    rwd_json_put_int(json, "since", status->dead_since);
    rwd_json_put_uint(json, "redriven_applied", status->redriven);
    rwd_json_put_uint(json, "redriven_failed", status->redriven_failed);
    rwd_json_put_uint(json, "redriven_duplicate", status->redriven_duplicate);
    rwd_json_object_end(json);
}

static void put_state(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_object(json, "state");
    rwd_json_put_uint(json, "keys", status->keys);
    rwd_json_put_object(json, "tables");
    for (size_t i = 0; i < status->table_count; i++) rwd_json_put_uint(json, status->tables[i].name, status->tables[i].keys);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "late");
    for (size_t i = 0; i < status->table_count; i++)
        if (status->tables[i].windowed) rwd_json_put_uint(json, status->tables[i].name, status->tables[i].late);
    rwd_json_object_end(json);
    rwd_json_put_uint(json, "hot_slots", status->hot_slots);
    rwd_json_put_uint(json, "hot_bytes", status->hot_bytes);
    rwd_json_put_uint(json, "dirty", status->dirty);
    rwd_json_put_uint(json, "hits", status->hits);
    rwd_json_put_uint(json, "misses", status->misses);
    rwd_json_put_uint(json, "evicted", status->evicted);
    rwd_json_put_uint(json, "splits", status->splits);
    rwd_json_put_uint(json, "full", status->full);
    rwd_json_put_uint(json, "store_reads", status->store_reads);
    rwd_json_put_bool(json, "hot_complete", status->hot_complete);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "dedup");
    rwd_json_put_uint(json, "ids", status->dedup_ids);
    rwd_json_put_uint(json, "memory_bytes", status->dedup_bytes);
    rwd_json_put_uint(json, "store_reads", status->dedup_reads);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "memory");
    rwd_json_put_uint(json, "limit", status->memory_total);
    rwd_json_put_uint(json, "kafka", status->memory_kafka);
    rwd_json_put_uint(json, "hot", status->memory_hot);
    rwd_json_put_uint(json, "frozen", status->memory_frozen);
    rwd_json_put_uint(json, "sink", status->memory_sink);
    rwd_json_put_uint(json, "source", status->memory_source);
    rwd_json_put_uint(json, "resident", status->memory_resident);
    rwd_json_object_end(json);
}

static void put_invariants(rwd_json_out *json, const rwd_status *status) {
    if (status->invariant_count == 0) return;
    rwd_json_key(json, "invariants");
    rwd_json_array(json);
    for (size_t i = 0; i < status->invariant_count; i++) {
        const rwd_invariant_status *one = &status->invariants[i];
        rwd_json_object(json);
        rwd_json_put_string(json, "table", one->table);
        rwd_json_put_string(json, "check", one->check);
        rwd_json_put_string(json, "on_violation", one->parks ? "park" : "alert");
        rwd_json_put_uint(json, "violations", one->violations);
        rwd_json_put_string(json, "key", *one->key ? one->key : NULL);
        rwd_json_put_string(json, "row", *one->row ? one->row : NULL);
        rwd_json_object_end(json);
    }
    rwd_json_array_end(json);
}

static void put_offset(rwd_json_out *json, const char *name, int64_t offset) {
    rwd_json_key(json, name);
    if (offset >= 0) rwd_json_int(json, offset);
    else rwd_json_null(json);
}

static void put_durable(rwd_json_out *json, const rwd_status *status) {
    rwd_json_put_object(json, "commits");
    rwd_json_put_uint(json, "count", status->commits);
    rwd_json_put_uint(json, "repeats", status->commit_repeats);
    rwd_json_put_uint(json, "rows", status->rows);
    rwd_json_put_uint(json, "bytes", status->output_bytes);
    rwd_json_put_time(json, "last", known(status->last_commit_us, status->last_commit_us != 0));
    rwd_json_put_seconds(json, "last_seconds", status->last_commit_ns);
    rwd_json_put_time(json, "away_since", known(status->sink_away_us, status->sink_away_us != 0));
    rwd_json_object_end(json);
    rwd_json_put_object(json, "checkpoints");
    rwd_json_put_uint(json, "made", status->checkpoints);
    rwd_json_put_uint(json, "failed", status->checkpoint_failures);
    rwd_json_put_uint(json, "skipped", status->checkpoints_skipped);
    rwd_json_put_uint(json, "quarantined", status->quarantined);
    rwd_json_put_bool(json, "running", status->checkpoint_running);
    rwd_json_put_string(json, "newest", *status->checkpoint_id ? status->checkpoint_id : NULL);
    rwd_json_put_int(json, "offset", status->checkpoint_offset);
    rwd_json_put_time(json, "at", known(status->checkpoint_us, *status->checkpoint_id != '\0'));
    rwd_json_put_seconds(json, "seconds", status->checkpoint_ns);
    rwd_json_put_hash(json, "digest", status->digest);
    rwd_json_put_seconds(json, "pause_max_seconds", status->pause_max_ns);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "recovery");
    rwd_json_put_seconds(json, "verify_seconds", status->recovery_verify_ns);
    rwd_json_put_seconds(json, "open_seconds", status->recovery_open_ns);
    rwd_json_put_seconds(json, "replay_seconds", status->recovery_replay_ns);
    rwd_json_put_uint(json, "rollbacks", status->rollbacks);
    put_offset(json, "horizon", status->horizon);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "restore");
    rwd_json_put_string(json, "running_from", *status->restoring ? status->restoring : NULL);
    rwd_json_put_uint(json, "done", status->restores);
    rwd_json_put_uint(json, "failed", status->restore_failures);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "repair");
    rwd_json_put_uint(json, "switch_number", status->switch_number);
    rwd_json_put_uint(json, "done", status->repairs);
    rwd_json_put_uint(json, "failed", status->repair_failures);
    rwd_json_object_end(json);
}

static void put_journal(rwd_json_out *json, const rwd_status *status) {
    if (!status->journal_on) return;
    rwd_json_put_object(json, "journal");
    rwd_json_put_bool(json, "suspended", status->journal_suspended != 0);
    rwd_json_put_uint(json, "bytes", status->journal_bytes);
    rwd_json_put_uint(json, "segments", status->journal_segments);
    rwd_json_put_uint(json, "blocks", status->journal_blocks);
    rwd_json_put_uint(json, "records", status->journal_records);
    put_offset(json, "first", status->journal_first);
    put_offset(json, "next", status->journal_next);
    put_offset(json, "durable", status->journal_durable);
    put_offset(json, "horizon", status->journal_horizon);
    rwd_json_put_uint(json, "holes", status->journal_holes);
    rwd_json_put_uint(json, "damaged", status->journal_damaged);
    rwd_json_object_end(json);
}

void rwd_status_json(const rwd_status *status, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    put_identity(&json, status);
    put_progress(&json, status);
    put_counts(&json, status);
    put_dead(&json, status);
    put_state(&json, status);
    put_invariants(&json, status);
    put_durable(&json, status);
    put_journal(&json, status);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}

// ---- for people

// 1234567 as "1,234,567".
static void grouped(rwd_buf *out, uint64_t value) {
    char digits[24];
    int size = snprintf(digits, sizeof(digits), "%" PRIu64, value);
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) rwd_buf_append_char(out, ',');
        rwd_buf_append_char(out, digits[i]);
    }
}

static void counted(rwd_buf *out, uint64_t value, const char *words) {
    grouped(out, value);
    rwd_buf_append_str(out, words);
}

static void sized(rwd_buf *out, uint64_t bytes) {
    char text[RWD_TIME_TEXT_MAX];
    rwd_size_text(bytes, text);
    rwd_buf_append_str(out, text);
}

static void seconds(rwd_buf *out, int64_t ns) {
    double s = (double)ns / 1e9;
    if (s < 1) rwd_buf_appendf(out, "%.1f ms", s * 1e3);
    else if (s < 120) rwd_buf_appendf(out, "%.2f s", s);
    else rwd_buf_appendf(out, "%" PRId64 "m%02ds", ns / 60000000000, (int)(ns / 1000000000 % 60));
}

static void moment(rwd_buf *out, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    rwd_time_text(us / 1000000 * 1000000, text);
    rwd_buf_append_str(out, text);
}

static void label(rwd_buf *out, const char *word) { rwd_buf_appendf(out, "  %-*s", SCREEN_LABEL_WIDTH, word); }
static void line_end(rwd_buf *out) { rwd_buf_append_char(out, '\n'); }

static void screen_head(const rwd_status *status, rwd_buf *out) {
    rwd_buf_appendf(out, "%s: %s\n", *status->job ? status->job : "(no job yet)", rwd_phase_name(status->phase));
    if (*status->reason) {
        label(out, "because");
        rwd_buf_appendf(out, "%s\n", status->reason);
    }
    if (*status->next) {
        label(out, "next");
        rwd_buf_appendf(out, "%s\n", status->next);
    }
    for (int i = 0; i < RWD_STAGE_COUNT; i++) {
        if (status->stuck_us[i] == 0) continue;
        label(out, "stuck");
        append_since(out, stage_names[i], status->stuck_us[i]);
    }
    label(out, "data");
    rwd_buf_appendf(out, "%s (term %" PRIu64 ", pid %" PRIu64 ", %s)\n", status->data, status->term, status->pid, status->version);
}

static void screen_input(const rwd_status *status, rwd_buf *out) {
    label(out, "source");
    rwd_buf_appendf(out, "%s", status->source);
    if (status->source_total > 0) {
        rwd_buf_append_str(out, ", ");
        sized(out, status->source_done);
        rwd_buf_append_str(out, " of ");
        sized(out, status->source_total);
        rwd_buf_appendf(out, " (%.1f %%)", 100.0 * (double)status->source_done / (double)status->source_total);
    }
    if (status->source_away_us) rwd_buf_append_str(out, ", "), append_since(out, "no broker answers", status->source_away_us);
    else line_end(out);
    label(out, "position");
    rwd_buf_appendf(out, "next offset %" PRId64 ", committed C %" PRId64, status->position, status->frontier);
    if (status->phase == RWD_PHASE_REPLAYING) rwd_buf_appendf(out, ", replaying [%" PRId64 ", %" PRId64 ")", status->replay_from, status->replay_to);
    if (*status->restoring) rwd_buf_appendf(out, ", restoring from checkpoint %s", status->restoring);
    line_end(out);
    if (status->lag_records == RWD_LAG_UNKNOWN) return;
    label(out, "lag");
    if (status->lag_records == 0) rwd_buf_append_str(out, "caught up");
    else counted(out, (uint64_t)status->lag_records, " records");
    if (status->lag_records > 0 && status->lag_s != RWD_LAG_UNKNOWN) rwd_buf_appendf(out, ", %" PRId64 " s", status->lag_s);
    line_end(out);
}

static void screen_counts(const rwd_status *status, rwd_buf *out) {
    label(out, "records");
    counted(out, status->read, " read, ");
    counted(out, status->applied, " applied, ");
    counted(out, status->dead, " dead letters");
    if (status->late) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->late, " late");
    }
    if (status->duplicate) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->duplicate, " duplicate");
    }
    if (status->dropped) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->dropped, " dropped");
    }
    line_end(out);
}

static void screen_dead(const rwd_status *status, rwd_buf *out) {
    if (status->dead_open == 0 && status->dead_failed == 0) return;
    label(out, "dead letters");
    counted(out, status->dead_open, " open, ");
    counted(out, status->dead_failed, " failed for good, the oldest at offset ");
    rwd_buf_appendf(out, "%" PRId64, status->dead_oldest);
    line_end(out);
}

static void screen_keys(const rwd_status *status, rwd_buf *out) {
    label(out, "keys");
    grouped(out, status->keys);
    for (size_t i = 0; i < status->table_count; i++) {
        rwd_buf_appendf(out, "%s%s ", i == 0 ? ": " : ", ", status->tables[i].name);
        grouped(out, status->tables[i].keys);
    }
    line_end(out);
}

static void screen_memory(const rwd_status *status, rwd_buf *out) {
    label(out, "memory");
    sized(out, status->memory_resident);
    rwd_buf_append_str(out, " resident, limit ");
    sized(out, status->memory_total);
    rwd_buf_append_str(out, "; hot ");
    sized(out, status->memory_hot);
    rwd_buf_append_str(out, status->hot_complete ? " (all keys)" : " (part of the keys)");
    line_end(out);
}

static void screen_lineage(const rwd_status *status, rwd_buf *out) {
    if (status->earlier_job_file) {
        label(out, "job file");
        rwd_buf_append_str(out, "an earlier one: what runs is the lineage in force");
        line_end(out);
    }
    for (size_t i = 0; i < status->since_count; i++) {
        label(out, "since");
        rwd_buf_appendf(out, "offset %" PRId64 ": %s.%s", status->since[i].offset, status->since[i].table, status->since[i].aggregate);
        line_end(out);
    }
}

static void screen_invariants(const rwd_status *status, rwd_buf *out) {
    for (size_t i = 0; i < status->invariant_count; i++) {
        const rwd_invariant_status *one = &status->invariants[i];
        if (one->violations == 0) continue;
        label(out, "violated");
        rwd_buf_appendf(out, "%s: %s: ", one->table, one->check);
        counted(out, one->violations, " keys");
        if (*one->key) rwd_buf_appendf(out, ", such as %s: %s", one->key, one->row);
        line_end(out);
    }
}

static void screen_commits(const rwd_status *status, rwd_buf *out) {
    label(out, "commits");
    counted(out, status->commits, " with ");
    counted(out, status->rows, " rows, ");
    sized(out, status->output_bytes);
    if (status->last_commit_us) {
        rwd_buf_append_str(out, ", last ");
        moment(out, status->last_commit_us);
    }
    if (status->sink_away_us) rwd_buf_append_str(out, ", "), append_since(out, "no broker answers", status->sink_away_us);
    else line_end(out);
}

static void screen_checkpoints(const rwd_status *status, rwd_buf *out) {
    label(out, "checkpoints");
    counted(out, status->checkpoints, " made");
    if (status->checkpoint_failures) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->checkpoint_failures, " failed");
    }
    if (status->checkpoints_skipped) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->checkpoints_skipped, " skipped (disk nearly full)");
    }
    if (status->quarantined) {
        rwd_buf_append_str(out, ", ");
        counted(out, status->quarantined, " quarantined");
    }
    line_end(out);
    if (!*status->checkpoint_id) return;
    char hex[RWD_HASH128_HEX];
    rwd_hash128_hex(status->digest, hex);
    label(out, "newest");
    rwd_buf_appendf(out, "%s at offset %" PRId64 ", ", status->checkpoint_id, status->checkpoint_offset);
    moment(out, status->checkpoint_us);
    rwd_buf_append_str(out, ", took ");
    seconds(out, status->checkpoint_ns);
    line_end(out);
    label(out, "digest");
    rwd_buf_append_str(out, hex);
    line_end(out);
}

static void screen_journal(const rwd_status *status, rwd_buf *out) {
    if (!status->journal_on) return;
    label(out, "journal");
    sized(out, status->journal_bytes);
    if (status->journal_first >= 0) rwd_buf_appendf(out, ", offsets [%" PRId64 ", %" PRId64 ")", status->journal_first, status->journal_next);
    if (status->journal_holes) rwd_buf_append_str(out, ", "), counted(out, status->journal_holes, " holes");
    if (status->horizon >= 0) rwd_buf_appendf(out, ", horizon %" PRId64, status->horizon);
    if (status->journal_suspended) rwd_buf_append_str(out, ", no room: goes on without");
    line_end(out);
}

void rwd_status_screen(const rwd_status *status, rwd_buf *out) {
    assert(status->table_count <= RWD_STATUS_TABLES_MAX);
    screen_head(status, out);
    screen_input(status, out);
    screen_counts(status, out);
    label(out, "rate");
    counted(out, status->rate > 0 ? (uint64_t)status->rate : 0, " records/s");
    line_end(out);
    screen_dead(status, out);
    screen_keys(status, out);
    screen_lineage(status, out);
    screen_invariants(status, out);
    screen_memory(status, out);
    screen_commits(status, out);
    screen_checkpoints(status, out);
    screen_journal(status, out);
}

static double mean_rate(const rwd_status *status, int64_t took_ns) {
    return took_ns > 0 ? (double)status->read_live / ((double)took_ns / 1e9) : 0;
}

void rwd_status_summary(const rwd_status *status, int64_t took_ns, rwd_buf *out) {
    rwd_buf_appendf(out, "%s: %s at offset %" PRId64 "\n", *status->job ? status->job : "(no job yet)", rwd_phase_name(status->phase), status->frontier);
    screen_counts(status, out);
    if (status->replay_to > status->replay_from) {
        label(out, "replayed");
        counted(out, (uint64_t)(status->replay_to - status->replay_from), " offsets silently");
        rwd_buf_appendf(out, ", [%" PRId64 ", %" PRId64 "), in ", status->replay_from, status->replay_to);
        seconds(out, status->recovery_replay_ns);
        line_end(out);
    }
    screen_dead(status, out);
    screen_keys(status, out);
    screen_invariants(status, out);
    screen_commits(status, out);
    screen_checkpoints(status, out);
    label(out, "took");
    seconds(out, took_ns);
    rwd_buf_append_str(out, ", ");
    counted(out, (uint64_t)mean_rate(status, took_ns), " records/s");
    line_end(out);
}

void rwd_status_summary_json(const rwd_status *status, int64_t took_ns, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    put_identity(&json, status);
    put_progress(&json, status);
    put_counts(&json, status);
    put_dead(&json, status);
    put_state(&json, status);
    put_invariants(&json, status);
    put_durable(&json, status);
    rwd_json_put_seconds(&json, "took_seconds", took_ns);
    rwd_json_key(&json, "mean_records_per_second");
    rwd_json_float(&json, mean_rate(status, took_ns));
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}
