// Messages of Protocol Buffers to raw fields: one walk over the wire format that takes only what the job's fields name.
//
// The plan is a tree of the fields' paths. A message that a path leads into is walked, and each of its fields is compared with the descriptor; a message, string or
// unknown field that no path names is passed over by its length. Of a singular field the last value counts, parts of a message that comes several times add up,
// elements of a repeated one are counted over all its parts, packed or not, and a member of a oneof removes the others: as the implementations of the format's
// authors do it. Stricter than they are: a known field with another wire type, and a number that does not fit its 32 bits, are faults.
//
// With event.each the plan of the record remembers where the elements of that repeated field stand, and the element's own plan, whose root is the element, walks them one by
// one: once when the record is opened, so that a record is whole or at fault as a whole, and once more for its events.
//
// What must stay true: no byte at or behind the record's end is read (the padding of records is not relied on); the walk needs no memory but the plan's.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "operator/base/wire.h"
#include "operator/logic/decode_private.h"

#define NONE (-1)
#define DENSE_MAX 256     // field numbers below it are found by one look
#define CONFLUENT_MAGIC 0
#define CONFLUENT_ID 4    // bytes of a schema's id

// A step of a path: of the field `field` in the message of its parent, or (index >= 0) that element of the repeated field above it.
typedef struct node {
    const rwd_proto_field *field;   // NULL: the record itself
    int16_t parent;
    int32_t index;                  // NONE: not an element
    int16_t level;                  // the message inside, NONE: none, or of no interest
    int16_t first_element;          // of a repeated field: its elements, chained by next_element
    int16_t next_element;
    int16_t job_field;              // a field of the job that it fills, NONE: none
} node;

// What the record in hand has there.
typedef struct found {
    bool present;
    uint32_t size;
    const uint8_t *at;
    uint64_t bits;                  // numbers, as on the wire; of a repeated field: how many elements came
} found;

// A field of a message that is walked.
typedef struct member {
    uint32_t number;
    uint8_t wire;
    bool packable;                  // may come as a run of values
    int16_t node;
    uint16_t first_clear, clear_count;  // nodes that it removes: those of the other members of its oneof
} member;

typedef struct level {
    member *members;                // by number
    size_t count;
    int16_t *dense;                 // below `dense_size`: index into members, or NONE
    uint32_t dense_size;
} level;

// Where the walk goes on behind a message.
typedef struct frame {
    const level *level;
    const uint8_t *end;
} frame;

typedef struct enum_name {
    int32_t number;
    const char *name;
} enum_name;

// What a field of the job reads.
typedef struct binding {
    int16_t node;
    int16_t seconds, nanos;         // of a Timestamp
    enum_name *names;               // of an enum that is read by name, by number
    size_t name_count;
} binding;

struct rwd_proto_plan {
    const rwd_job *job;
    const rwd_proto_message *message;  // the root's
    bool is_inside;                 // the root is the element of event.each
    node *nodes;
    found *found;                   // one per node
    size_t node_count;
    level *levels;
    size_t level_count;
    int16_t *clears;
    size_t clear_count;
    binding *bindings;              // one per field of the job
    // Of event.each; else NULL, NONE.
    rwd_proto_plan *inside;
    int16_t each;                   // the repeated field; found[each].bits counts its elements
    rwd_slice *elements;            // RWD_EVENTS_PER_RECORD_MAX
    size_t next;                    // element
    const uint8_t *begin;           // of the record
    frame stack[RWD_PROTO_PATH_MAX + 2];  // messages that the walk is inside of: no path is longer, and a Timestamp ends it
};

// ---------------------------------------------------------------------------------------------- the plan

static int16_t find_node(const rwd_proto_plan *plan, int16_t parent, const rwd_proto_field *field, int32_t index) {
    for (size_t i = 0; i < plan->node_count; i++)
        if (plan->nodes[i].parent == parent && plan->nodes[i].field == field && plan->nodes[i].index == index) return (int16_t)i;
    return NONE;
}

static int16_t add_node(rwd_proto_plan *plan, int16_t parent, const rwd_proto_field *field, int32_t index) {
    int16_t there = find_node(plan, parent, field, index);
    if (there != NONE) return there;
    assert(plan->node_count < INT16_MAX);
    plan->nodes = rwd_realloc(plan->nodes, (plan->node_count + 1) * sizeof *plan->nodes);
    int16_t added = (int16_t)plan->node_count++;
    plan->nodes[added] = (node){.field = field, .parent = parent, .index = index, .level = NONE, .first_element = NONE, .next_element = NONE, .job_field = NONE};
    if (index >= 0) {
        plan->nodes[added].next_element = plan->nodes[parent].first_element;
        plan->nodes[parent].first_element = added;
    }
    return added;
}

