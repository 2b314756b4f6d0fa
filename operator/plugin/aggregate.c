// Aggregates of plugins as rows of the table of aggregates (state/aggregate.h).
//
// Each call works on a copy of the cell between edges, which becomes the cell when the call has kept its promises. So a fault leaves a fixed cell as it was, and what a
// function writes beside its room is found before anything is kept.
#include <assert.h>
#include <stdlib.h>

#include "operator/base/float.h"
#include "operator/base/time.h"
#include "operator/plugin/plugin_private.h"

_Static_assert(REWIND_STRING == RWD_TYPE_STRING && REWIND_INT == RWD_TYPE_INT && REWIND_DECIMAL == RWD_TYPE_DECIMAL && REWIND_BOOL == RWD_TYPE_BOOL &&
                   REWIND_TIME == RWD_TYPE_TIME && REWIND_FLOAT == RWD_TYPE_FLOAT && REWIND_BYTES == RWD_TYPE_BYTES,
               "types of the ABI");
_Static_assert(REWIND_PARAMETERS_MAX == RWD_PARAMETERS_MAX && REWIND_PARAMETER_NONE == RWD_PARAMETER_NONE, "parameters of the ABI");

// ---------------------------------------------------------------------------------------------- values

void rwd_plugin_value_put(rwd_type type, uint8_t scale, const rwd_value *value, rewind_value *out) {
    memset(out, 0, sizeof *out);
    out->type = type;
    out->scale = scale;
    out->present = value->present;
    if (!value->present) return;
    switch (type) {
    case RWD_TYPE_INT:
    case RWD_TYPE_TIME: out->integer = value->i; break;
    case RWD_TYPE_BOOL: out->integer = value->b; break;
    case RWD_TYPE_DECIMAL:
        out->integer = (int64_t)value->d;
        out->upper = (int64_t)(value->d >> 64);
        return;
    case RWD_TYPE_FLOAT: out->real = value->f; return;
    case RWD_TYPE_STRING:
    case RWD_TYPE_BYTES:
        out->bytes = value->s.data;
        out->byte_count = value->s.size;
        return;
    case RWD_TYPE_COUNT: assert(!"type out of range");
    }
    out->upper = out->integer < 0 ? -1 : 0;
}

static bool decimal_fits(rwd_i128 units) {
    const rwd_i128 limit = (rwd_i128)10000000000000000000ull * (rwd_i128)10000000000000000000ull;  // 10^38
    return units > -limit && units < limit;
}

rwd_code rwd_plugin_value_get(const rewind_value *value, rwd_value *out) {
    *out = (rwd_value){.present = value->present != 0};
    if (!out->present) return RWD_E_NONE;
    switch ((rwd_type)value->type) {
    case RWD_TYPE_INT: out->i = value->integer; return RWD_E_NONE;
    case RWD_TYPE_TIME:
        out->i = value->integer;
        return out->i >= RWD_TIME_MIN && out->i <= RWD_TIME_MAX ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    case RWD_TYPE_BOOL:
        out->b = value->integer != 0;
        return value->integer == 0 || value->integer == 1 ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    case RWD_TYPE_DECIMAL:
        out->d = (rwd_i128)((unsigned __int128)(uint64_t)value->upper << 64 | (uint64_t)value->integer);
        return decimal_fits(out->d) ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    case RWD_TYPE_FLOAT: return rwd_float_normal(value->real, &out->f) ? RWD_E_NONE : RWD_E_OUT_OF_RANGE;
    case RWD_TYPE_STRING:
        out->s = rwd_slice_of(value->bytes, value->byte_count);
        return rwd_utf8_valid(out->s) ? RWD_E_NONE : RWD_E_WRONG_TYPE;
    case RWD_TYPE_BYTES: out->s = rwd_slice_of(value->bytes, value->byte_count); return RWD_E_NONE;
    case RWD_TYPE_COUNT: break;
    }
    return RWD_E_WRONG_TYPE;
}

// ---------------------------------------------------------------------------------------------- calls

static inline const rwd_plugin_aggregate *plugin_of(const rwd_cell_type *how) { return how->context; }

static rewind_call call_of(const rwd_cell_type *how) {
    rewind_call call = {.size = sizeof call, .type = how->arg, .scale = how->arg_scale};
    for (size_t i = 0; i < REWIND_PARAMETERS_MAX; i++) call.parameters[i] = how->parameters[i];
    return call;
}

static inline uint32_t room_of(const rwd_plugin_aggregate *self) { return self->it.cell_size ? self->it.cell_size : self->it.cell_max; }

// A function that changes a cell: begins with a copy of it.
typedef struct change {
    const rwd_plugin_aggregate *self;
    rwd_guard *guard;
    rewind_call call;
    rewind_cell cell;
    uint8_t *room;   // the plugin may have changed cell.bytes
} change;

