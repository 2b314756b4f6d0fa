// A plan for going back, for people and as JSON (render.h).
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "operator/cli/render.h"

#define NAMED_MAX 5  // checkpoints named for each reason

static void put_time(rwd_buf *out, int64_t us) {
    char text[RWD_TIME_TEXT_MAX];
    if (us == RWD_TIME_NONE) {
        rwd_buf_append_str(out, "no time");
        return;
    }
    rwd_time_text(us, text);
    rwd_buf_append_str(out, text);
}

// "12 above the place: a1 a2 ..., 1 bad: a3 (why)"
static void put_passed(const rwd_plan *plan, rwd_buf *out) {
    for (int why = 0; why < RWD_PASSED_COUNT; why++) {
        size_t count = 0;
        for (size_t i = 0; i < plan->passed_count; i++) {
            const rwd_passed *p = &plan->passed[i];
            if (p->why != (rwd_passed_why)why) continue;
            if (++count > NAMED_MAX) continue;
            rwd_buf_appendf(out, "%s%s at %" PRId64 "%s%s", count == 1 ? "  passed over  " : ", ", p->id, p->next_offset, *p->more ? ": " : "", p->more);
        }
        if (count == 0) continue;
        if (count > NAMED_MAX) rwd_buf_appendf(out, " and %zu more", count - NAMED_MAX);
        rwd_buf_appendf(out, " (%s)\n", rwd_passed_text((rwd_passed_why)why));
    }
}

static void put_place(const rwd_plan *plan, const rwd_target *target, rwd_buf *out) {
    if (target->kind == RWD_TARGET_CHECKPOINT) return;
    rwd_buf_append_str(out, "  place        ");
    if (target->kind == RWD_TARGET_TIME) {
        put_time(out, target->time_us);
        rwd_buf_append_str(out, plan->event_times ? " by the times of events, which is offset " : ", which is offset ");
    } else {
        rwd_buf_append_str(out, "offset ");
    }
    rwd_buf_appendf(out, "N = %" PRId64 "\n", plan->place);
    rwd_buf_append_str(out, "  its record   ");
    if (plan->has_record) {
        rwd_buf_appendf(out, "offset %" PRId64 ", ", plan->record_offset);
        put_time(out, plan->record_time_us);
        rwd_buf_appendf(out, ", %" PRIu64 " bytes\n", plan->record_size);
    } else {
        rwd_buf_append_str(out, target->kind == RWD_TARGET_TIME ? "none: no record that was processed is of that time or later\n" : "not there\n");
    }
    if (plan->earlier == 0) return;
    rwd_buf_appendf(out, "  out of order %" PRIu64 " record%s behind it look%s earlier, the first at offset %" PRId64 " (", plan->earlier, plan->earlier == 1 ? "" : "s",
                    plan->earlier == 1 ? "s" : "", plan->earlier_offset);
    put_time(out, plan->earlier_time_us);
    if (plan->looked_at_all) rwd_buf_append_str(out, ")\n");
    else rwd_buf_appendf(out, "); the next %" PRIu64 " were looked at\n", plan->looked_at);
}

static void put_work(const rwd_plan *plan, rwd_buf *out) {
    int64_t x = plan->base.facts.next_offset;
    rwd_buf_appendf(out, "  replay       %" PRIu64 " records silently, [%" PRId64 ", %" PRId64 "), up to %s\n", plan->records, x, plan->frontier > x ? plan->frontier : x,
                    plan->has_frontier ? "the committed C" : plan->no_broker ? "the newest checkpoint: no broker says what is committed behind it"
                                                                             : "the newest checkpoint: the job has no outputs");
    rwd_buf_append_str(out, "  time         ");
    if (plan->records == 0) rwd_buf_append_str(out, "none to speak of\n");
    else if (plan->rate <= 0) rwd_buf_append_str(out, "not known: no two checkpoints of one run tell how fast this job is\n");
    else
        rwd_buf_appendf(out, "about %.0f s or less: between two checkpoints this job processed %.0f records a second\n", ceil((double)plan->records / plan->rate), plan->rate);
    if (plan->records == 0) rwd_buf_append_str(out, "  keys         none are touched\n");
    else rwd_buf_appendf(out, "  keys         at most the %" PRIu64 " of the newest checkpoint, and those that are new since\n", plan->keys);
}

