// Decoders of plugins: a record's bytes to typed values.
//
// S1: a passing fault is tried again, with a back-off that doubles; one that stays is no property of the record, so it is not a dead letter but stops the job.
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "operator/plugin/plugin_private.h"

#define BACK_OFF_NS 50000000L        // before the first retry
#define BACK_OFF_MOST_NS 2000000000L
#define EDGE_BYTE 0xE5

struct rwd_plugin_decoder {
    const void *owner;
    const rewind_decoder *it;
    const char *title;
    char *open_name, *decode_name, *close_name;
    void *state;
    const rewind_field *fields;
    uint32_t field_count;
    unsigned retries;
    rewind_value *values;  // field_count of them, and an edge of RWD_GUARD_EDGE bytes
    char reason[REWIND_REASON_MAX + RWD_GUARD_EDGE];
};

static char *with(const char *name, const char *function) {
    rwd_buf text = {0};
    rwd_buf_appendf(&text, "%s.%s", name, function);
    char *copy = rwd_strdup(rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
    return copy;
}

static void set_edges(rwd_plugin_decoder *self) {
    memset(self->values + self->field_count, EDGE_BYTE, RWD_GUARD_EDGE);
    memset(self->reason + REWIND_REASON_MAX, EDGE_BYTE, RWD_GUARD_EDGE);
}

static void check_edges(const rwd_plugin_decoder *self, const rwd_guard *guard) {
    const uint8_t *values = (const uint8_t *)(self->values + self->field_count), *reason = (const uint8_t *)self->reason + REWIND_REASON_MAX;
    for (size_t i = 0; i < RWD_GUARD_EDGE; i++)
        if (values[i] != EDGE_BYTE || reason[i] != EDGE_BYTE) rwd_guard_end(guard, values[i] != EDGE_BYTE ? "wrote behind the last value" : "wrote behind its room for a reason");
    if (!memchr(self->reason, '\0', REWIND_REASON_MAX)) rwd_guard_end(guard, "gave a reason without an end");
}

// What a plugin says of itself, made fit for messages.
static const char *reason_of(const rwd_plugin_decoder *self) {
    if (!self->reason[0]) return "the plugin does not say why";
    return rwd_utf8_valid(rwd_slice_str(self->reason)) ? self->reason : "the plugin's reason is not UTF-8";
}

static bool open_state(rwd_plugin_decoder *self, const char *name, rwd_error *err) {
    if (!self->it->open) return true;
    set_edges(self);
    self->reason[0] = '\0';
    rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->open_name, -1);
    int32_t answer = self->it->open(self->fields, self->field_count, &self->state, self->reason);
    check_edges(self, guard);
    rwd_guard_leave(guard);
    if (answer == REWIND_OK) return true;
    return rwd_fail(err, RWD_E_CONFIG, "%s: the decoder %s does not take these fields: %s", self->title, name, reason_of(self));
}

bool rwd_plugin_decoder_new(rwd_plugins *plugins, const char *name, const rewind_field *fields, size_t field_count, unsigned retries, rwd_plugin_decoder **out,
                            rwd_error *err) {
    rwd_plugin_decoder *self = rwd_calloc(1, sizeof *self);
    self->owner = plugins;
    self->it = rwd_plugins_decoder(plugins, name, &self->title);
    assert(self->it && "the job was built with it");
    self->open_name = with(name, "open");
    self->decode_name = with(name, "decode");
    self->close_name = with(name, "close");
    self->fields = fields;
    self->field_count = (uint32_t)field_count;
    self->retries = retries;
    self->values = rwd_calloc(1, field_count * sizeof *self->values + RWD_GUARD_EDGE);
    if (open_state(self, name, err)) {
        *out = self;
        return true;
    }
    self->it = NULL;  // a state that was not opened is not closed
    rwd_plugin_decoder_free(self);
    return false;
}

void rwd_plugin_decoder_free(rwd_plugin_decoder *self) {
    if (!self) return;
    if (self->it && self->it->close) {
        rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->close_name, -1);
        self->it->close(self->state);
        rwd_guard_leave(guard);
    }
    free(self->open_name);
    free(self->decode_name);
    free(self->close_name);
    free(self->values);
    free(self);
}

