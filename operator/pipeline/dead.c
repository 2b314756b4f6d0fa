// Events that failed for good: the index of them, and records that were sent again (S3).
//
// A redriven record says in the header `rewind-origin` which dead letter it comes from: CLUSTER/TOPIC/PARTITION/OFFSET, and of one event of a record /ORDINAL behind it. It is applied
// only if that is an open dead letter, and closes it; else it is a duplicate, however often it comes. Where the origin is another topic, partition or cluster than this source, the
// header says nothing to this job, and the record is one like any other.
//
// What must stay true: what becomes of a redriven record follows from the records and the state alone (S1). So the limit of tries is not the job file's of today but the one
// that the record itself carries in `rewind-retries`, as it was in force when the record was sent.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/log.h"
#include "operator/pipeline/operator_private.h"

static bool take_number(rwd_slice *text, uint64_t most, uint64_t *out) {
    size_t digits = 0;
    *out = 0;
    for (; digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9'; digits++) {
        if (*out > most / 10) return false;
        *out = *out * 10 + (uint64_t)(text->data[digits] - '0');
    }
    *text = rwd_slice_of(text->data + digits, text->size - digits);
    return digits > 0 && *out <= most;
}

bool rwd_origin_parse(const char *source, rwd_slice origin, rwd_dead_id *out) {
    size_t begin = strlen(source);
    uint64_t offset, ordinal = RWD_DEAD_WHOLE;
    if (origin.size <= begin || memcmp(origin.data, source, begin) != 0 || origin.data[begin] != '/') return false;
    rwd_slice rest = rwd_slice_of(origin.data + begin + 1, origin.size - begin - 1);
    if (!take_number(&rest, INT64_MAX, &offset)) return false;
    if (rest.size > 0) {
        if (rest.data[0] != '/') return false;
        rest = rwd_slice_of(rest.data + 1, rest.size - 1);
        if (!take_number(&rest, RWD_DEAD_WHOLE - 1, &ordinal) || rest.size > 0) return false;
    }
    *out = (rwd_dead_id){.offset = (int64_t)offset, .inserted = RWD_DEAD_RECORD, .ordinal = (uint32_t)ordinal};
    return true;
}

void rwd_origin_text(const char *source, const rwd_dead_id *id, rwd_buf *out) {
    rwd_buf_appendf(out, "%s/%lld", source, (long long)id->offset);
    if (id->ordinal != RWD_DEAD_WHOLE) rwd_buf_appendf(out, "/%u", id->ordinal);
}

bool rwd_is_redriven(const rwd_operator *op, const rwd_record *record) {
    rwd_slice origin;
    rwd_dead_id ignored;
    if (!op->origin || !record->header(record, rwd_slice_str(RWD_HEADER_ORIGIN), &origin)) return false;
    return rwd_origin_parse(op->origin, origin, &ignored);
}

// ---------------------------------------------------------------------------------------------- the index

static rwd_dead_entry entry_of(const rwd_operator *op, const rwd_event *event, const rwd_fault *fault) {
    const rwd_record *record = event->record;
    bool one = op->job->event.each && event->ordinal != RWD_ORDINAL_NONE;
    const char *field = fault->field >= 0 ? op->job->event.fields[fault->field].path : "";
    return (rwd_dead_entry){
        .id = {.offset = record->offset, .inserted = record->amended == RWD_AMENDED_INSERTED ? op->inserted : RWD_DEAD_RECORD, .ordinal = one ? event->ordinal : RWD_DEAD_WHOLE},
        .code = fault->code, .field = rwd_slice_str(field), .hash = record->hash,
        .time_us = record->time_us != RWD_TIME_NONE ? record->time_us : op->position.stream_time,
    };
}

void rwd_dead_letter_opens(rwd_operator *op, const rwd_event *event, const rwd_fault *fault) {
    rwd_dead_entry entry = entry_of(op, event, fault);
    rwd_dead_add(op->dead, &entry);
}

// ---------------------------------------------------------------------------------------------- redriven records

static uint32_t limit_of(const rwd_record *record) {
    rwd_slice text;
    uint64_t limit;
    if (!record->header(record, rwd_slice_str(RWD_HEADER_RETRIES), &text)) return RWD_REDRIVE_RETRIES;
    return take_number(&text, UINT32_MAX, &limit) && text.size == 0 ? (uint32_t)limit : RWD_REDRIVE_RETRIES;
}

bool rwd_redrive_begins(rwd_operator *op, const rwd_record *record, rwd_error *err) {
    rwd_redrive *redrive = &op->redrive;
    rwd_slice origin;
    rwd_dead_id id;
    bool found;
    if (redrive->record == record) return true;
    bool parsed = record->header(record, rwd_slice_str(RWD_HEADER_ORIGIN), &origin) && rwd_origin_parse(op->origin, origin, &id);
    assert(parsed && "told by rwd_is_redriven");
    if (!parsed || !rwd_dead_find(op->dead, &id, &found, &redrive->entry, err)) return false;
    redrive->record = record;
    redrive->open = found && !redrive->entry.failed;
    redrive->met = false;
    rwd_buf_clear(&redrive->origin);
    rwd_buf_append_slice(&redrive->origin, origin);
    if (redrive->open) return true;
    op->position.counts.duplicate++;
    op->redriven.duplicate++;
    return true;
}

bool rwd_redrive_is_about(const rwd_operator *op, const rwd_event *event) {
    uint32_t ordinal = op->redrive.entry.id.ordinal;
    return !op->job->event.each || event->ordinal == RWD_ORDINAL_NONE || event->ordinal == ordinal;
}

void rwd_redrive_closes(rwd_operator *op) {
    rwd_dead_close(op->dead, &op->redrive.entry);
    op->redrive.open = false;
    op->redriven.applied++;
}

uint32_t rwd_redrive_fails(rwd_operator *op, const rwd_fault *fault) {
    rwd_redrive *redrive = &op->redrive;
    rwd_dead_entry now = redrive->entry;
    uint32_t limit = limit_of(redrive->record);
    if (now.attempts < UINT32_MAX) now.attempts++;
    now.failed = now.attempts >= limit;
    if (fault) {
        now.code = fault->code;
        now.field = rwd_slice_str(fault->field >= 0 ? op->job->event.fields[fault->field].path : "");
    }
    rwd_dead_change(op->dead, &redrive->entry, &now);
    redrive->open = false;
    op->redriven.failed++;
    return now.attempts;
}
