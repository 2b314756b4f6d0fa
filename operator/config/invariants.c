// Invariants over rows (invariants.h).
#include "operator/config/invariants.h"

#include <stdio.h>

#include "operator/base/json_out.h"
#include "state/key_text.h"

bool rwd_invariants_has(const rwd_job *job, uint16_t table) {
    for (size_t i = 0; i < job->invariant_count; i++)
        if (job->invariants[i].table == table) return true;
    return false;
}

_Static_assert(RWD_INVARIANTS_MAX <= 32, "a bit for each invariant");

uint32_t rwd_invariants_violated(rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *row, bool begun) {
    uint32_t violated = 0;
    for (size_t i = 0; row && i < job->invariant_count; i++) {
        if (job->invariants[i].table != table) continue;
        if (!begun) rwd_answers_begin(answers, &job->tables[table], key, row);
        begun = true;
        if (rwd_answers_deny(answers, job->invariants[i].check)) violated |= (uint32_t)1 << i;
    }
    return violated;
}

uint32_t rwd_invariants_parking(const rwd_job *job, uint32_t violated) {
    for (size_t i = 0; i < job->invariant_count; i++)
        if (job->invariants[i].on_violation != RWD_ON_VIOLATION_PARK) violated &= ~((uint32_t)1 << i);
    return violated;
}

void rwd_invariant_text(const rwd_job *job, size_t invariant, rwd_buf *out) {
    const rwd_job_invariant *which = &job->invariants[invariant];
    rwd_buf_appendf(out, "%s: ", job->tables[which->table].schema.name);
    rwd_buf_append_str(out, rwd_expr_text(which->check));
}

rwd_hash128 rwd_invariants_hash(const rwd_job *job) {
    rwd_buf text = {0};
    for (size_t i = 0; i < job->invariant_count; i++) {
        rwd_invariant_text(job, i, &text);
        rwd_buf_append_char(&text, '\0');
    }
    rwd_hash128 hash = rwd_hash128_of(text.data, text.size, 0);
    rwd_buf_deinit(&text);
    return hash;
}

// ---- shown

// Cut between two characters.
static void take_text(const rwd_buf *from, char out[RWD_INVARIANT_TEXT_MAX]) {
    size_t size = from->size < RWD_INVARIANT_TEXT_MAX ? from->size : RWD_INVARIANT_TEXT_MAX - 1;
    while (size < from->size && size > 0 && (from->data[size] & 0xC0) == 0x80) size--;
    if (size > 0) memcpy(out, from->data, size);
    out[size] = '\0';
}

static void append_columns(rwd_answers *answers, rwd_buf *out) {
    rwd_buf_append_char(out, '{');
    for (size_t i = 0; i < rwd_job_table_columns(answers->table); i++) {
        if (i > 0) rwd_buf_append_char(out, ',');
        rwd_json_quote(out, rwd_slice_str(rwd_job_table_column(answers->table, i).name));
        rwd_buf_append_char(out, ':');
        rwd_answers_append_json(answers, i, out);
    }
    rwd_buf_append_char(out, '}');
}

void rwd_invariants_show(rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *row, char out_key[RWD_INVARIANT_TEXT_MAX],
                         char out_row[RWD_INVARIANT_TEXT_MAX]) {
    rwd_buf scratch = {0}, text = {0};
    out_key[0] = out_row[0] = '\0';
    if (rwd_key_write_text(&job->tables[table].schema, key, &scratch, &text)) take_text(&text, out_key);
    rwd_buf_clear(&text);
    if (row) {
        rwd_answers_begin(answers, &job->tables[table], key, row);
        append_columns(answers, &text);
        take_text(&text, out_row);
    }
    rwd_buf_deinit(&scratch);
    rwd_buf_deinit(&text);
}

// ---- counted

static bool judge(rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t size, uint32_t *out, rwd_error *err) {
    *out = 0;
    if (!row || !rwd_invariants_has(job, table)) return true;
    if (!rwd_answers_open(answers, &job->tables[table], key, row, size, err)) return false;
    *out = rwd_invariants_violated(answers, job, table, key, row, true);
    return true;
}

bool rwd_invariants_tally(rwd_invariant_tally *tallies, rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, const uint8_t *old, uint32_t old_size,
                          const uint8_t *now, uint32_t now_size, rwd_error *err) {
    uint32_t before;
    return judge(answers, job, table, key, old, old_size, &before, err) && rwd_invariants_tally_from(tallies, answers, job, table, key, before, now, now_size, err);
}

bool rwd_invariants_tally_from(rwd_invariant_tally *tallies, rwd_answers *answers, const rwd_job *job, uint16_t table, rwd_slice key, uint32_t before, const uint8_t *now,
                               uint32_t now_size, rwd_error *err) {
    uint32_t after;
    if (!judge(answers, job, table, key, now, now_size, &after, err)) return false;
    for (size_t i = 0; (before | after) && i < job->invariant_count; i++) {
        bool was = before >> i & 1, is = after >> i & 1;
        rwd_invariant_tally *tally = &tallies[i];
        tally->before += was;
        tally->after += is;
        tally->begun += is && !was;
        tally->ended += was && !is;
        if (is && !was && tally->begun == 1) rwd_invariants_show(answers, job, table, key, now, tally->key, tally->row);
    }
    return true;
}
