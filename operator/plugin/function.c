// Functions of plugins: values in, a value out.
//
// Texts that a function gives may be its arguments', the room's, or its own that never change; they are copied before the call ends.
#include <assert.h>
#include <stdlib.h>

#include "operator/plugin/plugin_private.h"

static bool wrong(rwd_error *err, const char *title, const char *name, const char *why) {
    return rwd_fail(err, RWD_E_CONFIG, "%s: function %s: %s", title, name, why);
}

static bool check_shape(const rewind_function *it, const char *title, rwd_error *err) {
    if (!it->call) return wrong(err, title, it->name, "it has no call");
    if (it->arg_count < 1 || it->arg_count > REWIND_ARGUMENTS_MAX) return wrong(err, title, it->name, "arg_count is not 1 to REWIND_ARGUMENTS_MAX");
    for (uint32_t i = 0; i < it->arg_count; i++) {
        if (it->types[i] >= RWD_TYPE_COUNT) return wrong(err, title, it->name, "types has one that is none");
        if (it->scales[i] > RWD_DECIMAL_SCALE_MAX) return wrong(err, title, it->name, "scales has one above 18");
    }
    if (it->result >= RWD_TYPE_COUNT) return wrong(err, title, it->name, "result is no type");
    return it->result_scale <= RWD_DECIMAL_SCALE_MAX || wrong(err, title, it->name, "result_scale is above 18");
}

bool rwd_plugin_function_init(const rewind_function *theirs, const void *owner, const char *title, const char *plugin, rwd_plugin_function *self, rwd_error *err) {
    rewind_function it = {0};
    memcpy(&it, theirs, theirs->size < sizeof it ? theirs->size : sizeof it);
    if (!rwd_plugin_is_name(it.name)) return rwd_fail(err, RWD_E_CONFIG, "%s: a function's name has lower-case letters, digits and _", title);
    if (!check_shape(&it, title, err)) return false;
    self->owner = owner;
    self->title = title;
    self->it = it;
    self->doc = it.doc ? it.doc : "";
    self->arg_count = it.arg_count;
    for (uint32_t i = 0; i < it.arg_count; i++) {
        self->args[i].type = (rwd_type)it.types[i];
        self->args[i].scale = it.types[i] == REWIND_DECIMAL ? (uint8_t)it.scales[i] : 0;
    }
    self->result.type = (rwd_type)it.result;
    self->result.scale = it.result == REWIND_DECIMAL ? (uint8_t)it.result_scale : 0;
    self->takes_null = it.takes_null != 0;
    rwd_buf name = {0};
    rwd_buf_appendf(&name, "%s.%s", plugin, it.name);
    self->name = rwd_strdup(rwd_buf_cstr(&name));
    rwd_buf_deinit(&name);
    return true;
}

void rwd_plugin_function_deinit(rwd_plugin_function *self) {
    free(self->name);
    memset(self, 0, sizeof *self);
}

static rwd_code code_of(const rwd_guard *guard, int32_t answer) {
    switch (answer) {
    case REWIND_OK: return RWD_E_NONE;
    case REWIND_MALFORMED: return RWD_E_WRONG_TYPE;
    case REWIND_OVERFLOW: return RWD_E_OVERFLOW;
    case REWIND_TOO_LARGE: return RWD_E_TOO_LARGE;
    default: rwd_guard_end(guard, "returned a code that is none of its own");
    }
}

// What it gave, as a value whose text lives in the arena.
static rwd_code take_answer(const rwd_guard *guard, const rwd_plugin_function *self, const rewind_value *answer, rwd_arena *arena, rwd_value *out) {
    if (answer->type != self->result.type || answer->scale != self->result.scale) rwd_guard_end(guard, "changed the type of its answer");
    bool text = self->result.type == RWD_TYPE_STRING || self->result.type == RWD_TYPE_BYTES;
    if (text && answer->present && answer->byte_count > RWD_PLUGIN_ANSWER_MAX) return RWD_E_TOO_LARGE;
    if (rwd_plugin_value_get(answer, out) != RWD_E_NONE) rwd_guard_end(guard, "gave an answer that is none of its type");
    if (text && out->present) out->s = rwd_arena_copy(arena, out->s);
    return RWD_E_NONE;
}

rwd_code rwd_plugin_function_call(const rwd_plugin_function *self, const rwd_value *args, rwd_arena *arena, rwd_value *out) {
    rewind_value given[REWIND_ARGUMENTS_MAX];
    rewind_value answer = {.type = self->result.type, .scale = self->result.scale};
    for (uint32_t i = 0; i < self->arg_count; i++) {
        if (!args[i].present && !self->takes_null) {
            *out = (rwd_value){0};
            return RWD_E_NONE;
        }
        rwd_plugin_value_put(self->args[i].type, self->args[i].scale, &args[i], &given[i]);
    }
    rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->name, -1);
    rewind_room room = {.bytes = rwd_guard_room(guard, REWIND_ROOM), .size = REWIND_ROOM};
    int32_t answered = self->it.call(given, self->arg_count, &room, &answer);
    rwd_guard_edges(guard, REWIND_ROOM);
    rwd_code code = code_of(guard, answered);
    if (code == RWD_E_NONE) code = take_answer(guard, self, &answer, arena, out);
    rwd_guard_leave(guard);
    return code;
}
