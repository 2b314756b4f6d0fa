// Ids that were seen (dedup.h).
//
// What must stay true:
//   D1. An id whose moment is above `spilled` and above `unloaded` is in memory. Any other id that is still remembered is in the store.
//   D2. `spilled` is below the stream time of the newest durable checkpoint, so what leaves memory is in the store. `unloaded` is the stream time at open until
//       all of the store is loaded, and stays if there is no room for it.
//   D3. `fresh` has the ids added since the newest freeze, `frozen` those of the open one; the checkpoint thread reads `frozen` only.
//   D4. Compaction drops what had expired at the newest freeze, never what expires behind it: the checkpoint that is being written must have all that is
//       remembered at its own stream time, since whoever starts from it replays from there.
//
// Store: key: the id's 16 bytes; value: its moment, 8 bytes big-endian. The key "r" holds the ring of sums.
#include "state/dedup.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SSE2__) && !defined(RWD_GROUP_PORTABLE)
#include <emmintrin.h>
#endif

#include "operator/base/fs.h"
#include "state/store_private.h"

#define PARTITIONS 1024u
#define GROUP 16u                  // slots that are looked at together
#define PARTS 256                  // of the span, in the ring of sums
#define RING (PARTS + 2)
#define CHUNK_IDS 4096u
#define MEMORY_PERCENT 25          // of the hot share
#define PRESSED_PERCENT 15
#define CACHE_PERCENT 25           // of the store's share
#define REBUILD_PORTION 4u         // partitions per batch, while memory is being given back
#define FOLDER "dedup"
#define INCOMING_FILE "incoming-dedup.sst"
#define ID_BYTES 16u
#define SCAN_CACHE (8u << 20)
#define SLOT_BYTES 23u
#define MOMENT_BYTES 6u
#define SORT_BUCKETS 2048u
#define MOMENT_BITS 48

// Moments are kept as 48 bits above the year 1: the whole of time fits into 59, a span and what lies behind it into 48.
//
// Slots stand in groups of 16. A slot's tag is 0 (free) or 0x80 | 7 bits of its id; an id is in its home group, or, where that is full, in the first one behind it that had room. Nothing is
// ever taken out but by building the partition anew, so a search ends at a group with a free slot (tags as in Google's Swiss tables).
typedef struct partition {
    uint8_t *tags;
    rwd_hash128 *ids;
    uint8_t *moments;              // moment - base, little-endian
    uint32_t slots, used;          // slots: a multiple of GROUP
} partition;

typedef struct fresh_id {
    rwd_hash128 id;
    int64_t moment;
} fresh_id;

typedef struct fresh_chunk {
    struct fresh_chunk *next;
    size_t count;
    fresh_id ids[CHUNK_IDS];
} fresh_chunk;

typedef struct fresh_list {
    fresh_chunk *newest;
    uint64_t count;
} fresh_list;

typedef struct part_sum {
    int64_t number;                // of the part: moment / width, rounded down
    rwd_hash128 sum;
    uint64_t count;
} part_sum;

struct rwd_dedup {
    rwd_participant participant;
    rwd_budget *budget;
    int64_t within, width;
    int64_t base;                  // of the 48-bit moments in memory
    partition parts[PARTITIONS];
    uint64_t in_memory;
    uint64_t bytes;                // told to the budget: partitions and lists
    int64_t newest;                // moment, RWD_TIME_NONE: none
    int64_t spilled, unloaded;     // D1, D2; RWD_TIME_NONE: none
    int64_t durable;               // stream time of the newest durable freeze
    uint32_t rebuild_hand, rebuild_left;

    fresh_list fresh, frozen;
    int64_t frozen_newest;
    bool freeze_open;
    part_sum ring[RING], frozen_ring[RING];   // by number % RING
    int64_t part_from, part_until; // moments of the part that was counted into last
    size_t part_at;                // its place in the ring

    rwd_store *store;
    uint64_t store_bytes;
    char live_dir[RWD_PATH_MAX];
    _Atomic int64_t expired;       // moments at or below it are dropped by compaction
    rwd_store_scan *warm;          // NULL: not loading
    uint64_t warm_room;            // ids that may still be loaded
    bool failed;
    rwd_error failure;

    rwd_slice *ask;                // of the current resolve
    uint32_t *ask_index, *ask_first;
    uint8_t *ask_bytes;
    size_t ask_capacity;
    uint64_t store_reads;
};

static rwd_hash128 not_free(rwd_hash128 id) {
    if (id.low == 0 && id.high == 0) id.low = 1;
    return id;
}
rwd_hash128 rwd_dedup_hash(rwd_slice id) { return not_free(rwd_hash128_of(id.data, id.size, 0)); }

static bool remembered(const rwd_dedup *d, int64_t moment, int64_t stream_time) {
    return stream_time == RWD_TIME_NONE || moment > stream_time - d->within;
}