static void begin(change *c, const rwd_cell_type *how, const char *function, int64_t offset, const uint8_t *cell, uint32_t size) {
    c->self = plugin_of(how);
    c->call = call_of(how);
    c->guard = rwd_guard_enter(c->self->owner, c->self->title, function, offset);
    uint32_t room = room_of(c->self);
    c->room = rwd_guard_room(c->guard, room);
    c->cell = (rewind_cell){.bytes = c->room, .size = size, .room = room};
    if (size > 0) memcpy(c->room, cell, size);
}

static rwd_code code_of(const rwd_guard *guard, int32_t answer) {
    if (answer == REWIND_OK) return RWD_E_NONE;
    if (answer == REWIND_OVERFLOW) return RWD_E_OVERFLOW;
    if (answer == REWIND_TOO_LARGE) return RWD_E_TOO_LARGE;
    rwd_guard_end(guard, "returned a code that is none of its own");
}

// Keeps the copy if the function did as it should.
static rwd_code end(change *c, int32_t answer, uint8_t *cell, uint32_t *size, uint32_t room) {
    rwd_guard_edges(c->guard, room_of(c->self));
    rwd_code code = code_of(c->guard, answer);
    if (c->self->it.cell_size && c->cell.size != c->self->it.cell_size) rwd_guard_end(c->guard, "changed the size of a fixed cell");
    if (c->cell.size > room_of(c->self)) rwd_guard_end(c->guard, "says that its cell is larger than its room");
    if (code == RWD_E_NONE && c->cell.size > room) code = RWD_E_TOO_LARGE;
    if (code == RWD_E_NONE) {
        *size = c->cell.size;
        if (*size > 0) memcpy(cell, c->room, *size);
    }
    rwd_guard_leave(c->guard);
    return code;
}

static rwd_code grow(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    static const rwd_value nothing = {.present = false};
    const rwd_plugin_aggregate *self = plugin_of(how);
    change c;
    rewind_value argument;
    if (self->it.types && !value->present) return RWD_E_NONE;
    rewind_moment moment = {.time_us = when->time_us, .offset = when->offset, .ordinal = when->ordinal};
    rwd_plugin_value_put(how->arg, how->arg_scale, self->it.types ? value : &nothing, &argument);
    begin(&c, how, self->update, when->offset, cell, *size);
    return end(&c, self->it.update(&c.call, &c.cell, &argument, &moment), cell, size, room);
}

static rwd_code update(const rwd_cell_type *how, uint8_t *cell, const rwd_value *value, const rwd_moment *when) {
    uint32_t size = plugin_of(how)->it.cell_size;
    return grow(how, cell, &size, size, value, when);
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *cell, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    const rwd_plugin_aggregate *self = plugin_of(how);
    const rewind_bytes second = {.bytes = other, .size = other_size};
    change c;
    begin(&c, how, self->merge, -1, cell, *size);
    return end(&c, self->it.merge(&c.call, &c.cell, &second), cell, size, room);
}

static bool lies_in(const uint8_t *bytes, uint64_t count, const uint8_t *cell, uint32_t size) {
    if (count == 0) return true;
    uintptr_t at = (uintptr_t)bytes, begin_at = (uintptr_t)cell;
    return at >= begin_at && at - begin_at <= size && count <= size - (at - begin_at);
}

static void read_cell(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    const rwd_plugin_aggregate *self = plugin_of(how);
    const rewind_call call = call_of(how);
    const rewind_bytes bytes = {.bytes = cell, .size = size};
    bool same = self->it.result == REWIND_SAME;
    rewind_value answer = {.type = same ? how->arg : self->it.result, .scale = same ? how->arg_scale : self->it.result_scale};
    const uint32_t type = answer.type;
    rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->read, -1);
    self->it.read(&call, &bytes, &answer);
    if (answer.type != type) rwd_guard_end(guard, "changed the type of its answer");
    bool text = type == REWIND_STRING || type == REWIND_BYTES;
    if (text && answer.present && !lies_in(answer.bytes, answer.byte_count, cell, size)) rwd_guard_end(guard, "gave bytes that are not in its cell");
    if (rwd_plugin_value_get(&answer, out) != RWD_E_NONE) rwd_guard_end(guard, "gave an answer that is none of its type");
    rwd_guard_leave(guard);
}

static bool valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    const rwd_plugin_aggregate *self = plugin_of(how);
    if (size > self->it.cell_max) return false;
    if (size == 0 || !self->it.check) return true;
    const rewind_call call = call_of(how);
    const rewind_bytes bytes = {.bytes = tail, .size = size};
    rwd_guard *guard = rwd_guard_enter(self->owner, self->title, self->check, -1);
    bool good = self->it.check(&call, &bytes) == REWIND_OK;
    rwd_guard_leave(guard);
    return good;
}

static uint32_t size_of(const rwd_cell_type *how) { return plugin_of(how)->it.cell_size; }
static rwd_cell_update update_of(const rwd_cell_type *how) { return plugin_of(how)->it.cell_size ? update : NULL; }
static rwd_tail_update grow_of(const rwd_cell_type *how) { return plugin_of(how)->it.cell_size ? NULL : grow; }
static rwd_type result_of(const rwd_cell_type *how) {
    const rewind_aggregate *it = &plugin_of(how)->it;
    return it->result == REWIND_SAME ? how->arg : (rwd_type)it->result;
}
static uint8_t scale_of(const rwd_cell_type *how) {
    const rewind_aggregate *it = &plugin_of(how)->it;
    return it->result == REWIND_SAME ? how->arg_scale : (uint8_t)it->result_scale;
}

