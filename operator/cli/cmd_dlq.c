// dlq list, dlq show, dlq export: which dead letters are open, and what they are.
#include <inttypes.h>
#include <stdio.h>

#include "operator/cli/dlq.h"
#include "operator/cli/grid.h"
#include "operator/cli/output.h"

#define LIST_LIMIT 100
#define ALIGN_ROWS 1000       // whose widths are looked at before they are shown
#define SHOWN_BYTES 65536     // of a value, for people

static void columns(rwd_grid *grid) {
    static const char *const titles[] = {"OFFSET", "REASON", "FIELD", "TIME", "STATE", "ATTEMPTS"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) rwd_grid_column(grid, titles[i], i == 0 || i == 5);
}

static void row(const rwd_dead_item *item, rwd_grid *grid) {
    const rwd_dead_entry *entry = &item->entry;
    rwd_buf name = {0};
    char time[RWD_TIME_TEXT_MAX] = "-";
    rwd_dlq_name(&entry->id, &name);
    if (entry->time_us != RWD_TIME_NONE) rwd_time_text_ms(entry->time_us, time);
    rwd_grid_cell(grid, rwd_buf_slice(&name));
    rwd_grid_text(grid, rwd_code_name(entry->code));
    rwd_grid_cell(grid, entry->field.size ? entry->field : rwd_slice_str("-"));
    rwd_grid_text(grid, time);
    rwd_grid_text(grid, entry->failed ? "failed" : "open");
    rwd_grid_int(grid, entry->attempts);
    rwd_buf_deinit(&name);
}

static bool list(rwd_cli *cli, rwd_dlq *dlq, rwd_error *err) {
    uint64_t limit = rwd_count_of(cli->in, RWD_FLAG_ID_LIMIT, LIST_LIMIT), shown = 0, more = 0;
    const rwd_dead_item *item;
    rwd_grid grid;
    rwd_grid_init(&grid);
    if (!cli->json) columns(&grid);
    bool ok;
    while ((ok = rwd_dlq_next(dlq, &item, err)) && item) {
        if (limit && shown == limit) {
            more++;
            continue;
        }
        shown++;
        if (cli->json) rwd_dlq_json(item, false, false, &cli->out);
        else row(item, &grid);
        if (rwd_grid_rows(&grid) > ALIGN_ROWS) rwd_grid_flush(&grid, &cli->out);
        if (cli->out.size >= RWD_OUTPUT_PIECE && !(ok = rwd_cli_flush(cli, err))) break;
    }
    if (ok) rwd_grid_flush(&grid, &cli->out);
    rwd_grid_deinit(&grid);
    if (!ok || !rwd_cli_flush(cli, err)) return false;
    if (!cli->json)
        rwd_cli_say("%" PRIu64 " dead letters at offset %" PRId64 " (checkpoint %s)%s", shown + more, dlq->side.checkpoint.facts.next_offset, dlq->side.checkpoint.id,
                    more ? "; not all are shown: --limit 0 shows them" : "");
    return true;
}

bool rwd_run_dlq_list(rwd_cli *cli, rwd_error *err) {
    rwd_dlq dlq;
    bool ok = rwd_dlq_open(cli, false, &dlq, err) && list(cli, &dlq, err);
    rwd_dlq_close(&dlq);
    return ok;
}

// ---- show

static void line(rwd_buf *out, const char *label, const char *text) { rwd_buf_appendf(out, "  %-12s%s\n", label, text); }

static void show_bytes(rwd_buf *out, const char *label, bool has, rwd_slice bytes, uint64_t full_size) {
    if (!has) {
        line(out, label, "none");
        return;
    }
    size_t shown = bytes.size < SHOWN_BYTES ? bytes.size : SHOWN_BYTES;
    rwd_slice part = rwd_slice_of(bytes.data, shown);
    rwd_buf_appendf(out, "  %-12s%" PRIu64 " bytes%s%s:\n", label, full_size, rwd_utf8_valid(part) ? "" : ", base64", shown < full_size ? ", its beginning" : "");
    if (rwd_utf8_valid(part)) rwd_json_quote(out, part);
    else rwd_base64_append(out, part);
    rwd_buf_append_char(out, '\n');
}

