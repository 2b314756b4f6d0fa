/* A plugin of Rewind: one decoder and three aggregates.
 *
 *     cc -std=c99 -O2 -fPIC -shared -fvisibility=hidden -I../../../operator/plugin -o shop.so shop.c
 *     rewind plugin check ./shop.so
 *
 *   shop.logfmt          decoder: a record is one line of key=value pairs: customer=ann amount=12.50 note="two words". A field's path is its key.
 *   shop.range(x)        greatest value minus the least one
 *   shop.above(x, N)     how many values are above N
 *   shop.longest(x)      the longest text; of several the first in the order of bytes
 */
#include "rewind_plugin.h"

/* ---- logfmt */

typedef struct reader {
    const uint8_t *bytes;
    uint64_t at, size;
} reader;

typedef struct text {
    const uint8_t *bytes;
    uint64_t size;
} text;

static int is_space(uint8_t c) { return c == ' '; }

static text take_until(reader *r, uint8_t a, uint8_t b) {
    text t = {r->bytes + r->at, 0};
    while (r->at < r->size && r->bytes[r->at] != a && r->bytes[r->at] != b) {
        r->at++;
        t.size++;
    }
    return t;
}

/* One pair; 0: the line is at its end, 1: there it is, -1: not well formed. */
static int take_pair(reader *r, text *key, text *value) {
    while (r->at < r->size && is_space(r->bytes[r->at])) r->at++;
    if (r->at == r->size) return 0;
    *key = take_until(r, '=', ' ');
    if (r->at == r->size || r->bytes[r->at] != '=' || key->size == 0) return -1;
    r->at++;
    if (r->at == r->size || r->bytes[r->at] != '"') {
        *value = take_until(r, ' ', '"');
        return r->at == r->size || is_space(r->bytes[r->at]) ? 1 : -1;
    }
    r->at++;
    *value = take_until(r, '"', '"');
    if (r->at == r->size) return -1;
    r->at++;
    return r->at == r->size || is_space(r->bytes[r->at]) ? 1 : -1;
}

/* Digits with `scale` of them behind the point, as units. */
static int read_units(text t, uint32_t scale, int64_t *out) {
    uint64_t i = 0;
    int64_t units = 0;
    uint32_t fraction = 0;
    int negative = t.size > 0 && t.bytes[0] == '-', point = 0;
    if (negative) i++;
    if (i == t.size) return 0;
    for (; i < t.size; i++) {
        uint8_t c = t.bytes[i];
        if (c == '.' && !point && scale > 0) {
            point = 1;
            continue;
        }
        if (c < '0' || c > '9' || units > (INT64_MAX - 9) / 10 || (point && fraction == scale)) return 0;
        units = units * 10 + (c - '0');
        fraction += (uint32_t)point;
    }
    for (; fraction < scale; fraction++) {
        if (units > INT64_MAX / 10) return 0;
        units *= 10;
    }
    *out = negative ? -units : units;
    return 1;
}

static int put(rewind_value *v, text t) {
    int64_t number;
    switch (v->type) {
    case REWIND_STRING:
    case REWIND_BYTES: rewind_set_bytes(v, t.bytes, t.size); return 1;
    case REWIND_INT:
    case REWIND_DECIMAL:
    case REWIND_TIME:
        if (!read_units(t, v->type == REWIND_DECIMAL ? v->scale : 0, &number)) return 0;
        rewind_set_int(v, number);
        return 1;
    default: return 0;
    }
}

/* What the decoder cannot read is found before the job starts. */
static int32_t logfmt_open(const rewind_field *fields, uint32_t count, void **out_state, char *reason) {
    uint32_t i;
    for (i = 0; i < count; i++)
        if (fields[i].type == REWIND_BOOL || fields[i].type == REWIND_FLOAT) return rewind_because(REWIND_MALFORMED, reason, "logfmt has no bool and no float");
    *out_state = (void *)(uintptr_t)fields;
    return REWIND_OK;
}