static int16_t add_path(rwd_proto_plan *plan, const rwd_proto_path *path) {
    int16_t at = 0;
    for (size_t i = 0; i < path->count; i++) {
        at = add_node(plan, at, path->steps[i].field, NONE);
        if (path->steps[i].index >= 0) at = add_node(plan, at, path->steps[i].field, path->steps[i].index);
    }
    return at;
}

static int compare_names(const void *a, const void *b) {
    const enum_name *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

// Of names for one number the first declared counts.
static void bind_names(binding *b, const rwd_proto_enum *e) {
    b->names = rwd_calloc(e->value_count + 1, sizeof *b->names);
    for (size_t i = 0; i < e->value_count; i++) {
        size_t known = 0;
        while (known < b->name_count && b->names[known].number != e->values[i].number) known++;
        if (known == b->name_count) b->names[b->name_count++] = (enum_name){e->values[i].number, e->values[i].name};
    }
    qsort(b->names, b->name_count, sizeof *b->names, compare_names);
}

static void bind(rwd_proto_plan *plan, size_t index) {
    const rwd_field *field = &plan->job->event.fields[index];
    rwd_proto_path path;
    rwd_error err;
    if (field->inside != plan->is_inside) return;
    bool known = rwd_proto_path_resolve(plan->message, field->path + field->inside, &path, &err);
    assert(known && "the job was checked");
    (void)known;
    binding *b = &plan->bindings[index];
    const rwd_proto_field *end = rwd_proto_path_end(&path);
    b->node = add_path(plan, &path);
    if (plan->nodes[b->node].job_field == NONE) plan->nodes[b->node].job_field = (int16_t)index;
    if (end->type == RWD_PROTO_ENUM && field->type == RWD_TYPE_STRING) bind_names(b, end->enumeration);
    if (field->type != RWD_TYPE_TIME || field->time.kind != RWD_TIME_PROTOBUF) return;
    b->seconds = add_node(plan, b->node, &end->message->fields[0], NONE);
    b->nanos = add_node(plan, b->node, &end->message->fields[1], NONE);
}

static uint8_t wire_of(rwd_proto_type type) {
    switch (type) {
    case RWD_PROTO_DOUBLE:
    case RWD_PROTO_FIXED64:
    case RWD_PROTO_SFIXED64: return RWD_WIRE_FIXED64;
    case RWD_PROTO_FLOAT:
    case RWD_PROTO_FIXED32:
    case RWD_PROTO_SFIXED32: return RWD_WIRE_FIXED32;
    case RWD_PROTO_STRING:
    case RWD_PROTO_BYTES:
    case RWD_PROTO_MESSAGE: return RWD_WIRE_SIZED;
    case RWD_PROTO_GROUP: return RWD_WIRE_GROUP;
    default: return RWD_WIRE_VARINT;
    }
}

// Appends the nodes of `top` and of all below it.
static void add_clears(rwd_proto_plan *plan, int16_t top) {
    plan->clears = rwd_realloc(plan->clears, (plan->clear_count + 1) * sizeof *plan->clears);
    plan->clears[plan->clear_count++] = top;
    for (size_t i = 1; i < plan->node_count; i++)
        if (plan->nodes[i].parent == top) add_clears(plan, (int16_t)i);
}

static void plan_member(rwd_proto_plan *plan, int16_t at, const rwd_proto_message *message, const rwd_proto_field *field, member *out) {
    size_t first = plan->clear_count;
    uint8_t wire = wire_of(field->type);
    for (size_t i = 0; i < message->field_count && field->oneof >= 0; i++) {
        int16_t other = find_node(plan, at, &message->fields[i], NONE);
        if (&message->fields[i] != field && message->fields[i].oneof == field->oneof && other != NONE) add_clears(plan, other);
    }
    assert(plan->clear_count <= UINT16_MAX);
    *out = (member){.number = field->number, .wire = wire, .packable = field->repeated && wire != RWD_WIRE_SIZED && wire != RWD_WIRE_GROUP,
                    .node = find_node(plan, at, field, NONE), .first_clear = (uint16_t)first, .clear_count = (uint16_t)(plan->clear_count - first)};
}

// The message at node `at`, if a path leads into it.
static void plan_level(rwd_proto_plan *plan, int16_t at) {
    const rwd_proto_message *message = at == 0 ? plan->message : plan->nodes[at].field->message;
    bool inside = at == 0;
    for (size_t i = 1; i < plan->node_count; i++) inside = inside || (plan->nodes[i].parent == at && plan->nodes[i].index == NONE);
    if (!inside || !message) return;
    level l = {.count = message->field_count};
    l.members = rwd_calloc(l.count + 1, sizeof *l.members);
    for (size_t i = 0; i < l.count; i++) {
        plan_member(plan, at, message, &message->fields[i], &l.members[i]);
        if (l.members[i].number < DENSE_MAX) l.dense_size = l.members[i].number + 1;
    }
    l.dense = rwd_calloc(l.dense_size + 1, sizeof *l.dense);
    for (size_t i = 0; i < l.dense_size; i++) l.dense[i] = NONE;
    for (size_t i = 0; i < l.count && l.members[i].number < l.dense_size; i++) l.dense[l.members[i].number] = (int16_t)i;
    plan->nodes[at].level = (int16_t)plan->level_count;
    plan->levels = rwd_realloc(plan->levels, (plan->level_count + 1) * sizeof *plan->levels);
    plan->levels[plan->level_count++] = l;
}

// The fields of the record around the elements, or of an element.
static rwd_proto_plan *plan_of(const rwd_job *job, const rwd_proto_message *message, const rwd_proto_path *each, bool is_inside) {
    rwd_proto_plan *plan = rwd_calloc(1, sizeof *plan);
    plan->job = job;
    plan->message = message;
    plan->is_inside = is_inside;
    plan->each = NONE;
    plan->bindings = rwd_calloc(job->event.field_count + 1, sizeof *plan->bindings);
    (void)add_node(plan, NONE, NULL, NONE);
    for (size_t i = 0; i < job->event.field_count; i++) bind(plan, i);
    if (each) plan->each = add_path(plan, each);
    for (size_t i = 0; i < plan->node_count; i++) plan_level(plan, (int16_t)i);
    plan->found = rwd_calloc(plan->node_count, sizeof *plan->found);
    return plan;
}

rwd_proto_plan *rwd_proto_plan_new(const rwd_job *job) {
    rwd_proto_path each;
    rwd_error err;
    const rwd_proto_message *message = job->source.message_type;
    if (!job->event.each) return plan_of(job, message, NULL, false);
    bool known = rwd_proto_path_resolve_each(message, job->event.each, &each, &err);
    assert(known && "the job was checked");
    (void)known;
    rwd_proto_plan *plan = plan_of(job, message, &each, false);
    plan->inside = plan_of(job, rwd_proto_path_end(&each)->message, NULL, true);
    plan->elements = rwd_calloc(RWD_EVENTS_PER_RECORD_MAX, sizeof *plan->elements);
    return plan;
}

void rwd_proto_plan_free(rwd_proto_plan *plan) {
    if (!plan) return;
    for (size_t i = 0; i < plan->level_count; i++) {
        free(plan->levels[i].members);
        free(plan->levels[i].dense);
    }
    for (size_t i = 0; i < plan->job->event.field_count; i++) free(plan->bindings[i].names);
    free(plan->bindings);
    free(plan->levels);
    free(plan->clears);
    free(plan->nodes);
    free(plan->found);
    rwd_proto_plan_free(plan->inside);
    free(plan->elements);
    free(plan);
}

// ---------------------------------------------------------------------------------------------- the walk

typedef struct walk {
    rwd_proto_plan *plan;
    const uint8_t *begin;      // of the record
    rwd_wire_reader in;
    rwd_fault *fault;
} walk;

static bool malformed(walk *w, const char *why) { return rwd_fault_set(w->fault, RWD_E_MALFORMED, -1, (size_t)(w->in.at - w->begin), why); }

static inline const member *find_member(const level *l, uint32_t number) {
    if (number < l->dense_size) return l->dense[number] == NONE ? NULL : &l->members[l->dense[number]];
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (l->members[middle].number < number) low = middle + 1;
        else high = middle;
    }
    return low < l->count && l->members[low].number == number ? &l->members[low] : NULL;
}

