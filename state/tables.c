// The contract of tables.h: resolving batches of touches, rows, changes, questions.
//
// resolve works in blocks: the control bytes of a whole block are fetched ahead, then its slots, then keys are compared, so that the
// waits for memory overlap. Nothing on this path allocates, locks or calls the system once the table has its size.
#include "state/tables.h"

#include <assert.h>
#include <stdlib.h>

#include "state/tables_private.h"

#define BLOCK 32                // touches whose memory is fetched ahead together
#define WARM_PORTION 64         // rows put in at a time
#define CHANGED_FIRST 1024      // entries of a table's first list of changes

static void free_parts(rwd_tables *tables) {
    free(tables->tables);
    free(tables->delta[0]);
    free(tables->delta[1]);
    free(tables->base);
    free(tables->misses);
    free(tables->miss_keys);
    rwd_buf_deinit(&tables->miss_bytes);
    rwd_buf_deinit(&tables->scratch);
    free(tables);
}

// Fixed parts have one size; strings get what most keys need.
static uint32_t key_capacity(const rwd_schema *schema) {
    static const uint32_t sizes[RWD_TYPE_COUNT] = {
        [RWD_TYPE_STRING] = RWD_STRING_INLINE, [RWD_TYPE_INT] = 9, [RWD_TYPE_DECIMAL] = 17, [RWD_TYPE_BOOL] = 2, [RWD_TYPE_TIME] = 9,
        [RWD_TYPE_FLOAT] = 9, [RWD_TYPE_BYTES] = RWD_STRING_INLINE,
    };
    uint32_t sum = 0;
    for (size_t i = 0; i < schema->part_count; i++) sum += sizes[schema->parts[i].type];
    if (sum < 8) sum = 8;  // room for the pointer to a spilled key
    return sum < RWD_KEY_INLINE_MAX ? sum : RWD_KEY_INLINE_MAX;
}

static bool init_table(rwd_table *table, const rwd_schema *schema, uint32_t segment_size, rwd_error *err) {
    table->schema = schema;
    uint32_t row_max = segment_size / 16 < RWD_ROW_INLINE_MAX ? segment_size / 16 : RWD_ROW_INLINE_MAX;
    uint32_t row = schema->row_size <= row_max && !schema->variable ? schema->row_size : 8;  // larger rows, and those that grow, are spilled
    if (rwd_geometry_init(&table->geometry, segment_size, key_capacity(schema), row)) return true;
    return rwd_fail(err, RWD_E_CONFIG, "table %s: a row of %u bytes is too large", schema->name, schema->row_size);
}

bool rwd_tables_new_sized(const rwd_schema *schemas, size_t schema_count, rwd_budget *budget, const rwd_tables_sizes *sizes,
                          rwd_tables **out, rwd_error *err) {
    assert(schema_count >= 1 && schema_count <= RWD_TABLES_MAX);
    rwd_tables *tables = rwd_calloc(1, sizeof *tables);
    tables->participant.ops = &rwd_tables_ops;
    tables->schemas = schemas;
    tables->count = schema_count;
    tables->budget = budget;
    tables->tables = rwd_calloc(schema_count, sizeof *tables->tables);
    tables->delta[0] = rwd_calloc(1, sizeof *tables->delta[0]);
    tables->delta[1] = rwd_calloc(1, sizeof *tables->delta[1]);
    tables->base = rwd_calloc(1, sizeof *tables->base);
    for (size_t i = 0; i < schema_count; i++) {
        assert(schemas[i].number == i);
        if (!init_table(&tables->tables[i], &schemas[i], sizes->segment, err)) {
            free_parts(tables);
            return false;
        }
    }
    rwd_pool_init(&tables->pool, budget, sizes->segment, sizes->pool_chunk);
    rwd_outbox_init(&tables->outbox, budget, sizes->out_chunk);
    rwd_buf_reserve(&tables->scratch, RWD_STORE_KEY_PREFIX + RWD_KEY_BYTES_MAX + RWD_ROW_BYTES_MAX);
    *out = tables;
    return true;
}

bool rwd_tables_new(const rwd_schema *schemas, size_t schema_count, rwd_budget *budget, rwd_tables **out, rwd_error *err) {
    const rwd_tables_sizes sizes = {RWD_SEGMENT_SIZE, RWD_POOL_CHUNK_SIZE, RWD_OUT_CHUNK_SIZE};
    return rwd_tables_new_sized(schemas, schema_count, budget, &sizes, out, err);
}

