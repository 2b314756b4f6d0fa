// A dead letter as one line of JSON. Its members, in this order:
//
//   source    label of the partition: "orders.csv"
//   offset    of the record
//   ordinal   of the event among those of its record: 0, 1, 2; only where the job has event.each, and the event, not the record, is at fault
//   position  where the record's raw bytes begin in the source; of a file, the byte
//   time      the record's own time, RFC 3339; null where it has none
//   reason    code of the error: "missing-field" (the words of the manual's page of errors)
//   field     the field at fault, or null
//   message   the same for people
//   origin    of a record that was redriven: cluster, topic, partition, offset and, of an event, ordinal of the dead letter that it comes from, joined by '/'; else it is not there
//   attempts  likewise: how often that was tried in vain, this time included
//   resolved_by  of one that is none any more: the repair's id; then nothing follows. Else it is not there
//   size      raw bytes of the record
//   text      the record as text; only if it is valid UTF-8 and not longer than RWD_DEAD_TEXT_MAX
//   value     the record's exact bytes, base64 (RFC 4648, padded)
//
// What must stay true: base64 of `value` decodes to the record's bytes, all `size` of them, whatever they are.
#include "operator/sink/dead_letter_text.h"

#include <assert.h>

#include "operator/base/json_out.h"

_Static_assert(RWD_DEAD_PIECE % 3 == 0, "pieces of base64 join without padding between them");

static bool readable(const rwd_dead_letter *letter) {
    return letter->full_size == letter->value.size && letter->value.size <= RWD_DEAD_TEXT_MAX && rwd_utf8_valid(letter->value);
}

static void put_time(rwd_json_out *json, int64_t time_us) {
    rwd_json_key(json, "time");
    if (time_us == RWD_TIME_NONE) {
        rwd_json_null(json);
        return;
    }
    char text[RWD_TIME_TEXT_MAX];
    rwd_json_slice(json, rwd_slice_of(text, rwd_time_text(time_us, text)));
}

void rwd_dead_letter_head(const rwd_dead_letter *letter, rwd_buf *out) {
    assert(letter->full_size >= letter->value.size);
    rwd_json_out json;
    rwd_json_init(&json, out, false);
    rwd_json_object(&json);
    rwd_json_key(&json, "source");
    rwd_json_string(&json, letter->source);
    rwd_json_key(&json, "offset");
    rwd_json_int(&json, letter->offset);
    if (letter->has_ordinal) {
        rwd_json_key(&json, "ordinal");
        rwd_json_uint(&json, letter->ordinal);
    }
    rwd_json_key(&json, "position");
    rwd_json_uint(&json, letter->position);
    put_time(&json, letter->time_us);
    rwd_json_key(&json, "reason");
    rwd_json_string(&json, rwd_code_name(letter->code));
    rwd_json_key(&json, "field");
    rwd_json_string(&json, letter->field);
    rwd_json_key(&json, "message");
    rwd_json_slice(&json, letter->reason);
    if (letter->origin) {
        rwd_json_key(&json, "origin");
        rwd_json_string(&json, letter->origin);
        rwd_json_key(&json, "attempts");
        rwd_json_uint(&json, letter->attempts);
    }
    if (letter->resolved_by) {
        rwd_json_key(&json, "resolved_by");
        rwd_json_string(&json, letter->resolved_by);
        return;
    }
    rwd_json_key(&json, "size");
    rwd_json_uint(&json, letter->full_size);
    if (readable(letter)) {
        rwd_json_key(&json, "text");
        rwd_json_slice(&json, letter->value);
    }
    rwd_json_key(&json, "value");
    rwd_buf_append_char(out, '"');
}

bool rwd_dead_letter_piece(const rwd_dead_letter *letter, uint64_t at, rwd_buf *scratch, rwd_buf *out, rwd_error *err) {
    assert(at % RWD_DEAD_PIECE == 0 && at <= letter->full_size);
    uint64_t left = letter->full_size - at;
    size_t size = left < RWD_DEAD_PIECE ? (size_t)left : RWD_DEAD_PIECE;
    if (at + size <= letter->value.size) {
        rwd_base64_append(out, rwd_slice_of(letter->value.data + at, size));
        return true;
    }
    rwd_buf_clear(scratch);
    rwd_buf_reserve(scratch, size);
    if (!letter->read_back(letter->context, at, scratch->data, size, err)) return false;
    rwd_base64_append(out, rwd_slice_of(scratch->data, size));
    return true;
}

void rwd_dead_letter_tail(const rwd_dead_letter *letter, rwd_buf *out) { rwd_buf_append_str(out, letter->resolved_by ? "}\n" : "\"}\n"); }