// The node of the element that comes next in a repeated field, or NONE: nobody wants that one.
static int16_t next_element(rwd_proto_plan *plan, int16_t repeated) {
    uint64_t index = plan->found[repeated].bits++;
    int16_t at = plan->nodes[repeated].first_element;
    while (at != NONE && (uint64_t)plan->nodes[at].index != index) at = plan->nodes[at].next_element;
    return at;
}

static inline bool take_number(walk *w, rwd_wire wire, found *out) {
    uint32_t half;
    out->at = w->in.at;
    out->present = true;
    if (wire == RWD_WIRE_VARINT) return rwd_wire_varint(&w->in, &out->bits);
    if (wire == RWD_WIRE_FIXED64) return rwd_wire_fixed64(&w->in, &out->bits);
    if (!rwd_wire_fixed32(&w->in, &half)) return false;
    out->bits = half;
    return true;
}

// A run of numbers in one value.
static bool take_packed(walk *w, const member *m) {
    rwd_slice run;
    found unwanted;
    if (!rwd_wire_sized(&w->in, &run)) return malformed(w, w->in.why);
    walk inside = {.plan = w->plan, .begin = w->begin, .in = rwd_wire_reader_of(run), .fault = w->fault};
    while (inside.in.at < inside.in.end) {
        int16_t at = m->node == NONE ? NONE : next_element(w->plan, m->node);
        if (!take_number(&inside, (rwd_wire)m->wire, at == NONE ? &unwanted : &w->plan->found[at])) return malformed(&inside, inside.in.why);
    }
    return true;
}

