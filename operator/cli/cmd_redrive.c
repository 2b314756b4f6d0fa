// dlq redrive: dead letters, sent into the source topic again, or written as amendments of the records at their places.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/cli/dlq.h"
#include "operator/cli/output.h"
#include "operator/config/amend_file.h"
#include "operator/config/json_patch.h"
#include "operator/pipeline/redriver.h"

// One --set: a field, or a path, and the JSON text of its value.
typedef struct setting {
    rwd_json_path path;
    rwd_buf value;
} setting;

typedef struct redrive {
    rwd_cli *cli;
    rwd_dlq dlq;
    bool in_place, skip;
    setting *settings;
    size_t setting_count;
    rwd_json_path each;           // of event.each
    rwd_lineage lineage;          // of the checkpoint
    rwd_buf patched, scratch;

    uint64_t by_code[RWD_E_COUNT], chosen, refused;
    char why[512];                // the first one that was refused
    int64_t first;                // the lowest offset that is chosen
    uint64_t written;             // amendments
} redrive;

// ---------------------------------------------------------------------------------------------- --set

static const rwd_field *field_of(const rwd_job *job, const char *name) {
    for (size_t i = 0; i < job->event.field_count; i++)
        if (strcmp(job->event.fields[i].name, name) == 0) return &job->event.fields[i];
    return NULL;
}

static bool take_setting(redrive *r, const rwd_override *set, setting *out, rwd_error *err) {
    const rwd_field *field = field_of(r->dlq.job, set->key);
    bool plain = !field || (field->type != RWD_TYPE_STRING && field->type != RWD_TYPE_BYTES);
    if (!rwd_json_path_parse(field ? field->path : set->key, &out->path, err)) {
        err->code = RWD_E_USAGE;
        err->decision = RWD_USAGE;
        return rwd_error_at(err, "--set %s", set->key);
    }
    rwd_json_typed(rwd_slice_str(set->value), plain, &out->value);
    return true;
}

static bool take_settings(redrive *r, rwd_error *err) {
    const rwd_invocation *in = r->cli->in;
    if (in->set_count == 0) return true;
    if (r->dlq.job->source.format != RWD_FORMAT_JSON)
        return rwd_fail(err, RWD_E_USAGE, "--set puts a value into a JSON record, and this job's records are %s", rwd_format_name(r->dlq.job->source.format));
    if (r->dlq.job->event.each && !rwd_json_path_parse(r->dlq.job->event.each, &r->each, err)) return false;
    r->settings = rwd_calloc(in->set_count, sizeof *r->settings);
    for (; r->setting_count < in->set_count; r->setting_count++)
        if (!take_setting(r, &in->sets[r->setting_count], &r->settings[r->setting_count], err)) return false;
    return true;
}

// Where it stands in the whole record. What it holds is borrowed.
static bool whole_path(const redrive *r, const setting *s, uint32_t ordinal, rwd_json_path *out, rwd_error *err) {
    *out = s->path;
    if (!s->path.inside) return true;
    if (ordinal == RWD_DEAD_WHOLE) return rwd_fail(err, RWD_E_MALFORMED, "the record as a whole failed, so no event of it has a field to set");
    if (r->each.count + 1 + s->path.count > RWD_JSON_STEPS_MAX) return rwd_fail(err, RWD_E_USAGE, "the path is too deep");
    *out = r->each;
    out->steps[out->count++] = (rwd_json_step){.index = ordinal};
    for (size_t i = 0; i < s->path.count; i++) out->steps[out->count++] = s->path.steps[i];
    return true;
}