// ---------------------------------------------------------------------------------------------- the ring of sums
static void set_span(rwd_dedup *d, int64_t within) {
    d->within = within;
    d->width = (within + PARTS - 1) / PARTS;
}

static int64_t part_number(const rwd_dedup *d, int64_t moment) {
    int64_t number = moment / d->width;
    return number * d->width > moment ? number - 1 : number;
}

static size_t part_index(int64_t number) { return (size_t)((number % RING + RING) % RING); }

static rwd_hash128 hash_of(rwd_hash128 id, int64_t moment) {
    uint8_t bytes[ID_BYTES + 8];
    rwd_put_be64(bytes, id.high);  // as rwd_hash128_put, whose wide load of what was just stored would wait for the stores before it
    rwd_put_be64(bytes + 8, id.low);
    rwd_put_be64(bytes + ID_BYTES, (uint64_t)moment);
    return rwd_hash128_of(bytes, sizeof bytes, 0);
}

static void count_into_ring(rwd_dedup *d, rwd_hash128 id, int64_t moment) {
    if (moment < d->part_from || moment >= d->part_until) {
        int64_t number = part_number(d, moment);
        d->part_from = number * d->width;
        d->part_until = d->part_from + d->width;
        d->part_at = part_index(number);
        part_sum *there = &d->ring[d->part_at];
        if (there->count == 0 || there->number != number) *there = (part_sum){.number = number};  // what stood there expired long ago
    }
    part_sum *part = &d->ring[d->part_at];
    part->sum = rwd_hash128_add(part->sum, hash_of(id, moment));
    part->count++;
}

// Those whose last moment is remembered as of the newest id.
static bool part_counts(const rwd_dedup *d, const part_sum *part, int64_t newest) {
    return part->count > 0 && (part->number + 1) * d->width > newest - d->within;
}

static void ring_root(const rwd_dedup *d, const part_sum *ring, int64_t newest, rwd_hash128 *out_sum, uint64_t *out_count) {
    *out_sum = (rwd_hash128){0};
    *out_count = 0;
    for (size_t i = 0; i < RING; i++) {
        if (!part_counts(d, &ring[i], newest)) continue;
        *out_sum = rwd_hash128_add(*out_sum, ring[i].sum);
        *out_count += ring[i].count;
    }
}

// ---------------------------------------------------------------------------------------------- partitions
static void count_bytes(rwd_dedup *d, int64_t more) {
    d->bytes += (uint64_t)more;
    if (more > 0) rwd_budget_take(d->budget, RWD_SHARE_HOT, (uint64_t)more);
    else rwd_budget_give(d->budget, RWD_SHARE_HOT, (uint64_t)-more);
}

static partition *partition_of(rwd_dedup *d, rwd_hash128 id) { return &d->parts[id.high >> 54]; }
// The first slot of the home group.
static uint32_t home_of(const partition *p, rwd_hash128 id) { return (uint32_t)(((id.low >> 32) * (p->slots / GROUP)) >> 32) * GROUP; }
static uint8_t tag_of(rwd_hash128 id) { return (uint8_t)(0x80 | (id.high & 0x7F)); }

// Slots of a group with this tag, by bit.
static uint32_t match(const uint8_t *group, uint8_t tag) {
#if defined(__SSE2__) && !defined(RWD_GROUP_PORTABLE)
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)group), _mm_set1_epi8((char)tag)));
#else
    uint32_t found = 0;
    for (uint32_t i = 0; i < GROUP; i++) found |= (uint32_t)(group[i] == tag) << i;
    return found;
#endif
}

static int64_t moment_above(int64_t base, const partition *p, uint32_t slot) {
    // Two loads: one wide load of what two narrow stores put together would wait for them.
    uint32_t low;
    uint16_t high;
    const uint8_t *at = p->moments + (size_t)slot * MOMENT_BYTES;
    memcpy(&low, at, sizeof low);
    memcpy(&high, at + sizeof low, sizeof high);
    return base + (int64_t)((uint64_t)high << 32 | low);
}
static int64_t moment_at(const rwd_dedup *d, const partition *p, uint32_t slot) { return moment_above(d->base, p, slot); }
static void set_moment(const rwd_dedup *d, partition *p, uint32_t slot, int64_t moment) {
    uint64_t above = (uint64_t)(moment - d->base);
    assert(above >> MOMENT_BITS == 0);
    memcpy(p->moments + (size_t)slot * MOMENT_BYTES, &above, MOMENT_BYTES);
}

