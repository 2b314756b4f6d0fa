// Integers only: the same bytes on every machine (random bits by splitmix64; Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", 2014).
#include "operator/source/generate.h"

#include <assert.h>

static uint64_t mix(uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

// 0 .. below-1, of 64 random bits (the bias is below 2^-24 for our ranges).
static uint64_t scale_to(uint64_t bits, uint64_t below) { return (uint64_t)(((unsigned __int128)bits * below) >> 64); }

// Rank r about as often as 1/r: a power of two is drawn evenly, and then a rank below it and not below half of it. Ranks are strewn over the
// customers by a prime multiplier above RWD_GENERATE_KEYS_MAX, which is one-to-one.
static uint64_t skewed_customer(uint64_t keys, uint64_t a, uint64_t b) {
    unsigned octaves = 64 - (unsigned)__builtin_clzll(keys);
    uint64_t low = 1ull << scale_to(a, octaves), high = low * 2 <= keys + 1 ? low * 2 : keys + 1;
    uint64_t rank = low + scale_to(b, high - low) - 1;
    return (uint64_t)((unsigned __int128)rank * 2305843009213693951u % keys);
}

rwd_order rwd_generate_order(const rwd_generate *g, uint64_t i) {
    static const char countries[][3] = {"DE", "FR", "GB", "NL", "ES", "IT", "PL", "SE", "AT", "BE", "CH", "CZ", "DK", "FI", "IE", "PT"};
    assert(g->keys > 0 && g->keys <= RWD_GENERATE_KEYS_MAX && g->per_second > 0 && g->bad_per_million <= 1000000);
    uint64_t a = mix(g->seed ^ mix(i)), b = mix(a), c = mix(b), d = mix(c), e = mix(d);
    rwd_order order = {
        .id = i,
        .ts_ms = (int64_t)((uint64_t)g->start_ms + (uint64_t)((unsigned __int128)i * 1000 / g->per_second)),
        .customer = g->skewed ? skewed_customer(g->keys, a, b) : scale_to(a, g->keys),
        .sku = (uint32_t)scale_to(c, 10000),
        .quantity = 1 + (int64_t)(d & 7) + (int64_t)(d >> 3 & 1),
        .cents = 50 + (int64_t)scale_to(mix(c), 20000),
        .bad = RWD_BAD_NONE,
    };
    memcpy(order.country, countries[mix(order.customer) & 15], 3);  // a customer stays in one country
    if ((d >> 8 & 31) == 0) order.quantity = -order.quantity;
    if (scale_to(e, 1000000) < g->bad_per_million) order.bad = (rwd_bad)scale_to(mix(e), RWD_BAD_COUNT);
    return order;
}

const char *rwd_bad_name(rwd_bad bad) {
    static const char *const names[] = {
#define RWD_BAD_ROW(id, name, code, doc) [RWD_BAD_##id] = name,
        RWD_BAD_TABLE(RWD_BAD_ROW)
#undef RWD_BAD_ROW
            [RWD_BAD_NONE] = "none",
    };
    assert(bad <= RWD_BAD_NONE);
    return names[bad];
}

rwd_code rwd_bad_code(rwd_bad bad) {
    static const rwd_code codes[] = {
#define RWD_BAD_ROW(id, name, code, doc) [RWD_BAD_##id] = code,
        RWD_BAD_TABLE(RWD_BAD_ROW)
#undef RWD_BAD_ROW
            [RWD_BAD_NONE] = RWD_E_NONE,
    };
    assert(bad <= RWD_BAD_NONE);
    return codes[bad];
}

// ---------------------------------------------------------------------------------------------- text

typedef struct writer {
    char *at;
} writer;

static void put(writer *w, const char *text) {
    size_t size = strlen(text);
    memcpy(w->at, text, size);
    w->at += size;
}

// At least `least` digits.
static void put_number(writer *w, uint64_t value, int least) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (count < least) digits[count++] = '0';
    while (count > 0) *w->at++ = digits[--count];
}

static void put_signed(writer *w, int64_t value) {
    if (value < 0) *w->at++ = '-';
    put_number(w, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 1);
}

static void put_amount(writer *w, const rwd_order *order) {
    put_number(w, (uint64_t)order->cents / 100, 1);
    put(w, ".");
    put_number(w, (uint64_t)order->cents % 100, 2);
    if (order->bad == RWD_BAD_RANGE) put(w, "5");
}

static void put_json(writer *w, const rwd_order *order) {
    put(w, "{\"id\":");
    put_number(w, order->id, 1);
    put(w, ",\"ts\":");
    put_signed(w, order->ts_ms);
    if (order->bad != RWD_BAD_MISSING) {
        put(w, ",\"customer\":\"c");
        put_number(w, order->customer, 7);
        put(w, "\"");
    }
    put(w, ",\"country\":\"");
    put(w, order->bad == RWD_BAD_UTF8 ? "\xFF" : order->country);
    put(w, "\",\"sku\":\"s");
    put_number(w, order->sku, 4);
    put(w, "\",\"quantity\":");
    if (order->bad == RWD_BAD_TYPE) put(w, "\"many\"");
    else put_signed(w, order->quantity);
    put(w, ",\"amount\":");
    put_amount(w, order);
    put(w, "}");
}

static void put_csv(writer *w, const rwd_order *order) {
    put_number(w, order->id, 1);
    put(w, ",");
    put_signed(w, order->ts_ms);
    put(w, ",");
    if (order->bad != RWD_BAD_MISSING) {
        put(w, "c");
        put_number(w, order->customer, 7);
    }
    put(w, ",");
    put(w, order->bad == RWD_BAD_UTF8 ? "\xFF" : order->country);
    put(w, ",s");
    put_number(w, order->sku, 4);
    put(w, ",");
    if (order->bad == RWD_BAD_TYPE) put(w, "many");
    else put_signed(w, order->quantity);
    put(w, ",");
    put_amount(w, order);
}

size_t rwd_generate_text(const rwd_generate *g, const rwd_order *order, char out[RWD_GENERATE_BYTES_MAX]) {
    writer w = {out};
    if (g->csv) put_csv(&w, order);
    else put_json(&w, order);
    if (order->bad == RWD_BAD_CUT) w.at = out + (w.at - out) / 2;
    put(&w, "\n");
    return (size_t)(w.at - out);
}

size_t rwd_generate_record(const rwd_generate *g, uint64_t i, char out[RWD_GENERATE_BYTES_MAX]) {
    rwd_order order = rwd_generate_order(g, i);
    return rwd_generate_text(g, &order, out);
}

uint64_t rwd_generate_bits(uint64_t seed, uint64_t i) { return mix(seed ^ mix(i)); }

size_t rwd_generate_header(const rwd_generate *g, char out[RWD_GENERATE_BYTES_MAX]) {
    writer w = {out};
    if (g->csv) put(&w, "id,ts,customer,country,sku,quantity,amount\n");
    return (size_t)(w.at - out);
}
