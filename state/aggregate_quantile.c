// quantile: a histogram with a bounded relative error, after DDSketch (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
// relative-error guarantees", VLDB 2019). In place of its logarithm the bins are the binades of the number, each cut into 64 equal parts, so that a bin is
// found from bits alone, the same on every machine; a value is at most 1/128 (0.79 %) away from the middle of its bin.
//
// Bins. Of an int or decimal of |units| = a: bin a below 128; else with s = (bits of a) - 7, bin 64 s + (a >> s), whose middle is
// ((64 + bin % 64) << s) + (1 << (s - 1)), s = bin / 64 - 1. Of a float: the top 17 bits of |x| behind the sign (11 of the exponent, 6 of the fraction); the
// middle has the next bit set; bin 0 is 0. Bins of negative values are negative.
//
// A cell is variable: nothing before the first value, then the bins that hold something, rising:
//   LEB128 of the first bin (zigzag: 2 b, or -2 b - 1 below 0), LEB128 of its count; then for each next one LEB128 of its distance from the one before, and of its count
// At most 1024 bins are kept. A further one adds the lowest bin's count to the next: then the kept bins are the 1024 highest ever used, and the
// lowest of them holds all that is below it, too. So neither order nor merging shows.
//
// The answer is the middle of the bin of the value of rank floor(q (n - 1)), q in millionths.
//
// What must stay true: a cell follows from the multiset of values that it has seen.
#include <assert.h>

#include "state/aggregate_private.h"

#define PARTS 64u          // of a binade
#define PART_BITS 6u
#define BINS_MAX 1024u
#define RANK_ONE 1000000   // q = 1
#define RANK_SCALE 6
#define FLOAT_SHIFT (52u - PART_BITS)

typedef unsigned __int128 u128;

// One more than is kept, and room for those of another cell.
typedef struct bins {
    uint32_t count;
    int32_t bin[2 * BINS_MAX];
    uint64_t events[2 * BINS_MAX];
} bins;

static int32_t bin_of_units(rwd_i128 units) {
    u128 a = units < 0 ? -(u128)units : (u128)units;
    uint32_t bin = (uint32_t)a;
    if (a >= 2 * PARTS) {
        uint64_t high = (uint64_t)(a >> 64);
        unsigned bits = high ? 128 - (unsigned)__builtin_clzll(high) : 64 - (unsigned)__builtin_clzll((uint64_t)a);
        unsigned shift = bits - PART_BITS - 1;
        bin = shift * PARTS + (uint32_t)(a >> shift);
    }
    return units < 0 ? -(int32_t)bin : (int32_t)bin;
}

static rwd_i128 units_of_bin(int32_t bin) {
    u128 b = bin < 0 ? (u128)-bin : (u128)bin;
    if (b >= 2 * PARTS) {
        unsigned shift = (unsigned)(b / PARTS - 1);
        b = ((PARTS + b % PARTS) << shift) + ((u128)1 << (shift - 1));
    }
    if (b > (u128)RWD_I128_MAX) b = (u128)RWD_I128_MAX;
    return bin < 0 ? -(rwd_i128)b : (rwd_i128)b;
}

static int32_t bin_of_float(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int32_t bin = (int32_t)((bits & ~(1ull << 63)) >> FLOAT_SHIFT);
    return bits >> 63 ? -bin : bin;
}

static double float_of_bin(int32_t bin) {
    uint64_t bits = bin == 0 ? 0 : (uint64_t)(bin < 0 ? -bin : bin) << FLOAT_SHIFT | 1ull << (FLOAT_SHIFT - 1);
    double v;
    memcpy(&v, &bits, sizeof v);
    return bin < 0 ? -v : v;
}

static int32_t bin_of(const rwd_cell_type *how, const rwd_value *value) {
    return how->arg == RWD_TYPE_FLOAT ? bin_of_float(value->f) : bin_of_units(units_of(how->arg, value));
}

