// distinct: how many different values, by HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
// estimation algorithm", AofA 2007) over XXH3-64 (seed 0) of the value's plain bytes. The estimator is Ertl's ("New cardinality estimation
// algorithms for HyperLogLog sketches", arXiv:1702.01284, algorithm 6): no tables, no corrections, only + - * / and sqrt.
//
// P is the parameter `precision`: m = 2^P registers. A cell is variable:
//   nothing    no value yet
//   0x01       then up to m / 8 entries of 4 bytes, little-endian, rising: (the hash's top 26 bits) << 6 | rank of the other 38 bits. Of entries with the same
//              26 bits only the one of the highest rank is kept. While the cell is so, the answer is the number of entries.
//   0x02       then m registers of one byte: register = top P bits of the hash, its value the highest rank of the other 64 - P bits
// The rank of bits is the number of leading zeros and one; that of none set is their number and one.
// More than m / 8 entries become registers. The set of entries follows from the set of values, so the form does too: neither order nor merging shows.
//
// What must stay true: a cell follows from the set of values that it has seen.
#include <assert.h>
#include <math.h>

#include "operator/base/hash.h"
#include "state/aggregate_private.h"

#define ENTRIES 0x01
#define REGISTERS 0x02
#define ENTRY_BYTES 4u
#define PREFIX_BITS 26
#define REST_BITS (64 - PREFIX_BITS)
#define RANK_MASK 63u
#define PRECISION_LEAST 6
#define PRECISION_GREATEST 14
#define PRECISION_USUAL 12
#define ENTRIES_MAX ((1u << PRECISION_GREATEST) / 8)

static unsigned precision(const rwd_cell_type *how) { return (unsigned)how->parameters[0]; }
static uint32_t register_count(const rwd_cell_type *how) { return 1u << precision(how); }
static uint32_t entries_max(const rwd_cell_type *how) { return register_count(how) / 8; }

// The rank of the low `width` bits.
static uint32_t rank_of(uint64_t bits, unsigned width) {
    bits &= (1ull << width) - 1;
    return bits ? (uint32_t)__builtin_clzll(bits) - (64 - width) + 1 : width + 1;
}

static uint32_t entry_of(uint64_t hash) { return (uint32_t)(hash >> REST_BITS) << 6 | rank_of(hash, REST_BITS); }

// Register and rank that an entry stands for.
static void expand(uint32_t entry, unsigned p, uint32_t *out_index, uint8_t *out_rank) {
    uint32_t prefix = entry >> 6, between = prefix & ((1u << (PREFIX_BITS - p)) - 1);
    *out_index = prefix >> (PREFIX_BITS - p);
    *out_rank = (uint8_t)(between ? rank_of(between, PREFIX_BITS - p) : PREFIX_BITS - p + (entry & RANK_MASK));
}

static void raise_register(uint8_t *tail, uint32_t index, uint8_t rank) {
    if (tail[1 + index] < rank) tail[1 + index] = rank;
}

static rwd_code become_registers(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room) {
    uint32_t entries[ENTRIES_MAX + 1], count = (*size - 1) / ENTRY_BYTES, m = register_count(how);
    if (room < 1 + m) return RWD_E_TOO_LARGE;
    memcpy(entries, tail + 1, count * ENTRY_BYTES);
    tail[0] = REGISTERS;
    memset(tail + 1, 0, m);
    *size = 1 + m;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index;
        uint8_t rank;
        expand(entries[i], precision(how), &index, &rank);
        raise_register(tail, index, rank);
    }
    return RWD_E_NONE;
}

static rwd_code add_entry(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, uint32_t entry) {
    if (*size == 0) {
        if (room < 1) return RWD_E_TOO_LARGE;
        tail[0] = ENTRIES;
        *size = 1;
    }
    if (tail[0] == REGISTERS) {
        uint32_t index;
        uint8_t rank;
        expand(entry, precision(how), &index, &rank);
        raise_register(tail, index, rank);
        return RWD_E_NONE;
    }
    uint32_t low = 0, high = (*size - 1) / ENTRY_BYTES, count = high;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (rwd_get_le32(tail + 1 + middle * ENTRY_BYTES) >> 6 < entry >> 6) low = middle + 1;
        else high = middle;
    }
    uint8_t *at = tail + 1 + low * ENTRY_BYTES;
    if (low < count && rwd_get_le32(at) >> 6 == entry >> 6) {
        if (rwd_get_le32(at) < entry) rwd_put_le32(at, entry);
        return RWD_E_NONE;
    }
    if (room - *size < ENTRY_BYTES) return RWD_E_TOO_LARGE;
    memmove(at + ENTRY_BYTES, at, (count - low) * ENTRY_BYTES);
    rwd_put_le32(at, entry);
    *size += ENTRY_BYTES;
    return count + 1 > entries_max(how) ? become_registers(how, tail, size, room) : RWD_E_NONE;
}