// ---- records

static bool fault(rwd_plugin_fault *out, rwd_code code, uint64_t at, const char *why) {
    *out = (rwd_plugin_fault){.code = code, .at = at, .why = why};
    return false;
}

static bool lies_in(rwd_slice bytes, const uint8_t *record, uint64_t size) {
    uintptr_t at = (uintptr_t)bytes.data, begin = (uintptr_t)record;
    return record && at >= begin && at - begin <= size && bytes.size <= size - (at - begin);
}

// Texts that are the decoder's own end with its next call.
static void keep_text(const rewind_record *record, rwd_arena *arena, rwd_value *value) {
    if (lies_in(value->s, record->value, record->value_size) || lies_in(value->s, record->key, record->key_size)) return;
    value->s = rwd_arena_copy(arena, value->s);
}

static rwd_code take_value(const rwd_plugin_decoder *self, const rwd_guard *guard, uint32_t i, const rewind_record *record, rwd_arena *arena, rwd_value *out) {
    const rewind_value *value = &self->values[i];
    bool text = value->type == REWIND_STRING || value->type == REWIND_BYTES;
    if (value->type != self->fields[i].type || value->scale != self->fields[i].scale) rwd_guard_end(guard, "changed the type of a field");
    if (text && value->present && value->byte_count > REWIND_TEXT_MAX) rwd_guard_end(guard, "gave a text that is larger than REWIND_TEXT_MAX");
    rwd_code code = rwd_plugin_value_get(value, out);
    if (code == RWD_E_NONE && text && out->present) keep_text(record, arena, out);
    return code;
}

static int32_t call_once(rwd_plugin_decoder *self, rwd_guard *guard, const rewind_record *record, rewind_event *event) {
    memset(self->values, 0, self->field_count * sizeof *self->values);
    for (uint32_t i = 0; i < self->field_count; i++) {
        self->values[i].type = self->fields[i].type;
        self->values[i].scale = self->fields[i].scale;
    }
    self->reason[0] = '\0';
    set_edges(self);
    *event = (rewind_event){.size = sizeof *event, .value_count = self->field_count, .values = self->values, .reason = self->reason};
    int32_t answer = self->it->decode(self->state, record, event);
    check_edges(self, guard);
    if (answer != REWIND_OK && answer != REWIND_MALFORMED && answer != REWIND_RETRY) rwd_guard_end(guard, "returned a code that is none of its own");
    return answer;
}

static void wait_for(unsigned attempt) {
    long wait = BACK_OFF_NS << (attempt < 6 ? attempt : 6);
    if (wait > BACK_OFF_MOST_NS) wait = BACK_OFF_MOST_NS;
    const struct timespec time = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    (void)nanosleep(&time, NULL);
}

static const char *kept_reason(const rwd_plugin_decoder *self, rwd_arena *arena) {
    const char *reason = reason_of(self);
    return (const char *)rwd_arena_copy(arena, rwd_slice_of(reason, strlen(reason) + 1)).data;
}

bool rwd_plugin_decode(rwd_plugin_decoder *self, const rewind_record *record, rwd_arena *arena, rwd_value *values, rwd_code *codes,
                       rwd_plugin_fault *out_fault) {
    rewind_event event;
    for (unsigned attempt = 0;; attempt++) {
        rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->decode_name, record->offset);
        int32_t answer = call_once(self, guard, record, &event);
        for (uint32_t i = 0; answer == REWIND_OK && i < self->field_count; i++) codes[i] = take_value(self, guard, i, record, arena, &values[i]);
        rwd_guard_leave(guard);
        if (answer == REWIND_OK) return true;
        if (answer == REWIND_MALFORMED) return fault(out_fault, RWD_E_MALFORMED, event.at < record->value_size ? event.at : record->value_size, kept_reason(self, arena));
        if (attempt >= self->retries) return fault(out_fault, RWD_E_PLUGIN, 0, kept_reason(self, arena));
        wait_for(attempt);
    }
}