// The slot of an id, or the free one where it belongs.
static uint32_t find(const partition *p, rwd_hash128 id, bool *out_found) {
    uint8_t tag = tag_of(id);
    for (uint32_t at = home_of(p, id);; at = at + GROUP == p->slots ? 0 : at + GROUP) {
        for (uint32_t same = match(p->tags + at, tag); same; same &= same - 1) {
            uint32_t slot = at + (uint32_t)__builtin_ctz(same);
            if (rwd_hash128_equal(p->ids[slot], id)) return *out_found = true, slot;
        }
        uint32_t left = match(p->tags + at, 0);
        if (left) return *out_found = false, at + (uint32_t)__builtin_ctz(left);
    }
}

// The free slot where an id belongs that is not there.
static uint32_t find_free(const partition *p, rwd_hash128 id) {
    uint32_t at = home_of(p, id), left;
    while (!(left = match(p->tags + at, 0))) at = at + GROUP == p->slots ? 0 : at + GROUP;
    return at + (uint32_t)__builtin_ctz(left);
}

static void take_slot(partition *p, uint32_t slot, rwd_hash128 id) {
    p->tags[slot] = tag_of(id);
    p->ids[slot] = id;
    p->used++;
}

static void partition_init(rwd_dedup *d, partition *p, uint32_t slots) {
    slots = (slots + GROUP - 1) / GROUP * GROUP;
    if (slots == 0) slots = GROUP;
    *p = (partition){.tags = rwd_calloc(slots, 1), .ids = rwd_malloc(slots * sizeof *p->ids), .moments = rwd_malloc((size_t)slots * MOMENT_BYTES), .slots = slots};
    count_bytes(d, (int64_t)slots * SLOT_BYTES);
}

static void partition_deinit(rwd_dedup *d, partition *p) {
    free(p->tags);
    free(p->ids);
    free(p->moments);
    count_bytes(d, -(int64_t)p->slots * SLOT_BYTES);
    d->in_memory -= p->used;
    *p = (partition){0};
}

// Memory need not have what has a moment up to here: it has expired, or is the store's. D1, D2.
static int64_t outlived(const rwd_dedup *d) {
    int64_t expired = d->newest == RWD_TIME_NONE ? RWD_TIME_NONE : d->newest - d->within;
    return expired > d->spilled ? expired : d->spilled;
}

// A partition anew, without what memory need not have, and sized for what is left: 0.73 full. `base`: what its moments stand above.
static void rebuild(rwd_dedup *d, partition *p, int64_t base) {
    partition old = *p;
    int64_t last = outlived(d);
    uint32_t kept = 0;
    // Without a branch: which ones stay cannot be foretold.
    for (uint32_t i = 0; i < old.slots; i++) kept += (uint32_t)(old.tags[i] != 0) & (uint32_t)(moment_above(base, &old, i) > last);
    partition_init(d, p, kept + kept / 4 + kept / 8);
    for (uint32_t i = 0; i < old.slots; i++) {
        int64_t moment = moment_above(base, &old, i);
        if (!((uint32_t)(old.tags[i] != 0) & (uint32_t)(moment > last))) continue;
        uint32_t at = find_free(p, old.ids[i]);
        take_slot(p, at, old.ids[i]);
        set_moment(d, p, at, moment);
    }
    d->in_memory += p->used;
    partition_deinit(d, &old);
}

static bool is_full(const partition *p) { return p->used + 1 > p->slots - p->slots / 10 - 1; }  // 0.9

static void put(rwd_dedup *d, rwd_hash128 id, int64_t moment) {
    partition *p = partition_of(d, id);
    if (is_full(p)) rebuild(d, p, d->base);
    bool found;
    uint32_t at = find(p, id, &found);
    if (!found) {
        take_slot(p, at, id);
        d->in_memory++;
    }
    set_moment(d, p, at, moment);
}

// ---------------------------------------------------------------------------------------------- memory
static uint64_t memory_limit(const rwd_dedup *d) { return d->budget->limit[RWD_SHARE_HOT] / 100 * MEMORY_PERCENT; }

// The oldest half of what is in memory, by the ring, goes to the store's care.
static int64_t moment_to_spill(const rwd_dedup *d) {
    uint64_t counted = 0;
    int64_t first = part_number(d, d->newest - d->within), last = part_number(d, d->newest);
    for (int64_t n = first; n <= last; n++) {
        const part_sum *part = &d->ring[part_index(n)];
        if (part->number != n || (n + 1) * d->width <= d->spilled) continue;
        counted += part->count;
        if (counted >= d->in_memory / 2) return (n + 1) * d->width - 1;
    }
    return d->newest;
}

// Gives memory back in portions, one batch after the other.
static void relieve(rwd_dedup *d) {
    if (d->rebuild_left == 0 && d->bytes > memory_limit(d) && d->durable != RWD_TIME_NONE && !d->warm) {
        int64_t wanted = moment_to_spill(d), most = d->durable - 1;  // D2: of the freeze's own moment some may have come after it
        if (wanted > most) wanted = most;
        if (wanted > d->spilled) {
            d->spilled = wanted;
            d->rebuild_left = PARTITIONS;
        }
    }
    for (uint32_t i = 0; i < REBUILD_PORTION && d->rebuild_left > 0; i++, d->rebuild_left--) {
        rebuild(d, &d->parts[d->rebuild_hand], d->base);
        d->rebuild_hand = (d->rebuild_hand + 1) % PARTITIONS;
    }
}

