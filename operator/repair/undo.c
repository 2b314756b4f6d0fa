// The stack of switches (undo.h).
#include "operator/repair/undo.h"

#include <stdlib.h>

#include "operator/repair/repair_plan.h"

typedef struct stack {
    rwd_undoable *items;  // lineage: the one that C named from then on
    size_t count;
} stack;

static bool puts_on_top(const char *kind) { return strcmp(kind, "genesis") == 0 || strcmp(kind, "repair") == 0 || strcmp(kind, "switch") == 0 || strcmp(kind, "logic") == 0; }

static void walk(const rwd_history *history, stack *s) {
    s->items = rwd_calloc(history->count + 1, sizeof(*s->items));
    for (size_t i = 0; i < history->count; i++) {
        const rwd_history_entry *e = &history->items[i];
        if (strcmp(e->kind, "undo") == 0 && s->count > 1) s->count--;
        if (!puts_on_top(e->kind)) continue;
        rwd_undoable *top = &s->items[s->count++];
        *top = (rwd_undoable){.lineage = e->lineage, .at_us = e->at_us, .next_offset = e->next_offset};
        if (rwd_repair_number(e->subject) != 0 && strcmp(e->kind, "repair") == 0) memcpy(top->id, e->subject, sizeof(top->id));
    }
}

static bool take_top(const stack *s, rwd_hash128 live, const char *data, rwd_undoable *out, rwd_error *err) {
    if (s->count < 2) {
        (void)rwd_fail(err, RWD_E_NOT_FOUND, "no repair was applied that is not undone");
        return rwd_error_next(err, "rewind repair list --data %s", data);
    }
    const rwd_undoable *top = &s->items[s->count - 1];
    if (!rwd_hash128_equal(top->lineage, live)) {
        (void)rwd_fail(err, RWD_E_CORRUPT, "history.log does not end with the lineage that is live");
        (void)rwd_error_at(err, "%s/history.log", data);
        return rwd_error_next(err, "start the operator once: it completes what a kill left; then try again");
    }
    *out = *top;
    out->lineage = top[-1].lineage;
    return true;
}

bool rwd_find_undoable(rwd_repo *repo, rwd_hash128 live, rwd_undoable *out, rwd_error *err) {
    rwd_history history;
    stack s = {0};
    if (!rwd_repo_history_read(repo, &history, err)) return false;
    walk(&history, &s);
    bool ok = take_top(&s, live, rwd_repo_path(repo), out, err);
    free(s.items);
    rwd_history_deinit(&history);
    return ok;
}
