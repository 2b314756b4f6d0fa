// See the header.
#include "tests/support/checkpoints_scripts.h"

#include <stdio.h>
#include <stdlib.h>

#include "checkpoints/checkpointer.h"
#include "tests/support/fake_participant.h"
#include "tests/unit/test.h"

static rwd_error err;

static char ids[5][RWD_CHECKPOINT_ID];  // of the checkpoints made before

// ---- the acts

static bool run_nothing(fixture *fx, rwd_error *e) {
    (void)fx;
    (void)e;
    return true;
}
static bool done_nothing(fixture *fx) {
    (void)fx;
    return true;
}

static bool run_publish(fixture *fx, rwd_error *e) { return fixture_checkpoint(fx, 50, NULL, e); }
// The same through the checkpoint thread.
static bool run_thread(fixture *fx, rwd_error *e) {
    fake_participant tables, others;
    rwd_participant *participants[] = {fake_participant_init(&tables, "tables"), fake_participant_init(&others, "others")};
    rwd_checkpointer *checkpointer = NULL;
    rwd_checkpoint_result result = {0};
    rwd_io *io = NULL;
    if (!rwd_io_clone(fx->io, &io, e) || !rwd_checkpointer_new(fx->repo, participants, 2, io, fx->clock, &checkpointer, e)) return false;
    rwd_facts facts = fixture_facts(fx, 50, "interval");
    rwd_checkpointer_begin(checkpointer, &facts);
    rwd_checkpointer_sweep(checkpointer, 1000);
    rwd_checkpointer_committed(checkpointer);
    rwd_checkpoint_outcome outcome = RWD_CHECKPOINT_RUNNING;
    while (outcome == RWD_CHECKPOINT_RUNNING) {
        rwd_checkpointer_wait(checkpointer, 1000000000);
        outcome = rwd_checkpointer_poll(checkpointer, &result);
    }
    rwd_checkpointer_free(checkpointer);
    fake_participant_deinit(&tables);
    fake_participant_deinit(&others);
    if (outcome != RWD_CHECKPOINT_DONE) *e = result.error;
    return outcome == RWD_CHECKPOINT_DONE;
}

static bool run_genesis(fixture *fx, rwd_error *e) { return fixture_checkpoint(fx, 0, NULL, e); }

static bool has_checkpoint_at(fixture *fx, int64_t x, rwd_checkpoint_state except) {
    rwd_checkpoint_list list;
    bool found = false;
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) found |= list.items[i].facts.next_offset == x && list.items[i].state != except;
    rwd_checkpoint_list_deinit(&list);
    return found;
}
static bool done_publish(fixture *fx) { return has_checkpoint_at(fx, 50, RWD_CHECKPOINT_BAD); }
static bool done_genesis(fixture *fx) { return has_checkpoint_at(fx, 0, RWD_CHECKPOINT_BAD) && !rwd_repo_is_new(fx->repo); }

static bool run_mark(fixture *fx, rwd_error *e) { return rwd_repo_mark_genesis_committed(fx->repo, e); }
static bool done_mark(fixture *fx) { return rwd_repo_genesis_committed(fx->repo); }

static bool run_tag(fixture *fx, rwd_error *e) { return rwd_repo_tag(fx->repo, ids[2], "kept-one", e); }
static bool done_tag(fixture *fx) {
    rwd_checkpoint c;
    if (!rwd_repo_find(fx->repo, "kept-one", &c, &err)) return false;
    rwd_checkpoint_deinit(&c);
    return true;
}

static bool run_prune(fixture *fx, rwd_error *e) {
    rwd_prune_plan plan;
    if (!rwd_repo_prune(fx->repo, &fx->lineage, 40, &(rwd_keep){.last = 2}, true, &plan, e)) return false;
    unsigned removed = 0;  // one that cannot be read is left to those who judge it, and no error
    for (size_t i = 0; i < plan.count; i++) removed += plan.items[i].removed;
    rwd_prune_plan_deinit(&plan);
    return removed == 2;
}
static bool done_prune(fixture *fx) { return !has_checkpoint_at(fx, 10, RWD_CHECKPOINT_PRUNED) && !has_checkpoint_at(fx, 20, RWD_CHECKPOINT_PRUNED); }