static bool wrong_wire(walk *w, const member *m, const uint8_t *at) {
    int field = m->node == NONE ? -1 : w->plan->nodes[m->node].job_field;
    return rwd_fault_set(w->fault, RWD_E_WRONG_TYPE, field, (size_t)(at - w->begin), "a field does not have the wire type of its type in the descriptor");
}

// The next element of event.each. Those beyond the most are counted only.
static void keep_element(rwd_proto_plan *plan, uint64_t index, rwd_slice bytes) {
    if (index < RWD_EVENTS_PER_RECORD_MAX) plan->elements[index] = bytes;
}

static inline void clear(rwd_proto_plan *plan, const member *m) {
    for (size_t i = 0; i < m->clear_count; i++) plan->found[plan->clears[m->first_clear + i]] = (found){0};
}

static bool walk_message(walk *w) {
    rwd_proto_plan *const plan = w->plan;
    frame *const stack = plan->stack;
    size_t depth = 0;
    const level *l = &plan->levels[0];
    for (;;) {
        while (w->in.at == w->in.end) {
            if (depth == 0) return true;
            depth--;
            l = stack[depth].level;
            w->in.end = stack[depth].end;
        }
        const uint8_t *begin = w->in.at;
        uint32_t number;
        rwd_wire wire;
        if (!rwd_wire_tag(&w->in, &number, &wire)) return malformed(w, w->in.why);
        const member *m = find_member(l, number);
        if (wire == RWD_WIRE_GROUP_END) {
            w->in.at = begin;
            return malformed(w, "the end of a group that did not begin");
        }
        if (m && m->clear_count) clear(plan, m);
        if (m && m->wire != wire) {
            if (!m->packable || wire != RWD_WIRE_SIZED) return wrong_wire(w, m, begin);
            if (!take_packed(w, m)) return false;
            continue;
        }
        int16_t at = m ? m->node : NONE;
        bool each = at != NONE && at == plan->each;
        uint64_t element = each ? plan->found[at].bits : 0;
        if (at != NONE && (each || plan->nodes[at].first_element != NONE)) at = next_element(plan, at);
        if (at == NONE && !each) {
            if (!rwd_wire_skip(&w->in, number, wire)) return malformed(w, w->in.why);
            continue;
        }
        if (wire != RWD_WIRE_SIZED) {
            if (!take_number(w, wire, &plan->found[at])) return malformed(w, w->in.why);
            continue;
        }
        rwd_slice bytes;
        if (!rwd_wire_sized(&w->in, &bytes)) return malformed(w, w->in.why);
        if (each) keep_element(plan, element, bytes);
        if (at == NONE) continue;
        found *f = &plan->found[at];
        f->present = true;
        f->at = bytes.data;
        f->size = (uint32_t)bytes.size;
        if (plan->nodes[at].level == NONE) continue;
        assert(depth < sizeof plan->stack / sizeof *plan->stack);
        stack[depth++] = (frame){l, w->in.end};
        l = &plan->levels[plan->nodes[at].level];
        w->in.at = bytes.data;
        w->in.end = bytes.data + bytes.size;
    }
}