void rwd_render_plan(const rwd_plan *plan, const rwd_target *target, const char *job, rwd_buf *out) {
    char digest[RWD_HASH128_HEX];
    rwd_hash128_hex(plan->base.digest, digest);
    rwd_buf_appendf(out, "restore %s\n", job);
    put_place(plan, target, out);
    rwd_buf_appendf(out, "  base         checkpoint %s at offset X = %" PRId64 ", made ", plan->base.id, plan->base.facts.next_offset);
    put_time(out, plan->base.created_us);
    rwd_buf_appendf(out, ", digest %s\n", digest);
    if (plan->base.facts.violated) rwd_buf_appendf(out, "  marked       an invariant did not hold there: %s\n", plan->base.facts.violated);
    put_passed(plan, out);
    put_work(plan, out);
    rwd_buf_append_str(out, "  then         a new checkpoint, compared with others at C; outputs stay as they are\n"
                            "  result       the logic is unchanged, so this is the same state, rebuilt\n");
}

void rwd_render_plan_json(const rwd_plan *plan, const rwd_target *target, rwd_buf *out) {
    rwd_json_out json;
    rwd_json_init(&json, out, true);
    rwd_json_object(&json);
    rwd_json_put_string(&json, "base", plan->base.id);
    rwd_json_put_int(&json, "next_offset", plan->base.facts.next_offset);
    rwd_json_put_string(&json, "violated", plan->base.facts.violated);
    if (target->kind == RWD_TARGET_TIME) rwd_json_put_time(&json, "time", target->time_us);
    rwd_json_put_int(&json, "place", plan->place);
    rwd_json_put_bool(&json, "event_times", plan->event_times);
    rwd_json_key(&json, "record");
    if (plan->has_record) {
        rwd_json_object(&json);
        rwd_json_put_int(&json, "offset", plan->record_offset);
        rwd_json_put_time(&json, "time", plan->record_time_us);
        rwd_json_put_uint(&json, "bytes", plan->record_size);
        rwd_json_object_end(&json);
    } else {
        rwd_json_null(&json);
    }
    rwd_json_put_uint(&json, "earlier_records", plan->earlier);
    rwd_json_put_uint(&json, "looked_at", plan->looked_at);
    rwd_json_put_bool(&json, "looked_at_all", plan->looked_at_all);
    rwd_json_key(&json, "committed");
    if (plan->has_frontier) rwd_json_int(&json, plan->frontier);
    else rwd_json_null(&json);
    rwd_json_put_bool(&json, "no_broker", plan->no_broker);
    rwd_json_put_uint(&json, "records_to_replay", plan->records);
    rwd_json_key(&json, "records_per_second");
    rwd_json_float(&json, plan->rate);
    rwd_json_put_uint(&json, "keys", plan->keys);
    rwd_json_key(&json, "passed_over");
    rwd_json_array(&json);
    for (size_t i = 0; i < plan->passed_count; i++) {
        rwd_json_object(&json);
        rwd_json_put_string(&json, "id", plan->passed[i].id);
        rwd_json_put_int(&json, "next_offset", plan->passed[i].next_offset);
        rwd_json_put_string(&json, "why", rwd_passed_text(plan->passed[i].why));
        rwd_json_put_string(&json, "more", *plan->passed[i].more ? plan->passed[i].more : NULL);
        rwd_json_object_end(&json);
    }
    rwd_json_array_end(&json);
    rwd_json_object_end(&json);
    rwd_buf_append_char(out, '\n');
}
