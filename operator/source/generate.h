// Orders that nobody placed: any number of them, the same ones for the same seed.
//
// Record i is a pure function of the options and i, so any range can be made alone, and a test can know what is in a file of a billion.
//   {"id":7,"ts":1767225600007,"customer":"c0000123","country":"DE","sku":"s0042","quantity":3,"amount":12.50}
//
// Thread: any; pure functions.
#ifndef OPERATOR_SOURCE_GENERATE_H
#define OPERATOR_SOURCE_GENERATE_H

#include "operator/base/bytes.h"

#define RWD_GENERATE_BYTES_MAX 256  // longest record or header, with its newline
#define RWD_GENERATE_KEYS_MAX 1000000000000ull

// What is wrong with a bad record: name, the code with which a job that declares all fields refuses it, doc
#define RWD_BAD_TABLE(X)                                                                    \
    X(MISSING, "missing", RWD_E_MISSING_FIELD, "no customer")                               \
    X(TYPE, "type", RWD_E_WRONG_TYPE, "the quantity is a word")                             \
    X(RANGE, "range", RWD_E_OUT_OF_RANGE, "the amount has three digits behind the point")   \
    X(UTF8, "utf8", RWD_E_MALFORMED, "the country is not UTF-8")                            \
    X(CUT, "cut", RWD_E_MALFORMED, "the record breaks off in its middle")

typedef enum rwd_bad {
#define RWD_BAD_ENUM(id, name, code, doc) RWD_BAD_##id,
    RWD_BAD_TABLE(RWD_BAD_ENUM)
#undef RWD_BAD_ENUM
        RWD_BAD_COUNT,
    RWD_BAD_NONE = RWD_BAD_COUNT,
} rwd_bad;
const char *rwd_bad_name(rwd_bad bad);
rwd_code rwd_bad_code(rwd_bad bad);  // RWD_E_NONE of RWD_BAD_NONE

typedef struct rwd_generate {
    uint64_t seed;
    bool csv;                // else JSON Lines
    uint64_t keys;           // customers, 1 .. RWD_GENERATE_KEYS_MAX
    bool skewed;             // few customers place most orders: rank r about as often as 1/r
    int64_t start_ms;        // time of record 0
    uint64_t per_second;     // records per second of event time, at least 1
    uint32_t bad_per_million;
} rwd_generate;

// What record i is made of.
typedef struct rwd_order {
    uint64_t id;             // i
    int64_t ts_ms;
    uint64_t customer;       // below keys
    char country[3];
    uint32_t sku;
    int64_t quantity;        // 1 .. 9, now and then a return: below 0
    int64_t cents;
    rwd_bad bad;
} rwd_order;
rwd_order rwd_generate_order(const rwd_generate *generate, uint64_t i);

// The bytes of record i with its newline, or of the CSV header (JSON: none, 0). Returns the size.
size_t rwd_generate_record(const rwd_generate *generate, uint64_t i, char out[RWD_GENERATE_BYTES_MAX]);
// Of an order that was changed.
size_t rwd_generate_text(const rwd_generate *generate, const rwd_order *order, char out[RWD_GENERATE_BYTES_MAX]);
// 64 bits that look random, the same for the same two numbers.
uint64_t rwd_generate_bits(uint64_t seed, uint64_t i);
size_t rwd_generate_header(const rwd_generate *generate, char out[RWD_GENERATE_BYTES_MAX]);

#endif
