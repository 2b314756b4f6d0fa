// journal list, check: what the journal holds, beside a running operator or without one. Nothing is changed.
#include <inttypes.h>
#include <stdlib.h>

#include "checkpoints/journal/journal.h"
#include "operator/base/json_out.h"
#include "operator/cli/cli_private.h"
#include "operator/cli/grid.h"

// K3: what lies below the newest checkpoint's X is durable, so what fails there is damage, not a torn end.
static bool durable_to(rwd_place *place, int64_t *out, rwd_error *err) {
    rwd_checkpoint_list list = {0};
    *out = 0;
    if (!rwd_repo_list(place->repo, &list, err)) return false;
    for (size_t i = 0; i < list.count; i++)
        if (list.items[i].facts.next_offset > *out) *out = list.items[i].facts.next_offset;
    rwd_checkpoint_list_deinit(&list);
    return true;
}

bool rwd_cli_open_journal(rwd_cli *cli, rwd_place *place, rwd_journal **out, rwd_error *err) {
    rwd_io *io = NULL;
    if (!rwd_place_find(cli, place, err)) return false;
    rwd_journal_options options = {.data = place->data};
    bool ok = rwd_place_open_reader(cli, place, err) && durable_to(place, &options.durable_to, err) && rwd_io_clone(place->io, &io, err);
    if (ok) options.repository = rwd_repo_id(place->repo);
    ok = ok && rwd_journal_open(&options, io, cli->clock, out, err);
    if (!ok) rwd_place_deinit(place);
    return ok;
}

// ---- for people

static void time_cell(rwd_grid *grid, int64_t time_us) {
    char text[RWD_TIME_TEXT_MAX];
    if (time_us == RWD_TIME_NONE) rwd_grid_text(grid, "");
    else rwd_time_text_ms(time_us, text), rwd_grid_text(grid, text);
}

static void offset_cell(rwd_grid *grid, int64_t offset) {
    if (offset < 0) rwd_grid_text(grid, "-");
    else rwd_grid_int(grid, offset);
}

static void show_table(rwd_cli *cli, const rwd_journal_segment_info *all, size_t count, bool checked) {
    rwd_grid grid;
    rwd_grid_init(&grid);
    static const char *const titles[] = {"FROM", "NEXT", "TERM", "RECORDS", "BLOCKS", "SIZE", "FIRST TIME", "LAST TIME", "STATE"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) rwd_grid_column(&grid, titles[i], i < 6);
    for (size_t i = 0; i < count; i++) {
        char size[RWD_TIME_TEXT_MAX];
        rwd_size_text(all[i].bytes, size);
        offset_cell(&grid, all[i].first);
        offset_cell(&grid, all[i].next);
        rwd_grid_int(&grid, (int64_t)all[i].term);
        rwd_grid_int(&grid, (int64_t)all[i].records);
        rwd_grid_int(&grid, (int64_t)all[i].blocks);
        rwd_grid_text(&grid, size);
        time_cell(&grid, all[i].min_time);
        time_cell(&grid, all[i].max_time);
        rwd_grid_text(&grid, all[i].why[0] ? all[i].why : checked ? "good" : all[i].holes ? "has holes" : all[i].torn ? "torn end" : "");
    }
    rwd_grid_flush(&grid, &cli->out);
    rwd_grid_deinit(&grid);
}

static void show_holes(rwd_cli *cli, const rwd_journal_range *ranges, size_t count) {
    if (count == 0) rwd_buf_append_str(&cli->out, "the journal is empty\n");
    for (size_t i = 1; i < count; i++) rwd_buf_appendf(&cli->out, "missing: offsets %" PRId64 " to %" PRId64 "\n", ranges[i - 1].next, ranges[i].from - 1);
    if (count == 1) rwd_buf_appendf(&cli->out, "no offset is missing from %" PRId64 " to %" PRId64 "\n", ranges[0].from, ranges[0].next - 1);
}

// ---- for programs

static void put_range(rwd_json_out *json, int64_t from, int64_t next) {
    rwd_json_object(json);
    rwd_json_put_int(json, "from", from);
    rwd_json_put_int(json, "next", next);
    rwd_json_object_end(json);
}

static void put_segment(rwd_json_out *json, const rwd_journal_segment_info *s) {
    rwd_json_object(json);
    rwd_json_put_string(json, "name", s->name);
    rwd_json_put_int(json, "from", s->first);
    rwd_json_put_int(json, "next", s->next);
    rwd_json_put_uint(json, "term", s->term);
    rwd_json_put_uint(json, "records", s->records);
    rwd_json_put_uint(json, "blocks", s->blocks);
    rwd_json_put_uint(json, "bytes", s->bytes);
    rwd_json_put_time(json, "first_time", s->min_time);
    rwd_json_put_time(json, "last_time", s->max_time);
    rwd_json_put_uint(json, "holes", s->holes);
    rwd_json_put_bool(json, "torn", s->torn);
    rwd_json_put_string(json, "error", s->why[0] ? s->why : NULL);
    rwd_json_object_end(json);
}

static void show_json(rwd_cli *cli, const rwd_journal_segment_info *all, size_t count, const rwd_journal_range *ranges, size_t range_count) {
    rwd_json_out json;
    rwd_json_init(&json, &cli->out, true);
    rwd_json_object(&json);
    rwd_json_key(&json, "segments");
    rwd_json_array(&json);
    for (size_t i = 0; i < count; i++) put_segment(&json, &all[i]);
    rwd_json_array_end(&json);
    rwd_json_key(&json, "missing");
    rwd_json_array(&json);
    for (size_t i = 1; i < range_count; i++) put_range(&json, ranges[i - 1].next, ranges[i].from);
    rwd_json_array_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&cli->out, '\n');
}

// ---- the commands

static void show(rwd_cli *cli, rwd_journal *journal, const rwd_journal_segment_info *all, size_t count, bool checked) {
    rwd_journal_range *ranges;
    size_t range_count = rwd_journal_ranges(journal, &ranges);
    if (cli->json) {
        show_json(cli, all, count, ranges, range_count);
    } else {
        if (count > 0) show_table(cli, all, count, checked);
        show_holes(cli, ranges, range_count);
    }
    free(ranges);
}

bool rwd_run_journal_list(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_journal *journal;
    rwd_journal_segment_info *all;
    if (!rwd_cli_open_journal(cli, &place, &journal, err)) return false;
    size_t count = rwd_journal_list(journal, &all);
    show(cli, journal, all, count, false);
    free(all);
    rwd_journal_close(journal);
    rwd_place_deinit(&place);
    return true;
}

bool rwd_run_journal_check(rwd_cli *cli, rwd_error *err) {
    rwd_place place;
    rwd_journal *journal;
    rwd_journal_segment_info *all = NULL;
    size_t count = 0;
    if (!rwd_cli_open_journal(cli, &place, &journal, err)) return false;
    bool ok = rwd_journal_check(journal, place.io, NULL, &all, &count, err);
    if (ok) show(cli, journal, all, count, true);
    for (size_t i = 0; i < count && ok; i++)
        if (all[i].why[0]) cli->exit_code = RWD_EXIT_CORRUPT;
    free(all);
    rwd_journal_close(journal);
    rwd_place_deinit(&place);
    return ok;
}
