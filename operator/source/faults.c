// Orders with faults (faults.h): the true orders one after the other, and two queues of those that come later, each in the order in which they went in.
#include "operator/source/faults.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "operator/base/json_out.h"
#include "operator/base/words.h"
#include "operator/config/amend_file.h"

#define MILLION 1000000u
#define CHANCE_MAX 500000u
#define WAITING_MAX (RWD_FAULT_LATE_BY + 1)
// So that chances of faults are not those that make the orders.
#define SALT 0x6A09E667F3BCC908u

typedef struct waiting {
    uint64_t id;
    uint64_t due;            // comes when this id's turn is over
    int64_t belongs;         // of a late one
} waiting;

typedef struct queue {
    waiting items[WAITING_MAX];
    size_t first, count;
} queue;

struct rwd_faulty {
    rwd_generate how;
    rwd_faults faults;
    uint64_t records, next;  // the next id
    int64_t offset;          // of the next record that is written
    uint64_t gap_until;
    queue again, late;
    rwd_buf *out, *list, *amendments, *truth;
};

static const char *const names[] = {
#define FAULT_NAME(id, name, doc) [RWD_FAULT_##id] = name,
    RWD_FAULT_TABLE(FAULT_NAME)
#undef FAULT_NAME
        [RWD_FAULT_NONE] = "none",
};

const char *rwd_fault_name(rwd_fault_kind kind) {
    assert(kind <= RWD_FAULT_NONE);
    return names[kind];
}

// ---- what is wanted

static bool read_number(const char **at, uint64_t *out) {
    char *end;
    if (**at < '0' || **at > '9') return false;
    *out = strtoull(*at, &end, 10);
    bool fits = *out < UINT64_MAX;
    *at = end;
    return fits;
}

static bool take_window(const char **at, rwd_faults *out) {
    if (!read_number(at, &out->price_from) || strncmp(*at, "..", 2) != 0) return false;
    *at += 2;
    return read_number(at, &out->price_until) && out->price_until >= out->price_from;
}

