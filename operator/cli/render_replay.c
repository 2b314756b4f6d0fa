// What a replay came to, for people and as JSON (replay.h).
#include <inttypes.h>

#include "operator/cli/replay.h"

static double seconds_of(int64_t ns) { return (double)ns / 1e9; }

static void put_events(rwd_buf *out, const rwd_counts *before, const rwd_counts *after) {
    rwd_buf_appendf(out, "  events       %" PRIu64 " applied", after->applied - before->applied);
    if (after->late > before->late) rwd_buf_appendf(out, ", %" PRIu64 " late", after->late - before->late);
    if (after->duplicate > before->duplicate) rwd_buf_appendf(out, ", %" PRIu64 " duplicate", after->duplicate - before->duplicate);
    if (after->dead > before->dead) rwd_buf_appendf(out, ", %" PRIu64 " dead letters", after->dead - before->dead);
    if (after->dropped > before->dropped) rwd_buf_appendf(out, ", %" PRIu64 " dropped", after->dropped - before->dropped);
    rwd_buf_append_char(out, '\n');
}

static void put_amended(rwd_buf *out, const rwd_amend_counts *a) {
    rwd_buf_appendf(out, "  amendments   %" PRIu64 " skipped, %" PRIu64 " replaced, %" PRIu64 " inserted", a->skipped, a->replaced, a->inserted);
    if (a->missed) rwd_buf_appendf(out, "; %" PRIu64 " did nothing: there is no record at that offset", a->missed);
    if (a->waiting) rwd_buf_appendf(out, "; %" PRIu64 " wait for records behind the end", a->waiting);
    rwd_buf_append_char(out, '\n');
}

static void put_text(const rwd_replay *r, const rwd_shadow *shadow, const rwd_shadow_progress *p, const rwd_checkpoint *live, rwd_buf *out) {
    const rwd_checkpoint *result = rwd_shadow_checkpoint(shadow), *base = &r->plan.base;
    char digest[RWD_HASH128_HEX], theirs[RWD_HASH128_HEX];
    rwd_buf_appendf(out, "replayed [%" PRId64 ", %" PRId64 ") in a shadow\n", r->from, r->to);
    rwd_buf_appendf(out, "  base         checkpoint %s at offset %" PRId64 "\n", base->id, base->facts.next_offset);
    if (p->resumed_at >= 0) rwd_buf_appendf(out, "  resumed      at offset %" PRId64 ", where an earlier process left it\n", p->resumed_at);
    if (r->logic) rwd_buf_appendf(out, "  logic        that of %s from offset %" PRId64 " on\n", r->cli->in->values[RWD_FLAG_ID_LOGIC], r->from);
    rwd_buf_appendf(out, "  records      %" PRIu64 " in %.1f s, %.0f a second\n", p->records, seconds_of(p->ns), p->rate);
    if (r->lineage.amendment_count > 0) put_amended(out, &p->amended);
    put_events(out, &base->facts.counts, &result->facts.counts);
    if (r->sample) {
        rwd_buf_appendf(out, "  sample       %.4g %% of the keys, by hash; events count whole\n", (double)r->sample * 100 / RWD_SAMPLE_ALL);
        return;
    }
    rwd_hash128_hex(result->digest, digest);
    rwd_buf_appendf(out, "  state        %" PRIu64 " keys at offset %" PRId64 ", digest %s\n", result->facts.keys, result->facts.next_offset, digest);
    if (live) {
        rwd_hash128_hex(live->digest, theirs);
        bool same = rwd_hash128_equal(live->digest, result->digest);
        rwd_buf_appendf(out, "  live there   checkpoint %s, %s%s\n", live->id, same ? "the same digest" : "another digest: ", same ? "" : theirs);
    }
    if (r->temporary) return;
    const char *job = r->cli->in->job;
    rwd_buf_appendf(out, "  kept         %s; compare: rewind diff %s%s %s %s\n", r->folder, job ? "" : "--data ", job ? job : r->place.data, live ? live->id : "latest", rwd_shadow_dir(shadow));
}

static void put_json(const rwd_replay *r, const rwd_shadow *shadow, const rwd_shadow_progress *p, const rwd_checkpoint *live, rwd_json_out *json) {
    const rwd_checkpoint *result = rwd_shadow_checkpoint(shadow), *base = &r->plan.base;
    const rwd_counts *before = &base->facts.counts, *after = &result->facts.counts;
    rwd_json_put_int(json, "from", r->from);
    rwd_json_put_int(json, "to", r->to);
    rwd_json_put_string(json, "base", base->id);
    rwd_json_put_int(json, "base_offset", base->facts.next_offset);
    if (p->resumed_at >= 0) rwd_json_put_int(json, "resumed_at", p->resumed_at);
    rwd_json_put_hash(json, "lineage", rwd_lineage_id(&r->lineage));
    rwd_json_put_uint(json, "records", p->records);
    rwd_json_put_seconds(json, "seconds", p->ns);
    rwd_json_put_object(json, "amendments");
    rwd_json_put_uint(json, "skipped", p->amended.skipped);
    rwd_json_put_uint(json, "replaced", p->amended.replaced);
    rwd_json_put_uint(json, "inserted", p->amended.inserted);
    rwd_json_put_uint(json, "missed", p->amended.missed);
    rwd_json_put_uint(json, "waiting", p->amended.waiting);
    rwd_json_object_end(json);
    rwd_json_put_object(json, "events");
    rwd_json_put_uint(json, "applied", after->applied - before->applied);
    rwd_json_put_uint(json, "late", after->late - before->late);
    rwd_json_put_uint(json, "duplicate", after->duplicate - before->duplicate);
    rwd_json_put_uint(json, "dead", after->dead - before->dead);
    rwd_json_put_uint(json, "dropped", after->dropped - before->dropped);
    rwd_json_object_end(json);
    rwd_json_put_int(json, "next_offset", result->facts.next_offset);
    if (r->sample) {
        rwd_json_put_uint(json, "sample_of_million", r->sample);
        return;
    }
    rwd_json_put_uint(json, "keys", result->facts.keys);
    rwd_json_put_hash(json, "digest", result->digest);
    if (live) {
        rwd_json_put_string(json, "live_checkpoint", live->id);
        rwd_json_put_bool(json, "equals_live", rwd_hash128_equal(live->digest, result->digest));
    }
    rwd_json_put_string(json, "kept", r->temporary ? NULL : r->folder);
    rwd_json_put_string(json, "checkpoint", r->temporary ? NULL : result->id);
}

void rwd_render_replay(const rwd_replay *replay, const rwd_shadow *shadow, const rwd_shadow_progress *progress, const rwd_checkpoint *live, rwd_json_out *json, rwd_buf *out) {
    if (json) put_json(replay, shadow, progress, live, json);
    else put_text(replay, shadow, progress, live, out);
}