// Confluent's frame: a zero, the schema's id, and the message's place in the schema's file (a count and that many numbers, zigzag; a lone 0 is the first).
static bool take_frame(walk *w) {
    const rwd_proto_message *message = w->plan->job->source.message_type;
    if (rwd_wire_left(&w->in) < 1 + CONFLUENT_ID || *w->in.at != CONFLUENT_MAGIC)
        return malformed(w, "the record does not begin as Confluent's serializers do, with a zero and a schema's id");
    w->in.at += 1 + CONFLUENT_ID;
    const uint8_t *begin = w->in.at;
    uint64_t count, place;
    if (!rwd_wire_varint(&w->in, &count)) return malformed(w, w->in.why);
    count = (uint64_t)rwd_wire_zigzag(count);
    bool same = count == 0 ? message->place_count == 1 && message->place[0] == 0 : count == message->place_count;
    for (size_t i = 0; same && i < count; i++) {
        if (!rwd_wire_varint(&w->in, &place)) return malformed(w, w->in.why);
        same = rwd_wire_zigzag(place) == message->place[i];
    }
    return same || rwd_fault_set(w->fault, RWD_E_WRONG_TYPE, -1, (size_t)(begin - w->begin), "the record holds another message of its schema");
}

// ---------------------------------------------------------------------------------------------- numbers to raw fields

static void put_integer(rwd_raw *raw, int64_t value) {
    raw->kind = RWD_RAW_INTEGER;
    raw->negative = value < 0;
    raw->digits = value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static void put_unsigned(rwd_raw *raw, uint64_t value, uint64_t most) {
    raw->kind = value <= most ? RWD_RAW_INTEGER : RWD_RAW_TOO_BIG;
    raw->digits = value;
}

static void put_narrow(rwd_raw *raw, int64_t value) {
    put_integer(raw, value);
    if (value < INT32_MIN || value > INT32_MAX) raw->kind = RWD_RAW_TOO_BIG;
}

static void put_real(rwd_raw *raw, rwd_proto_type type, uint64_t bits) {
    uint32_t half = (uint32_t)bits;
    float narrow;
    raw->kind = RWD_RAW_REAL;
    if (type == RWD_PROTO_DOUBLE) {
        memcpy(&raw->real, &bits, sizeof bits);
        return;
    }
    memcpy(&narrow, &half, sizeof half);
    raw->real = (double)narrow;
}

// An enum by name: a number that has none stays a number, which is no text.
static void put_name(rwd_raw *raw, const binding *b, int64_t number) {
    size_t low = 0, high = b->name_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->names[middle].number < number) low = middle + 1;
        else high = middle;
    }
    if (low == b->name_count || b->names[low].number != number) return;
    raw->kind = RWD_RAW_STRING;
    raw->at = (const uint8_t *)b->names[low].name;
    raw->size = (uint32_t)strlen(b->names[low].name);
}

static void put_number(rwd_raw *raw, const binding *b, rwd_proto_type type, uint64_t bits) {
    raw->negative = raw->escaped = raw->simple = false;
    switch (type) {
    case RWD_PROTO_INT64:
    case RWD_PROTO_SFIXED64: put_integer(raw, (int64_t)bits); return;
    case RWD_PROTO_SFIXED32: put_integer(raw, (int32_t)(uint32_t)bits); return;
    case RWD_PROTO_SINT64: put_integer(raw, rwd_wire_zigzag(bits)); return;
    case RWD_PROTO_SINT32: put_narrow(raw, rwd_wire_zigzag(bits)); return;
    case RWD_PROTO_INT32: put_narrow(raw, (int64_t)bits); return;
    case RWD_PROTO_ENUM:
        put_narrow(raw, (int64_t)bits);
        if (b->names) put_name(raw, b, (int64_t)bits);
        return;
    case RWD_PROTO_UINT64:
    case RWD_PROTO_FIXED64: put_unsigned(raw, bits, UINT64_MAX); return;
    case RWD_PROTO_UINT32:
    case RWD_PROTO_FIXED32: put_unsigned(raw, bits, UINT32_MAX); return;
    case RWD_PROTO_BOOL:
        raw->kind = RWD_RAW_BOOL;
        raw->truth = bits != 0;
        return;
    default: put_real(raw, type, bits); return;
    }
}