static bool take_one(const char **at, rwd_faults *out, rwd_error *err) {
    char word[32];
    size_t size = strcspn(*at, "=,");
    uint64_t number = 0;
    (void)snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1), *at);
    size_t kind = 0;
    while (kind < RWD_FAULT_COUNT && strcmp(names[kind], word) != 0) kind++;
    if (kind == RWD_FAULT_COUNT) {
        const char *nearest = rwd_nearest(word, names, RWD_FAULT_COUNT);
        return rwd_fail(err, RWD_E_USAGE, "--inject: there is no fault '%s'%s%s%s", word, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    *at += size;
    bool window = kind == RWD_FAULT_PRICE, ok = **at == '=';
    if (ok) ++*at;
    ok = ok && (window ? take_window(at, out) : read_number(at, &number));
    if (ok && (**at == ',' || **at == '\0') && number <= MILLION) return out->per_million[kind] = (uint32_t)number, true;
    return rwd_fail(err, RWD_E_USAGE, "--inject: %s takes %s, for example %s=%s", word, window ? "two ids" : "a number of records in a million", word, window ? "1000..2000" : "200");
}

bool rwd_faults_parse(const char *text, rwd_faults *out, rwd_error *err) {
    uint64_t sum = 0;
    *out = (rwd_faults){0};
    for (const char *at = text;; at++) {
        if (!take_one(&at, out, err)) return false;
        if (*at == '\0') break;
    }
    for (size_t i = 0; i < RWD_FAULT_COUNT; i++) sum += (uint64_t)out->per_million[i] * (i == RWD_FAULT_GAP ? RWD_FAULT_GAP_MAX / 2 : 1);
    return sum <= CHANCE_MAX || rwd_fail(err, RWD_E_USAGE, "--inject: more than half of the records would have a fault");
}

// ---- chance

static uint64_t draw(const rwd_faulty *f, uint64_t id, uint64_t below) { return (uint64_t)(((unsigned __int128)rwd_generate_bits(f->how.seed ^ SALT, id) * below) >> 64); }

static rwd_fault_kind fault_of(rwd_faulty *f, uint64_t id) {
    uint64_t drawn = draw(f, id, MILLION), upto = 0;
    if (id + 1 == f->records) return RWD_FAULT_NONE;
    if (id < f->gap_until) return RWD_FAULT_GAP;
    for (size_t kind = 0; kind < RWD_FAULT_PRICE; kind++) {
        upto += f->faults.per_million[kind];
        if (drawn >= upto) continue;
        if (kind == RWD_FAULT_GAP) f->gap_until = id + 2 + draw(f, ~id, RWD_FAULT_GAP_MAX - 2);
        return (rwd_fault_kind)kind;
    }
    return id >= f->faults.price_from && id < f->faults.price_until ? RWD_FAULT_PRICE : RWD_FAULT_NONE;
}

// ---- lists

static void put_offset(rwd_json_out *json, const char *name, int64_t offset) {
    rwd_json_key(json, name);
    if (offset >= 0) rwd_json_int(json, offset);
    else rwd_json_null(json);
}

// The true record, without its newline.
static rwd_slice truth_of(const rwd_faulty *f, uint64_t id, char out[RWD_GENERATE_BYTES_MAX]) { return rwd_slice_of((const uint8_t *)out, rwd_generate_record(&f->how, id, out) - 1); }

static void list(rwd_faulty *f, rwd_fault_kind kind, uint64_t id, int64_t offset, int64_t belongs) {
    char text[RWD_GENERATE_BYTES_MAX + 1];
    rwd_json_out json;
    if (!f->list) return;
    rwd_slice truth = truth_of(f, id, text);
    text[truth.size] = '\0';
    rwd_json_init(&json, f->list, false);
    rwd_json_object(&json);
    put_offset(&json, "offset", offset);
    rwd_json_put_string(&json, "fault", names[kind]);
    rwd_json_put_uint(&json, "id", id);
    put_offset(&json, "belongs", belongs);
    rwd_json_put_string(&json, "truth", kind == RWD_FAULT_DUPLICATED ? NULL : text);
    rwd_json_object_end(&json);
    rwd_buf_append_char(f->list, '\n');
}

static void amend(rwd_faulty *f, rwd_amend_kind kind, rwd_fault_kind why, uint64_t id, int64_t at) {
    char text[RWD_GENERATE_BYTES_MAX];
    rwd_amendment one = {.kind = kind, .at = at, .has_value = kind != RWD_AMEND_SKIP, .time_us = RWD_TIME_NONE};
    if (!f->amendments) return;
    if (one.has_value) rwd_buf_append_slice(&one.value, truth_of(f, id, text));
    rwd_buf_append_str(&one.reason, names[why]);
    rwd_amendment_write(&one, f->amendments);
    rwd_buf_deinit(&one.value);
    rwd_buf_deinit(&one.reason);
}

// ---- records

static void write_record(rwd_faulty *f, uint64_t id, rwd_fault_kind kind) {
    rwd_order order = rwd_generate_order(&f->how, id);
    if (kind == RWD_FAULT_MALFORMED) order.bad = (rwd_bad)draw(f, id ^ SALT, RWD_BAD_COUNT);
    if (kind == RWD_FAULT_PRICE) order.cents *= 10;
    rwd_buf_reserve(f->out, RWD_GENERATE_BYTES_MAX);
    f->out->size += rwd_generate_text(&f->how, &order, (char *)f->out->data + f->out->size);
    f->offset++;
}

static void put_off(queue *q, uint64_t id, uint64_t due, int64_t belongs) {
    assert(q->count < WAITING_MAX && "each waits for a fixed number of turns");
    q->items[(q->first + q->count++) % WAITING_MAX] = (waiting){id, due, belongs};
}

static void write_truth(rwd_faulty *f, uint64_t id) {
    if (!f->truth) return;
    rwd_buf_reserve(f->truth, RWD_GENERATE_BYTES_MAX);
    f->truth->size += rwd_generate_record(&f->how, id, (char *)f->truth->data + f->truth->size);
}

static void take_turn(rwd_faulty *f, uint64_t id) {
    rwd_fault_kind kind = fault_of(f, id);
    int64_t here = f->offset;
    write_truth(f, id);
    switch (kind) {
    case RWD_FAULT_LOST:
    case RWD_FAULT_GAP:
        list(f, kind, id, -1, here);
        amend(f, RWD_AMEND_INSERT, kind, id, here);
        return;
    case RWD_FAULT_LATE:
        put_off(&f->late, id, id + RWD_FAULT_LATE_BY, here);
        amend(f, RWD_AMEND_INSERT, kind, id, here);
        return;
    case RWD_FAULT_DUPLICATED: put_off(&f->again, id, id + RWD_FAULT_AGAIN_AFTER, -1); break;
    case RWD_FAULT_MALFORMED:
    case RWD_FAULT_PRICE:
        list(f, kind, id, here, here);
        amend(f, RWD_AMEND_REPLACE, kind, id, here);
        break;
    case RWD_FAULT_COUNT: break;
    }
    write_record(f, id, kind);
}

// Those that come again or late, once their turn is there; `all`: whatever is left.
static void take_waiting(rwd_faulty *f, queue *q, rwd_fault_kind kind, uint64_t id, bool all) {
    while (q->count > 0 && (all || q->items[q->first].due <= id)) {
        waiting one = q->items[q->first];
        q->first = (q->first + 1) % WAITING_MAX;
        q->count--;
        list(f, kind, one.id, f->offset, one.belongs);
        amend(f, RWD_AMEND_SKIP, kind, one.id, f->offset);
        write_record(f, one.id, RWD_FAULT_NONE);
    }
}

static void write_header(rwd_faulty *f, rwd_buf *out) {
    if (!out) return;
    rwd_buf_reserve(out, RWD_GENERATE_BYTES_MAX);
    out->size += rwd_generate_header(&f->how, (char *)out->data + out->size);
}

rwd_faulty *rwd_faulty_new(const rwd_generate *how, const rwd_faults *faults, uint64_t records) {
    assert(how->bad_per_million == 0);
    rwd_faulty *faulty = rwd_calloc(1, sizeof *faulty);
    faulty->how = *how;
    faulty->faults = *faults;
    faulty->records = records;
    return faulty;
}

void rwd_faulty_free(rwd_faulty *faulty) { free(faulty); }

bool rwd_faulty_step(rwd_faulty *f, rwd_buf *out_records, rwd_buf *out_list, rwd_buf *out_amendments, rwd_buf *out_truth) {
    f->out = out_records;
    f->list = out_list;
    f->amendments = out_amendments;
    f->truth = out_truth;
    if (f->next == 0) write_header(f, out_records), write_header(f, out_truth);
    if (f->next >= f->records) return false;
    uint64_t id = f->next++;
    take_turn(f, id);
    bool last = f->next == f->records;
    take_waiting(f, &f->again, RWD_FAULT_DUPLICATED, id, last);
    take_waiting(f, &f->late, RWD_FAULT_LATE, id, last);
    return true;
}