// ---------------------------------------------------------------------------------------------- a batch
static void reserve_asks(rwd_dedup *d, size_t count) {
    if (count <= d->ask_capacity) return;
    d->ask = rwd_realloc(d->ask, count * sizeof *d->ask);
    d->ask_index = rwd_realloc(d->ask_index, count * sizeof *d->ask_index);
    d->ask_first = rwd_realloc(d->ask_first, count * sizeof *d->ask_first);
    d->ask_bytes = rwd_realloc(d->ask_bytes, count * ID_BYTES);
    d->ask_capacity = count;
}

typedef struct asking {
    const rwd_dedup *dedup;
    rwd_dedup_id *ids;
    size_t count;       // of ask_index, sorted by id
} asking;

static int by_bytes(const void *a, const void *b, void *context) {
    const uint8_t *bytes = context;
    return memcmp(bytes + (size_t)*(const uint32_t *)a * ID_BYTES, bytes + (size_t)*(const uint32_t *)b * ID_BYTES, ID_BYTES);
}

// An id that comes several times in a batch is asked for once, and each gets the answer.
static bool take_answer(void *context, size_t index, rwd_slice value) {
    const asking *a = context;
    const rwd_dedup *d = a->dedup;
    if (value.size != 8) return true;
    for (size_t i = d->ask_first[index]; i < a->count && by_bytes(&d->ask_index[i], &d->ask_index[d->ask_first[index]], d->ask_bytes) == 0; i++)
        a->ids[d->ask_index[i]].stored = (int64_t)rwd_get_be64(value.data);
    return true;
}

// Asks the store for the ids at ask_index[0, count).
static bool ask_store(rwd_dedup *d, rwd_dedup_id *ids, size_t count, rwd_error *err) {
    for (size_t i = 0; i < count; i++) rwd_hash128_put(ids[d->ask_index[i]].hash, d->ask_bytes + (size_t)d->ask_index[i] * ID_BYTES);
    qsort_r(d->ask_index, count, sizeof *d->ask_index, by_bytes, d->ask_bytes);
    size_t asks = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && by_bytes(&d->ask_index[i - 1], &d->ask_index[i], d->ask_bytes) == 0) continue;
        d->ask_first[asks] = (uint32_t)i;
        d->ask[asks++] = rwd_slice_of(d->ask_bytes + (size_t)d->ask_index[i] * ID_BYTES, ID_BYTES);
    }
    d->store_reads += asks;
    asking a = {d, ids, count};
    return rwd_store_get_many(d->store, d->ask, asks, take_answer, &a, err);
}

// Brings in what a search looks at, or an addition writes: an entry that has the tag, and the free one at the end. The tags are there. Inlined: of a call GCC sees
// no effect, and drops it.
__attribute__((always_inline)) static inline void fetch_slot(const partition *p, rwd_hash128 id) {
    uint32_t home = home_of(p, id), same = match(p->tags + home, tag_of(id)), at = find_free(p, id);
    if (same) __builtin_prefetch(&p->ids[home + (uint32_t)__builtin_ctz(same)]);
    __builtin_prefetch(&p->ids[at], 1);
    __builtin_prefetch(p->moments + (size_t)at * MOMENT_BYTES, 1);
}

bool rwd_dedup_resolve(rwd_dedup *d, rwd_dedup_id *ids, size_t count, int64_t stream_time, rwd_error *err) {
    if (d->failed) {
        *err = d->failure;
        return false;
    }
    relieve(d);
    for (size_t i = 0; i < count; i++) {
        const partition *p = partition_of(d, ids[i].hash);
        __builtin_prefetch(p->tags + home_of(p, ids[i].hash));
        ids[i].stored = RWD_TIME_NONE;
    }
    for (size_t i = 0; i < count; i++) fetch_slot(partition_of(d, ids[i].hash), ids[i].hash);
    int64_t elsewhere = d->spilled > d->unloaded ? d->spilled : d->unloaded;
    if (elsewhere == RWD_TIME_NONE || !remembered(d, elsewhere, stream_time)) return true;  // all that counts is in memory
    reserve_asks(d, count);
    size_t asks = 0;
    for (size_t i = 0; i < count; i++) {
        const partition *p = partition_of(d, ids[i].hash);
        bool found;
        uint32_t at = find(p, ids[i].hash, &found);
        if (!found) d->ask_index[asks++] = (uint32_t)i;
        else ids[i].stored = moment_at(d, p, at);  // adding another one of the batch may rebuild the partition without it
    }
    return asks == 0 || ask_store(d, ids, asks, err);
}