static void show(const rwd_dead_item *item, rwd_buf *out) {
    const rwd_dead_entry *entry = &item->entry;
    rwd_buf name = {0};
    char time[RWD_TIME_TEXT_MAX] = "none", hash[RWD_HASH128_HEX];
    rwd_dlq_name(&entry->id, &name);
    rwd_buf_appendf(out, "dead letter %s: %s\n", rwd_buf_cstr(&name), entry->failed ? "failed for good" : "open");
    rwd_buf_appendf(out, "  %-12s%s: %s\n", "reason", rwd_code_name(entry->code), rwd_code_meaning(entry->code));
    if (entry->field.size) rwd_buf_appendf(out, "  %-12s%.*s\n", "field", (int)entry->field.size, (const char *)entry->field.data);
    if (entry->time_us != RWD_TIME_NONE) rwd_time_text_ms(entry->time_us, time);
    line(out, "time", time);
    rwd_buf_appendf(out, "  %-12s%u\n", "attempts", entry->attempts);
    rwd_hash128_hex(entry->hash, hash);
    line(out, "hash", hash);
    line(out, "found in", item->found == RWD_DEAD_NOWHERE ? "nowhere: neither journal, source nor dead-letter output has this record any more" : rwd_dead_found_name(item->found));
    rwd_buf_deinit(&name);
    if (item->found == RWD_DEAD_NOWHERE) return;
    show_bytes(out, "key", item->has_key, item->key, item->key.size);
    show_bytes(out, "value", item->has_value, item->value, item->full_size);
}

static bool show_all(rwd_cli *cli, rwd_dlq *dlq, rwd_error *err) {
    const rwd_dead_item *item;
    bool any = false, ok;
    while ((ok = rwd_dlq_next(dlq, &item, err)) && item) {
        any = true;
        if (cli->json) rwd_dlq_json(item, true, false, &cli->out);
        else show(item, &cli->out);
        if (!rwd_cli_flush(cli, err)) return false;
    }
    if (!ok || any) return ok;
    rwd_fail(err, RWD_E_NOT_FOUND, "no dead letter %s is open, or failed for good, at offset %" PRId64 " (checkpoint %s)", cli->in->args[0], dlq->side.checkpoint.facts.next_offset,
             dlq->side.checkpoint.id);
    return rwd_error_next(err, "rewind dlq list --data %s", dlq->place.data);
}

bool rwd_run_dlq_show(rwd_cli *cli, rwd_error *err) {
    rwd_dlq dlq;
    bool ok = rwd_dlq_open(cli, true, &dlq, err) && show_all(cli, &dlq, err);
    rwd_dlq_close(&dlq);
    return ok;
}

// ---- export

static bool export_all(rwd_dlq *dlq, rwd_output *out, rwd_error *err) {
    const rwd_dead_item *item;
    uint64_t count = 0, nowhere = 0;
    bool ok;
    while ((ok = rwd_dlq_next(dlq, &item, err)) && item) {
        rwd_dlq_json(item, true, false, &out->text);
        count++;
        nowhere += item->found == RWD_DEAD_NOWHERE;
        if (!rwd_output_step(out, err)) return false;
    }
    if (!ok || !rwd_output_commit(out, err)) return false;
    rwd_cli_say("%" PRIu64 " dead letters at offset %" PRId64 " (checkpoint %s)", count, dlq->side.checkpoint.facts.next_offset, dlq->side.checkpoint.id);
    if (nowhere) rwd_cli_say("Of %" PRIu64 " the record was not found: neither journal, source nor dead-letter output has it.", nowhere);
    return true;
}

bool rwd_run_dlq_export(rwd_cli *cli, rwd_error *err) {
    rwd_dlq dlq;
    rwd_output out;
    bool ok = rwd_dlq_open(cli, true, &dlq, err);
    if (ok) {
        ok = rwd_output_open(dlq.side.io, cli->in->values[RWD_FLAG_ID_FILE], &out, err) && export_all(&dlq, &out, err);
        rwd_output_close(&out);
    }
    rwd_dlq_close(&dlq);
    return ok;
}