// The greatest bin of the type: bytes that name a higher one were not written here.
static int32_t bin_greatest(const rwd_cell_type *how) {
    if (how->arg == RWD_TYPE_FLOAT) return bin_of_float(__DBL_MAX__);
    return -bin_of_units(how->arg == RWD_TYPE_DECIMAL ? RWD_I128_MIN : (rwd_i128)INT64_MIN);
}

// ---------------------------------------------------------------------------------------------- the bytes of a cell
static uint64_t zigzag(int32_t v) { return v < 0 ? (uint64_t)(-2 * (int64_t)v - 1) : (uint64_t)(2 * (int64_t)v); }
static int64_t unzigzag(uint64_t v) { return v & 1 ? -(int64_t)(v / 2) - 1 : (int64_t)(v / 2); }

// The next bin; false at the end. `*bin` is the one before, `first` at the beginning.
static bool next_bin(const uint8_t **at, const uint8_t *end, bool first, int64_t *bin) {
    uint64_t step;
    if (*at >= end || !rwd_varint_get(at, end, &step)) return false;
    if (step > (1u << 20)) return false;
    *bin = first ? unzigzag(step) : *bin + (int64_t)step;
    return true;
}

static bool decode(const uint8_t *tail, uint32_t size, bins *out) {
    const uint8_t *at = tail, *end = tail + size;
    int64_t bin = 0;
    for (out->count = 0; out->count < BINS_MAX && next_bin(&at, end, out->count == 0, &bin); out->count++) {
        out->bin[out->count] = (int32_t)bin;
        if (!rwd_varint_get(&at, end, &out->events[out->count])) return false;
    }
    return at == end;
}

static rwd_code encode(const bins *b, uint8_t *tail, uint32_t *size, uint32_t room) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint64_t step = i == 0 ? zigzag(b->bin[0]) : (uint64_t)(b->bin[i] - b->bin[i - 1]);
        if (rwd_varint_size(step) + rwd_varint_size(b->events[i]) > room - at) return RWD_E_TOO_LARGE;
        at += rwd_varint_put(tail + at, step);
        at += rwd_varint_put(tail + at, b->events[i]);
    }
    *size = at;
    return RWD_E_NONE;
}

// ---------------------------------------------------------------------------------------------- taking values
// The sum has a variable of its own: gcc 12 takes a result in memory that is an operand, too, for the operand when it looks for the overflow.
static rwd_code add_events(uint64_t *to, uint64_t events) {
    uint64_t sum;
    if (__builtin_add_overflow(*to, events, &sum)) return RWD_E_OVERFLOW;
    *to = sum;
    return RWD_E_NONE;
}

static rwd_code add(bins *b, int32_t bin, uint64_t events) {
    uint32_t at = b->count;
    while (at > 0 && b->bin[at - 1] >= bin) at--;
    if (at < b->count && b->bin[at] == bin) return add_events(&b->events[at], events);
    memmove(b->bin + at + 1, b->bin + at, (b->count - at) * sizeof *b->bin);
    memmove(b->events + at + 1, b->events + at, (b->count - at) * sizeof *b->events);
    b->bin[at] = bin;
    b->events[at] = events;
    b->count++;
    return RWD_E_NONE;
}

static rwd_code fold_lowest(bins *b) {
    if (b->count <= BINS_MAX) return RWD_E_NONE;
    uint32_t over = b->count - BINS_MAX;
    for (uint32_t i = 0; i < over; i++)
        if (add_events(&b->events[over], b->events[i]) != RWD_E_NONE) return RWD_E_OVERFLOW;
    memmove(b->bin, b->bin + over, BINS_MAX * sizeof *b->bin);
    memmove(b->events, b->events + over, BINS_MAX * sizeof *b->events);
    b->count = BINS_MAX;
    return RWD_E_NONE;
}

// The usual case: the bin is there, and its count keeps its length.
static bool count_in_place(uint8_t *tail, uint32_t size, int32_t wanted) {
    const uint8_t *at = tail, *end = tail + size;
    int64_t bin = 0;
    uint64_t events;
    while (next_bin(&at, end, at == tail, &bin) && bin <= wanted) {
        uint8_t *count_at = tail + (at - tail);
        if (!rwd_varint_get(&at, end, &events)) return false;
        if (bin != wanted) continue;
        if (events == UINT64_MAX || rwd_varint_size(events + 1) != (uint32_t)(at - count_at)) return false;
        rwd_varint_put(count_at, events + 1);
        return true;
    }
    return false;
}