static int32_t logfmt_decode(void *state, const rewind_record *record, rewind_event *out) {
    const rewind_field *fields = (const rewind_field *)state;
    reader r = {record->value, 0, record->value_size};
    text key, value;
    uint32_t i;
    int found;
    while ((found = take_pair(&r, &key, &value)) > 0) {
        for (i = 0; i < out->value_count; i++) {
            if (strlen(fields[i].path) != key.size || memcmp(fields[i].path, key.bytes, key.size) != 0) continue;
            if (!put(&out->values[i], value)) {
                out->at = (uint64_t)(value.bytes - record->value);
                return rewind_because(REWIND_MALFORMED, out->reason, "the value does not have its field's type");
            }
        }
    }
    out->at = r.at;
    return found == 0 ? REWIND_OK : rewind_because(REWIND_MALFORMED, out->reason, "not a key=value pair");
}

static const rewind_decoder logfmt_decoder = {
    sizeof(rewind_decoder), "logfmt", "lines of key=value pairs", logfmt_open, NULL, logfmt_decode,
};

/* ---- range: 1 byte present, least 8, greatest 8; all zero before the first value */

static int64_t load(const uint8_t *at) {
    int64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

static void store(uint8_t *at, int64_t v) { memcpy(at, &v, sizeof v); }

static int32_t widen(rewind_cell *cell, int64_t least, int64_t greatest) {
    int64_t low = cell->bytes[0] && load(cell->bytes + 1) < least ? load(cell->bytes + 1) : least;
    int64_t high = cell->bytes[0] && load(cell->bytes + 9) > greatest ? load(cell->bytes + 9) : greatest;
    if (low < 0 && high > INT64_MAX + low) return REWIND_OVERFLOW;
    cell->bytes[0] = 1;
    store(cell->bytes + 1, low);
    store(cell->bytes + 9, high);
    return REWIND_OK;
}

static int32_t range_update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    (void)call, (void)when;
    return widen(cell, value->integer, value->integer);
}

static int32_t range_merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    (void)call;
    return other->bytes[0] ? widen(cell, load(other->bytes + 1), load(other->bytes + 9)) : REWIND_OK;
}

static void range_read(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) {
    (void)call;
    if (cell->bytes[0]) rewind_set_int(out, load(cell->bytes + 9) - load(cell->bytes + 1));
}

static const rewind_aggregate range = {
    .size = sizeof(rewind_aggregate),
    .types = REWIND_BIT(REWIND_INT),
    .order_free = REWIND_BIT(REWIND_INT),
    .cell_size = 17,
    .result = REWIND_INT,
    .name = "range",
    .doc = "greatest value minus the least one",
    .update = range_update,
    .merge = range_merge,
    .read = range_read,
};

/* ---- above: a count, 8 bytes. The bound has two digits behind the point */

static int32_t above_update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    (void)when;
    /* Compared without a product: value > bound / 100. */
    int64_t bound = call->parameters[0], whole = bound / 100 - (bound % 100 < 0);
    if (value->integer > whole) store(cell->bytes, load(cell->bytes) + 1);
    return REWIND_OK;
}

static int32_t above_merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    (void)call;
    store(cell->bytes, load(cell->bytes) + load(other->bytes));
    return REWIND_OK;
}

static void above_read(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) {
    (void)call;
    rewind_set_int(out, load(cell->bytes));
}

static const rewind_aggregate above = {
    .size = sizeof(rewind_aggregate),
    .types = REWIND_BIT(REWIND_INT),
    .order_free = REWIND_BIT(REWIND_INT),
    .cell_size = 8,
    .result = REWIND_INT,
    .name = "above",
    .doc = "how many values are above the bound",
    .parameters = {{.name = "bound", .doc = "the bound", .scale = 2, .required = 1, .least = -100000000000, .greatest = 100000000000}},
    .update = above_update,
    .merge = above_merge,
    .read = above_read,
};

/* ---- longest: the text itself behind one byte, since a cell without bytes is one without values */

#define LONGEST_MAX 1024u

static int32_t keep_longer(rewind_cell *cell, const uint8_t *bytes, uint64_t size) {
    uint64_t old = cell->size > 0 ? cell->size - 1 : 0;
    if (cell->size > 0 && (size < old || (size == old && memcmp(bytes, cell->bytes + 1, size) >= 0))) return REWIND_OK;
    if (size + 1 > cell->room) return REWIND_TOO_LARGE;
    cell->bytes[0] = 1;
    if (size > 0) memcpy(cell->bytes + 1, bytes, size);
    cell->size = (uint32_t)size + 1;
    return REWIND_OK;
}