static bool run_forget(fixture *fx, rwd_error *e) {
    uint64_t freed = 0;
    return rwd_repo_forget(fx->repo, &fx->lineage, 40, ids[2], true, &freed, e);
}
static bool done_forget(fixture *fx) { return !has_checkpoint_at(fx, 20, RWD_CHECKPOINT_PRUNED); }

static bool run_copy(fixture *fx, rwd_error *e) {
    char id[RWD_CHECKPOINT_ID];
    return rwd_repo_copy_independent(fx->repo, fx->io, ids[4], NULL, id, e);
}
static bool done_copy(fixture *fx) {
    rwd_checkpoint_list list;
    bool found = false;
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    for (size_t i = 0; i < list.count; i++) found |= list.items[i].independent;
    rwd_checkpoint_list_deinit(&list);
    return found;
}

// A shadow's checkpoint: another repository in a folder beside, made by a tier that works.
static bool adopt(fixture *fx, const char *beside, rwd_error *e) {
    char folder[RWD_PATH_MAX], id[RWD_CHECKPOINT_ID];
    fixture shadow = *fx;
    rwd_checkpoint built;
    (void)snprintf(shadow.data, sizeof(shadow.data), "%s/%s", fx->root, beside);
    shadow.io = NULL;
    shadow.last[0] = '\0';
    fixture_must(rwd_io_pread_new(&shadow.io, &err), &err);
    fixture_must(fixture_open(&shadow, &err), &err);
    fixture_must(fixture_checkpoint(&shadow, 45, NULL, &err), &err);
    fixture_must(rwd_repo_find(shadow.repo, "latest", &built, &err), &err);
    fixture_must(rwd_repo_checkpoint_path(shadow.repo, built.id, folder, &err), &err);
    rwd_facts facts = fixture_facts(fx, 45, "repair");
    bool ok = rwd_repo_adopt(fx->repo, fx->io, folder, &built, &facts, NULL, id, e);
    rwd_checkpoint_deinit(&built);
    fixture_close(&shadow);
    rwd_io_free(shadow.io);
    return ok;
}
static bool run_adopt(fixture *fx, rwd_error *e) { return adopt(fx, "shadow", e); }
static bool done_adopt(fixture *fx) { return has_checkpoint_at(fx, 45, RWD_CHECKPOINT_BAD); }

static bool run_pin(fixture *fx, rwd_error *e) { return rwd_repo_pin(fx->repo, ids[2], INT64_MAX, e); }
static bool done_pin(fixture *fx) {
    rwd_checkpoint c;
    fixture_must(rwd_repo_find(fx->repo, ids[2], &c, &err), &err);
    bool pinned = c.pinned && c.pinned_until_us == INT64_MAX;
    rwd_checkpoint_deinit(&c);
    return pinned;
}

static bool run_append(fixture *fx, rwd_error *e) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)"first"};
    if (!rwd_repo_history_append(fx->repo, &entry, e)) return false;
    entry.subject = (char *)(uintptr_t)"second";
    return rwd_repo_history_append(fx->repo, &entry, e);
}
static bool done_append(fixture *fx) {
    rwd_history history;
    fixture_must(rwd_repo_history_read(fx->repo, &history, &err), &err);
    size_t n = history.count;
    bool both = n >= 2 && strcmp(history.items[n - 2].subject, "first") == 0 && strcmp(history.items[n - 1].subject, "second") == 0;
    rwd_history_deinit(&history);
    return both;
}

// An error on the way is met by a second try, as a caller would: the log must be right, whatever the first try left.
static bool run_append_again(fixture *fx, rwd_error *e) {
    rwd_history_entry entry = {.kind = (char *)(uintptr_t)"restore", .subject = (char *)(uintptr_t)"first"};
    if (!rwd_repo_history_append(fx->repo, &entry, e) && !rwd_repo_history_append(fx->repo, &entry, e)) return false;
    entry.subject = (char *)(uintptr_t)"second";
    return rwd_repo_history_append(fx->repo, &entry, e) || rwd_repo_history_append(fx->repo, &entry, e);
}