static rwd_code grow_tail(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)when;
    if (!value->present) return RWD_E_NONE;
    int32_t bin = bin_of(how, value);
    if (count_in_place(tail, *size, bin)) return RWD_E_NONE;
    bins b;
    if (!decode(tail, *size, &b)) return RWD_E_CORRUPT;
    rwd_code code = add(&b, bin, 1);
    if (code == RWD_E_NONE) code = fold_lowest(&b);
    return code == RWD_E_NONE ? encode(&b, tail, size, room) : code;
}
static rwd_tail_update grow(const rwd_cell_type *how) {
    (void)how;
    return grow_tail;
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    (void)how;
    bins b, more;
    if (!decode(tail, *size, &b) || !decode(other, other_size, &more)) return RWD_E_CORRUPT;
    rwd_code code = RWD_E_NONE;
    for (uint32_t i = 0; code == RWD_E_NONE && i < more.count; i++) code = add(&b, more.bin[i], more.events[i]);
    if (code == RWD_E_NONE) code = fold_lowest(&b);
    return code == RWD_E_NONE ? encode(&b, tail, size, room) : code;
}

static bool valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    bins b;
    int32_t greatest = bin_greatest(how);
    if (!decode(tail, size, &b)) return false;
    for (uint32_t i = 0; i < b.count; i++) {
        if (b.events[i] == 0 || b.bin[i] > greatest || b.bin[i] < -greatest || (i > 0 && b.bin[i] <= b.bin[i - 1])) return false;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------- reading
static uint32_t size_of(const rwd_cell_type *how) {
    (void)how;
    return 0;
}
static rwd_type result(const rwd_cell_type *how) { return how->arg; }

static void answer(const rwd_cell_type *how, int32_t bin, rwd_value *out) {
    rwd_i128 units;
    switch (how->arg) {
    case RWD_TYPE_FLOAT: out->f = float_of_bin(bin); return;
    case RWD_TYPE_DECIMAL: out->d = units_of_bin(bin); return;
    default:
        units = units_of_bin(bin);
        out->i = units > INT64_MAX ? INT64_MAX : units < INT64_MIN ? INT64_MIN : (int64_t)units;
    }
}

static void read_cell(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    bins b;
    u128 total = 0, before = 0;
    *out = (rwd_value){.present = false};
    if (!decode(cell, size, &b)) return;
    for (uint32_t i = 0; i < b.count; i++) total += b.events[i];
    if (total == 0) return;
    u128 rank = (u128)how->parameters[0] * (total - 1) / RANK_ONE;
    for (uint32_t i = 0; i < b.count; i++) {
        before += b.events[i];
        if (before <= rank) continue;
        out->present = true;
        answer(how, b.bin[i], out);
        return;
    }
}

const rwd_aggregate rwd_aggregate_quantile = {
    .name = "quantile", .doc = "the value below which a given part of a field's values lies (the one of rank floor(q (n - 1))); null when there was none",
    .error = "at most 1/128 (0.79 %) of the value; ints and decimals below 128 units of their scale are exact, floats nearer to 0 than 2^-1022 may be off by 2^-1028. 1024 bins are kept, 64 for each "
             "doubling: where values spread over more, the lowest are counted into the lowest bin kept, and quantiles that fall there answer with it",
    .takes_field = true, .types = TYPE_BIT(INT) | TYPE_BIT(DECIMAL) | TYPE_BIT(FLOAT), .order_free = true,
    .parameters = {{.name = "q", .doc = "between 0 and 1, at most six digits behind the point: 0.5 is the median", .scale = RANK_SCALE, .greatest = RANK_ONE, .required = true}},
    .size = size_of, .grow = grow, .merge = merge, .read = read_cell, .result = result, .valid = valid,
};