static rwd_code grow_tail(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const rwd_value *value, const rwd_moment *when) {
    (void)when;
    if (!value->present) return RWD_E_NONE;
    uint8_t bytes[RWD_PLAIN_MAX];
    rwd_slice plain = rwd_plain_bytes(how->arg, value, bytes);
    return add_entry(how, tail, size, room, entry_of(rwd_hash64(plain.data, plain.size, 0)));
}
static rwd_tail_update grow(const rwd_cell_type *how) {
    (void)how;
    return grow_tail;
}
static uint32_t size_of(const rwd_cell_type *how) {
    (void)how;
    return 0;
}
static rwd_type result(const rwd_cell_type *how) {
    (void)how;
    return RWD_TYPE_INT;
}

static rwd_code merge(const rwd_cell_type *how, uint8_t *tail, uint32_t *size, uint32_t room, const uint8_t *other, uint32_t other_size) {
    rwd_code code = RWD_E_NONE;
    if (other_size == 0) return code;
    if (other[0] == ENTRIES) {
        for (uint32_t at = 1; code == RWD_E_NONE && at < other_size; at += ENTRY_BYTES) code = add_entry(how, tail, size, room, rwd_get_le32(other + at));
        return code;
    }
    if (*size == 0) *size = 1;  // no entries
    if (*size == 1 || tail[0] == ENTRIES) code = become_registers(how, tail, size, room);
    for (uint32_t i = 0; code == RWD_E_NONE && i < register_count(how); i++) raise_register(tail, i, other[1 + i]);
    return code;
}

static bool valid(const rwd_cell_type *how, const uint8_t *tail, uint32_t size) {
    if (size == 0) return true;
    uint32_t count = (size - 1) / ENTRY_BYTES, before = 0;
    if (tail[0] == REGISTERS) {
        for (uint32_t i = 1; i < size; i++)
            if (tail[i] > 64 - precision(how) + 1) return false;
        return size == 1 + register_count(how);
    }
    if (tail[0] != ENTRIES || (size - 1) % ENTRY_BYTES || count == 0 || count > entries_max(how)) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t entry = rwd_get_le32(tail + 1 + i * ENTRY_BYTES), rank = entry & RANK_MASK;
        if (rank == 0 || rank > REST_BITS + 1 || (i > 0 && entry >> 6 <= before)) return false;
        before = entry >> 6;
    }
    return true;
}

// ---------------------------------------------------------------------------------------------- Ertl's estimator
static double sigma(double x) {
    double y = 1, z = x, before;
    if (x == 1) return HUGE_VAL;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x) {
    if (x == 0 || x == 1) return 0;
    double y = 1, z = 1 - x, before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

static int64_t estimate(const uint8_t *registers, unsigned p) {
    static const double alpha = 0.7213475204444817;  // 1 / (2 ln 2)
    uint32_t counts[66] = {0}, m = 1u << p;
    unsigned q = 64 - p;
    for (uint32_t i = 0; i < m; i++) counts[registers[i] <= q + 1 ? registers[i] : q + 1]++;
    double z = m * tau((double)(m - counts[q + 1]) / m);
    for (unsigned k = q; k >= 1; k--) z = 0.5 * (z + counts[k]);
    z += m * sigma((double)counts[0] / m);
    double answer = alpha * m * m / z;
    return answer < 9e18 ? (int64_t)(answer + 0.5) : INT64_MAX;
}

static void read_cell(const rwd_cell_type *how, const uint8_t *cell, uint32_t size, rwd_value *out) {
    *out = (rwd_value){.present = true};
    if (size == 0) return;
    out->i = cell[0] == ENTRIES ? (int64_t)((size - 1) / ENTRY_BYTES) : estimate(cell + 1, precision(how));
}

const rwd_aggregate rwd_aggregate_distinct = {
    .name = "distinct", .doc = "how many different values a field has had (HyperLogLog); 0 when there was no value",
    .error = "with precision P: counts of up to 2^P / 8 (512 at 12) are exact but for a chance of n^2 / 2^27 to be lower by one; above, the standard error is 1.04 / sqrt(2^P) "
             "(1.6 % at 12, 0.8 % at 14). A key needs 4 bytes a value at first, 2^P at most",
    .takes_field = true, .types = TYPES_ALL, .order_free = true,
    .parameters = {{.name = "precision", .doc = "P: 2^P registers; 12 if it is not given", .least = PRECISION_LEAST, .greatest = PRECISION_GREATEST, .fallback = PRECISION_USUAL}},
    .size = size_of, .grow = grow, .merge = merge, .read = read_cell, .result = result, .valid = valid,
};