bool rwd_dedup_seen(const rwd_dedup *d, const rwd_dedup_id *id, int64_t stream_time) {
    const partition *p = partition_of((rwd_dedup *)(uintptr_t)d, id->hash);
    bool found;
    uint32_t at = find(p, id->hash, &found);
    if (found) return remembered(d, moment_at(d, p, at), stream_time);
    return id->stored != RWD_TIME_NONE && remembered(d, id->stored, stream_time);
}

static void keep_fresh(rwd_dedup *d, rwd_hash128 id, int64_t moment) {
    if (!d->fresh.newest || d->fresh.newest->count == CHUNK_IDS) {
        fresh_chunk *chunk = rwd_malloc(sizeof *chunk);
        chunk->next = d->fresh.newest;
        chunk->count = 0;
        d->fresh.newest = chunk;
        count_bytes(d, sizeof *chunk);
    }
    d->fresh.newest->ids[d->fresh.newest->count++] = (fresh_id){id, moment};
    d->fresh.count++;
}

// The 48 bits reach nine years above the base. Behind that all is moved; what the new base does not reach has expired.
static void move_base(rwd_dedup *d, int64_t moment) {
    int64_t old = d->base;
    d->base = moment - d->within;
    for (uint32_t i = 0; i < PARTITIONS; i++)
        if (d->parts[i].used) rebuild(d, &d->parts[i], old);
}

void rwd_dedup_add(rwd_dedup *d, const rwd_dedup_id *id, int64_t moment) {
    assert(moment >= d->newest);
    bool first = d->newest == RWD_TIME_NONE;
    d->newest = moment;
    if (first || (uint64_t)(moment - d->base) >> MOMENT_BITS != 0) move_base(d, moment);
    put(d, id->hash, moment);
    count_into_ring(d, id->hash, moment);
    keep_fresh(d, id->hash, moment);
}

bool rwd_dedup_pressed(const rwd_dedup *d) {
    return !d->freeze_open && d->fresh.count * sizeof(fresh_id) > d->budget->limit[RWD_SHARE_HOT] / 100 * PRESSED_PERCENT;
}

void rwd_dedup_get_stats(const rwd_dedup *d, rwd_dedup_stats *out) {
    rwd_hash128 ignored;
    *out = (rwd_dedup_stats){.in_memory = d->in_memory, .bytes = d->bytes, .store_reads = d->store_reads};
    if (d->newest != RWD_TIME_NONE) ring_root(d, d->ring, d->newest, &ignored, &out->ids);
}

// ---------------------------------------------------------------------------------------------- the participant
static rwd_dedup *dedup_of(rwd_participant *self) { return (rwd_dedup *)(void *)self; }

static void list_reset(rwd_dedup *d, fresh_list *list) {
    for (fresh_chunk *c = list->newest, *next; c; c = next) {
        next = c->next;
        free(c);
        count_bytes(d, -(int64_t)sizeof *c);
    }
    *list = (fresh_list){0};
}

static void freeze(rwd_participant *self, int64_t next_offset) {
    (void)next_offset;
    rwd_dedup *d = dedup_of(self);
    assert(!d->freeze_open);
    d->frozen = d->fresh;
    d->fresh = (fresh_list){0};
    memcpy(d->frozen_ring, d->ring, sizeof d->ring);
    d->frozen_newest = d->newest;
    d->freeze_open = true;
    if (d->newest != RWD_TIME_NONE) atomic_store_explicit(&d->expired, d->newest - d->within, memory_order_relaxed);  // D4
}

static bool sweep(rwd_participant *self, size_t limit) {
    (void)self;
    (void)limit;
    return true;
}

// Into buckets by their first bits, each of which then sorts in the cache: ids are spread evenly.
static size_t bucket_of(rwd_hash128 id) { return (size_t)(id.high >> 53); }
_Static_assert(SORT_BUCKETS == 1u << (64 - 53), "a bucket for each of the first bits");

// The later moment first, of equal ids.
static int by_id(const void *a, const void *b) {
    const fresh_id *x = a, *y = b;
    if (x->id.high != y->id.high) return x->id.high < y->id.high ? -1 : 1;
    if (x->id.low != y->id.low) return x->id.low < y->id.low ? -1 : 1;
    return x->moment > y->moment ? -1 : x->moment < y->moment;
}

#define RING_PART_BYTES 32u

static void encode_ring(const rwd_dedup *d, rwd_buf *out) {
    uint8_t head[16];
    rwd_put_be64(head, (uint64_t)d->frozen_newest);
    rwd_put_be64(head + 8, (uint64_t)d->within);
    rwd_buf_append(out, head, sizeof head);
    for (size_t i = 0; i < RING; i++) {
        uint8_t bytes[RING_PART_BYTES];
        if (!part_counts(d, &d->frozen_ring[i], d->frozen_newest)) continue;
        rwd_put_be64(bytes, (uint64_t)d->frozen_ring[i].number);
        rwd_put_be64(bytes + 8, d->frozen_ring[i].count);
        rwd_hash128_put(d->frozen_ring[i].sum, bytes + 16);
        rwd_buf_append(out, bytes, sizeof bytes);
    }
}

