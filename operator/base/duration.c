// Durations and sizes as text (declared in time.h).
#include <stdio.h>

#include "operator/base/time.h"

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }
static bool is_letter(uint8_t c) { return (uint8_t)((c | 0x20) - 'a') < 26; }

typedef struct unit {
    const char *name;
    int64_t size;
} unit;

// From large to small.
static const unit duration_units[] = {
    {"d", 86400000000000}, {"h", 3600000000000}, {"m", 60000000000}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1},
};
#define DURATION_UNITS (sizeof(duration_units) / sizeof(duration_units[0]))

// The digits at `*p` as a number, and `*p` behind them.
static bool read_count(const char **p, uint64_t *out) {
    if (!is_digit((uint8_t)**p)) return false;
    uint64_t value = 0;
    for (; is_digit((uint8_t)**p); (*p)++)
        if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, (unsigned)(**p - '0'), &value))
            return false;
    *out = value;
    return true;
}

// Terms go from large units to small ones, each at most once.
bool rwd_duration_parse(const char *text, int64_t *out_ns) {
    if (strcmp(text, "0") == 0) {
        *out_ns = 0;
        return true;
    }
    int64_t sum = 0;
    size_t next_unit = 0;
    const char *p = text;
    do {
        uint64_t count;
        if (!read_count(&p, &count)) return false;
        size_t letters = 0;
        while (is_letter((uint8_t)p[letters])) letters++;
        while (next_unit < DURATION_UNITS &&
               (strlen(duration_units[next_unit].name) != letters || memcmp(duration_units[next_unit].name, p, letters) != 0))
            next_unit++;
        if (next_unit == DURATION_UNITS) return false;
        int64_t term;
        if (__builtin_mul_overflow(count, duration_units[next_unit].size, &term) || __builtin_add_overflow(sum, term, &sum))
            return false;
        next_unit++;
        p += letters;
    } while (*p);
    *out_ns = sum;
    return true;
}

void rwd_duration_text(int64_t ns, char out[RWD_TIME_TEXT_MAX]) {
    if (ns == 0) {
        (void)snprintf(out, RWD_TIME_TEXT_MAX, "0");
        return;
    }
    const char *sign = ns < 0 ? "-" : "";
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t whole = 0;  // the largest unit that divides it
    while (left % (uint64_t)duration_units[whole].size != 0) whole++;
    char single[RWD_TIME_TEXT_MAX];
    unsigned long long wholes = left / (uint64_t)duration_units[whole].size;
    int single_size = snprintf(single, sizeof(single), "%s%llu%s", sign, wholes, duration_units[whole].name);
    char terms[96];
    int size = snprintf(terms, sizeof(terms), "%s", sign);
    for (size_t i = 0; i < DURATION_UNITS; i++) {
        unsigned long long count = left / (uint64_t)duration_units[i].size;
        left %= (uint64_t)duration_units[i].size;
        if (count) size += snprintf(terms + size, sizeof(terms) - (size_t)size, "%llu%s", count, duration_units[i].name);
    }
    (void)snprintf(out, RWD_TIME_TEXT_MAX, "%.*s", RWD_TIME_TEXT_MAX - 1, size < single_size ? terms : single);
}

static const struct {
    const char *name;
    uint64_t size;
} size_units[] = {
    {"", 1},
    {"B", 1},
    {"KiB", 1ULL << 10},
    {"MiB", 1ULL << 20},
    {"GiB", 1ULL << 30},
    {"TiB", 1ULL << 40},
    {"kB", 1000ULL},
    {"KB", 1000ULL},
    {"MB", 1000000ULL},
    {"GB", 1000000000ULL},
    {"TB", 1000000000000ULL},
};

bool rwd_size_parse(const char *text, uint64_t *out_bytes) {
    uint64_t count;
    const char *p = text;
    if (!read_count(&p, &count)) return false;
    for (size_t i = 0; i < sizeof(size_units) / sizeof(size_units[0]); i++)
        if (strcmp(p, size_units[i].name) == 0) return !__builtin_mul_overflow(count, size_units[i].size, out_bytes);
    return false;
}

void rwd_size_text(uint64_t bytes, char out[RWD_TIME_TEXT_MAX]) {
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned power = 0;
    uint64_t tenths = 0;  // of the unit, rounded half up
    if (bytes < 1024) {
        tenths = bytes * 10;
    } else {
        do {
            power++;
            unsigned __int128 scaled = (unsigned __int128)bytes * 10 + ((uint64_t)1 << (10 * power - 1));
            tenths = (uint64_t)(scaled >> (10 * power));
        } while (tenths >= 10240);  // 1023.96 KiB is 1 MiB
    }
    unsigned long long whole = tenths / 10, tenth = tenths % 10;
    if (tenth == 0) (void)snprintf(out, RWD_TIME_TEXT_MAX, "%llu %s", whole, names[power]);
    else (void)snprintf(out, RWD_TIME_TEXT_MAX, "%llu.%llu %s", whole, tenth, names[power]);
}
