// topk: the values seen most often, by Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
// ICDT 2005), merged as in Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries" (PODS 2012).
//
// M counters, the parameter `counters` or ten times k (at least k, at most 1000). A value that has none takes the place of the one counted least, with
// its count as error. While no more than M different values have come, all is exact; then a count is at most n / M too high (its error says how much
// at most), and which values are kept depends on the order of events.
//
// A cell is variable: nothing before the first value, then for each counter, by falling count, those of one count by rising plain bytes:
//   LEB128 of the count, LEB128 of its error, of a text LEB128 of its size, the plain bytes of the value
// The counter counted least is the last one. The answer is the first k as a JSON array of {"value", "count"}, and "error" where it is not 0.
//
// What must stay true: no two counters have one value; their order is as above.
#include <assert.h>
#include <stdlib.h>

#include "state/aggregate_private.h"

#define K_MAX 100
#define COUNTERS_MAX 1000
#define COUNTERS_USUAL 10  // times k

typedef struct counter {
    const uint8_t *begin, *end;  // in the cell
    rwd_slice value;
    uint64_t count, error;
} counter;

static uint32_t shown(const rwd_cell_type *how) { return (uint32_t)how->parameters[0]; }
static uint32_t counters_max(const rwd_cell_type *how) {
    int64_t k = how->parameters[0], given = how->parameters[1];
    int64_t count = given == RWD_PARAMETER_NONE ? k * COUNTERS_USUAL : given;
    return (uint32_t)(count < k ? k : count);
}

// The counter at `*at`, moved behind it; false at the end or where the bytes are none.
static bool next_counter(const rwd_cell_type *how, const uint8_t **at, const uint8_t *end, counter *out) {
    uint64_t size = rwd_plain_size(how->arg);
    out->begin = *at;
    if (*at >= end || !rwd_varint_get(at, end, &out->count) || !rwd_varint_get(at, end, &out->error)) return false;
    if (size == 0 && !rwd_varint_get(at, end, &size)) return false;
    if (size > (uint64_t)(end - *at)) return false;
    out->value = rwd_slice_of(*at, (size_t)size);
    out->end = *at = *at + size;
    return true;
}

static bool is_before(const counter *a, const counter *b) {
    return a->count != b->count ? a->count > b->count : rwd_slice_compare(a->value, b->value) < 0;
}

static uint32_t head_size(const rwd_cell_type *how, const counter *c) {
    return rwd_varint_size(c->count) + rwd_varint_size(c->error) + (rwd_plain_size(how->arg) ? 0 : rwd_varint_size(c->value.size));
}

static void put_head(const rwd_cell_type *how, uint8_t *at, const counter *c) {
    at += rwd_varint_put(at, c->count);
    at += rwd_varint_put(at, c->error);
    if (!rwd_plain_size(how->arg)) rwd_varint_put(at, c->value.size);
}

static void reverse(uint8_t *from, uint8_t *to) {
    while (from < to) {
        uint8_t kept = *from;
        *from++ = *--to;
        *to = kept;
    }
}

// Moves the counter [begin, end) up to where its count belongs.
static void move_up(const rwd_cell_type *how, uint8_t *tail, uint8_t *begin, uint8_t *end) {
    const uint8_t *at = begin;
    counter moved, other;
    bool found = next_counter(how, &at, end, &moved);
    assert(found);
    (void)found;
    for (at = tail; at < begin && next_counter(how, &at, begin, &other);) {
        if (!is_before(&moved, &other)) continue;
        uint8_t *to = tail + (other.begin - tail);
        reverse(to, begin);
        reverse(begin, end);
        reverse(to, end);
        return;
    }
}

static rwd_code count_again(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, counter *c) {
    uint8_t *begin = tail + (c->begin - tail);
    uint32_t old_head = (uint32_t)(c->value.data - c->begin), value_size = (uint32_t)c->value.size;
    c->count++;
    uint32_t head = head_size(how, c);
    if (head > old_head && head - old_head > room - *size) return RWD_E_TOO_LARGE;
    memmove(begin + head, begin + old_head, *size - (uint32_t)(begin - tail) - old_head);
    put_head(how, begin, c);
    *size += head - old_head;
    move_up(how, tail, begin, begin + head + value_size);
    return RWD_E_NONE;
}

static rwd_code append(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const counter *c) {
    uint32_t head = head_size(how, c);
    if (room < *size || head > room - *size || c->value.size > room - *size - head) return RWD_E_TOO_LARGE;
    put_head(how, tail + *size, c);
    if (c->value.size > 0) memcpy(tail + *size + head, c->value.data, c->value.size);
    *size += head + (uint32_t)c->value.size;
    return RWD_E_NONE;
}

static rwd_code grow_tail(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)when;
    if (!value->present) return RWD_E_NONE;
    uint8_t bytes[RWD_PLAIN_MAX];
    const uint8_t *at = tail;
    uint32_t used = 0;
    counter c, last = {0}, found = {.value = rwd_plain_bytes(how->arg, value, bytes), .count = 1};
    for (; next_counter(how, &at, tail + *size, &c); used++, last = c)
        if (rwd_slice_equal(c.value, found.value)) return count_again(how, tail, size, room, &c);
    if (used >= counters_max(how)) {
        found.error = last.count;
        found.count += last.count;
        *size = (uint32_t)(last.begin - tail);
    }
    uint32_t begin = *size;
    rwd_code code = append(how, tail, size, room, &found);
    if (code == RWD_E_NONE) move_up(how, tail, tail + begin, tail + *size);
    return code;
}
static rwd_tail_update grow(const rwd_cell_type *how) {
    (void)how;
    return grow_tail;
}