static fresh_id *sorted_frozen(const rwd_dedup *d, size_t *out_count) {
    fresh_id *ids = rwd_malloc((d->frozen.count + 1) * sizeof *ids);
    size_t *ends = rwd_calloc(SORT_BUCKETS + 1, sizeof *ends), from = 0;
    for (const fresh_chunk *c = d->frozen.newest; c; c = c->next)
        for (size_t i = 0; i < c->count; i++) ends[bucket_of(c->ids[i].id) + 1]++;
    for (size_t b = 1; b <= SORT_BUCKETS; b++) ends[b] += ends[b - 1];
    for (const fresh_chunk *c = d->frozen.newest; c; c = c->next)
        for (size_t i = 0; i < c->count; i++) ids[ends[bucket_of(c->ids[i].id)]++] = c->ids[i];
    for (size_t b = 0; b < SORT_BUCKETS; from = ends[b++])
        if (ends[b] > from + 1) qsort(ids + from, ends[b] - from, sizeof *ids, by_id);
    *out_count = d->frozen.count;
    free(ends);
    return ids;
}

// Ids are 16 bytes and the ring's key is one: it stands where its byte sorts.
static bool write_ids(rwd_dedup *d, rwd_store_file *file, const fresh_id *ids, size_t count, rwd_error *err) {
    static const uint8_t ring_key[] = {'r'};
    rwd_buf ring = {0};
    encode_ring(d, &ring);
    bool ok = true, ring_done = false;
    for (size_t i = 0; ok && i <= count; i++) {
        uint8_t key[ID_BYTES], value[8];
        if (i < count) rwd_hash128_put(ids[i].id, key);
        if (!ring_done && (i == count || key[0] >= ring_key[0])) {
            ok = rwd_store_file_put(file, rwd_slice_of(ring_key, sizeof ring_key), rwd_buf_slice(&ring), err);
            ring_done = true;
        }
        if (!ok || i == count || (i && rwd_hash128_equal(ids[i].id, ids[i - 1].id))) continue;
        rwd_put_be64(value, (uint64_t)ids[i].moment);
        ok = rwd_store_file_put(file, rwd_slice_of(key, sizeof key), rwd_slice_of(value, sizeof value), err);
    }
    rwd_buf_deinit(&ring);
    return ok;
}

static bool write_file(rwd_dedup *d, rwd_error *err) {
    char path[RWD_PATH_MAX];
    rwd_store_file *file;
    size_t count;
    if (!rwd_path_join(path, d->live_dir, INCOMING_FILE, err) || !rwd_store_file_begin(d->store, path, &file, err)) return false;
    fresh_id *ids = sorted_frozen(d, &count);
    bool ok = write_ids(d, file, ids, count, err);
    free(ids);
    if (ok) return rwd_store_file_ingest(file, err);
    rwd_store_file_abandon(file);
    return false;
}

// Thread: checkpoint.
static bool write_frozen(rwd_participant *self, const char *dir, rwd_error *err) {
    rwd_dedup *d = dedup_of(self);
    char folder[RWD_PATH_MAX];
    if (!write_file(d, err) || !rwd_path_join(folder, dir, FOLDER, err) || !rwd_store_checkpoint(d->store, folder, err)) return false;
    rwd_store_count_memory(d->store, d->budget, &d->store_bytes);
    return true;
}

static rwd_hash128 digest(rwd_participant *self) {
    const rwd_dedup *d = dedup_of(self);
    rwd_hash128 sum;
    uint64_t count;
    if (d->frozen_newest == RWD_TIME_NONE) return (rwd_hash128){0};
    ring_root(d, d->frozen_ring, d->frozen_newest, &sum, &count);
    return sum;
}

static void thaw(rwd_participant *self) {
    rwd_dedup *d = dedup_of(self);
    assert(d->freeze_open);
    d->freeze_open = false;
    list_reset(d, &d->frozen);
    d->durable = d->frozen_newest;
}

static void discard(rwd_participant *self) {
    rwd_dedup *d = dedup_of(self);
    rwd_store_scan_close(d->warm);
    d->warm = NULL;
    rwd_store_close(d->store);
    d->store = NULL;
    rwd_budget_give(d->budget, RWD_SHARE_STORE, d->store_bytes);
    d->store_bytes = 0;
    for (uint32_t i = 0; i < PARTITIONS; i++) partition_deinit(d, &d->parts[i]);
    list_reset(d, &d->fresh);
    list_reset(d, &d->frozen);
    memset(d->ring, 0, sizeof d->ring);
    d->newest = d->spilled = d->unloaded = d->durable = d->frozen_newest = RWD_TIME_NONE;
    d->freeze_open = d->failed = false;
    d->rebuild_left = 0;
    d->part_from = d->part_until = 0;
    atomic_store(&d->expired, INT64_MIN);
}