// All settings, one after the other, on `value`, into `out`.
static bool patch(redrive *r, uint32_t ordinal, rwd_slice value, rwd_buf *out, rwd_error *err) {
    rwd_buf_clear(out);
    rwd_buf_append_slice(out, value);
    for (size_t i = 0; i < r->setting_count; i++) {
        rwd_json_path path;
        rwd_buf_clear(&r->scratch);
        if (!whole_path(r, &r->settings[i], ordinal, &path, err) || !rwd_json_patch(rwd_buf_slice(out), &path, rwd_buf_slice(&r->settings[i].value), &r->scratch, err)) return false;
        rwd_buf swap = *out;
        *out = r->scratch;
        r->scratch = swap;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------- which ones

static const char *refusal_in_place(const rwd_dead_item *item) {
    if (item->entry.id.inserted != RWD_DEAD_RECORD) return "put in by an amendment: change that";
    return item->found == RWD_DEAD_NOWHERE ? "the record is not found any more" : NULL;
}

static void refuse(redrive *r, const rwd_dead_item *item, const char *why) {
    if (r->refused++ > 0) return;
    rwd_buf name = {0};
    rwd_dlq_name(&item->entry.id, &name);
    (void)snprintf(r->why, sizeof r->why, "%s: %.400s", rwd_buf_cstr(&name), why);
    rwd_buf_deinit(&name);
}

// Can it be done? Then `out_value` is the record's new value, borrowed.
static bool judge(redrive *r, const rwd_dead_item *item, rwd_slice base, rwd_slice *out_value) {
    rwd_error why;
    *out_value = base;
    bool part = item->entry.id.ordinal != RWD_DEAD_WHOLE;
    const char *refusal = r->skip ? (part ? "one event of a record: to skip that takes its other events, too" : NULL) : r->in_place ? refusal_in_place(item) : rwd_redriver_refuses(r->dlq.job, item);
    if (refusal) return refuse(r, item, refusal), false;
    if (r->setting_count == 0 || r->skip) return true;
    if (!base.data) return refuse(r, item, "the record has no value, so no field of it can be set"), false;
    if (!patch(r, item->entry.id.ordinal, base, &r->patched, &why)) return refuse(r, item, why.cause), false;
    *out_value = rwd_buf_slice(&r->patched);
    return true;
}

static void choose(redrive *r, const rwd_dead_item *item) {
    if (r->chosen++ == 0 || item->entry.id.offset < r->first) r->first = item->entry.id.offset;
    r->by_code[item->entry.code]++;
}

// ---------------------------------------------------------------------------------------------- into the topic

static bool count_all(redrive *r, rwd_error *err) {
    const rwd_dead_item *item;
    rwd_slice ignored;
    bool ok;
    while ((ok = rwd_dlq_next(&r->dlq, &item, err)) && item)
        if (judge(r, item, item->value, &ignored)) choose(r, item);
    return ok;
}

static void show_plan(redrive *r) {
    rwd_buf *out = &r->cli->out;
    const rwd_job *job = r->dlq.job;
    rwd_buf_appendf(out, "redrive %" PRIu64 " dead letters into topic %s, partition %u\n", r->chosen, job->source.topic, job->source.partition);
    for (int code = 0; code < RWD_E_COUNT; code++)
        if (r->by_code[code]) rwd_buf_appendf(out, "  %-20s%" PRIu64 "\n", rwd_code_name((rwd_code)code), r->by_code[code]);
    for (size_t i = 0; i < r->setting_count; i++)
        rwd_buf_appendf(out, "  set %s = %.*s\n", r->cli->in->sets[i].key, (int)r->settings[i].value.size, (const char *)r->settings[i].value.data);
    rwd_buf_appendf(out, "  as of offset %" PRId64 " (checkpoint %s)\n", r->dlq.side.checkpoint.facts.next_offset, r->dlq.side.checkpoint.id);
    if (r->refused) rwd_buf_appendf(out, "  not %" PRIu64 " others, the first of them %s\n", r->refused, r->why);
}

static void show_result(redrive *r, uint64_t sent) {
    if (!r->cli->json) {
        rwd_buf_appendf(&r->cli->out, "sent %" PRIu64 " records\n", sent);
        return;
    }
    rwd_json_out json;
    rwd_json_init(&json, &r->cli->out, true);
    rwd_json_object(&json);
    rwd_json_put_uint(&json, "chosen", r->chosen);
    rwd_json_put_uint(&json, "sent", sent);
    rwd_json_put_uint(&json, "refused", r->refused);
    rwd_json_put_string(&json, "first_refusal", r->refused ? r->why : NULL);
    rwd_json_object_end(&json);
    rwd_buf_append_char(&r->cli->out, '\n');
}

static bool send_all(redrive *r, uint64_t *sent, rwd_error *err) {
    rwd_redriver *redriver;
    const rwd_dead_item *item;
    rwd_slice value;
    bool ok;
    const char *origin = rwd_dead_fetcher_origin(r->dlq.fetcher);
    if (!origin) return rwd_fail(err, RWD_E_BROKER, "no broker answers that could take the records");
    if (!rwd_redriver_open(r->dlq.job, origin, r->cli->clock, &redriver, err)) return false;
    while ((ok = rwd_dlq_next(&r->dlq, &item, err)) && item) {
        if (!judge(r, item, item->value, &value)) continue;
        if (!(ok = rwd_redriver_send(redriver, item, value, err))) break;
        ++*sent;
    }
    ok = ok && rwd_redriver_flush(redriver, err);
    rwd_redriver_close(redriver);
    return ok;
}

static bool into_topic(redrive *r, rwd_error *err) {
    bool act;
    uint64_t sent = 0;
    if (!r->dlq.job->source.topic) {
        rwd_fail(err, RWD_E_USAGE, "the source is a file: no record can be sent into it that says where it comes from");
        return rwd_error_next(err, "say --in-place with --set, --skip or --logic");
    }
    if (!count_all(r, err)) return false;
    if (!r->cli->json || !rwd_given(r->cli->in, RWD_FLAG_ID_YES)) show_plan(r);
    if (r->chosen == 0) return true;
    if (!rwd_cli_may_act(r->cli, "Send them?", &act, err)) return false;
    if (!act) return true;
    rwd_dlq_again(&r->dlq);
    r->refused = 0;
    if (!send_all(r, &sent, err)) return false;
    show_result(r, sent);
    return true;
}

// ---------------------------------------------------------------------------------------------- in place

// The record that is being amended: several of its events may be.
typedef struct pending {
    bool any;
    int64_t offset;
    rwd_buf value, reason;
} pending;

static void write_pending(redrive *r, pending *p, rwd_output *out) {
    if (!p->any) return;
    rwd_amendment amendment = {.kind = r->skip ? RWD_AMEND_SKIP : RWD_AMEND_REPLACE, .at = p->offset, .time_us = RWD_TIME_NONE, .reason = p->reason};
    if (!r->skip) {
        amendment.has_value = true;
        amendment.value = p->value;
    }
    rwd_amendment_write(&amendment, &out->text);
    p->any = false;
    r->written++;
}

// L6: what failed is the record as the lineage has it; one that was replaced before is changed further, since the new amendment takes the old one's place.
static rwd_slice value_there(const redrive *r, const rwd_dead_item *item) {
    for (size_t i = 0; i < r->lineage.amendment_count; i++) {
        const rwd_amendment *a = &r->lineage.amendments[i];
        if (a->at == item->entry.id.offset && a->kind == RWD_AMEND_REPLACE && a->has_value) return rwd_buf_slice(&a->value);
    }
    return item->value;
}

static void amend(redrive *r, const rwd_dead_item *item, pending *p, rwd_output *out) {
    rwd_slice value;
    if (p->any && p->offset != item->entry.id.offset) write_pending(r, p, out);
    if (!judge(r, item, p->any ? rwd_buf_slice(&p->value) : value_there(r, item), &value)) return;
    choose(r, item);
    if (!p->any) {
        rwd_buf_clear(&p->reason);
        rwd_buf_appendf(&p->reason, "dead letter: %s", rwd_code_name(item->entry.code));
        if (item->entry.field.size) rwd_buf_appendf(&p->reason, " (%.*s)", (int)item->entry.field.size, (const char *)item->entry.field.data);
    }
    rwd_buf_clear(&p->value);
    rwd_buf_append_slice(&p->value, value);
    p->offset = item->entry.id.offset;
    p->any = true;
}

static bool load_lineage(redrive *r, rwd_error *err) {
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(r->dlq.side.repo, r->dlq.side.checkpoint.facts.lineage, &r->lineage, &text, err);
    rwd_buf_deinit(&text);
    return ok;
}

static bool write_amendments(redrive *r, rwd_output *out, rwd_error *err) {
    const rwd_dead_item *item;
    pending p = {0};
    bool ok, writes = r->skip || r->setting_count > 0;
    while ((ok = rwd_dlq_next(&r->dlq, &item, err)) && item) {
        if (writes) amend(r, item, &p, out);
        else choose(r, item);
        if (!(ok = rwd_output_step(out, err))) break;
    }
    if (ok) write_pending(r, &p, out);
    rwd_buf_deinit(&p.value);
    rwd_buf_deinit(&p.reason);
    return ok && rwd_output_commit(out, err);
}

static void say_next(const redrive *r) {
    const rwd_invocation *in = r->cli->in;
    const char *file = in->values[RWD_FLAG_ID_FILE], *logic = in->values[RWD_FLAG_ID_LOGIC];
    rwd_buf next = {0};
    rwd_buf_appendf(&next, "rewind repair plan %s --from %" PRId64, in->job ? in->job : "JOB", r->first);
    if (logic) rwd_buf_appendf(&next, " --logic %s", logic);
    if (r->written) rwd_buf_appendf(&next, " --amend %s", file ? file : "FILE");
    rwd_cli_say("%" PRIu64 " dead letters, the first at offset %" PRId64 ". What their events change is planned, shown and applied with: %s", r->chosen, r->first, rwd_buf_cstr(&next));
    rwd_buf_deinit(&next);
}

// --yes: the line that would be named, at once.
static bool plan_repair(redrive *r, rwd_error *err) {
    const rwd_invocation *in = r->cli->in;
    char from[24];
    rwd_invocation repair = {.command = rwd_command_find("repair plan"), .job = in->job};
    rwd_cli cli = {.in = &repair, .clock = r->cli->clock, .json = r->cli->json};
    (void)snprintf(from, sizeof from, "%" PRId64, r->first);
    repair.values[RWD_FLAG_ID_FROM_PLACE] = from;
    repair.values[RWD_FLAG_ID_LOGIC] = in->values[RWD_FLAG_ID_LOGIC];
    repair.values[RWD_FLAG_ID_IO] = in->values[RWD_FLAG_ID_IO];
    if (r->written) repair.values[RWD_FLAG_ID_AMEND] = in->values[RWD_FLAG_ID_FILE];
    rwd_dlq_close(&r->dlq);
    r->dlq = (rwd_dlq){0};
    bool ok = repair.command->run(&cli, err);
    rwd_buf_append_slice(&r->cli->out, rwd_buf_slice(&cli.out));
    rwd_buf_deinit(&cli.out);
    r->cli->exit_code = cli.exit_code;
    return ok;
}

static bool may_plan(const redrive *r, rwd_error *err) {
    const rwd_invocation *in = r->cli->in;
    if (!rwd_given(in, RWD_FLAG_ID_YES)) return true;
    if (!in->job) return rwd_fail(err, RWD_E_USAGE, "with --yes a repair is planned, and that wants the job file");
    return rwd_given(in, RWD_FLAG_ID_FILE) || (!r->skip && r->setting_count == 0) || rwd_fail(err, RWD_E_USAGE, "with --yes a repair is planned with the amendments: say --file");
}

static bool in_place(redrive *r, rwd_error *err) {
    rwd_output out;
    bool logic = rwd_given(r->cli->in, RWD_FLAG_ID_LOGIC);
    if (r->skip && r->setting_count > 0) return rwd_fail(err, RWD_E_USAGE, "--skip gives the records up, and --set changes them: say one of them");
    if (!r->skip && r->setting_count == 0 && !logic) {
        rwd_fail(err, RWD_E_USAGE, "the same record gives the same error by the same logic: say what is to be another");
        return rwd_error_next(err, "--set FIELD=VALUE, --skip, or --logic FILE");
    }
    if (!may_plan(r, err) || !load_lineage(r, err)) return false;
    bool ok = rwd_output_open(r->dlq.side.io, r->cli->in->values[RWD_FLAG_ID_FILE], &out, err) && write_amendments(r, &out, err);
    rwd_output_close(&out);
    if (!ok) return false;
    if (r->refused) rwd_cli_say("Not %" PRIu64 " others, the first of them %s.", r->refused, r->why);
    if (r->chosen == 0) rwd_cli_say("No dead letter is chosen.");
    else if (rwd_given(r->cli->in, RWD_FLAG_ID_YES)) return plan_repair(r, err);
    else say_next(r);
    return true;
}

// ---------------------------------------------------------------------------------------------- the command

static bool check_words(const redrive *r, rwd_error *err) {
    const rwd_invocation *in = r->cli->in;
    if (r->in_place) return true;
    if (r->skip || rwd_given(in, RWD_FLAG_ID_LOGIC) || rwd_given(in, RWD_FLAG_ID_FILE))
        return rwd_fail(err, RWD_E_USAGE, "%s belongs to --in-place", r->skip ? "--skip" : rwd_given(in, RWD_FLAG_ID_FILE) ? "--file" : "--logic");
    return true;
}

bool rwd_run_dlq_redrive(rwd_cli *cli, rwd_error *err) {
    redrive *r = rwd_calloc(1, sizeof *r);
    r->cli = cli;
    r->in_place = rwd_given(cli->in, RWD_FLAG_ID_IN_PLACE);
    r->skip = rwd_given(cli->in, RWD_FLAG_ID_SKIP);
    bool ok = check_words(r, err) && rwd_dlq_open(cli, true, &r->dlq, err) && take_settings(r, err) && (r->in_place ? in_place(r, err) : into_topic(r, err));
    for (size_t i = 0; i < r->setting_count; i++) {
        rwd_json_path_deinit(&r->settings[i].path);
        rwd_buf_deinit(&r->settings[i].value);
    }
    rwd_json_path_deinit(&r->each);
    rwd_lineage_deinit(&r->lineage);
    rwd_buf_deinit(&r->patched);
    rwd_buf_deinit(&r->scratch);
    rwd_dlq_close(&r->dlq);
    free(r->settings);
    free(r);
    return ok;
}