// ---------------------------------------------------------------------------------------------- merging
static uint32_t all_counters(const rwd_cell_type *how, const uint8_t *tail, uint32_t size, counter *out) {
    const uint8_t *at = tail;
    uint32_t count = 0;
    while (count < COUNTERS_MAX && next_counter(how, &at, tail + size, &out[count])) count++;
    return count;
}

static int by_order(const void *a, const void *b) { return is_before(a, b) ? -1 : 1; }

// What a value that has no counter may have been counted at most.
static uint64_t unseen(const rwd_cell_type *how, const counter *list, uint32_t count) { return count >= counters_max(how) ? list[count - 1].count : 0; }

static void add_unseen(counter *c, uint64_t most) {
    c->count += most;
    c->error += most;
}

// `list` holds the counters of one cell, and room for those of the other.
static uint32_t unite(counter *list, uint32_t count, uint64_t unseen_here, const counter *more, uint32_t more_count, uint64_t unseen_there) {
    uint32_t all = count;
    bool *met = rwd_calloc(count + 1, sizeof *met);
    for (uint32_t i = 0; i < more_count; i++) {
        uint32_t at = 0;
        while (at < count && !rwd_slice_equal(list[at].value, more[i].value)) at++;
        if (at < count) {
            met[at] = true;
            list[at].count += more[i].count;
            list[at].error += more[i].error;
        } else {
            list[all] = more[i];
            add_unseen(&list[all++], unseen_here);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        if (!met[i]) add_unseen(&list[i], unseen_there);
    free(met);
    return all;
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    counter *list = rwd_malloc(2 * COUNTERS_MAX * sizeof *list), *more = rwd_malloc(COUNTERS_MAX * sizeof *more);
    uint8_t *own = rwd_malloc(*size + 1);
    if (*size > 0) memcpy(own, tail, *size);
    uint32_t count = all_counters(how, own, *size, list), more_count = all_counters(how, other, other_size, more);
    count = unite(list, count, unseen(how, list, count), more, more_count, unseen(how, more, more_count));
    qsort(list, count, sizeof *list, by_order);
    if (count > counters_max(how)) count = counters_max(how);
    rwd_code code = RWD_E_NONE;
    *size = 0;
    for (uint32_t i = 0; code == RWD_E_NONE && i < count; i++) code = append(how, tail, size, room, &list[i]);
    free(list);
    free(more);
    free(own);
    return code;
}

static bool valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    const uint8_t *at = tail;
    counter c, before = {0};
    uint32_t count = 0;
    for (; next_counter(how, &at, tail + size, &c); before = c, count++) {
        if (c.count == 0 || c.error >= c.count || (count > 0 && !is_before(&before, &c))) return false;
    }
    return at == tail + size && count <= counters_max(how);
}

// ---------------------------------------------------------------------------------------------- reading
static uint32_t size_of(const rwd_cell_type *how) {
    (void)how;
    return 0;
}
static rwd_type result(const rwd_cell_type *how) {
    (void)how;
    return RWD_TYPE_STRING;
}

static void json(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_buf *out) {
    const uint8_t *at = cell;
    counter c;
    rwd_buf_append_char(out, '[');
    for (uint32_t i = 0; i < shown(how) && next_counter(how, &at, cell + size, &c); i++) {
        rwd_value value = rwd_plain_value(how->arg, c.value);
        rwd_buf_append_str(out, i ? ",{\"value\":" : "{\"value\":");
        rwd_value_json(&value, how->arg, how->arg_scale, out);
        rwd_buf_appendf(out, ",\"count\":%llu", (unsigned long long)c.count);
        if (c.error) rwd_buf_appendf(out, ",\"error\":%llu", (unsigned long long)c.error);
        rwd_buf_append_char(out, '}');
    }
    rwd_buf_append_char(out, ']');
}

const rwd_aggregate rwd_aggregate_topk = {
    .name = "topk", .doc = "the values of a field seen most often with their counts, as a list of `{\"value\", \"count\"}` (Space-Saving); empty when there was none",
    .error = "exact while a key has had no more different values than counters. Then a count may be too high by up to its `error`, which is at most (number of values) / counters; "
             "every value seen more often than that is kept. A row in which the counters have no room makes its event `too-large`",
    .takes_field = true, .types = TYPES_ALL, .order_free = false, .list = true,
    .parameters = {{.name = "k", .doc = "how many values to list", .least = 1, .greatest = K_MAX, .required = true},
                   {.name = "counters", .doc = "how many values are counted at a time; 10 k if it is not given", .least = 1, .greatest = COUNTERS_MAX,
                    .fallback = RWD_PARAMETER_NONE}},
    .size = size_of, .grow = grow, .merge = merge, .json = json, .result = result, .valid = valid,
};