// What an earlier checkpoint wrote: untrusted. Takes over the span that it was written for where `d` has none yet.
static bool decode_ring(rwd_dedup *d, rwd_slice bytes, rwd_error *err) {
    if (bytes.size >= 16 && d->within == 0) set_span(d, (int64_t)rwd_get_be64(bytes.data + 8));
    if (d->within <= 0 || (uint64_t)d->within >> (MOMENT_BITS - 1) != 0) return rwd_fail(err, RWD_E_CORRUPT, "the span of the ids is not one");
    if (bytes.size < 16 || (bytes.size - 16) % RING_PART_BYTES != 0 || (bytes.size - 16) / RING_PART_BYTES > RING)
        return rwd_fail(err, RWD_E_CORRUPT, "the sums of the ids have a wrong size");
    if ((int64_t)rwd_get_be64(bytes.data + 8) != d->within) return rwd_fail(err, RWD_E_LOGIC_CHANGED, "the checkpoint remembers ids for another span");
    d->newest = (int64_t)rwd_get_be64(bytes.data);
    for (const uint8_t *at = bytes.data + 16; at < bytes.data + bytes.size; at += RING_PART_BYTES) {
        part_sum part = {.number = (int64_t)rwd_get_be64(at), .count = rwd_get_be64(at + 8), .sum = rwd_hash128_get(at + 16)};
        d->ring[part_index(part.number)] = part;
    }
    return true;
}

static bool load_ring(rwd_dedup *d, rwd_error *err) {
    static const uint8_t ring_key[] = {'r'};
    rwd_buf ring = {0};
    bool found, ok = rwd_store_get(d->store, rwd_slice_of(ring_key, sizeof ring_key), &found, &ring, err);
    if (ok && !found) ok = rwd_fail(err, RWD_E_CORRUPT, "the sums of the ids are missing");
    ok = ok && decode_ring(d, rwd_buf_slice(&ring), err);
    rwd_buf_deinit(&ring);
    return ok;
}

// Thread: RocksDB's compaction. Drops ids that have expired: a fall-back opens files of its own, which still have them.
static bool has_expired(void *context, rwd_slice key, rwd_slice value) {
    rwd_dedup *d = context;
    return key.size == ID_BYTES && value.size == 8 && (int64_t)rwd_get_be64(value.data) <= atomic_load_explicit(&d->expired, memory_order_relaxed);
}

static bool open_store(rwd_dedup *d, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    char store_dir[RWD_PATH_MAX], from[RWD_PATH_MAX];
    if (!rwd_path_join(store_dir, live_dir, FOLDER, err)) return false;
    snprintf(d->live_dir, sizeof d->live_dir, "%s", live_dir);
    if (checkpoint_dir && (!rwd_path_join(from, checkpoint_dir, FOLDER, err) || !rwd_store_copy(from, store_dir, err))) return false;
    uint64_t cache = d->budget->limit[RWD_SHARE_STORE] / 100 * CACHE_PERCENT;
    rwd_store_filter filter = {has_expired, d};
    return rwd_store_open_filtered(store_dir, checkpoint_dir ? RWD_STORE_OPEN : RWD_STORE_CREATE, cache, &filter, &d->store, err);
}

static bool open_dedup(rwd_participant *self, const char *checkpoint_dir, const char *live_dir, rwd_error *err) {
    rwd_dedup *d = dedup_of(self);
    assert(!d->store);
    for (uint32_t i = 0; i < PARTITIONS; i++) partition_init(d, &d->parts[i], GROUP);
    if (!open_store(d, checkpoint_dir, live_dir, err) || (checkpoint_dir && !load_ring(d, err))) {
        discard(self);
        return false;
    }
    d->durable = d->newest;
    if (d->newest == RWD_TIME_NONE) return true;
    // D2: until they are loaded, all ids are asked of the store.
    d->base = d->newest - d->within;
    d->unloaded = d->newest;
    atomic_store(&d->expired, d->newest - d->within);
    d->warm = rwd_store_scan_open(d->store, rwd_slice_of(NULL, 0), rwd_slice_of(NULL, 0));
    d->warm_room = memory_limit(d) > d->bytes ? (memory_limit(d) - d->bytes) / (SLOT_BYTES * 3 / 2) : 0;
    return true;
}

// All are in memory, or there is no room for more: what is not there is asked of the store.
static void end_warm(rwd_dedup *d, bool all) {
    rwd_store_scan_close(d->warm);
    d->warm = NULL;
    if (all) d->unloaded = RWD_TIME_NONE;
}