void rwd_tables_free(rwd_tables *tables) {
    if (!tables) return;
    rwd_tables_ops.discard(&tables->participant);
    for (size_t i = 0; i < tables->count; i++) {
        rwd_table *table = &tables->tables[i];
        rwd_budget_give(tables->budget, RWD_SHARE_SINK, table->changed_capacity * sizeof *table->changed);
        free(table->changed);
    }
    rwd_pool_reset(&tables->pool);
    rwd_outbox_deinit(&tables->outbox);
    free_parts(tables);
}

rwd_participant *rwd_tables_participant(rwd_tables *tables) { return &tables->participant; }

// ---------------------------------------------------------------------------------------------- insert
rwd_slot *rwd_tables_insert(rwd_tables *tables, rwd_table *table, uint64_t hash, rwd_slice key, const uint8_t *row,
                            uint32_t row_size) {
    const rwd_geometry *g = &table->geometry;
    void *key_block = NULL, *row_block = NULL;
    bool spill_key = key.size > g->key_capacity, spill_row = row && row_size > g->row_capacity;
    if (spill_key && !(key_block = rwd_tables_spill(tables, key.size))) return NULL;
    rwd_segment *segment = NULL;
    if (!spill_row || (row_block = rwd_tables_spill(tables, row_size))) segment = rwd_tables_room(tables, table, hash);
    if (!segment) {
        if (key_block) rwd_spill_give(&tables->pool, key_block, key.size);
        if (row_block) rwd_spill_give(&tables->pool, row_block, row_size);
        return NULL;
    }
    rwd_slot *slot = rwd_segment_place(g, segment, hash);
    slot->key_size = key.size & 0x3FFF;
    slot->key_spilled = spill_key;
    slot->row_spilled = spill_row;
    if (spill_key) memcpy(rwd_slot_key_area(slot), &key_block, sizeof key_block);
    if (spill_row) memcpy(rwd_slot_row_area(g, slot), &row_block, sizeof row_block);
    memcpy((uint8_t *)(uintptr_t)rwd_slot_key(slot), key.data, key.size);
    if (row) {
        slot->present = 1;
        slot->row_size = row_size & 0x1FFFF;
        memcpy(rwd_slot_row(g, slot), row, row_size);
    } else {
        segment->absent++;
    }
    table->used++;
    return slot;
}

// ---------------------------------------------------------------------------------------------- resolve
static rwd_table *table_of(rwd_tables *tables, const rwd_touch *touch) {
    assert(touch->table < tables->count);
    return &tables->tables[touch->table];
}

// What resolve carries through its steps.
typedef struct resolving {
    rwd_tables *tables;
    rwd_touch *touches;
    size_t count;
    size_t missed;  // in tables->misses
} resolving;

static void mark_used(const rwd_tables *tables, rwd_slot *slot) {
    slot->referenced = 1;
    slot->batch = tables->batch & RWD_BATCH_MASK;
}

// Settles one touch: found, put in as absent where the whole table is in memory, or noted as a miss. False: no room.
static bool settle(resolving *r, size_t index) {
    rwd_tables *tables = r->tables;
    rwd_touch *touch = &r->touches[index];
    rwd_table *table = table_of(tables, touch);
    rwd_segment *segment = rwd_directory_find(table, touch->hash);
    rwd_slot *slot = rwd_segment_find(&table->geometry, segment, touch->hash, touch->key, touch->key_size);
    touch->slot = slot;
    if (slot) {
        mark_used(tables, slot);
        return true;
    }
    if (!table->complete) {
        tables->misses[r->missed++] = (uint32_t)index;
        return true;
    }
    slot = rwd_tables_insert(tables, table, touch->hash, rwd_slice_of(touch->key, touch->key_size), NULL, 0);
    touch->slot = slot;
    if (!slot) return false;
    mark_used(tables, slot);
    tables->stats.misses++;
    return true;
}

