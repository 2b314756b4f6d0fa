// The shares of the one byte budget.
//
// What must stay true: the percentages of RWD_BUDGET_TABLE add up to 100, so the limits never exceed the total.
#include "state/budget.h"

#include <assert.h>

#include "operator/base/time.h"

typedef struct share_row {
    const char *name, *doc;
    unsigned percent;
} share_row;

static const share_row shares[] = {
#define RWD_BUDGET_ROW(id, name, doc, percent) {name, doc, percent},
    RWD_BUDGET_TABLE(RWD_BUDGET_ROW)
#undef RWD_BUDGET_ROW
};

#define RWD_BUDGET_PERCENT(id, name, doc, percent) +percent
_Static_assert(0 RWD_BUDGET_TABLE(RWD_BUDGET_PERCENT) == 100, "the shares make up the whole budget");
#undef RWD_BUDGET_PERCENT

bool rwd_budget_init(rwd_budget *budget, uint64_t total, rwd_error *err) {
    if (total < RWD_BUDGET_MIN) {
        char have[RWD_TIME_TEXT_MAX], least[RWD_TIME_TEXT_MAX];
        rwd_size_text(total, have);
        rwd_size_text(RWD_BUDGET_MIN, least);
        return rwd_fail(err, RWD_E_CONFIG, "state.memory is %s; the least is %s", have, least);
    }
    budget->total = total;
    for (size_t i = 0; i < RWD_SHARE_COUNT; i++) atomic_init(&budget->used[i], 0);
    rwd_budget_set_aside(budget, 0);
    return true;
}

void rwd_budget_set_aside(rwd_budget *budget, uint64_t bytes) {
    assert(bytes <= budget->total / 2);
    budget->aside = bytes;
    for (size_t i = 0; i < RWD_SHARE_COUNT; i++) budget->limit[i] = (budget->total - bytes) / 100 * shares[i].percent;
}

const char *rwd_share_name(rwd_share share) {
    assert(share < RWD_SHARE_COUNT);
    return shares[share].name;
}

const char *rwd_share_doc(rwd_share share) {
    assert(share < RWD_SHARE_COUNT);
    return shares[share].doc;
}

void rwd_budget_take(rwd_budget *budget, rwd_share share, uint64_t bytes) {
    atomic_fetch_add_explicit(&budget->used[share], bytes, memory_order_relaxed);
}

void rwd_budget_give(rwd_budget *budget, rwd_share share, uint64_t bytes) {
    uint64_t before = atomic_fetch_sub_explicit(&budget->used[share], bytes, memory_order_relaxed);
    assert(before >= bytes);
    (void)before;
}

static bool fits(uint64_t limit, uint64_t used, uint64_t bytes) { return used <= limit && bytes <= limit - used; }

bool rwd_budget_try(rwd_budget *budget, rwd_share share, uint64_t bytes, uint64_t kept) {
    uint64_t used = atomic_load_explicit(&budget->used[share], memory_order_relaxed);
    do {
        if (!fits(budget->limit[share], used, bytes + kept)) return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used[share], &used, used + bytes, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool rwd_budget_fits(const rwd_budget *budget, rwd_share share, uint64_t bytes) {
    return fits(budget->limit[share], atomic_load_explicit(&budget->used[share], memory_order_relaxed), bytes);
}