bool rwd_dedup_warm(rwd_dedup *d, size_t limit) {
    rwd_slice key, value;
    for (; d->warm && limit > 0; limit--) {
        if (d->warm_room == 0) {
            end_warm(d, false);
        } else if (!rwd_store_scan_next(d->warm, &key, &value)) {
            d->failed = !rwd_store_scan_ok(d->warm, &d->failure);
            end_warm(d, !d->failed);
        } else if (key.size == ID_BYTES && value.size == 8) {
            rwd_hash128 id = rwd_hash128_get(key.data);
            int64_t moment = (int64_t)rwd_get_be64(value.data);
            bool found;
            if (!remembered(d, moment, d->newest) || moment < d->base) continue;
            (void)find(partition_of(d, id), id, &found);  // what was added since is newer
            if (found) continue;
            put(d, id, moment);
            d->warm_room--;
        }
    }
    return d->warm == NULL;
}

static uint64_t bytes(const rwd_participant *self) { return ((const rwd_dedup *)(const void *)self)->bytes; }

static const rwd_participant_ops dedup_ops = {
    .name = FOLDER, .freeze = freeze, .sweep = sweep, .write = write_frozen, .digest = digest, .thaw = thaw, .discard = discard,
    .open = open_dedup, .bytes = bytes,
};

rwd_dedup *rwd_dedup_new(rwd_budget *budget, int64_t within) {
    assert(within > 0 && (uint64_t)within >> (MOMENT_BITS - 1) == 0);
    rwd_dedup *d = rwd_calloc(1, sizeof *d);
    d->participant.ops = &dedup_ops;
    d->budget = budget;
    set_span(d, within);
    d->newest = d->spilled = d->unloaded = d->durable = d->frozen_newest = RWD_TIME_NONE;
    atomic_store(&d->expired, INT64_MIN);
    return d;
}

void rwd_dedup_free(rwd_dedup *d) {
    if (!d) return;
    discard(&d->participant);
    free(d->ask);
    free(d->ask_index);
    free(d->ask_first);
    free(d->ask_bytes);
    free(d);
}

rwd_participant *rwd_dedup_participant(rwd_dedup *d) { return &d->participant; }

// ---------------------------------------------------------------------------------------------- a finished checkpoint
// Sums of what is there, beside the stored ones.
static bool scan_ids(rwd_dedup *d, rwd_error *err) {
    rwd_slice key, value;
    rwd_store_scan *scan = rwd_store_scan_open(d->store, rwd_slice_of(NULL, 0), rwd_slice_of(NULL, 0));
    while (rwd_store_scan_next(scan, &key, &value)) {
        if (key.size != ID_BYTES || value.size != 8) continue;
        int64_t moment = (int64_t)rwd_get_be64(value.data), number = part_number(d, moment);
        part_sum *part = &d->frozen_ring[part_index(number)];
        if (!remembered(d, number * d->width, d->newest)) continue;  // its 256th is expiring, or has expired
        if (part->count == 0) *part = (part_sum){.number = number};
        part->sum = rwd_hash128_add(part->sum, hash_of(rwd_hash128_get(key.data), moment));
        part->count++;
    }
    bool ok = rwd_store_scan_ok(scan, err);
    rwd_store_scan_close(scan);
    return ok;
}

static bool compare_sums(const rwd_dedup *d, rwd_error *err) {
    for (size_t i = 0; i < RING; i++) {
        const part_sum *stored = &d->ring[i], *found = &d->frozen_ring[i];
        bool whole = stored->count > 0 && remembered(d, stored->number * d->width, d->newest);
        if (!whole && found->count == 0) continue;
        if (whole && found->count == stored->count && rwd_hash128_equal(found->sum, stored->sum)) continue;
        return rwd_fail(err, RWD_E_DIGEST_MISMATCH, "%llu remembered ids of a part of the span are there, and there should be %llu, or others",
                        (unsigned long long)found->count, whole ? (unsigned long long)stored->count : 0);
    }
    return true;
}

bool rwd_dedup_scan_digest(const char *checkpoint_dir, rwd_hash128 *out, rwd_error *err) {
    char dir[RWD_PATH_MAX];
    uint64_t ignored;
    *out = (rwd_hash128){0};
    if (!rwd_path_join(dir, checkpoint_dir, FOLDER, err)) return false;
    if (!rwd_path_exists(dir)) return true;
    rwd_dedup *d = rwd_calloc(1, sizeof *d);
    bool ok = rwd_store_open(dir, RWD_STORE_READ_ONLY, SCAN_CACHE, &d->store, err) && load_ring(d, err);
    if (ok && d->newest != RWD_TIME_NONE) {
        ok = scan_ids(d, err) && compare_sums(d, err);
        ring_root(d, d->ring, d->newest, out, &ignored);
    }
    rwd_store_close(d->store);
    free(d);
    return ok;
}