static int32_t longest_update(const rewind_call *call, rewind_cell *cell, const rewind_value *value, const rewind_moment *when) {
    (void)call, (void)when;
    return keep_longer(cell, value->bytes, value->byte_count);
}

static int32_t longest_merge(const rewind_call *call, rewind_cell *cell, const rewind_bytes *other) {
    (void)call;
    return other->size > 0 ? keep_longer(cell, other->bytes + 1, other->size - 1) : REWIND_OK;
}

static void longest_read(const rewind_call *call, const rewind_bytes *cell, rewind_value *out) {
    (void)call;
    if (cell->size > 0) rewind_set_bytes(out, cell->bytes + 1, cell->size - 1);
}

static int32_t longest_check(const rewind_call *call, const rewind_bytes *cell) {
    (void)call;
    return cell->size == 0 || cell->bytes[0] == 1 ? REWIND_OK : REWIND_MALFORMED;
}

static const rewind_aggregate longest = {
    .size = sizeof(rewind_aggregate),
    .types = REWIND_BIT(REWIND_STRING) | REWIND_BIT(REWIND_BYTES),
    .order_free = REWIND_BIT(REWIND_STRING) | REWIND_BIT(REWIND_BYTES),
    .cell_max = LONGEST_MAX,
    .result = REWIND_SAME,
    .name = "longest",
    .doc = "the longest text; of several the first in the order of bytes",
    .update = longest_update,
    .merge = longest_merge,
    .read = longest_read,
    .check = longest_check,
};

/* ---- functions */

/* vat(amount, percent): so many percent of an amount in cents; half a cent is rounded away from zero. */
static int32_t vat(const rewind_value *args, uint32_t count, rewind_room *room, rewind_value *out) {
    int64_t cents = args[0].integer, percent = args[1].integer, product;
    (void)count, (void)room;
    if (args[0].upper != (cents < 0 ? -1 : 0)) return REWIND_OVERFLOW;
    if (percent < 0 || percent > 100) return REWIND_MALFORMED; /* no rate: the event is a dead letter */
    if (cents > INT64_MAX / 100 || cents < -(INT64_MAX / 100)) return REWIND_OVERFLOW;
    product = cents * percent;
    rewind_set_int(out, (product < 0 ? product - 50 : product + 50) / 100);
    return REWIND_OK;
}

static const rewind_function vat_function = {
    .size = sizeof(rewind_function),
    .arg_count = 2,
    .types = {REWIND_DECIMAL, REWIND_INT},
    .scales = {2, 0},
    .result = REWIND_DECIMAL,
    .result_scale = 2,
    .name = "vat",
    .doc = "a share of an amount, in percent",
    .call = vat,
};

/* initials(text): the first byte of each word that is a letter of ASCII; null where there is none. */
static int32_t initials(const rewind_value *args, uint32_t count, rewind_room *room, rewind_value *out) {
    uint64_t used = 0, i;
    (void)count;
    for (i = 0; i < args[0].byte_count && used < room->size; i++) {
        uint8_t c = args[0].bytes[i];
        int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter && (i == 0 || args[0].bytes[i - 1] == ' ')) room->bytes[used++] = c;
    }
    if (used > 0) rewind_set_bytes(out, room->bytes, used);
    return REWIND_OK;
}

static const rewind_function initials_function = {
    .size = sizeof(rewind_function),
    .arg_count = 1,
    .types = {REWIND_STRING},
    .result = REWIND_STRING,
    .name = "initials",
    .doc = "the first letters of the words of a text",
    .call = initials,
};

/* ---- the plugin */

const rewind_plugin *rewind_plugin_v1(void) {
    static const rewind_decoder *const decoders[] = {&logfmt_decoder, NULL};
    static const rewind_aggregate *const aggregates[] = {&range, &above, &longest, NULL};
    static const rewind_function *const functions[] = {&vat_function, &initials_function, NULL};
    static const rewind_plugin plugin = {sizeof(rewind_plugin), 0, "shop", "lines of key=value pairs, and what a shop counts", "1", decoders, aggregates, functions};
    return &plugin;
}