// Fetches control bytes, then slots, of a block ahead of its comparisons.
static bool settle_block(resolving *r, size_t begin, size_t count) {
    rwd_tables *tables = r->tables;
    rwd_segment *segments[BLOCK];
    for (size_t i = 0; i < count; i++) {
        const rwd_touch *touch = &r->touches[begin + i];
        const rwd_table *table = table_of(tables, touch);
        segments[i] = rwd_directory_find(table, touch->hash);
        __builtin_prefetch(rwd_segment_groups(segments[i]) + (size_t)rwd_hash_group(&table->geometry, touch->hash) * 16);
    }
    for (size_t i = 0; i < count; i++) {
        const rwd_touch *touch = &r->touches[begin + i];
        const rwd_geometry *g = &table_of(tables, touch)->geometry;
        uint32_t group = rwd_hash_group(g, touch->hash);
        uint32_t match = rwd_group_match(rwd_segment_groups(segments[i]) + (size_t)group * 16, rwd_hash_tag(touch->hash));
        if (!match) continue;
        rwd_slot *slot = rwd_segment_slot(g, segments[i], group * RWD_GROUP_SLOTS + (uint32_t)__builtin_ctz(match));
        __builtin_prefetch(slot, 1);
        __builtin_prefetch((uint8_t *)slot + 64, 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (!settle(r, begin + i)) return false;
    }
    return true;
}

// Slots moved while the batch was settled (a segment was split): find all of them again. None of them can have gone.
static void find_again(resolving *r) {
    for (size_t i = 0; i < r->count; i++) {
        rwd_touch *touch = &r->touches[i];
        rwd_table *table = table_of(r->tables, touch);
        touch->slot = rwd_segment_find(&table->geometry, rwd_directory_find(table, touch->hash), touch->hash, touch->key,
                                       touch->key_size);
        assert(touch->slot);
    }
}

// While a sweep is under way, the writes of this batch may have to copy frozen versions out: there must be room for all of them.
static bool frozen_copies_fit(const resolving *r) {
    const rwd_tables *tables = r->tables;
    if (!tables->freeze_open || tables->swept) return true;
    unsigned frozen_parity = rwd_tables_parity(tables) ^ 1;
    size_t bytes = 0;
    for (size_t i = 0; i < r->count; i++) {
        const rwd_slot *slot = r->touches[i].slot;
        if (slot->epoch != tables->epoch - 1) continue;
        const rwd_geometry *g = &tables->tables[r->touches[i].table].geometry;
        const rwd_segment *segment = rwd_pool_segment_of(&tables->pool, slot);
        if (rwd_segment_bit(g, segment, frozen_parity, rwd_segment_index(g, segment, slot))) bytes += rwd_slot_entry_size(slot);
    }
    return bytes == 0 || rwd_outbox_fits(&tables->outbox, bytes);
}

// ---------------------------------------------------------------------------------------------- misses
// Sorts touches by store key. Context of the comparison: the touches.
static int by_store_key(const void *a, const void *b, void *context) {
    const rwd_touch *touches = context;
    const rwd_touch *x = &touches[*(const uint32_t *)a], *y = &touches[*(const uint32_t *)b];
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    uint16_t bx = rwd_hash_bucket(x->hash), by = rwd_hash_bucket(y->hash);
    if (bx != by) return bx < by ? -1 : 1;
    return rwd_slice_compare(rwd_slice_of(x->key, x->key_size), rwd_slice_of(y->key, y->key_size));
}

typedef struct loading {
    resolving *r;
    const uint32_t *touches;  // one per key asked for
    bool full;
} loading;

static bool load_answer(void *context, size_t index, rwd_slice value) {
    loading *l = context;
    rwd_tables *tables = l->r->tables;
    const rwd_touch *touch = &l->r->touches[l->touches[index]];
    rwd_slot *slot = rwd_tables_insert(tables, table_of(tables, touch), touch->hash, rwd_slice_of(touch->key, touch->key_size),
                                       value.data, (uint32_t)value.size);
    l->full = slot == NULL;
    if (slot) mark_used(tables, slot);
    return slot != NULL;
}

// Leaves each missed key once, in order. Returns how many.
static size_t without_doubles(resolving *r) {
    uint32_t *misses = r->tables->misses;
    size_t kept = 0;
    for (size_t i = 0; i < r->missed; i++) {
        if (kept && by_store_key(&misses[kept - 1], &misses[i], r->touches) == 0) continue;
        misses[kept++] = misses[i];
    }
    return kept;
}

static rwd_resolve load_misses(resolving *r, rwd_error *err) {
    rwd_tables *tables = r->tables;
    qsort_r(tables->misses, r->missed, sizeof *tables->misses, by_store_key, r->touches);
    size_t count = without_doubles(r), bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += RWD_STORE_KEY_PREFIX + r->touches[tables->misses[i]].key_size;
    rwd_buf_clear(&tables->miss_bytes);
    rwd_buf_reserve(&tables->miss_bytes, bytes);
    for (size_t i = 0; i < count; i++) {
        const rwd_touch *touch = &r->touches[tables->misses[i]];
        uint8_t *at = tables->miss_bytes.data + tables->miss_bytes.size;
        rwd_store_key_prefix(at, touch->table, touch->hash);
        memcpy(at + RWD_STORE_KEY_PREFIX, touch->key, touch->key_size);
        tables->miss_keys[i] = rwd_slice_of(at, RWD_STORE_KEY_PREFIX + touch->key_size);
        tables->miss_bytes.size += tables->miss_keys[i].size;
    }
    tables->stats.misses += count;
    tables->stats.store_reads += count;
    loading l = {.r = r, .touches = tables->misses};
    if (!rwd_store_get_many(tables->store, tables->miss_keys, count, load_answer, &l, err)) return RWD_RESOLVE_FAILED;
    return l.full ? RWD_RESOLVE_FULL : RWD_RESOLVED;
}

static void reserve_misses(rwd_tables *tables, size_t count) {
    if (count <= tables->misses_capacity) return;
    tables->misses = rwd_realloc(tables->misses, count * sizeof *tables->misses);
    tables->miss_keys = rwd_realloc(tables->miss_keys, count * sizeof *tables->miss_keys);
    tables->misses_capacity = count;
}

static rwd_resolve full(rwd_tables *tables) {
    tables->stats.full++;
    return RWD_RESOLVE_FULL;
}

rwd_resolve rwd_tables_resolve(rwd_tables *tables, rwd_touch *touches, size_t count, rwd_error *err) {
    assert(tables->store && count <= UINT32_MAX);
    resolving r = {.tables = tables, .touches = touches, .count = count};
    uint64_t moves = tables->moves, misses = tables->stats.misses;
    tables->batch = (tables->batch + 1) & RWD_BATCH_MASK;
    if (rwd_pool_over(&tables->pool) && !rwd_tables_shrink(tables) && (tables->dirty > 0 || tables->freeze_open)) return full(tables);
    reserve_misses(tables, count);
    for (size_t begin = 0; begin < count; begin += BLOCK) {
        if (!settle_block(&r, begin, count - begin < BLOCK ? count - begin : BLOCK)) return full(tables);
    }
    if (r.missed) {
        rwd_resolve loaded = load_misses(&r, err);
        if (loaded != RWD_RESOLVED) return loaded == RWD_RESOLVE_FULL ? full(tables) : loaded;
    }
    if (r.missed || tables->moves != moves) find_again(&r);
    if (!frozen_copies_fit(&r)) return full(tables);
    tables->stats.hits += count - (tables->stats.misses - misses);
    return RWD_RESOLVED;
}

// ---------------------------------------------------------------------------------------------- rows
const uint8_t *rwd_tables_row(rwd_tables *tables, const rwd_touch *touch, uint32_t *out_size) {
    const rwd_slot *slot = touch->slot;
    if (!slot->present) return NULL;
    *out_size = (uint32_t)slot->row_size;
    return rwd_slot_row(&table_of(tables, touch)->geometry, slot);
}

void rwd_tables_turn(rwd_tables *tables, rwd_touch *touch) {
    const rwd_table *table = table_of(tables, touch);
    touch->hash = rwd_key_hash(touch->table, rwd_slice_of(touch->key, touch->key_size));
    touch->slot = rwd_segment_find(&table->geometry, rwd_directory_find(table, touch->hash), touch->hash, touch->key, touch->key_size);
    assert(touch->slot && "resolved with the batch");
}

static void grow_changed(rwd_tables *tables, rwd_table *table) {
    size_t more = table->changed_capacity ? table->changed_capacity : CHANGED_FIRST;
    table->changed_capacity += more;
    table->changed = rwd_realloc(table->changed, table->changed_capacity * sizeof *table->changed);
    rwd_budget_take(tables->budget, RWD_SHARE_SINK, more * sizeof *table->changed);
}

// Of the row as it still is.
static uint64_t mark_of(const rwd_table *table, rwd_slot *slot) {
    const uint8_t *row = slot->present ? rwd_slot_row(&table->geometry, slot) : NULL;
    if (!table->mark) return row ? UINT64_MAX : 0;
    return table->mark(table->mark_context, table->schema->number, rwd_slice_of(rwd_slot_key(slot), slot->key_size), row, (uint32_t)slot->row_size);
}

// Lists the slot as changed, once per take.
static void note_change(rwd_tables *tables, rwd_table *table, rwd_slot *slot) {
    if (table->changed_count == table->changed_capacity) grow_changed(tables, table);
    assert(table->changed_count < UINT32_MAX);
    table->changed[table->changed_count++] = (rwd_change){.hash = slot->hash, .mark = mark_of(table, slot)};
    table->changed_bytes += slot->key_size + (slot->present ? slot->row_size : 0);
    slot->change = (uint32_t)table->changed_count;
}

static void before_change(rwd_tables *tables, rwd_table *table, rwd_slot *slot) {
    if (slot->epoch != tables->epoch) rwd_tables_first_touch(tables, table, slot);
    if (table->tracked && slot->change == 0) note_change(tables, table, slot);
}

// A block of the right size for a row that is or was spilled. Where nothing clean is left, memory that the budget does not have is taken all the same: a
// write cannot fail. The next resolve finds the share exceeded, and evicts or answers FULL.
static uint8_t *resize_row(rwd_tables *tables, rwd_table *table, rwd_slot *slot, uint32_t size) {
    const rwd_geometry *g = &table->geometry;
    uint8_t *area = rwd_slot_row_area(g, slot);
    bool spill = size > g->row_capacity;
    // The slot is dirty, so its memory is in dirty_bytes.
    tables->dirty_bytes += (spill ? size : 0) - (slot->row_spilled ? (uint64_t)slot->row_size : 0);
    if (slot->row_spilled && spill && rwd_spill_same_class(&tables->pool, slot->row_size, size)) return rwd_slot_pointer(area);
    if (slot->row_spilled) rwd_spill_give(&tables->pool, rwd_slot_pointer(area), slot->row_size);
    slot->row_spilled = spill;
    if (!spill) return area;
    void *block = rwd_tables_spill(tables, size);  // evicts none of the batch, and moves nothing
    if (!block) block = rwd_spill_take(&tables->pool, size, true);
    memcpy(area, &block, sizeof block);
    return block;
}

void rwd_tables_write(rwd_tables *tables, const rwd_touch *touch, const uint8_t *row, uint32_t size) {
    assert(size <= RWD_ROW_BYTES_MAX);
    rwd_table *table = table_of(tables, touch);
    rwd_slot *slot = touch->slot;
    before_change(tables, table, slot);
    if (!slot->present) {
        slot->present = 1;
        table->keys++;
        ((rwd_segment *)rwd_pool_segment_of(&tables->pool, slot))->absent--;
        if (table->tracked) table->changed_bytes += size;
    } else if (table->tracked) {
        table->changed_bytes += (uint64_t)size - (uint64_t)slot->row_size;
    }
    uint8_t *to = rwd_slot_row_area(&table->geometry, slot);
    if (slot->row_spilled || size > table->geometry.row_capacity) to = resize_row(tables, table, slot, size);
    memcpy(to, row, size);
    slot->row_size = size & 0x1FFFF;
}

static void remove_row(rwd_tables *tables, rwd_table *table, rwd_slot *slot) {
    if (slot->row_spilled) resize_row(tables, table, slot, 0);
    slot->present = 0;
    slot->row_size = 0;
    table->keys--;
    ((rwd_segment *)rwd_pool_segment_of(&tables->pool, slot))->absent++;
}

void rwd_tables_delete(rwd_tables *tables, const rwd_touch *touch) {
    rwd_table *table = table_of(tables, touch);
    rwd_slot *slot = touch->slot;
    if (!slot->present) return;
    before_change(tables, table, slot);
    if (table->tracked) table->changed_bytes -= slot->row_size;
    remove_row(tables, table, slot);
}

bool rwd_tables_is_changed(const rwd_tables *tables, const rwd_touch *touch, uint64_t *out_mark) {
    uint32_t place = ((const rwd_slot *)touch->slot)->change;
    if (place > 0) *out_mark = tables->tables[touch->table].changed[place - 1].mark;
    return place > 0;
}

void rwd_tables_retire(rwd_tables *tables, const rwd_touch *touch) {
    rwd_table *table = table_of(tables, touch);
    rwd_slot *slot = touch->slot;
    if (!slot->present) return;
    if (slot->epoch != tables->epoch) rwd_tables_first_touch(tables, table, slot);
    if (slot->change > 0) {
        table->changed_bytes -= slot->key_size + slot->row_size;
        slot->change = 0;  // its place in the list stays, and finds nothing
    }
    remove_row(tables, table, slot);
}

// ---------------------------------------------------------------------------------------------- changes
static void forget_change(void *context, uint16_t table, rwd_slice key, const uint8_t *row, uint32_t row_size, uint64_t mark) {
    (void)context, (void)table, (void)key, (void)row, (void)row_size, (void)mark;
}

void rwd_tables_track_changes(rwd_tables *tables, uint16_t number, bool on, rwd_change_mark mark, void *context) {
    assert(number < tables->count);
    rwd_table *table = &tables->tables[number];
    rwd_tables_take_changes(tables, number, forget_change, NULL);
    table->tracked = on;
    table->mark = mark;
    table->mark_context = context;
}

uint64_t rwd_tables_changed(const rwd_tables *tables) {
    uint64_t sum = 0;
    for (size_t i = 0; i < tables->count; i++) sum += tables->tables[i].changed_count;
    return sum;
}

uint64_t rwd_tables_changed_bytes(const rwd_tables *tables) {
    uint64_t sum = 0;
    for (size_t i = 0; i < tables->count; i++) sum += tables->tables[i].changed_bytes;
    return sum;
}

// Visits the slot at a place of the list, if it is still there.
static void visit_changed(rwd_table *table, size_t place, rwd_change_visit visit, void *context) {
    const rwd_geometry *g = &table->geometry;
    uint64_t hash = table->changed[place].hash;
    const rwd_segment *segment = rwd_directory_find(table, hash);
    const uint8_t *groups = rwd_segment_groups(segment);
    uint32_t at = rwd_hash_group(g, hash);
    for (uint32_t probed = 0; probed < g->group_count; probed++) {
        const uint8_t *group = groups + (size_t)at * 16;
        for (uint32_t match = rwd_group_match(group, rwd_hash_tag(hash)); match; match &= match - 1) {
            rwd_slot *slot = rwd_segment_slot(g, segment, at * RWD_GROUP_SLOTS + (uint32_t)__builtin_ctz(match));
            if (slot->hash != hash || slot->change != place + 1) continue;
            slot->change = 0;
            visit(context, table->schema->number, rwd_slice_of(rwd_slot_key(slot), slot->key_size),
                  slot->present ? rwd_slot_row(g, slot) : NULL, (uint32_t)slot->row_size, table->changed[place].mark);
            return;
        }
        if (group[RWD_GROUP_PASSED] == 0) return;
        if (++at == g->group_count) at = 0;
    }
}

static void prefetch_changed(const rwd_table *table, size_t index, bool slot_too) {
    if (index >= table->changed_count) return;
    uint64_t hash = table->changed[index].hash;
    const rwd_geometry *g = &table->geometry;
    const rwd_segment *segment = rwd_directory_find(table, hash);
    uint32_t group = rwd_hash_group(g, hash);
    const uint8_t *tags = rwd_segment_groups(segment) + (size_t)group * 16;
    __builtin_prefetch(tags);
    if (!slot_too) return;
    uint32_t match = rwd_group_match(tags, rwd_hash_tag(hash));
    if (match) __builtin_prefetch(rwd_segment_slot(g, segment, group * RWD_GROUP_SLOTS + (uint32_t)__builtin_ctz(match)), 1);
}

void rwd_tables_take_changes(rwd_tables *tables, uint16_t table_number, rwd_change_visit visit, void *context) {
    assert(table_number < tables->count);
    rwd_table *table = &tables->tables[table_number];
    for (size_t i = 0; i < table->changed_count; i++) {
        prefetch_changed(table, i + 16, false);
        prefetch_changed(table, i + 8, true);
        visit_changed(table, i, visit, context);
    }
    table->changed_count = 0;
    table->changed_bytes = 0;
}

// ---------------------------------------------------------------------------------------------- questions
bool rwd_tables_get(rwd_tables *tables, uint16_t table_number, rwd_slice key, bool *out_found, rwd_buf *out, rwd_error *err) {
    assert(table_number < tables->count && tables->store);
    rwd_table *table = &tables->tables[table_number];
    uint64_t hash = rwd_key_hash(table_number, key);
    *out_found = false;
    if (key.size > RWD_KEY_BYTES_MAX) return true;
    const rwd_slot *slot =
        rwd_segment_find(&table->geometry, rwd_directory_find(table, hash), hash, key.data, (uint32_t)key.size);
    if (slot) {
        *out_found = slot->present;
        if (slot->present) rwd_buf_append(out, rwd_slot_row(&table->geometry, slot), slot->row_size);
        return true;
    }
    if (table->complete) return true;
    uint8_t prefix[RWD_STORE_KEY_PREFIX];
    rwd_store_key_prefix(prefix, table_number, hash);
    rwd_buf_clear(&tables->scratch);
    rwd_buf_append(&tables->scratch, prefix, sizeof prefix);
    rwd_buf_append_slice(&tables->scratch, key);
    return rwd_store_get(tables->store, rwd_buf_slice(&tables->scratch), out_found, out, err);
}

// ---------------------------------------------------------------------------------------------- warm-up
static void end_warm(rwd_tables *tables, bool complete) {
    rwd_warm_stop(tables->warm);
    tables->warm = NULL;
    for (size_t i = 0; i < tables->count; i++) tables->tables[i].complete |= complete;
}

// W1. A row that finds no room is left in the store, and the table is not complete.
static void put_warm(rwd_tables *tables, const rwd_warm_row *row) {
    if (row->table >= tables->count) return;
    rwd_table *table = &tables->tables[row->table];
    rwd_segment *segment = rwd_directory_find(table, row->hash);
    if (rwd_segment_find(&table->geometry, segment, row->hash, row->key.data, (uint32_t)row->key.size)) return;
    // Rows come in order of their hashes, so a segment is split while it is all but empty.
    while (segment->depth < table->expected_depth && rwd_directory_split(tables, table, segment))
        segment = rwd_directory_find(table, row->hash);
    bool room = segment->used < table->geometry.limit || rwd_directory_split(tables, table, segment);
    bool spills = row->key.size > table->geometry.key_capacity || row->row.size > table->geometry.row_capacity;
    if (room && spills) room = rwd_pool_fits(&tables->pool, row->key.size + row->row.size);
    // After a split all may still be on one side; nothing is evicted for a row that nobody asked for.
    room = room && rwd_directory_find(table, row->hash)->used < table->geometry.limit;
    if (!room || !rwd_tables_insert(tables, table, row->hash, row->key, row->row.data, (uint32_t)row->row.size))
        tables->warm_skipped = true;
}

bool rwd_tables_warm(rwd_tables *tables, size_t limit) {
    rwd_warm_row rows[WARM_PORTION];
    while (tables->warm && limit > 0) {
        bool ended, failed;
        size_t wanted = limit < WARM_PORTION ? limit : WARM_PORTION;
        size_t count = rwd_warm_take(tables->warm, rows, wanted, &ended, &failed);
        limit -= count;
        for (size_t i = 0; i < count; i++) put_warm(tables, &rows[i]);
        if (ended) end_warm(tables, !failed && !tables->warm_skipped);
        if (count == 0) break;
    }
    return !tables->warm;
}

// ---------------------------------------------------------------------------------------------- numbers
bool rwd_tables_pressed(const rwd_tables *tables) {
    // What is dirty cannot be evicted. At half of the memory there is as much left for the time that the checkpoint takes.
    return tables->dirty_bytes >= tables->budget->limit[RWD_SHARE_HOT] / 2;
}

void rwd_tables_get_stats(const rwd_tables *tables, rwd_tables_stats *out) {
    *out = tables->stats;
    out->complete = true;
    for (size_t i = 0; i < tables->count; i++) {
        const rwd_table *table = &tables->tables[i];
        out->keys += table->keys;
        out->hot_slots += table->used;
        out->complete &= table->complete;
    }
    out->hot_bytes = tables->pool.mapped_bytes;
    out->dirty = tables->dirty;
    out->dirty_bytes = tables->dirty_bytes;
    out->frozen_left = tables->frozen_left;
}

uint64_t rwd_tables_keys(const rwd_tables *tables, uint16_t table) {
    assert(table < tables->count);
    return tables->tables[table].keys;
}