static bool run_quarantine(fixture *fx, rwd_error *e) { return rwd_repo_quarantine(fx->repo, ids[4], "for the test", e); }
static bool done_quarantine(fixture *fx) { return !has_checkpoint_at(fx, 40, RWD_CHECKPOINT_BAD); }

static bool run_lineage(fixture *fx, rwd_error *e) { return rwd_repo_save_lineage(fx->repo, &fx->lineage, rwd_slice_str("job: orders\n"), e); }
static bool done_lineage(fixture *fx) {
    rwd_lineage back;
    rwd_buf text = {0};
    bool ok = rwd_repo_load_lineage(fx->repo, rwd_lineage_id(&fx->lineage), &back, &text, &err);
    if (!ok) assert_int_equal(err.code, RWD_E_NOT_FOUND);
    if (ok) assert_string_equal(rwd_buf_cstr(&text), "job: orders\n");
    if (ok) rwd_lineage_deinit(&back);
    rwd_buf_deinit(&text);
    return ok;
}

const script scripts[] = {
    {"open", false, true, run_nothing, done_nothing},
    {"first open", true, true, run_nothing, done_nothing},
    {"publish", false, false, run_publish, done_publish},
    {"checkpoint thread", false, false, run_thread, done_publish},
    {"genesis", true, false, run_genesis, done_genesis},
    {"genesis mark", false, false, run_mark, done_mark},
    {"tag", false, false, run_tag, done_tag},
    {"prune", false, false, run_prune, done_prune},
    {"forget", false, false, run_forget, done_forget},
    {"copy", false, false, run_copy, done_copy},
    {"adopt", false, false, run_adopt, done_adopt},
    {"pin", false, false, run_pin, done_pin},
    {"history", false, false, run_append, done_append},
    {"history, tried again", false, false, run_append_again, done_append},
    {"quarantine", false, false, run_quarantine, done_quarantine},
    {"lineage", false, false, run_lineage, done_lineage},
};
const size_t script_count = sizeof(scripts) / sizeof(scripts[0]);

// ---- before and after

void script_begin(fixture *fx, const script *s) {
    fixture_init_in_memory(fx);
    if (s->begins_empty) return;
    fixture_must(fixture_open(fx, &err), &err);
    for (int i = 0; i < 5; i++) fixture_must(fixture_checkpoint(fx, i * 10, ids[i], &err), &err);
    fixture_close(fx);
}

void script_expect_whole(fixture *fx, const script *s, bool reported_done, const char *how) {
    rwd_checkpoint_list list;
    rwd_history history;
    if (!fixture_open(fx, &err)) {
        char text[2048];
        rwd_error_format(&err, text, sizeof(text));
        fail_msg("%s, %s: cannot open: %s", s->name, how, text);
    }
    bool done = s->done(fx);
    if (reported_done && !done) fail_msg("%s, %s: it was reported done, and is not", s->name, how);
    fixture_must(rwd_repo_list(fx->repo, &list, &err), &err);
    size_t good = 0;
    for (size_t i = 0; i < list.count; i++) {
        const rwd_checkpoint *c = &list.items[i];
        if (c->state == RWD_CHECKPOINT_PRUNED) continue;
        if (c->state == RWD_CHECKPOINT_BAD && s->run == run_quarantine && c->facts.next_offset == 40) continue;
        if (c->state == RWD_CHECKPOINT_BAD) fail_msg("%s, %s: %s is bad: %s", s->name, how, c->id, c->why_bad);
        if (!rwd_repo_verify(fx->repo, fx->io, c->id, RWD_VERIFY_ALL, NULL, &err)) fail_msg("%s, %s: %s: %s", s->name, how, err.place, err.cause);
        good++;
    }
    rwd_checkpoint_list_deinit(&list);
    assert_true(s->begins_empty || good >= 3);
    if (!rwd_repo_history_read(fx->repo, &history, &err)) fail_msg("%s, %s: history: %s", s->name, how, err.cause);
    rwd_history_deinit(&history);
    // And it goes on.
    fx->last[0] = '\0';
    fixture_must(fixture_checkpoint(fx, 60, NULL, &err), &err);
}