static bool put_text(walk *w, rwd_raw *raw, rwd_proto_type type, rwd_slice bytes) {
    raw->kind = type == RWD_PROTO_STRING ? RWD_RAW_STRING : RWD_RAW_BYTES;
    raw->escaped = false;
    raw->at = bytes.data;
    raw->size = (uint32_t)bytes.size;
    if (type != RWD_PROTO_STRING || rwd_utf8_valid(bytes)) return true;
    w->in.at = bytes.data + rwd_utf8_valid_size(bytes);
    return malformed(w, "a string is not valid UTF-8");
}

static void put_moment(const rwd_proto_plan *plan, const binding *b, rwd_raw *raw) {
    uint64_t nanos = plan->found[b->nanos].bits;
    raw->kind = RWD_RAW_MOMENT;
    raw->digits = plan->found[b->seconds].bits;
    raw->nanos = (int64_t)nanos;
}

// An absent field: of one that is never told from its default, the default, if the message that it belongs to is there.
static bool put_default(walk *w, const binding *b, rwd_raw *raw) {
    const node *n = &w->plan->nodes[b->node];
    const rwd_proto_field *field = n->field;
    bool message_is_there = n->parent == 0 || w->plan->found[n->parent].present;
    if (n->index >= 0 || !message_is_there || (field->presence && !field->has_default)) return true;
    raw->at = w->begin;
    raw->size = 0;
    if (field->type != RWD_PROTO_STRING && field->type != RWD_PROTO_BYTES) put_number(raw, b, field->type, field->default_bits);
    else if (!put_text(w, raw, field->type, field->default_bytes)) return false;
    if (!raw->at) raw->at = w->begin;
    return true;
}

static bool put_field(walk *w, const binding *b, rwd_raw *raw) {
    const found *f = &w->plan->found[b->node];
    if (!f->present) return put_default(w, b, raw);
    const rwd_proto_field *field = w->plan->nodes[b->node].field;
    raw->at = f->at;
    raw->size = f->size;
    if (field->type == RWD_PROTO_MESSAGE) put_moment(w->plan, b, raw);
    else if (field->type == RWD_PROTO_STRING || field->type == RWD_PROTO_BYTES) return put_text(w, raw, field->type, rwd_slice_of(f->at, f->size));
    else put_number(raw, b, field->type, f->bits);
    return true;
}

static bool put_fields(walk *w, rwd_raw *raw) {
    const rwd_job *job = w->plan->job;
    for (size_t i = 0; i < job->event.field_count; i++) {
        if (job->event.fields[i].inside != w->plan->is_inside) continue;
        if (!put_field(w, &w->plan->bindings[i], &raw[i])) return false;
    }
    return true;
}

bool rwd_proto_take_apart(rwd_proto_plan *plan, rwd_slice record, rwd_raw *raw, rwd_fault *out_fault) {
    walk w = {.plan = plan, .begin = record.data, .in = rwd_wire_reader_of(record), .fault = out_fault};
    memset(plan->found, 0, plan->node_count * sizeof *plan->found);
    if (plan->job->source.framing == RWD_PROTO_CONFLUENT && !take_frame(&w)) return false;
    plan->begin = record.data;
    return walk_message(&w) && put_fields(&w, raw);
}

static bool take_element(rwd_proto_plan *plan, size_t index, rwd_raw *raw, rwd_fault *out_fault) {
    walk w = {.plan = plan->inside, .begin = plan->begin, .in = rwd_wire_reader_of(plan->elements[index]), .fault = out_fault};
    memset(plan->inside->found, 0, plan->inside->node_count * sizeof *plan->inside->found);
    return walk_message(&w) && put_fields(&w, raw);
}

bool rwd_proto_open_each(rwd_proto_plan *plan, rwd_raw *raw, size_t *out_count, rwd_fault *out_fault) {
    *out_count = plan->found[plan->each].bits;
    plan->next = 0;
    if (*out_count > RWD_EVENTS_PER_RECORD_MAX) return true;  // which is too many
    for (size_t i = 0; i < *out_count; i++)
        if (!take_element(plan, i, raw, out_fault)) return false;
    return true;
}

void rwd_proto_next_element(rwd_proto_plan *plan, rwd_raw *raw) {
    rwd_fault fault;
    bool good = take_element(plan, plan->next++, raw, &fault);
    assert(good && "read once before");
    (void)good;
}