// ---------------------------------------------------------------------------------------------- the plugin's tables

bool rwd_plugin_is_name(const char *text) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    size_t size = text ? strnlen(text, REWIND_NAME_MAX + 1) : 0;
    return size > 0 && size <= REWIND_NAME_MAX && strspn(text, allowed) == size && text[0] >= 'a' && text[0] <= 'z';
}

static bool wrong(rwd_error *err, const char *title, const char *name, const char *why) {
    return rwd_fail(err, RWD_E_CONFIG, "%s: aggregate %s: %s", title, name, why);
}

static bool check_shape(const rewind_aggregate *it, const char *title, rwd_error *err) {
    if (!it->update || !it->merge || !it->read) return wrong(err, title, it->name, "update, merge and read are all needed");
    if (it->types & ~((1u << RWD_TYPE_COUNT) - 1)) return wrong(err, title, it->name, "types has bits of no type");
    if (!it->cell_size == !it->cell_max) return wrong(err, title, it->name, "one of cell_size and cell_max is needed, and not both");
    if (it->cell_size > REWIND_CELL_MAX || it->cell_max > REWIND_CELL_MAX) return wrong(err, title, it->name, "the cell is larger than REWIND_CELL_MAX");
    if (it->result == REWIND_SAME && !it->types) return wrong(err, title, it->name, "its result is REWIND_SAME, and it has no argument");
    if (it->result != REWIND_SAME && it->result >= RWD_TYPE_COUNT) return wrong(err, title, it->name, "result is no type");
    if (it->result_scale > RWD_DECIMAL_SCALE_MAX) return wrong(err, title, it->name, "result_scale is above 18");
    return true;
}

static bool check_parameter(const rewind_parameter *p, const rewind_aggregate *it, const char *title, rwd_error *err) {
    if (!rwd_plugin_is_name(p->name)) return wrong(err, title, it->name, "a parameter's name has lower-case letters, digits and _");
    if (!it->types) return wrong(err, title, it->name, "parameters stand behind an argument, and it has none");
    if (p->scale > RWD_DECIMAL_SCALE_MAX || p->least > p->greatest) return wrong(err, title, it->name, "a parameter has no possible value");
    bool inside = p->fallback == REWIND_PARAMETER_NONE || (p->fallback >= p->least && p->fallback <= p->greatest);
    return p->required || inside || wrong(err, title, it->name, "a parameter's fallback is outside its bounds");
}

static char *joined(const char *a, const char *b) {
    rwd_buf text = {0};
    rwd_buf_appendf(&text, "%s.%s", a, b);
    char *copy = rwd_strdup(rwd_buf_cstr(&text));
    rwd_buf_deinit(&text);
    return copy;
}

bool rwd_plugin_aggregate_init(const rewind_aggregate *theirs, const void *owner, const char *title, const char *plugin, rwd_plugin_aggregate *self,
                               rwd_aggregate *out, rwd_error *err) {
    rewind_aggregate *it = &self->it;
    memcpy(it, theirs, theirs->size < sizeof *it ? theirs->size : sizeof *it);
    if (!rwd_plugin_is_name(it->name)) return rwd_fail(err, RWD_E_CONFIG, "%s: an aggregate's name has lower-case letters, digits and _", title);
    if (!check_shape(it, title, err)) return false;
    *out = (rwd_aggregate){
        .takes_field = it->types != 0, .types = it->types, .order_free = it->order_free != 0 && it->order_free == it->types, .rounded = it->types & ~it->order_free,
        .size = size_of, .update = update_of, .grow = grow_of, .merge = merge, .read = read_cell, .result = result_of, .scale = scale_of, .valid = valid, .context = self,
    };
    for (size_t i = 0; i < REWIND_PARAMETERS_MAX && it->parameters[i].name; i++) {
        const rewind_parameter *p = &it->parameters[i];
        if (!check_parameter(p, it, title, err)) return false;
        out->parameters[i] = (rwd_parameter){
            .name = p->name, .doc = p->doc, .scale = (uint8_t)p->scale, .least = p->least, .greatest = p->greatest, .required = p->required != 0, .fallback = p->fallback};
    }
    self->owner = owner;
    self->title = title;
    self->name = joined(plugin, it->name);
    self->update = joined(self->name, "update");
    self->merge = joined(self->name, "merge");
    self->read = joined(self->name, "read");
    self->check = joined(self->name, "check");
    out->name = self->name;
    out->doc = it->doc ? it->doc : "";
    return true;
}

void rwd_plugin_aggregate_deinit(rwd_plugin_aggregate *self) {
    free(self->name);
    free(self->update);
    free(self->merge);
    free(self->read);
    free(self->check);
    memset(self, 0, sizeof *self);
}
